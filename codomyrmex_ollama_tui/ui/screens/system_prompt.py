"""The system prompt of one conversation, written in a box of its own."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from codomyrmex_ollama_tui.domain.text import clean
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import keys_line


class SystemPrompt(ModalScreen[str]):
    """Dismissed with the text, which may be empty, or with None on esc."""

    BINDING_GROUP_TITLE = "System prompt"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("system.keep", "ctrl+s", "keep", "Keep", "Send this before every question from now on", priority=True),
        Command("system.cancel", "escape", "cancel", "Cancel", "Leave it as it was"),
    )
    BINDINGS = bindings(ROSTER)
    AUTO_FOCUS = "TextArea"
    DEFAULT_CSS = """
    SystemPrompt TextArea {
        height: auto; min-height: 4; max-height: 50vh; border: none; padding: 0 1; margin: 1 0 0 0;
        background: $surface;
        &:focus { border: none; }
    }
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content("System prompt of this conversation").markup
            dialog.border_subtitle = keys_line(("^s", "keep"), ("esc", "cancel")).markup
            yield Static(Content("Sent before every question. Empty leaves the model's own."), classes="words")
            yield TextArea(clean(self._text), soft_wrap=True, highlight_cursor_line=False)

    def on_mount(self) -> None:
        """Writing goes on at the end of what is there."""
        box = self.query_one(TextArea)
        box.move_cursor(box.document.end)

    def action_keep(self) -> None:
        """Take what is written."""
        self.dismiss(self.query_one(TextArea).text.strip())

    def action_cancel(self) -> None:
        """Leave it as it was."""
        self.dismiss(None)
