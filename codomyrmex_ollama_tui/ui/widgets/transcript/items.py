"""What a transcript is made of: turns, their items, and the column that the items form."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from codomyrmex_ollama_tui.domain.text import clean

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.ui.widgets.transcript.blocks import Block
    from codomyrmex_ollama_tui.ui.widgets.transcript.drawing import Art
    from codomyrmex_ollama_tui.ui.widgets.transcript.splitter import Splitter

Status = Literal["complete", "stopped", "failed", "unfinished", "streaming"]
ItemKind = Literal["turn", "label", "fold", "block", "more", "waiting", "note"]

TURN_BITS = 24
"""Of an item's key; those above them are the number of its turn."""
_FOLD, _THOUGHTS, _ANSWER, _NOTE = 1, 2, 1 << 22, (1 << TURN_BITS) - 1
LONG_LINES = 40
"""Lines from which on a turn can be folded."""
LONG_TEXT = 5000
"""Characters from which on a turn can be folded."""
_SEEN_LINES, _SEEN_TEXT = 6, 600


@dataclass(slots=True)
class TurnView:
    """One message of a conversation, as a transcript shows it.

    Attributes:
        id: names the turn to the transcript; unique in it.
        speaker: for people: "you · 10:42", or a model's name.
        text, thinking: Markdown from outside, raw.
        colour: index of the model's colour, 0–5; None for a person.
        thought_for: seconds that it thought, if known.
        note: a muted line under the text.
        suffix: after the speaker, e.g. "‹ 2 of 3 ›".
    """

    id: str
    speaker: str
    text: str = ""
    thinking: str = ""
    kind: Literal["user", "assistant"] = "assistant"
    colour: int | None = None
    note: str = ""
    status: Status = "complete"
    suffix: str = ""
    thought_for: float | None = None


class Item:
    """Rows of the column: a turn not yet read, its label, a block, and so on. Without `art` its height is a guess.

    `key` orders the items and stays with what they show, whatever happens above them.
    """

    __slots__ = ("art", "block", "gap", "height", "key", "kind", "leads", "pointed", "thought", "turn", "version")

    def __init__(self, kind: ItemKind, key: int, turn: Turn, gap: int, height: int = 1) -> None:
        self.kind = kind
        self.key = key
        self.turn = turn
        self.gap = gap
        self.height = gap + height
        self.block: Block | None = None
        self.thought = False
        self.art: Art | None = None
        self.version = 0
        self.leads = False
        """The first block of its section: the gap above it does not come from the text."""
        self.pointed = False
        """The cursor of a growing answer stands at its end."""

    @property
    def hidden(self) -> bool:
        """A link's definition: what uses it shows it."""
        return self.block is not None and self.block.kind == "definition"


class Section:
    """A text of a turn (its thinking, or what it says) as blocks and their items."""

    def __init__(self, turn: Turn, thought: bool) -> None:
        # the parser behind it is imported when the first turn is read: it must not delay the first frame
        from codomyrmex_ollama_tui.ui.widgets.transcript.splitter import Splitter

        self.turn = turn
        self.thought = thought
        self.splitter: Splitter = Splitter()
        self.final: list[Item] = []
        self.live: list[Item] = []
        self.stable = 0
        """How many of `final` the last feeding left as they were."""
        self._redrawn = 0

    def feed(self, text: str, width: int, closing: bool = False) -> None:
        """Take more text, already cleaned.

        Args:
            width: cells of a row, for guessing heights.
        """
        self.splitter.feed(text)
        if closing:
            self.splitter.close()
        self.stable = len(self.final)
        if self.splitter.redrawn != self._redrawn:
            self._redrawn, self.stable = self.splitter.redrawn, 0
            for item in self.final:
                if item.block and item.version != item.block.version:
                    item.version, item.art = item.block.version, None
        for block in self.splitter.blocks[len(self.final) :]:
            self.final.append(self._item(len(self.final), block, width))
        before, self.live = self.live, []
        for n, block in enumerate(self.splitter.live()):
            old = before[n] if n < len(before) else None
            if old and old.block and old.key == self._key(len(self.final) + n) and old.block.same_picture(block):
                old.block = block
                self.live.append(old)
            else:
                self.live.append(self._item(len(self.final) + n, block, width))

    def _key(self, number: int) -> int:
        return self.turn.key + (_THOUGHTS if self.thought else _ANSWER) + number

    def _item(self, number: int, block: Block, width: int) -> Item:
        gap = block.gap if number else 0
        item = Item("block", self._key(number), self.turn, gap, guess_height(block.text or block.source, width))
        if block.kind == "definition":
            item.gap = item.height = 0
        item.block, item.thought, item.version, item.leads = block, self.thought, block.version, number == 0
        return item


