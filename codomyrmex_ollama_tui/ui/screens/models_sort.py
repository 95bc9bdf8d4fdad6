"""Choosing the column that the models are sorted by, and which way."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.model_words import ORDERS, Order
from codomyrmex_ollama_tui.ui.screens.ask import keys_line

TITLE_CELLS = 16


class SortMenu(ModalScreen[Order]):
    """Dismissed with an order, or with None on esc. The present column chosen again is turned round."""

    BINDING_GROUP_TITLE = "Sort"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("sort.down", "j", "move(1)", "Down", "The next column", palette=False),
        Command("sort.up", "k", "move(-1)", "Up", "The column before", palette=False),
        Command("sort.turn", "s,S,space", "turn", "The other way", "The last one first", palette=False),
        Command("sort.cancel", "escape,q", "cancel", "Cancel", "Leave the order as it is", palette=False),
    )
    BINDINGS = bindings(ROSTER)
    CSS = "SortMenu .dialog { width: 52; }"
    DEFAULT_CSS = """
    SortMenu {
        & OptionList { background: transparent; border: none; padding: 0; height: auto; }
        & OptionList:focus { border: none; background: transparent; }
        & OptionList > .option-list--option { padding: 0 1; }
        & OptionList:focus > .option-list--option-highlighted {
            background: $panel; color: $foreground; text-style: none;
        }
    }
    """

    def __init__(self, order: Order) -> None:
        super().__init__()
        self._columns = list(ORDERS)
        self._order = order
        self._down = {column: ORDERS[column][3] for column in ORDERS} | {order[0]: order[1]}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Sort by"
            dialog.border_subtitle = keys_line(("enter", "sort"), ("s", "the other way"), ("esc", "cancel")).markup
            yield OptionList(*self._options(), markup=False)

    def on_mount(self) -> None:
        """The cursor begins on the present column."""
        self.query_one(OptionList).highlighted = self._columns.index(self._order[0])

    def _options(self) -> list[Option]:
        made = []
        for column in self._columns:
            title, up, down, _ = ORDERS[column]
            sign = ("▌", "$primary") if column is self._order[0] else " "
            words = down if self._down[column] else up
            made.append(Option(Content.assemble(sign, title.ljust(TITLE_CELLS), (words, "$muted"))))
        return made

    def action_move(self, step: int) -> None:
        """To another column."""
        options = self.query_one(OptionList)
        options.highlighted = ((options.highlighted or 0) + step) % len(self._columns)

    def action_turn(self) -> None:
        """The other way for the column under the cursor."""
        options = self.query_one(OptionList)
        at = options.highlighted or 0
        column = self._columns[at]
        self._down[column] = not self._down[column]
        options.replace_option_prompt_at_index(at, self._options()[at].prompt)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        column = self._columns[event.option_index]
        down = self._down[column]
        if (column, down) == self._order:
            down = not down
        self.dismiss((column, down))

    def action_cancel(self) -> None:
        """Leave the order as it is."""
        self.dismiss(None)
