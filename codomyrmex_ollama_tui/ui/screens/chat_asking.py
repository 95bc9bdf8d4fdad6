"""The part of the chat screen that says what a conversation is asked with: options, preset, system prompt, thinking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from textual import work

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.server import ServerPhase
from codomyrmex_ollama_tui.ui import chat_words as words
from codomyrmex_ollama_tui.ui.screens.chat_answers import AnsweringRoom
from codomyrmex_ollama_tui.ui.tell import tell

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.chat import Think
    from codomyrmex_ollama_tui.domain.models import ModelSummary


class AskingRoom(AnsweringRoom):
    """A room in which a person says how models are asked."""

    def context_in_force(self) -> int | None:
        """Tokens of the context of this conversation's model; None where that is not known."""
        conversation = self.conversation
        here = [one.context_length for one in self.running_models if same_model(one.name, conversation.model)]
        if here:
            return here[0]
        values: Mapping[str, object] = conversation.options
        if conversation.turns:  # before them nothing needs the configuration, and the first frame comes sooner
            try:
                values = self.services.chat.values_for(conversation)
            except OllamaError:
                return None  # said when it is asked
        chosen = values.get("num_ctx")
        return chosen if isinstance(chosen, int) else None

    async def first_model(self, models: Sequence[ModelSummary]) -> str:
        """The model of a conversation that has none: the one that was talked with last, else the newest."""
        chat = self.services.chat
        if chat.history is not None and not chat.listed:
            with suppress(OSError):  # the list of conversations says so
                await chat.load()
        return words.first_choice(models, [one.model for one in chat.listed if one.turns])

    def _kept(self) -> None:
        self.services.chat.keep(self.conversation)
        self.show_facts()

    @work(group="options", exclusive=True, exit_on_error=False)
    async def action_options(self, at: str = "preset") -> None:
        """See and change what this conversation is asked with; the cursor begins at one of the options."""
        from codomyrmex_ollama_tui.services.chat_settings import settings_of  # seldom needed, with the form
        from codomyrmex_ollama_tui.ui.screens.chat_options import ChatOptions

        conversation = self.conversation
        start, problem = settings_of(conversation)
        chosen = await self.app.push_screen_wait(
            ChatOptions(
                self.settings,
                conversation.model,
                start,
                modelfile=await self._modelfile(conversation.model),
                server_version=self.services.server.state.version,
                problem=problem,
                at=at,
            )
        )
        if chosen is not None:
            chosen.put(conversation)
            self._kept()

    async def _modelfile(self, model: str) -> Mapping[str, object] | None:
        """The model's own parameters; None where nobody says them."""
        from codomyrmex_ollama_tui.services.recipes import parameters_of  # seldom needed

        if not model or self.services.server.state.phase is not ServerPhase.READY:
            return None
        try:
            return parameters_of((await self.services.models.details(model)).parameters)
        except OllamaError:
            return None

    @work(group="system", exclusive=True, exit_on_error=False)
    async def action_system_prompt(self) -> None:
        """Write what is sent before every question of this conversation."""
        from codomyrmex_ollama_tui.ui.screens.system_prompt import SystemPrompt  # seldom needed

        conversation = self.conversation
        text = await self.app.push_screen_wait(SystemPrompt(conversation.system))
        if text is not None:
            conversation.system = text
            self._kept()

    def action_think(self, think: Think) -> None:
        """Whether, or how much, the model of this conversation is asked to think before it answers."""
        self.conversation.think = think
        self.services.chat.keep(self.conversation)
        said = {True: "It is asked to think.", False: "It is asked not to think."}
        tell(self.app, said[think] if isinstance(think, bool) else f"It is asked to think: {think}.", timeout=4)

    def choose_preset(self, name: str) -> None:
        """Puts a preset under what the conversation says itself; "" for none.

        Raises:
            ValueError: there is none of that name; names those that there are.
        """
        presets = self.settings.presets
        if name and name not in presets:
            raise ValueError(f"there is no preset {one_line(name, 40)}; there are {', '.join(sorted(presets))}")
        self.conversation.preset = name
        self._kept()
