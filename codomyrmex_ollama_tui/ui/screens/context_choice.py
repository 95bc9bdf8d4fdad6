"""The question that is asked when a conversation no longer fits into the context."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import keys_line

Room = Literal["larger", "drop", "summarise"]


class ContextChoice(ModalScreen[Room]):
    """Dismissed with the way to make room, or with None on esc. What cannot be done is not offered.

    Args:
        larger: tokens of the next larger context; None where the model cannot do more.
        turns: how many turns would be left out; 0 where there is only one question.
    """

    BINDING_GROUP_TITLE = "Question"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("context.larger", "1", "choose('larger')", "A larger context", "Ask again with a larger context"),
        Command("context.drop", "2", "choose('drop')", "Leave out the oldest", "Send the newer half only"),
        Command("context.summarise", "3", "choose('summarise')", "Summarise the oldest",
                "Have the older half summarised into the system prompt"),
        Command("context.cancel", "escape", "cancel", "Cancel", "Leave it as it is"),
    )  # fmt: skip
    BINDINGS = bindings(ROSTER)

    def __init__(self, *, larger: int | None, turns: int) -> None:
        super().__init__()
        self._larger, self._turns = larger, turns

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content("The context is full").markup
            dialog.border_subtitle = keys_line(("esc", "leave it as it is")).markup
            yield Static(Content("\n").join(self._lines()), classes="words")

    def _lines(self) -> list[Content]:
        lines = []
        if self._larger is not None:
            tokens = formats.count(self._larger)
            more = f"  ask with a context of {tokens} tokens; takes more memory, and loads the model again"
            lines.append(Content.assemble(("1", "$primary"), more))
        if self._turns:
            said = "the oldest turn" if self._turns == 1 else f"the oldest {self._turns} turns"
            lines.append(Content.assemble(("2", "$primary"), f"  leave out {said}; they stay here to be read"))
            lines.append(Content.assemble(("3", "$primary"), f"  have {said} summarised into the system prompt"))
        return lines or [Content("This one question is longer than any context the model can have.")]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what is offered."""
        if action == "choose":
            return self._larger is not None if parameters == ("larger",) else self._turns > 0
        return True

    def action_choose(self, room: Room) -> None:
        """Take that way."""
        self.dismiss(room)

    def action_cancel(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)