class Turn:
    """One message, and its items once it has been looked at."""

    def __init__(self, number: int, view: TurnView) -> None:
        self.number = number
        self.key = number << TURN_BITS
        self.view = view
        self.unfolded = False
        """Its thinking is shown."""
        self.folded = view.kind == "user" and view.status != "streaming" and _is_long(view.text)
        """Only the beginning of its text is shown."""
        self.preview: Section | None = None
        self._seen = 0  # characters of the cleaned text that `preview` shows
        self.answer: Section | None = None
        self.thoughts: Section | None = None
        self.spoken = [view.text]
        """The text that `answer` has taken, or will when the turn is read."""
        self.pondered = [view.thinking]
        self.said: list[str] = []
        """Text that waits to be taken."""
        self.thought: list[str] = []
        self.thinks = bool(view.thinking)
        self.thought_words = 0
        self._word_open = bool(view.thinking) and not view.thinking[-1].isspace()
        self.label = Item("label", self.key, self, 1 if number else 0)
        self._fold = Item("fold", self.key + _FOLD, self, 0)
        self._more = Item("more", self.key + _NOTE - 2, self, 0)
        self._waiting = Item("waiting", self.key + _NOTE - 1, self, 0)
        self._note = Item("note", self.key + _NOTE, self, 1)

    @property
    def streaming(self) -> bool:
        """True while it is being fed."""
        return self.view.status == "streaming"

    @property
    def source(self) -> str:
        """The Markdown of what it says, safe to copy."""
        return clean("".join((*self.spoken, *self.said)))

    @property
    def foldable(self) -> bool:
        """Whether it is long enough to be worth folding, and will not grow any more."""
        return not self.streaming and _is_long("".join(self.spoken))

    @property
    def rest(self) -> str:
        """What a folded turn does not show; safe to copy."""
        return self.source[self._seen :]

    @property
    def shown(self) -> Section | None:
        """What is shown of its text; None until it has been read."""
        return self.preview if self.folded else self.answer

    def unread(self, width: int) -> Item:
        """One item for the whole turn, its height guessed."""
        text = self.view.text[:_SEEN_TEXT] if self.folded else self.view.text
        height = guess_height(text, width) + 1 + 2 * bool(self.view.note) + 2 * bool(self.view.thinking)
        return Item("turn", self.key, self, self.label.gap, height)

    def read(self, width: int, *, whole: bool = False) -> None:
        """Split what is shown of the text into blocks; `whole`: all of it, folded or not."""
        if self.preview is None and self.answer is None:
            self.thought_words = len(self.view.thinking.split())
        if self.folded and self.preview is None:
            text = self.source
            self._seen = _beginning(text)
            self.preview = Section(self, False)
            self.preview.feed(text[: self._seen], width, True)
        if self.answer is None and (whole or not self.folded):
            self.answer = Section(self, False)
            self.answer.feed(clean("".join(self.spoken)), width, not self.streaming)
        if self.thoughts is None and self.thinks and (whole or self.unfolded):
            self.thoughts = Section(self, True)
            self.thoughts.feed(clean("".join(self.pondered)), width, not self.streaming)

    def items(self) -> list[Item]:
        """The items of a turn that has been read, in order."""
        shown = self.shown
        if shown is None:
            return []
        out = [self.label]
        if self.thinks:
            out.append(self._fold)
            if self.unfolded and self.thoughts is not None:
                out += self.thoughts.final
                out += self.thoughts.live
        begins = len(out)
        out += shown.final
        out += shown.live
        if self.folded:
            out.append(self._more)
        if self.streaming and len(out) == begins:
            out.append(self._waiting)
        if len(out) > begins:
            _set_gap(out[begins], 1 if begins > 1 else 0)
        if self.view.note or self.view.status in ("stopped", "failed", "unfinished"):
            out.append(self._note)
        return out

    def stable(self) -> int:
        """How many of the first `items` the last feeding left as they were, but for those it has told to redraw."""
        if self.answer is None or self.thinks:
            return 0
        return 1 + self.answer.stable

    def take(self, most: int, last: bool, width: int) -> bool:
        """Take what waits into the blocks; True if the thinking has grown.

        Args:
            most: characters of either text.
            last: nothing more will come.
            width: cells of a row.
        """
        said, thought = _portion(self.said, most, last), _portion(self.thought, most, last)
        self.spoken.append(said)
        self.pondered.append(thought)
        if self.thoughts is not None:
            self.thoughts.feed(clean(thought), width, last)
        if thought:
            self.thinks = True
            joined = bool(self._word_open and not thought[0].isspace())
            self.thought_words += len(thought.split()) - joined
            self._word_open = not thought[-1].isspace()
        if self.answer is not None:
            self.answer.feed(clean(said), width, last)
        return bool(thought)

    def redraw_ends(self) -> None:
        """What the fold, the note or the label says has changed."""
        for item in (self.label, self._fold, self._more, self._note):
            item.art = None


