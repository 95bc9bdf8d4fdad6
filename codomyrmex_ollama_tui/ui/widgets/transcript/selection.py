"""The part of the transcript that selects, copies and chooses links."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Offset
from textual.message import Message
from textual.selection import Selection

from codomyrmex_ollama_tui.domain.text import clean
from codomyrmex_ollama_tui.ui.commands import Command, Roster
from codomyrmex_ollama_tui.ui.widgets.transcript.drawing import COPY_META
from codomyrmex_ollama_tui.ui.widgets.transcript.items import Item, Turn
from codomyrmex_ollama_tui.ui.widgets.transcript.view import TranscriptView

FAR = 1 << 40
"""An offset behind the end of any text."""

COMMANDS: Roster = (
    Command("transcript.next", "j", "block(1)", "Next block", "Select the block below."),
    Command("transcript.previous", "k", "block(-1)", "Previous block", "Select the block above."),
    Command("transcript.extend", "J", "block(1, True)", "Extend down", "Select the block below as well."),
    Command("transcript.extend_up", "K", "block(-1, True)", "Extend up", "Select the block above as well."),
    Command("transcript.next_turn", "right_square_bracket,ctrl+down", "turn(1)", "Next turn", "Go to the next turn."),
    Command("transcript.previous_turn", "left_square_bracket,ctrl+up", "turn(-1)", "Turn before",
            "Go to the beginning of this turn, then to the one before."),
    Command("transcript.top", "g,ctrl+home", "scroll_home", "Beginning", "Go to the beginning of the conversation."),
    Command("transcript.end", "G,ctrl+end", "scroll_end", "End", "Go to the end of the conversation and stay there."),
    Command("transcript.copy", "y", "copy", "Copy", "Copy the selected block, of code the code alone.", show=True),
    Command("transcript.copy_turn", "Y", "copy_turn", "Copy the turn", "Copy the whole turn: the selected one, or the "
            "last answer."),
    Command("transcript.save", "w", "save_code", "Save code", "Save a code block to a file: the selected one, or the "
            "last in view."),
    Command("transcript.find", "slash", "find", "Find", "Find words in this conversation.", show=True),
    Command("transcript.found_next", "n", "found(1)", "Next hit", "Go to the next place where the words stand.",
            show=True, short="next"),
    Command("transcript.found_previous", "N", "found(-1)", "Hit before", "Go to the hit before this one.",
            show=True, short="before"),
    Command("transcript.found_leave", "escape", "leave_find", "Leave the search", "Show no hits any more.",
            palette=False),
    Command("transcript.fold", "z", "fold", "Fold", "Fold or unfold a long turn: the selected one, or one in view."),
    Command("transcript.raw", "r", "raw", "Raw", "Show the Markdown source, or what it means.", show=True),
    Command("transcript.thinking", "t", "thinking", "Thinking", "Show or hide what models thought.", palette=False),
    Command("transcript.link", "o", "link", "Open link", "Open the next link of the selected block."),
    Command("transcript.all", "ctrl+a", "select_all", "Select all", "Select the whole conversation."),
)  # fmt: skip
"""The keys of the focused transcript."""


class SelectingView(TranscriptView):
    """A transcript whose blocks can be selected by mouse and by key, and copied as the Markdown they came from."""

    BINDING_GROUP_TITLE = "Transcript"
    ROSTER: ClassVar[Roster] = COMMANDS
    BINDINGS: ClassVar[list[BindingType]] = [command.binding() for command in COMMANDS]

    class LinkChosen(Message, namespace="transcript"):
        """Someone asks for a link; nothing has been opened."""

        def __init__(self, href: str) -> None:
            super().__init__()
            self.href = href

    class CopyAsked(Message, namespace="transcript"):
        """Someone asks for a text to be copied: `what` says what it is ("code", "block", "answer", "selection")."""

        def __init__(self, text: str, what: str) -> None:
            super().__init__()
            self.text = text
            self.what = what

    class SaveAsked(Message, namespace="transcript"):
        """Someone asks for code to be saved; `info` is what stands behind the opening of its fence, raw."""

        def __init__(self, code: str, info: str) -> None:
            super().__init__()
            self.code = code
            self.info = info

    def __init__(self, *, max_width: int = 100, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(max_width=max_width, id=id, classes=classes)
        self._held: tuple[int, int] | None = None  # keys of a selection by key: where it began, where it is
        self._chosen: Selection | None = None  # what that selected
        self._link_at = 0  # which link of the selected block comes next

    # ------------------------------------------------------------------ what is selected

    def selection_updated(self, selection: Selection | None) -> None:
        """Textual calls this when the selection has changed."""
        if selection != self._chosen:
            self._held = None
        self._repaint()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Markdown source of blocks that are selected whole, the visible text of others."""
        out: list[str] = []
        turn: Turn | None = None
        for item in self._column.items:
            span = self._span(item, selection)
            if span is None or span[0] >= span[1]:
                continue
            text = self._selected(item, span)
            if text and turn is not None and item.turn is not turn and out:
                out.append("\n" if out[-1].endswith("\n") else "\n\n")
            if text:
                turn = item.turn
                out.append(text)
        return ("".join(out), "\n") if out else None

    def _selected(self, item: Item, span: tuple[int, int]) -> str:
        if item.kind == "turn":
            return item.turn.source
        if item.kind == "more":
            return item.turn.rest if item.art is None or span[1] >= item.art.size - 1 else ""
        if item.block is None:
            return "".join(item.art.plain)[slice(*span)].rstrip("\n") if item.art and item.kind == "note" else ""
        if span[0] <= 0 and (item.art is None or span[1] >= item.art.size - 1):
            return item.block.source
        return "".join(item.art.plain)[slice(*span)] if item.art else ""

    def _select(self, begun: Item, at: Item) -> None:
        """Select whole blocks, from one to another; of a block in parts, all of them."""
        column = self._column
        indexes = sorted((column.index_of(begun.key), column.index_of(at.key)))
        low, high = self._group(indexes[0])[0], self._group(indexes[1])[1]
        start, end = column.items[low].key, column.items[high - 1].key
        self._held = (begun.key, at.key)
        self._link_at = 0
        self._chosen = Selection(Offset(0, start), Offset(FAR, end))
        self.screen.selections = {self: self._chosen}

    def _group(self, index: int) -> tuple[int, int]:
        """(first, last + 1) index of the items that are parts of the same block."""
        items = self._column.items
        first, last = index, index + 1
        while first > 0 and (block := items[first].block) is not None and block.part:
            first -= 1
        while last < len(items) and (block := items[last].block) is not None and block.part:
            last += 1
        return first, last

    def _held_items(self) -> list[Item]:
        """The items of the block that is selected by key."""
        if self._held is None:
            return []
        index = self._column.index_of(self._held[1])
        if index >= len(self._column.items) or self._column.items[index].key != self._held[1]:
            return []
        return self._column.items[slice(*self._group(index))]

    # ------------------------------------------------------------------ by key

    def action_block(self, step: int, extend: bool = False) -> None:
        """Select the next (1) or previous (−1) block whole; `extend`: what was selected stays so."""
        column, top = self._column, self.scroll_offset.y
        bottom = top + self.size.height
        if held := self._held_items():
            at = column.index_of(held[-1 if step > 0 else 0].key)
        else:
            at = column.at_row(top) - 1 if step > 0 else min(column.at_row(bottom - 1) + 1, len(column.items))
        while True:
            at += step
            if not 0 <= at < len(column.items):
                return
            if column.items[at].kind == "turn" and self._artist is not None:
                self._reveal(at, self._artist)
                at = at if step > 0 else column.span_of(column.items[at].turn)[1] - 1
            item = column.items[at]
            if item.block is not None and item.block.kind not in ("definition", "empty"):
                break
        if item.art is None and self._artist is not None:
            self._reveal(at, self._artist)
        begun = next((i for i in column.items if self._held and i.key == self._held[0]), item) if extend else item
        self._select(begun, item)
        first, last = self._group(column.index_of(item.key))
        y, end = column.tops[first], column.tops[last]
        if y < top or end > bottom:
            self.scroll_to(y=y if y < top or end - y > self.size.height else end - self.size.height, animate=False)

    def action_select_all(self) -> None:
        """Select everything."""
        self._held = None
        self.screen.selections = {self: Selection(None, None)}

    def action_copy(self) -> None:
        """Ask for the selection to be copied: of one code block the code alone; with none, the last answer."""
        held = self._held_items()
        selection = self.text_selection
        if held and self._held is not None and self._held[0] == self._held[1]:
            self._copy_block(held)
        elif selection is not None and (found := self.get_selection(selection)):
            self.post_message(self.CopyAsked(found[0], "selection"))
        elif answers := [item.turn for item in self._column.items if item.turn.view.kind == "assistant"]:
            self.post_message(self.CopyAsked(answers[-1].source, "answer"))

    def _copy_block(self, items: list[Item]) -> None:
        fence = items[0].block is not None and items[0].block.kind in ("fence", "code")
        text = code_of(items) if fence else "".join(item.block.source for item in items if item.block)
        self.post_message(self.CopyAsked(text, "code" if fence else "block"))

    def _code_in_hand(self) -> list[Item]:
        """The selected block if it is code, else the last code in view."""
        if held := self._held_items():
            return held if held[0].block is not None and held[0].block.kind in ("fence", "code") else []
        column, top = self._column, self.scroll_offset.y
        index = min(column.at_row(top + self.size.height - 1), len(column.items) - 1)
        while index >= 0 and column.tops[index + 1] > top:
            block = column.items[index].block
            if block is not None and block.kind in ("fence", "code"):
                return column.items[slice(*self._group(index))]
            index -= 1
        return []

    def action_save_code(self) -> None:
        """Ask for a code block to be saved: the selected one, else the last in view."""
        if items := self._code_in_hand():
            block = items[0].block
            info = block.fence.info if block is not None and block.fence is not None else ""
            self.post_message(self.SaveAsked(code_of(items), info))

    def action_link(self) -> None:
        """Choose the next link of the selected block."""
        hrefs = list(self._links)
        numbers: list[int] = []
        for item in self._held_items():
            for row in item.art.rows if item.art else ():
                for segment in row.segments:
                    click = segment.style.meta.get("@click") if segment.style and segment.style._meta else None
                    if isinstance(click, tuple) and click[0] == "choose_link" and click[1][0] not in numbers:
                        numbers.append(click[1][0])
        if numbers:
            number = numbers[self._link_at % len(numbers)]
            self._link_at += 1
            self.post_message(self.LinkChosen(hrefs[number]))

    def action_choose_link(self, number: int) -> None:
        """A link has been clicked."""
        self.post_message(self.LinkChosen(list(self._links)[number]))

    # ------------------------------------------------------------------ by mouse

    async def _on_click(self, event: events.Click) -> None:
        event.prevent_default()  # a double click would select everything
        index = min(self._column.at_row(event.y + self.scroll_offset.y), len(self._column.items) - 1)
        if index >= 0 and COPY_META in event.style.meta:
            self._copy_block(self._column.items[slice(*self._group(index))])
        elif index >= 0 and event.chain in (2, 3):
            item = self._column.items[index]
            if event.chain == 3:
                first, last = self._column.span_of(item.turn)
                start, end = self._column.items[first].key, self._column.items[last - 1].key
                self._held = None
                self.screen.selections = {self: Selection(Offset(0, start), Offset(FAR, end))}
            elif item.block is not None:
                self._select(item, item)
        await self.broker_event("click", event)


def code_of(items: list[Item]) -> str:
    """The code of a block in parts, without its fence; it ends with a line feed."""
    out: list[str] = []
    for item in items:
        if (block := item.block) is not None and block.text:
            if block.midline and out:
                out[-1] = out[-1].removesuffix("\n")
            out.append(clean(block.text.removesuffix("\n") + "\n"))
    return "".join(out)
