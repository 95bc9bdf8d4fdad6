"""The table of the models screen."""

from __future__ import annotations

from typing import ClassVar

from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.widgets.live_table import LiveTable


class ModelTable(LiveTable):
    """The models, one row each."""

    BINDING_GROUP_TITLE = "Models"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command(
            "models.chat",
            "enter",
            "select_cursor",
            "Chat with it",
            "Begin a conversation with the model",
            show=True,
            short="chat",
        ),
    )
    BINDINGS = bindings(ROSTER)