def _is_long(text: str) -> bool:
    return len(text) > LONG_TEXT or text.count("\n") > LONG_LINES


def _beginning(text: str) -> int:
    """Where the first lines of a text end."""
    end = 0
    for _ in range(_SEEN_LINES):
        after = text.find("\n", end) + 1
        if not 0 < after <= _SEEN_TEXT:
            return end or min(_SEEN_TEXT, len(text))
        end = after
    return end


def _portion(pieces: list[str], most: int, last: bool) -> str:
    """Take at most so many characters of what waits; a carriage return at the end may be half of a line end."""
    text = "".join(pieces)
    taken, rest = text[:most], text[most:]
    if taken.endswith("\r") and not last:
        taken, rest = taken[:-1], "\r" + rest
    pieces[:] = [rest] if rest else []
    return taken


def _set_gap(item: Item, gap: int) -> None:
    item.height += gap - item.gap
    item.gap = gap


class Column:
    """Items one under the other, with the row where each begins."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.tops = [0]
        """Where each item begins; the last is the height of all."""

    @property
    def height(self) -> int:
        """Rows."""
        return self.tops[-1]

    def measure(self, first: int = 0) -> None:
        """Heights have changed from this item on."""
        first = max(0, min(first, len(self.tops) - 1))
        del self.tops[first + 1 :]
        self.tops.extend(accumulate((item.height for item in self.items[first:]), initial=self.tops.pop()))

    def replace(self, first: int, last: int, items: Sequence[Item]) -> None:
        """Put other items in the place of items[first:last]."""
        self.items[first:last] = items
        self.measure(first)

    def at_row(self, row: int) -> int:
        """Index of the item that shows a row; the number of items below the last one."""
        return bisect_right(self.tops, row) - 1

    def index_of(self, key: int) -> int:
        """Index of the first item whose key is at least this one."""
        return bisect_left(self.items, key, key=lambda item: item.key)

    def span_of(self, turn: Turn) -> tuple[int, int]:
        """(first, last + 1) index of a turn's items."""
        first = self.index_of(turn.key)
        return first, bisect_left(self.items, turn.key + (1 << TURN_BITS), lo=first, key=lambda item: item.key)


def guess_height(text: str, width: int) -> int:
    """Rows that a text will take, without reading it closely."""
    return text.count("\n") + len(text) // max(1, width) + (not text.endswith("\n"))
