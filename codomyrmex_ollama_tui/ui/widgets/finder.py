"""Where the words of a search over conversations are typed; made, and imported, when it is first wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Input

from codomyrmex_ollama_tui.ui.commands import Command, Roster, bindings


class Finder(Input):
    """One line for a query. It posts messages of its own, so that who listens need not import it."""

    BINDING_GROUP_TITLE = "Search"
    ROSTER: ClassVar[Roster] = (
        Command("find.leave", "escape", "screen.leave_find", "Leave the search", "Show all conversations again"),
        Command("find.list", "down", "screen.enter_found", "To what was found", "Go to the list", palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings(ROSTER)

    @dataclass
    class Typed(Message):
        """The query is another one now."""

        text: str

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value.strip()))

    @on(Input.Submitted)
    async def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        await self.run_action("screen.enter_found")
