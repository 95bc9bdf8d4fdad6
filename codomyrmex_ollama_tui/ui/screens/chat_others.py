"""The part of the chat screen that asks other models the same, one after the other, and puts versions side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from textual import work

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui.screens.chat_typing import TypingRoom
from codomyrmex_ollama_tui.ui.screens.room import local_now

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.build import Services
    from codomyrmex_ollama_tui.services.chat import Conversation, Turn
    from codomyrmex_ollama_tui.store.settings import SettingsStore
    from codomyrmex_ollama_tui.ui.answers import Answering


class OthersRoom(TypingRoom):
    """A room in which several models are asked the same. A conversation has one answer on its way at a time."""

    def __init__(
        self,
        services: Services,
        settings: SettingsStore,
        *,
        now: Callable[[], datetime] = local_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(services, settings, now=now, clock=clock)
        self._followers: dict[str, list[str]] = {}  # models still to be asked, by the id of their conversation

    async def pick_models(self, current: str) -> Sequence[str]:
        """Hook: the models that the person marks, in their order; none on esc."""
        return ()

    @work(group="pick", exclusive=True, exit_on_error=False)
    async def action_ask_another(self) -> None:
        """Ask one or several other models the same; their answers stand beside the others."""
        conversation, answer = self.conversation, self.answer_in_hand()
        if answer is None:
            return
        names = await self.pick_models(answer.model)
        if names and conversation is self.conversation and self.answers.of(conversation) is None:
            self._followers[conversation.id] = list(names[1:])
            self.ask_again(answer, names[0])

    def to_follow(self, conversation: Conversation) -> str:
        """The names of the models that are still to be asked."""
        return ", ".join(one_line(name, 40) for name in self._followers.get(conversation.id, ()))

    def answer_ended(self, answering: Answering, answer: Turn) -> None:
        """The next model is asked, unless the person has stopped this one."""
        super().answer_ended(answering, answer)
        conversation = answering.conversation
        if answer.status == "stopped" or not self.is_attached:
            self._followers.pop(conversation.id, None)
        elif conversation.id in self._followers:
            beside = answer if answer.id in conversation.tree else answering.replaced
            if beside is not None:
                self.call_later(self._ask_next, conversation, beside)

    def _ask_next(self, conversation: Conversation, beside: Turn) -> None:
        names = self._followers.get(conversation.id)
        if not names or self.answers.of(conversation) is not None or beside.id not in conversation.tree:
            self._followers.pop(conversation.id, None)
            return
        self.ask_again(beside, names.pop(0), conversation=conversation)

    def action_stop(self) -> None:
        """Stop the answer; what has come stays, and no further model is asked."""
        self._followers.pop(self.conversation.id, None)
        super().action_stop()

    def action_compare(self) -> None:
        """Put two versions of a question or an answer side by side."""
        from codomyrmex_ollama_tui.ui.screens.chat_compare import ChatCompare  # seldom needed

        conversation, turn = self.conversation, self.forked()
        if turn is None:
            return
        screen = ChatCompare(
            self.services,
            self.settings,
            conversation,
            turn,
            self.answers,
            self.action_stop,
            now=self.now,
            clock=self.clock,
        )

        def closed(_result: None) -> None:
            taken = screen.taken
            if taken is None or conversation is not self.conversation or taken.id not in conversation.tree:
                return
            if self.answers.of(conversation) is None:
                self.services.chat.choose(conversation, taken)
                self.show_conversation()
                self.pane.transcript.show_turn(taken.id)

        self.app.push_screen(screen, closed)
