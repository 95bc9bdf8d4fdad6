"""The table that changes while it is read."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.content import Content

from codomyrmex_ollama_tui.ui.themes import DARK_VARIABLES
from codomyrmex_ollama_tui.ui.widgets.live_table import Cells, Column, LiveTable

COLUMNS = (Column("name", "Name", 0), Column("size", "Size", 6, "right"))


def rows(*names: str) -> dict[str, Cells]:
    return {name: {"name": Content(name), "size": Content(f"{len(name)} GB")} for name in names}


class TableApp(App[None]):
    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DARK_VARIABLES)

    def compose(self) -> ComposeResult:
        yield LiveTable()

    @property
    def table(self) -> LiveTable:
        return self.screen.query_one(LiveTable)

    def names(self) -> list[str]:
        return [self.table.get_row_at(number)[0].plain for number in range(self.table.row_count)]


async def test_rows_are_shown_in_the_order_given() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show(rows("b", "a"))
        await pilot.pause()
        assert app.names() == ["b", "a"]


async def test_rows_given_before_there_is_a_size_are_shown_when_there_is_one() -> None:
    class Early(TableApp):
        def on_mount(self) -> None:
            self.table.show(rows("x"))
            self.table.set_columns(COLUMNS)

    app = Early()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.names() == ["x"]


async def test_the_cursor_stays_on_its_row_when_others_come_and_go() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show(rows("a", "b", "c"))
        app.table.hold("b")
        await pilot.pause()
        app.table.show(rows("z", "y", "b", "a"))
        await pilot.pause()
        assert app.table.held == "b"
        assert app.table.cursor_row == 2
        app.table.show(rows("z", "y"))
        await pilot.pause()
        assert app.table.held == "y"
        app.table.show({})
        await pilot.pause()
        assert app.table.held is None


async def test_the_cursor_stays_on_its_row_when_the_width_changes() -> None:
    app = TableApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show(rows("a", "b" * 60, "c"))
        app.table.hold("c")
        await pilot.pause()
        await pilot.resize_terminal(40, 24)
        await pilot.pause()
        assert app.table.held == "c"
        assert app.names()[1].endswith("…")


async def test_only_cells_that_differ_are_touched() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show(rows("a", "b"))
        await pilot.pause()
        before = app.table.get_row("a")[0]
        changed = rows("a", "b")
        changed["b"] = {"name": Content("B"), "size": Content("9 GB")}
        app.table.show(changed)
        await pilot.pause()
        assert app.names() == ["a", "B"]
        assert app.table.get_row("a")[0] is before
        assert app.table.get_row("b")[1].plain == "  9 GB"


async def test_a_name_is_never_markup() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show({"m": {"name": Content("gemma [q4_K_M] [/x]")}})
        await pilot.pause()
        assert app.names() == ["gemma [q4_K_M] [/x]"]
        assert app.table.get_row("m")[1].plain == "      "


async def test_the_keys_of_lists_move_the_cursor() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show(rows("a", "b", "c"))
        app.table.focus()
        await pilot.press("j", "j")
        assert app.table.held == "c"
        await pilot.press("k")
        assert app.table.held == "b"
        await pilot.press("G")
        assert app.table.held == "c"
        await pilot.press("g")
        assert app.table.held == "a"
