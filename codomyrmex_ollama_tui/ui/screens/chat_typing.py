"""The part of the chat screen that helps to write: slash commands, prompts sent before, files; and code saved."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.actions import ActionError, parse

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui.screens.chat_asking import AskingRoom
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelSummary
    from codomyrmex_ollama_tui.ui.widgets.slash_menu import SlashCommand

LARGEST_FILE = 2_000_000
"""Bytes of a file that is put into a prompt."""


class TypingRoom(AskingRoom):
    """A room in which prompts are written with commands, files and the prompts of before."""

    _models: tuple[ModelSummary, ...] | None = None

    @property
    def known_models(self) -> Sequence[ModelSummary]:
        """The models of the server, as far as they are known."""
        return self._models or ()

    def on_mount(self) -> None:
        """From now on a slash begins a command."""
        self.composer.offer(self._commands)
        history = self.services.chat.history
        if history is not None and history.path.exists():
            self.call_after_refresh(self._learn_prompts)

    @work(group="learn", exclusive=True, exit_on_error=False)
    async def _learn_prompts(self) -> None:
        """The up key goes back to prompts that were sent before the program was begun."""
        from codomyrmex_ollama_tui.services.chat_prompts import find_prompts  # not before the first frame

        try:
            found = await find_prompts(self.services.chat, "")
        except OSError:
            return  # the list of conversations says so
        self.composer.learn([one.text for one in reversed(found) if len(one.text) == one.length])

    def _commands(self) -> Sequence[SlashCommand]:
        from codomyrmex_ollama_tui.ui.screens.chat_slash import commands_of  # with the first slash

        return commands_of(self)

    # ------------------------------------------------------------ what the commands need

    def can(self, action: str) -> bool:
        """Whether an action of the screen, or of the App, can be done now."""
        try:
            _, name, parameters = parse(action)
        except ActionError:
            return False
        return action.startswith("app.") or self.check_action(name, parameters) is True

    def do(self, action: str) -> object:
        """Do it, once the key that asked for it has been dealt with."""
        return self.call_later(self.app.run_action, action, self)

    def presets(self) -> Mapping[str, Mapping[str, object]]:
        """The values of each preset."""
        return self.settings.presets

    def kept(self) -> None:
        """Something about the conversation has changed."""
        self.services.chat.keep(self.conversation)
        self.show_facts()

    def find_words(self, text: str) -> object:
        """Find words in the conversation that is open."""
        return self.call_later(self._find_words, text)

    async def action_find_here(self) -> None:
        """Find words in the conversation that is open."""
        if self.conversation.turns:
            await self.pane.transcript.action_find()

    async def _find_words(self, text: str) -> None:
        await self.pane.transcript.action_find(text)

    # ------------------------------------------------------------ files

    @work(group="file", exit_on_error=False)
    async def attach_file(self, path: Path) -> None:
        """Put a text file into the prompt; it is sent whole."""
        try:
            text = await asyncio.to_thread(_text_of, path)
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            tell(self.app, f"{path.name}: {said}", title="File", severity="error")
            return
        self.composer.attach(path.name, text)
        self.composer.focus()

    @work(group="file", exclusive=True, exit_on_error=False)
    async def action_attach(self) -> None:
        """Ask for a text file and put it into the prompt."""
        from codomyrmex_ollama_tui.ui.screens.ask import Ask  # seldom needed

        def problem(text: str) -> str:
            try:
                return "" if _path(text).is_file() else "there is no such file"
            except (OSError, RuntimeError, ValueError) as error:
                return one_line(str(error), 80)

        name = await self.app.push_screen_wait(
            Ask("Add a file", "A text file, which is sent with the prompt.", verb="add", check=problem)
        )
        if name:
            self.attach_file(_path(name))

    # ------------------------------------------------------------ prompts sent before

    @work(group="prompts", exclusive=True, exit_on_error=False)
    async def action_prompts(self) -> None:
        """Look through the prompts sent before and take one."""
        from codomyrmex_ollama_tui.services.chat_prompts import find_prompts, prompt_text  # seldom needed
        from codomyrmex_ollama_tui.ui.screens.prompt_history import PromptHistory

        chat = self.services.chat
        prompt = await self.app.push_screen_wait(PromptHistory(partial(find_prompts, chat), now=self.now()))
        if prompt is None:
            return
        try:
            text = await prompt_text(chat, prompt)
        except (KeyError, OSError) as error:
            said = str(error) if isinstance(error, OSError) else "It is not there any more."
            tell(self.app, said, title="Prompt", severity="warning")
            return
        self.composer.recall(text)
        self.composer.focus()

    # ------------------------------------------------------------ code

    @on(Transcript.SaveAsked)
    def _save_asked(self, event: Transcript.SaveAsked) -> None:
        event.stop()
        self._save(event.code, event.info, Path.cwd())

    @work(group="save", exclusive=True, exit_on_error=False)
    async def _save(self, code: str, info: str, folder: Path) -> None:
        from codomyrmex_ollama_tui.ui.saving import save_code  # seldom needed

        await save_code(self.app, code, info, folder)


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _text_of(path: Path) -> str:
    """The text of a file. OSError, or ValueError with one sentence why it cannot be sent."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise ValueError(f"it has {size:,} bytes; up to {LARGEST_FILE:,} can be sent")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8 text") from error
    if "\0" in text:
        raise ValueError("it is not text")
    if not text.strip():
        raise ValueError("it is empty")
    return text
