"""Answers side by side: a framed column for each, or one at a time with tabs where there is no room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui.widgets.diff_text import DiffText, Side
from codomyrmex_ollama_tui.ui.widgets.row import Row
from codomyrmex_ollama_tui.ui.widgets.transcript import COMMANDS, Transcript, TurnView
from codomyrmex_ollama_tui.ui.widgets.transcript.drawing import Art, Artist
from codomyrmex_ollama_tui.ui.widgets.transcript.items import Item
from codomyrmex_ollama_tui.ui.widgets.transcript.styles import MODEL_COLOURS
from codomyrmex_ollama_tui.ui.widgets.transcript.view import Place

if TYPE_CHECKING:
    from textual import events

    from codomyrmex_ollama_tui.ui.widgets.transcript import Status

CELLS_FOR_EACH = 49
"""Cells of a column at least; with less room there is one at a time."""


@dataclass(slots=True)
class ColumnView:
    """What a column shows.

    Attributes:
        turn: its text; `speaker` and `colour` stand in the frame's title.
        detail: behind the name.
        figures: in the lower edge of the frame.
    """

    turn: TurnView
    detail: str = ""
    figures: str = ""


class AnswerText(Transcript):
    """A transcript of one turn, whose name stands elsewhere, and which can be led by another one."""

    # the key row has room for a few, and those of the screen say more here
    BINDINGS: ClassVar[list[BindingType]] = [replace(command, show=False).binding() for command in COMMANDS]

    class Moved(Message):
        """The reader has gone elsewhere in it; `to_end`: to the end, whatever stands there."""

        def __init__(self, sender: AnswerText, *, to_end: bool = False) -> None:
            super().__init__()
            self.sender = sender
            self.to_end = to_end

    def _draw(self, item: Item, artist: Artist) -> None:
        if item.kind == "label":
            item.art, item.gap, item.height = Art(artist), 0, 0
        else:
            super()._draw(item, artist)

    @property
    def paragraph(self) -> tuple[int, float]:
        """The number of the block at the top of the view, and how much of it lies above the view (0 to 1)."""
        column, top = self._column, self.scroll_offset.y
        index = min(column.at_row(top), len(column.items) - 1)
        if index < 0:
            return 0, 0.0
        number = sum(item.kind == "block" for item in column.items[:index])
        item = column.items[index]
        return number, (top - column.tops[index]) / max(1, item.height)

    def go_to(self, number: int, share: float) -> None:
        """Puts the block with a number at the top, or the last one; `Moved` is not posted for it."""
        blocks = [item for item in self._column.items if item.kind == "block"]
        if not blocks:
            return
        self._follow = False
        if number < len(blocks):
            item = blocks[number]
            self._settle(Place(item.key, int(share * item.height), -1))
        else:
            self._settle(Place(blocks[-1].key, max(0, blocks[-1].height - 1), -1))
        self._follow = self.scroll_offset.y >= self.max_scroll_y

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        by_reader = not self._settling
        super().watch_scroll_y(old_value, new_value)
        if by_reader and round(old_value) != round(new_value):
            self.post_message(self.Moved(self))

    def show_turn(self, turn_id: str) -> None:
        super().show_turn(turn_id)
        self.post_message(self.Moved(self))

    def action_scroll_end(self) -> None:
        super().action_scroll_end()
        self.post_message(self.Moved(self, to_end=True))


class AnswerColumn(Vertical):
    """One answer in its frame: as a transcript, or as one side of a word diff."""

    DEFAULT_CSS = """
    AnswerColumn {
        width: 1fr; height: 1fr; border: round $border-blurred; padding: 0 0 0 1;
        border-title-color: $muted; border-subtitle-color: $muted; border-subtitle-align: right;
        & > DiffText { display: none; }
        &.-diff > DiffText { display: block; }
        &.-diff > AnswerText { display: none; }
        &:focus-within { border: round $primary; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.view: ColumnView | None = None
        self.text = AnswerText()
        self.diff = DiffText()

    def compose(self) -> ComposeResult:
        yield self.text
        yield self.diff

    def show(self, view: ColumnView) -> None:
        """Shows another answer, from its beginning."""
        self.view = view
        self.remove_class("-diff")
        self.text.open([view.turn])
        self.text.action_scroll_home()
        self.show_figures(view.figures)

    def show_figures(self, figures: str) -> None:
        """What stands in the lower edge."""
        if self.view is None:
            return
        self.view.figures = figures
        room = max(10, self.outer_size.width - 6)  # the corners, and a blank on each side
        self.border_title = _title(self.view).truncate(room, ellipsis=True).markup
        self.border_subtitle = _fitting(figures, room).markup

    def on_resize(self, _event: events.Resize) -> None:
        """As much of the title as there is room for."""
        if self.view is not None:
            self.show_figures(self.view.figures)

    def show_diff(self, side: Side | None) -> None:
        """Shows one side of a word diff, or with None the answer again."""
        focused = self.text.has_focus or self.diff.has_focus
        self.set_class(side is not None, "-diff")
        if side is not None:
            self.diff.show(side)
        if focused:
            self.reader.focus()

    @property
    def reader(self) -> AnswerText | DiffText:
        """What is read now."""
        return self.diff if self.has_class("-diff") else self.text


class ColumnTabs(Row):
    """The names of the columns, the shown one lit."""

    def __init__(self) -> None:
        super().__init__()
        self._views: Sequence[ColumnView] = ()
        self._current = 0

    def show(self, views: Sequence[ColumnView], current: int) -> None:
        """These are the columns."""
        self._views, self._current = views, current
        self.refresh()

    def left(self) -> Content:
        parts = []
        for number, view in enumerate(self._views):
            name = f" {one_line(view.turn.speaker, 30)} {view.detail}".rstrip() + " "
            style = _colour(view)
            parts.append(
                Content.styled(f"▸{name}", f"bold {style}") if number == self._current else Content(f" {name}")
            )
        return Content(" ").join(parts)


class AnswerColumns(Vertical):
    """Two or more answers, scrolled together until they are let go.

    Attributes:
        together: the columns follow the one in which the reader goes: block by block, in a diff word by word.
    """

    DEFAULT_CSS = """
    AnswerColumns {
        height: 1fr;
        & > Horizontal { height: 1fr; }
        & > ColumnTabs { display: none; padding: 0 1; }
        &.-tabs > ColumnTabs { display: block; }
        &.-tabs AnswerColumn { display: none; }
        &.-tabs AnswerColumn.-current { display: block; }
    }
    """

    def __init__(self, count: int = 2, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.columns = [AnswerColumn() for _ in range(count)]
        self.tabs = ColumnTabs()
        self.together = True
        self._current = 0

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield from self.columns
        yield self.tabs

    def on_mount(self) -> None:
        self.go_to_column(self._current)

    def on_resize(self, event: events.Resize) -> None:
        """One at a time where there is no room for all."""
        self.set_class(event.size.width < CELLS_FOR_EACH * len(self.columns), "-tabs")

    # ------------------------------------------------------------------ what is shown

    @property
    def current(self) -> int:
        """The number of the column that has the keys."""
        return self._current

    def show(self, number: int, view: ColumnView) -> None:
        """Shows an answer in a column."""
        self.columns[number].show(view)
        self._show_tabs()

    def show_diff(self, sides: Sequence[Side] | None) -> None:
        """Shows a word diff, a side in each column; with None the answers again."""
        for number, column in enumerate(self.columns):
            column.show_diff(None if sides is None else sides[number])

    def showing(self, turn_id: str) -> list[AnswerColumn]:
        """The columns that show a turn."""
        return [column for column in self.columns if column.view is not None and column.view.turn.id == turn_id]

    def feed(self, turn_id: str, *, text: str = "", thinking: str = "") -> None:
        """More of an answer has come."""
        for column in self.showing(turn_id):
            column.text.feed_thinking(thinking)
            column.text.feed(text)

    def show_detail(self, number: int, detail: str) -> None:
        """Changes what stands behind the name of a column."""
        column = self.columns[number]
        if column.view is not None:
            column.view.detail = detail
            column.show_figures(column.view.figures)
            self._show_tabs()

    def finish(self, turn_id: str, *, figures: str, note: str, status: Status) -> None:
        """No more of an answer will come."""
        for column in self.showing(turn_id):
            column.text.finish(note=note, status=status)
            column.show_figures(figures)

    def go_to_column(self, number: int) -> None:
        """Gives a column the keys; with tabs it is the one that is shown."""
        self._current = number % len(self.columns)
        for at, column in enumerate(self.columns):
            column.set_class(at == self._current, "-current")
        self.columns[self._current].reader.focus()
        self._show_tabs()

    def _show_tabs(self) -> None:
        self.tabs.show([column.view for column in self.columns if column.view is not None], self._current)

    def on_descendant_focus(self, _event: events.DescendantFocus) -> None:
        """A column was clicked."""
        for number, column in enumerate(self.columns):
            if column.has_focus_within and number != self._current:
                self.go_to_column(number)

    # ------------------------------------------------------------------ scrolling together

    def align(self) -> None:
        """Puts the other columns where the current one is."""
        reader = self.columns[self._current].reader
        if isinstance(reader, DiffText):
            self._lead_diff(reader)
        else:
            self._lead(reader)

    @on(AnswerText.Moved)
    def _moved(self, event: AnswerText.Moved) -> None:
        event.stop()
        if self.together:
            self._lead(event.sender, to_end=event.to_end)

    @on(DiffText.Moved)
    def _diff_moved(self, event: DiffText.Moved) -> None:
        event.stop()
        if self.together:
            self._lead_diff(event.sender)

    def _lead(self, leader: AnswerText, *, to_end: bool = False) -> None:
        number, share = leader.paragraph
        for column in self.columns:
            if column.text is leader:
                continue
            if to_end:
                Transcript.action_scroll_end(column.text)
            else:
                column.text.go_to(number, share)

    def _lead_diff(self, leader: DiffText) -> None:
        spot = leader.spot
        for column in self.columns:
            if column.diff is not leader:
                column.diff.go_to(spot)


def _fitting(figures: str, room: int) -> Content:
    """As many figures as there is room for; the first and the last, which says how it ended, stay longest."""
    parts = one_line(figures).split(" · ")
    while len(parts) > 2 and Content(" · ".join(parts)).cell_length > room:
        del parts[1]
    return Content(" · ".join(parts)).truncate(room, ellipsis=True)


def _colour(view: ColumnView) -> str:
    colour = view.turn.colour
    return "$muted" if colour is None else f"$model-{colour % MODEL_COLOURS + 1}"


def _title(view: ColumnView) -> Content:
    name = one_line(view.turn.speaker, 60)
    bar = "" if view.turn.colour is None else "▌"
    return Content.assemble(
        (f"{bar}{name}", f"bold {_colour(view)}"), (f" {view.detail}" if view.detail else "", "$muted")
    )
