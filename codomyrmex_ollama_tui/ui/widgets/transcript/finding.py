"""The part of the transcript that finds words: counted in slices of time, marked where they stand, gone to by key."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import NamedTuple

from rich.style import Style
from textual.message import Message

from codomyrmex_ollama_tui.domain.text import clean
from codomyrmex_ollama_tui.ui.widgets.transcript.items import TURN_BITS, Item, Turn
from codomyrmex_ollama_tui.ui.widgets.transcript.painting import Mark
from codomyrmex_ollama_tui.ui.widgets.transcript.selection import SelectingView
from codomyrmex_ollama_tui.ui.widgets.transcript.view import Place

SLICE = 0.008
"""Seconds of searching between two looks at the keyboard."""
MOST_HITS = 10_000
"""Hits after which no further turns are searched."""
_ORNAMENT = re.compile(r"[*_~`\\]")
_ENTITY = re.compile(r"&#?\w+;")
_WORDS = re.compile(r"[^\W_]+")


class Hit(NamedTuple):
    """A place where the words stand: the key of an item, start and end in its plain text."""

    key: int
    start: int
    end: int


class FindingView(SelectingView):
    """A transcript in which words are found, in what is folded too."""

    class Found(Message, namespace="transcript"):
        """How far a search is.

        Attributes:
            count: hits so far.
            at: which of them is gone to, from 1; 0 for none.
            done: the whole conversation has been searched.
        """

        def __init__(self, count: int, at: int, done: bool) -> None:
            super().__init__()
            self.count = count
            self.at = at
            self.done = done

    def __init__(self, *, max_width: int = 100, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(max_width=max_width, id=id, classes=classes)
        self._turns: list[Turn] = []
        self._wanted = ""
        self._pattern: re.Pattern[str] | None = None
        self._hits: list[Hit] = []
        self._hit: Hit | None = None
        self._unsearched: list[Turn] = []
        self._origin: Place | None = None
        self._origin_followed = False
        self._jumps = False  # to the first hit that is found
        self._opened: list[tuple[Turn, bool]] = []  # unfolded for a hit; True: what it thought

    # ------------------------------------------------------------------ asking

    @property
    def finding(self) -> bool:
        """Whether words are looked for; their hits are marked."""
        return self._pattern is not None

    def begin_find(self) -> None:
        """The reader is about to type: this is the place to come back to."""
        self._origin, self._origin_followed = self._place(), self._follow
        self._opened = []

    def find(self, text: str) -> None:
        """Look for words, from where the reader was when the search began; "" for none. The first hit is gone to.

        Capital letters count only if there are some in `text`; any run of blanks stands for any other.
        """
        if self._origin is None:
            self.begin_find()
        self._fold_again()
        words = clean(text).split()
        self._wanted = text
        flags = re.IGNORECASE if text == text.lower() else re.NOFLAG
        self._pattern = re.compile(r"\s+".join(map(re.escape, words)), flags) if words else None
        self._jumps = bool(words)
        self._search_all()

    def leave_find(self, *, back: bool = False) -> None:
        """Nothing is looked for any more; `back`: to where the reader was when the search began."""
        self._pattern, self._wanted = None, ""
        self._search_all()
        if back:
            self._go_back()
        elif self.scroll_offset.y >= self.max_scroll_y:
            self._follow = True
        self._origin = None

    def _fold_again(self) -> None:
        opened, self._opened = self._opened, []
        for turn, thinking in opened:
            self.show_folded(turn, thinking=thinking)

    def _go_back(self) -> None:
        if self._origin is not None and self._column.items:
            self._fold_again()
            self._follow = self._origin_followed
            self._settle(None if self._follow else self._origin)

    def go_to_hit(self, step: int) -> None:
        """Go to the next (1) or previous (−1) hit; after the last one comes the first."""
        if not self._hits:
            return
        if self._hit is None:
            beginning = Hit(self._top_key(), 0, 0)
            at = bisect_left(self._hits, beginning) - (step < 0)
        else:
            at = bisect_left(self._hits, self._hit) + step if step < 0 else bisect_right(self._hits, self._hit)
        self._go(self._hits[at % len(self._hits)])
        self._report()

    # ------------------------------------------------------------------ searching

    def _search_all(self) -> None:
        """Search anew, beginning with the turn at the top of the view."""
        self._hits, self._hit = [], None
        first = min(self._begins_at() >> TURN_BITS, max(0, len(self._turns) - 1))
        self._unsearched = [*self._turns[first:], *self._turns[:first]] if self._pattern else []
        self._search_on()
        self._repaint()

    def _search_again(self, turn: Turn) -> None:
        """A turn is new, or has grown."""
        if self._pattern is None:
            return
        if turn not in self._unsearched:
            self._unsearched.append(turn)
        self._search_on()

    def _search_on(self) -> None:
        if self._unsearched and self.is_attached:
            self.run_worker(self._search(), group="find", exclusive=True)
        else:
            self._report()

    async def _search(self) -> None:
        begun = perf_counter()
        while self._unsearched:
            turn, pattern = self._unsearched[0], self._pattern
            low, high = Hit(turn.key, 0, 0), Hit(turn.key + (1 << TURN_BITS), 0, 0)
            del self._hits[bisect_left(self._hits, low) : bisect_left(self._hits, high)]
            for hits in self._hits_of(turn):
                for hit in hits:
                    insort(self._hits, hit)
                if hits and self._jumps:
                    self._jumps = False
                    self._go(self._hits[bisect_left(self._hits, Hit(self._begins_at(), 0, 0)) % len(self._hits)])
                if perf_counter() - begun > SLICE:
                    self._report()
                    await asyncio.sleep(0.001)
                    begun = perf_counter()
                    if self._pattern is not pattern or turn not in self._unsearched:
                        return  # another search, or another conversation
            self._unsearched.remove(turn)
            if len(self._hits) >= MOST_HITS:
                break  # nobody walks through so many
        if self._jumps and self._pattern is not None:
            self._jumps = False
            self._go_back()
        self._report()

    def _hits_of(self, turn: Turn) -> Iterator[list[Hit]]:
        """The hits of each block of a turn, one block after the other; blocks are drawn for that and forgotten."""
        pattern, artist = self._pattern, self._artist
        if pattern is None or artist is None:
            return
        if not _may_hold(turn, self._wanted):
            yield []
            return
        turn.read(artist.width, whole=True)
        for section in (turn.thoughts, turn.answer):
            for item in [*section.final, *section.live] if section else []:
                if item.block is None or item.hidden:
                    continue
                art = item.art or artist.draw(item.block, section.splitter.definitions if section else {})
                plain = "".join(art.plain)
                yield [Hit(item.key, *match.span()) for match in pattern.finditer(plain)]

    def _report(self) -> None:
        at = bisect_left(self._hits, self._hit) + 1 if self._hit is not None else 0
        self.post_message(self.Found(len(self._hits), at, not self._unsearched))

    def _begins_at(self) -> int:
        return self._origin.key if self._origin is not None else self._top_key()

    def _top_key(self) -> int:
        place = self._place()
        return place.key if place is not None else 0

    # ------------------------------------------------------------------ showing

    def show_whole(self, turn: Turn, *, thinking: bool = False) -> None:
        """Hook: unfold a turn, or what it thought."""

    def show_folded(self, turn: Turn, *, thinking: bool = False) -> None:
        """Hook: fold a turn, or what it thought, again."""

    def _go(self, hit: Hit) -> None:
        """Show a hit; the view moves only if it is not in it."""
        artist, column = self._artist, self._column
        turn = self._turns[hit.key >> TURN_BITS]
        if artist is None:
            return
        first, _ = column.span_of(turn)
        if column.items[first].kind == "turn":
            self._reveal(first, artist)
        index = column.index_of(hit.key)
        if index >= len(column.items) or column.items[index].key != hit.key or turn.folded:
            thinking = turn.thoughts is not None and any(item.key == hit.key for item in turn.thoughts.final)
            self._opened.append((turn, thinking))
            self.show_whole(turn, thinking=thinking)
            index = column.index_of(hit.key)
        if index >= len(column.items) or column.items[index].key != hit.key:
            return
        item = column.items[index]
        if item.art is None:
            self._reveal(index, artist)
        self._hit = hit
        row, top, rows = item.gap + _row_of(item, hit.start), self.scroll_offset.y, self.size.height
        if top <= column.tops[index] + row < top + rows:
            self._follow = False
            self._settle(self._place())
        else:
            self._follow = False
            self._settle(Place(hit.key, row, -1), -(rows // 3))

    def _marks(self, item: Item, selected: tuple[int, int] | None) -> list[Mark]:
        marks = super()._marks(item, selected)
        if self._pattern is None or item.block is None or item.art is None:
            return marks
        return [*marks, *self._found_in(item, "".join(item.art.plain))]

    def _found_in(self, item: Item, plain: str) -> Iterable[Mark]:
        style, now = self._styles.get("hit", Style()), self._styles.get("hit-now", Style())
        for match in self._pattern.finditer(plain) if self._pattern else ():
            hit = Hit(item.key, *match.span())
            yield (*match.span(), now if hit == self._hit else style)


def _row_of(item: Item, start: int) -> int:
    """The row of a drawn item in which a place of its plain text stands."""
    for number, row in enumerate(item.art.rows if item.art else ()):
        for segment, mark in zip(row.segments, row.marks, strict=True):
            if mark >= 0 and mark <= start < mark + len(segment.text):
                return number
    return 0


def _may_hold(turn: Turn, wanted: str) -> bool:
    """False only if the words are nowhere in what a turn shows: its source need not be split and drawn then."""
    for text in (turn.source, clean("".join(turn.pondered))):
        bare = _ORNAMENT.sub("", text).lower()
        if all(word in bare for word in _WORDS.findall(wanted.lower())) or _ENTITY.search(text):
            return True
    return False
