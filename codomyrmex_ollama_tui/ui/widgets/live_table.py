"""A table of keyed rows that changes while it is read: only what differs is drawn, the cursor stays on its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from rich.text import Text
from textual import events
from textual.content import Content
from textual.widgets import DataTable

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
    """

    key: str
    title: str
    width: int
    align: Literal["left", "right"] = "left"


class LiveTable(DataTable[Content], inherit_bindings=False):
    """Rows are shown in the order they are given. Cells are `Content`, cut to their column with an ellipsis."""

    BINDING_GROUP_TITLE = "Table"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("table.down", "j,down", "cursor_down", "Down", "The next row", palette=False),
        Command("table.up", "k,up", "cursor_up", "Up", "The row before", palette=False),
        Command("table.page-down", "pagedown", "page_down", "A page down", "As many rows as are seen", palette=False),
        Command("table.page-up", "pageup", "page_up", "A page up", "As many rows as are seen", palette=False),
        Command("table.first", "g,home", "scroll_top", "First", "The first row", palette=False),
        Command("table.last", "G,end", "scroll_bottom", "Last", "The last row", palette=False),
    )
    BINDINGS = bindings(ROSTER)
    DEFAULT_CSS = """
    LiveTable { height: 1fr; background: $background; scrollbar-gutter: auto; }
    LiveTable > .datatable--header { background: $background; color: $muted; text-style: none; }
    LiveTable > .datatable--cursor { background: $surface; color: $foreground; text-style: none; }
    LiveTable:focus { background-tint: $background 0%; }
    LiveTable:focus > .datatable--cursor { background: $panel; color: $foreground; text-style: none; }
    LiveTable > .datatable--hover { background: $surface; }
    LiveTable:nocolor > .datatable--cursor { text-style: reverse; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=False, cursor_foreground_priority="renderable")
        self._spec: tuple[Column, ...] = ()
        self._rows_shown: dict[str, Cells] = {}
        self._laid_out: tuple[tuple[Column, ...], int] | None = None

    @property
    def held(self) -> str | None:
        """The key of the row under the cursor."""
        if not self._rows_shown or not 0 <= self.cursor_row < self.row_count:
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    def hold(self, key: str) -> None:
        """Put the cursor on a row; nothing if it is not there."""
        if key in self._rows_shown:
            self.move_cursor(row=self.get_row_index(key), animate=False)

    def set_columns(self, columns: Sequence[Column]) -> None:
        """What stands in the table from now on."""
        self._spec = tuple(columns)
        self._lay_out()

    def show(self, rows: Mapping[str, Cells]) -> None:
        """These rows, in this order. Where keys and order are the same only cells that differ are touched."""
        before, self._rows_shown = self._rows_shown, dict(rows)
        if self._laid_out is None:
            return  # shown when the size is known
        self._lay_out()
        if list(before) != list(rows):
            self._fill()
            return
        for key, cells in rows.items():
            old = before[key]
            for column in self._laid_out[0]:
                cell = cells.get(column.key)
                if cell != old.get(column.key):
                    self.update_cell(key, column.key, self._fitted(cells, column))

    def _on_resize(self, event: events.Resize) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        """Widths for the size there is; the flexible column takes the rest."""
        width = self.size.width
        if not self._spec or width == 0:
            return
        # DataTable pads each column with a cell on both sides
        rest = width - sum(column.width + 2 for column in self._spec if column.width) - 2
        spec = tuple(
            column if column.width else replace(column, width=max(8, min(rest, self._longest(column.key))))
            for column in self._spec
        )
        if self._laid_out == (spec, width):
            return
        self._laid_out = (spec, width)
        held = self.held
        self.clear(columns=True)
        for column in spec:
            title = column.title.rjust(column.width) if column.align == "right" else column.title
            self.add_column(Text(title), key=column.key, width=column.width)
        self._fill(held)

    def _longest(self, key: str) -> int:
        cells = (row.get(key, Content()).cell_length for row in self._rows_shown.values())
        return max((SHORTEST, *cells)) + 2

    def _fill(self, held: str | None = None) -> None:
        if self._laid_out is None:
            return
        held = held or self._held_before()
        row = self.cursor_row
        self.clear()
        for key, cells in self._rows_shown.items():
            self.add_row(*(self._fitted(cells, column) for column in self._laid_out[0]), key=key)
        if held is not None and held in self._rows_shown:
            self.move_cursor(row=self.get_row_index(held), animate=False)
        elif self._rows_shown:
            self.move_cursor(row=min(row, len(self._rows_shown) - 1), animate=False)

    def _held_before(self) -> str | None:
        if not 0 <= self.cursor_row < self.row_count:
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    @staticmethod
    def _fitted(cells: Cells, column: Column) -> Content:
        cell = cells.get(column.key, Content())
        if cell.cell_length > column.width:
            return cell.truncate(column.width, ellipsis=True)
        gap = " " * (column.width - cell.cell_length)
        return Content.assemble(gap, cell) if column.align == "right" else cell
