"""Prompts sent before: filtered while typing, looked at, put into the composer again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from codomyrmex_ollama_tui.domain.conversations import Prompt
from codomyrmex_ollama_tui.domain.text import clean, one_line
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import keys_line

SEEN_LINES = 5
"""Lines of the prompt under the cursor that are shown."""
AGE_CELLS = 11


class PromptHistory(ModalScreen[Prompt]):
    """Dismissed with a prompt, or with None on esc.

    Args:
        find: gives the prompts that hold some words, the newest first. OSError where they cannot be read.
        now: the time of day, for the ages.
    """

    BINDING_GROUP_TITLE = "Prompts"
    ROSTER: ClassVar = (
        Command("prompts.down", "down", "move(1)", "Down", "The prompt before", palette=False),
        Command("prompts.up", "up", "move(-1)", "Up", "The prompt after", palette=False),
        Command("prompts.cancel", "escape", "cancel", "Cancel", "Leave the composer as it is", palette=False),
    )
    BINDINGS = bindings(ROSTER)
    AUTO_FOCUS = "Input"
    DEFAULT_CSS = """
    PromptHistory {
        & OptionList {
            background: transparent; border: none; padding: 0; height: auto; max-height: 10; margin: 1 0 0 0;
            text-wrap: nowrap; text-overflow: ellipsis;
        }
        & OptionList:focus { border: none; background: transparent; }
        & OptionList > .option-list--option { padding: 0 1; }
        & OptionList > .option-list--option-highlighted { background: $panel; color: $foreground; text-style: none; }
        & .seen { color: $muted; padding: 0 1; margin: 1 0 0 0; height: auto; max-height: 7; }
    }
    """

    def __init__(self, find: Callable[[str], Awaitable[Sequence[Prompt]]], *, now: datetime) -> None:
        super().__init__()
        self._find = find
        self._now = now
        self._found: Sequence[Prompt] = ()
        self._searching = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Prompts sent before"
            dialog.border_subtitle = keys_line(("enter", "take it"), ("↑↓", "move"), ("esc", "leave")).markup
            yield Input(placeholder="words of the prompt")
            yield OptionList(markup=False)
            yield Static(classes="seen", markup=False)

    def on_mount(self) -> None:
        """The list is never the one that has the keys: letters always search."""
        self.query_one(OptionList).can_focus = False
        self.search("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.search(event.value)

    @work(group="prompts", exclusive=True, exit_on_error=False)
    async def search(self, words: str) -> None:
        """Show what holds the words."""
        seen = self.query_one(".seen", Static)
        try:
            self._found = await self._find(words)
        except OSError as error:
            self._found = ()
            seen.update(Content(clean(str(error))))
            return
        options = self.query_one(OptionList)
        options.set_options([Option(self._line(prompt)) for prompt in self._found])
        if self._found:
            options.highlighted = 0
        else:
            seen.update("no prompt holds these words" if words.strip() else "nothing has been asked yet")

    def _line(self, prompt: Prompt) -> Content:
        age = formats.age(prompt.asked_at, self._now) if prompt.asked_at is not None else ""
        return Content.assemble((age.rjust(AGE_CELLS) + "  ", "$muted"), one_line(prompt.text, 200))

    @on(OptionList.OptionHighlighted)
    def _looked_at(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_index < len(self._found):
            prompt = self._found[event.option_index]
            lines = clean(prompt.text).strip().split("\n")
            text = "\n".join(lines[:SEEN_LINES])[:1000]
            more = prompt.length - len(text)
            words = f"\n… {prompt.length:,} characters" if len(lines) > SEEN_LINES or more > len(text) else ""
            self.query_one(".seen", Static).update(Content(text + words))

    def action_move(self, step: int) -> None:
        """Move the cursor of the list."""
        options = self.query_one(OptionList)
        if step > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def _chosen(self, event: Input.Submitted | OptionList.OptionSelected) -> None:
        event.stop()
        at = self.query_one(OptionList).highlighted
        if at is not None and at < len(self._found):
            self.dismiss(self._found[at])

    def action_cancel(self) -> None:
        """Close and take none."""
        self.dismiss(None)
