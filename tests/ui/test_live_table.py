"""The table that changes while it is read."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.content import Content
from textual.message import Message

from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.themes import DARK_VARIABLES
from codomyrmex_ollama_tui.ui.widgets.live_table import Cells, Column, LazyRows, LiveTable

COLUMNS = (Column("name", "Name", 0), Column("size", "Size", 6, "right", sign="↓"))


def rows(*names: str) -> dict[str, Cells]:
    return {name: {"name": Content(name), "size": Content(f"{len(name)} GB")} for name in names}


class Table(LiveTable):
    BINDINGS = bindings((Command("test.choose", "enter", "select_cursor", "Choose", "Choose a row"),))


class TableApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Message] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DARK_VARIABLES)

    def compose(self) -> ComposeResult:
        yield Table()

    def on_live_table_row_highlighted(self, message: LiveTable.RowHighlighted) -> None:
        self.heard.append(message)

    def on_live_table_row_selected(self, message: LiveTable.RowSelected) -> None:
        self.heard.append(message)

    def on_live_table_header_chosen(self, message: LiveTable.HeaderChosen) -> None:
        self.heard.append(message)

    @property
    def table(self) -> LiveTable:
        return self.screen.query_one(LiveTable)

    def lines(self) -> list[str]:
        return [strip.text.rstrip() for strip in self.screen._compositor.render_strips()]


async def test_rows_are_shown_in_the_order_given_under_their_titles() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show(rows("b", "a"))
        await pilot.pause()
        assert app.table.keys == ("b", "a")
        assert [line.split() for line in app.lines()[:4]] == [
            ["Name", "Size↓"],
            ["b", "1", "GB"],
            ["a", "1", "GB"],
            [],
        ]
        assert app.lines()[1].endswith("   1 GB")


async def test_rows_given_before_there_is_a_size_are_shown_when_there_is_one() -> None:
    class Early(TableApp):
        def on_mount(self) -> None:
            self.table.show(rows("x"))
            self.table.set_columns(COLUMNS)

    app = Early()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.lines()[1].split() == ["x", "1", "GB"]


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
        await pilot.press("enter", "j", "G", "pagedown")
        assert not any(isinstance(message, LiveTable.RowSelected) for message in app.heard)


async def test_a_row_that_moves_stays_where_it_is_on_the_screen() -> None:
    app = TableApp()
    names = [f"m{number:03}" for number in range(100)]
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show(rows(*names))
        app.table.hold("m050")
        await pilot.pause()
        line = next(place for place, text in enumerate(app.lines()) if "m050" in text)
        app.table.show(rows(*[name for name in reversed(names) if name != "m049"]))
        await pilot.pause()
        assert app.table.held == "m050"
        assert "m050" in app.lines()[line]


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
        assert "…" in app.lines()[2]


async def test_only_rows_in_sight_are_made() -> None:
    made: list[str] = []

    def make(key: str) -> Cells:
        made.append(key)
        return {"name": Content(key), "size": Content("1 GB")}

    app = TableApp()
    keys = [f"m{number}" for number in range(10_000)]
    async with app.run_test(size=(60, 20)) as pilot:
        app.table.set_columns((Column("name", "Name", 0, longest=8), COLUMNS[1]))
        app.table.show(LazyRows(keys, make))
        await pilot.pause()
        assert set(made) == set(keys[:19])
        made.clear()
        await pilot.press("G")
        await pilot.pause()
        assert set(made) == set(keys[-19:])
        made.clear()
        await pilot.press("k")
        await pilot.pause()
        assert set(made) == set(keys[-2:])
        made.clear()
        app.table.refresh_row(keys[-3])
        await pilot.pause()
        assert made == [keys[-3]]


async def test_a_name_is_never_markup() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show({"m": {"name": Content("gemma [q4_K_M] [/x]")}})
        await pilot.pause()
        assert app.table.plain("m") == ["gemma [q4_K_M] [/x]", ""]
        assert "gemma [q4_K_M] [/x]" in app.lines()[1]


async def test_the_keys_of_lists_move_the_cursor() -> None:
    app = TableApp()
    async with app.run_test(size=(60, 6)) as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show(rows(*"abcdefghijk"))
        app.table.focus()
        held = []
        for key in ("j", "down", "k", "up", "k", "G", "j", "g", "pagedown", "pageup"):
            await pilot.press(key)
            held.append(app.table.held)
        assert held == ["b", "c", "b", "a", "a", "k", "k", "a", "e", "a"]
        await pilot.press("end")
        await pilot.pause()
        assert app.lines()[5].split()[0] == "k"


async def test_what_a_person_does_is_told_apart_from_what_the_rows_do() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show(rows("a", "b"))
        await pilot.pause()
        await pilot.press("tab", "j", "enter")
        await pilot.pause()
        assert app.heard == [
            LiveTable.RowHighlighted(app.table, "a", False),
            LiveTable.RowHighlighted(app.table, "b", True),
            LiveTable.RowSelected(app.table, "b"),
        ]
        assert app.heard[-1].control is app.table


async def test_clicks_choose_titles_and_rows() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show(rows("a", "b"))
        await pilot.pause()
        app.heard.clear()
        await pilot.hover(LiveTable, (2, 2))
        await pilot.click(LiveTable, (2, 2))
        await pilot.click(LiveTable, (2, 2))
        await pilot.click(LiveTable, (2, 9))
        await pilot.click(LiveTable, (25, 0))
        await pilot.click(LiveTable, (70, 0))
        await pilot.pause()
        assert app.heard == [
            LiveTable.RowHighlighted(app.table, "b", True),
            LiveTable.RowSelected(app.table, "b"),
            LiveTable.HeaderChosen(app.table, "size"),
        ]


async def test_cells_that_change_are_drawn_again() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        app.table.set_columns(COLUMNS)
        app.table.show(rows("a", "b"))
        await pilot.pause()
        changed = rows("a", "b")
        changed["b"] = {"name": Content("B"), "size": Content("9 GB")}
        app.table.show(changed)
        await pilot.pause()
        assert app.lines()[2].split() == ["B", "9", "GB"]
