"""A table of keyed rows that changes while it is read: only rows in sight are made, the cursor stays on its row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from rich.style import Style as RichStyle
from textual import events
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual

from codomyrmex_ollama_tui.ui.commands import Command, bindings

SHORTEST = 18
"""Cells that the flexible column takes at least, where there is room."""

Cells = Mapping[str, Content]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        key: what its cells are called in a row.
        width: cells; 0 for the one column that is as wide as its cells, as far as the others leave room.
        longest: cells of the longest cell of the flexible column; 0: every row is made and measured.
        sign: an arrow behind the title, for the column that the rows are sorted by.
    """

    key: str
    title: str
    width: int
    align: Literal["left", "right"] = "left"
    longest: int = 0
    sign: str = ""


class LazyRows(Mapping[str, Cells]):
    """Rows whose cells are made when they come into sight."""

    def __init__(self, keys: Sequence[str], make: Callable[[str], Cells]) -> None:
        self._keys = dict.fromkeys(keys)
        self._make = make

    def __getitem__(self, key: str) -> Cells:
        if key not in self._keys:
            raise KeyError(key)
        return self._make(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class LiveTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows are shown in the order they are given. Cells are `Content`, cut to their column with an ellipsis.

    The mapping of rows may make its cells when it is asked for them: only those in sight are asked for.
    """

    BINDING_GROUP_TITLE = "Table"
    ALLOW_SELECT = False
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("table.down", "j,down", "cursor(1)", "Down", "The next row", palette=False),
        Command("table.up", "k,up", "cursor(-1)", "Up", "The row before", palette=False),
        Command("table.page-down", "pagedown", "page(1)", "A page down", "As many rows as are seen", palette=False),
        Command("table.page-up", "pageup", "page(-1)", "A page up", "As many rows as are seen", palette=False),
        Command("table.first", "g,home", "end(0)", "First", "The first row", palette=False),
        Command("table.last", "G,end", "end(-1)", "Last", "The last row", palette=False),
    )
    BINDINGS = bindings(ROSTER)
    COMPONENT_CLASSES: ClassVar[set[str]] = {"live-table--header", "live-table--cursor", "live-table--hover"}
    DEFAULT_CSS = """
    LiveTable { height: 1fr; background: $background; scrollbar-gutter: auto; overflow-x: hidden; }
    LiveTable > .live-table--header { background: $background; color: $muted; }
    LiveTable > .live-table--cursor { background: $surface; color: $foreground; }
    LiveTable:focus > .live-table--cursor { background: $panel; color: $foreground; }
    LiveTable > .live-table--hover { background: $surface; }
    LiveTable:nocolor > .live-table--cursor { text-style: reverse; }
    """

    cursor_row: reactive[int] = reactive(0, repaint=False)
    """The place of the row under the cursor, from 0; it means nothing while there are no rows."""

    @dataclass
    class RowHighlighted(Message):
        """Another row is under the cursor (None: there is no row any more).

        `by_person`: somebody went there; else the rows changed under the cursor.
        """

        table: LiveTable
        key: str | None
        by_person: bool = False

        @property
        def control(self) -> LiveTable:
            """The table it came from."""
            return self.table

    @dataclass
    class RowSelected(Message):
        """A row was chosen with enter, or with a click on the row under the cursor."""

        table: LiveTable
        key: str

        @property
        def control(self) -> LiveTable:
            """The table it came from."""
            return self.table

    @dataclass
    class HeaderChosen(Message):
        """The title of a column was clicked."""

        table: LiveTable
        column: str

        @property
        def control(self) -> LiveTable:
            """The table it came from."""
            return self.table

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._spec: tuple[Column, ...] = ()
        self._columns: tuple[Column, ...] = ()
        self._rows: Mapping[str, Cells] = {}
        self._keys: list[str] = []
        self._place: dict[str, int] = {}
        self._held: str | None = None
        self._hover = -1
        self._strips: dict[tuple[str, str], Strip] = {}

    # ------------------------------------------------------------------ what is shown

    @property
    def held(self) -> str | None:
        """The key of the row under the cursor."""
        return self._held

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all rows, in their order."""
        return tuple(self._keys)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns with the widths they have."""
        return self._columns

    def plain(self, key: str) -> list[str]:
        """The cells of a row as they are drawn, without their padding to the column's width."""
        return [_fitted(self._rows[key], column).plain.strip() for column in self._columns]

    def hold(self, key: str) -> None:
        """Put the cursor on a row; nothing if it is not there."""
        if key in self._place:
            self._go(self._place[key])

    def set_columns(self, columns: Sequence[Column]) -> None:
        """What stands in the table from now on."""
        if tuple(columns) != self._spec:
            self._spec = tuple(columns)
            self._lay_out()

    def show(self, rows: Mapping[str, Cells]) -> None:
        """These rows, in this order. The cursor stays on its row, which stays where it is on the screen."""
        self._rows = rows
        self._strips.clear()
        keys = list(rows)
        if keys != self._keys:
            before = self.cursor_row
            self._keys = keys
            self._place = {key: place for place, key in enumerate(keys)}
            self._hover = -1
            row = self._place.get(self._held or "", max(0, min(before, len(keys) - 1)))
            self.virtual_size = Size(self.size.width, len(keys) + 1)
            self.scroll_to(y=max(0, self.scroll_offset.y + row - before), animate=False, force=True)
            self._go(row)
        self._lay_out()
        self.refresh()

    def _lay_out(self) -> None:
        """Widths for the size there is; the flexible column takes the rest."""
        width = self.size.width
        if not self._spec or width == 0:
            return
        # each column has a cell of padding on both sides
        rest = width - sum(column.width + 2 for column in self._spec if column.width) - 2
        columns = tuple(
            column if column.width else replace(column, width=max(8, min(rest, self._longest(column))))
            for column in self._spec
        )
        if columns != self._columns:
            self._columns = columns
            self._strips.clear()
            self.refresh()

    def _longest(self, column: Column) -> int:
        longest = column.longest or max((row.get(column.key, Content()).cell_length for row in self._all()), default=0)
        return max(SHORTEST, longest) + 2

    def _all(self) -> list[Cells]:
        return [self._rows[key] for key in self._keys]

    def _on_resize(self, event: events.Resize) -> None:
        self.virtual_size = Size(event.size.width, len(self._keys) + 1)
        self._strips.clear()
        self._lay_out()
        self._keep_in_sight()

    def notify_style_update(self) -> None:
        """Other colours: what was drawn is drawn again."""
        self._strips.clear()
        super().notify_style_update()

    # ------------------------------------------------------------------ moving

    def _go(self, row: int, *, by_person: bool = False) -> None:
        """Put the cursor there and tell if that is another row than before."""
        self.cursor_row = row
        key = self._keys[row] if 0 <= row < len(self._keys) else None
        self._keep_in_sight()
        self.refresh()
        if key != self._held:
            self._held = key
            self.post_message(self.RowHighlighted(self, key, by_person))

    def _keep_in_sight(self) -> None:
        room = self.size.height - 1  # the titles stay
        if room <= 0 or not self._keys:
            return
        top = self.scroll_offset.y
        if self.cursor_row < top:
            self.scroll_to(y=self.cursor_row, animate=False, force=True)
        elif self.cursor_row >= top + room:
            self.scroll_to(y=self.cursor_row - room + 1, animate=False, force=True)

    def action_cursor(self, by: int) -> None:
        """Up or down."""
        if self._keys:
            self._go(max(0, min(len(self._keys) - 1, self.cursor_row + by)), by_person=True)

    def action_page(self, by: int) -> None:
        """As many rows as are seen."""
        self.action_cursor(by * max(1, self.size.height - 2))

    def action_end(self, end: int) -> None:
        """The first row (0) or the last (-1)."""
        if self._keys:
            self._go(0 if end == 0 else len(self._keys) - 1, by_person=True)

    def action_select_cursor(self) -> None:
        """Choose the row under the cursor."""
        if self._held is not None:
            self.post_message(self.RowSelected(self, self._held))

    def on_click(self, event: events.Click) -> None:
        """A click goes to a row, on the row under the cursor it chooses it; on a title it tells the column."""
        row = self._row_at(event.y)
        if event.y == 0:
            if (column := self._column_at(event.x)) is not None:
                self.post_message(self.HeaderChosen(self, column))
        elif row == self.cursor_row:
            self.action_select_cursor()
        elif row >= 0:
            self._go(row, by_person=True)

    def _on_mouse_move(self, event: events.MouseMove) -> None:
        self._hover_on(self._row_at(event.y))

    def _on_leave(self, event: events.Leave) -> None:
        self._hover_on(-1)

    def _hover_on(self, row: int) -> None:
        if row != self._hover:
            self._hover = row
            self.refresh()

    def _row_at(self, y: int) -> int:
        row = self.scroll_offset.y + y - 1
        return row if y > 0 and row < len(self._keys) else -1

    def _column_at(self, x: int) -> str | None:
        left = 0
        for column in self._columns:
            left += column.width + 2
            if x < left:
                return column.key
        return None

    # ------------------------------------------------------------------ drawing

    def render_line(self, y: int) -> Strip:
        """One line of what is in sight."""
        width = self.size.width
        if not self._columns:
            return Strip.blank(width, self.rich_style)
        if y == 0:
            return self._strip("", "live-table--header", Content.assemble(*(_title(each) for each in self._columns)))
        row = self.scroll_offset.y + y - 1
        if row >= len(self._keys):
            return Strip.blank(width, self.rich_style)
        look = ""
        if row == self.cursor_row:
            look = "live-table--cursor"
        elif row == self._hover:
            look = "live-table--hover"
        key = self._keys[row]
        made = self._strips.get((key, look + "+" * self.has_focus))
        if made is None:
            cells = self._rows[key]
            content = Content.assemble(*(_padded(_fitted(cells, column), column.width) for column in self._columns))
            made = self._strips[key, look + "+" * self.has_focus] = self._strip(key, look, content)
        return made

    def _strip(self, key: str, look: str, content: Content) -> Strip:
        style: Style = self.get_visual_style(look) if look else self.visual_style
        width = self.size.width
        line = content.truncate(width) if content.cell_length > width else content
        (strip,) = Visual.to_strips(self, line, width, 1, style, pad=True)[:1]
        strip = strip.adjust_cell_length(width, style.rich_style)
        if look and self.get_component_styles(look).text_style.reverse:  # which visual styles leave out
            return strip.apply_style(RichStyle(reverse=True))
        return strip

    def refresh_row(self, key: str) -> None:
        """Draw one row again: its cells have changed."""
        for kept in [each for each in self._strips if each[0] == key]:
            del self._strips[kept]
        if (row := self._place.get(key)) is not None:
            self.refresh(Region(0, row + 1 - self.scroll_offset.y, self.size.width, 1))


def _title(column: Column) -> Content:
    title = column.title[: column.width]
    if not column.sign:
        return Content(f" {title.rjust(column.width) if column.align == 'right' else title.ljust(column.width)} ")
    if column.align == "right":  # the sign stands in the padding, so that the title stays over its figures
        return Content.styled(f" {title.rjust(column.width)}{column.sign}", "$foreground")
    gap = " " if len(title) < column.width else ""
    return Content.styled(f" {title}{gap}{column.sign}".ljust(column.width + 2), "$foreground")


def _fitted(cells: Cells, column: Column) -> Content:
    cell = cells.get(column.key, Content())
    if cell.cell_length > column.width:
        return cell.truncate(column.width, ellipsis=True)
    gap = " " * (column.width - cell.cell_length)
    return Content.assemble(gap, cell) if column.align == "right" else cell


def _padded(cell: Content, width: int) -> Content:
    return Content.assemble(" ", cell, " " * (width - cell.cell_length + 1))
