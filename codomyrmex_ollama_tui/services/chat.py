"""Conversations and their answers as they stream; what is said is on disk before it is sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.conversations import TITLE_LENGTH, AnswerFacts, Conversation, Turn, TurnStatus
from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.chat_answer import Keeper, Reading, Restarted, Said, Thought
from codomyrmex_ollama_tui.services.chat_conversations import Conversations, is_answering
from codomyrmex_ollama_tui.services.chat_request import (
    NotSendable,
    Wishes,
    messages_of,
    own_values,
    record_of,
    request_for,
    sent_part,
    with_wishes,
)

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.client.address import Address
    from codomyrmex_ollama_tui.client.ollama import OllamaClient
    from codomyrmex_ollama_tui.domain.chat import ChatRequest, KeepAlive, Message, Think
    from codomyrmex_ollama_tui.services.history import History
    from codomyrmex_ollama_tui.services.server import ServerService

__all__ = [
    "AnswerFacts",
    "Asked",
    "ChatEvent",
    "ChatService",
    "Conversation",
    "Failed",
    "Finished",
    "Said",
    "Thought",
    "Turn",
    "TurnStatus",
    "messages_of",
]

AT_ONCE = 4
"""Answers that stream at the same time; further ones wait."""
CAPABILITIES_WITHIN = 3.0
"""Seconds for a server to say what a model can do; after that it is asked without."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The question stands in the conversation and the answer after it; nothing has been sent yet.

    An answer that goes on has text already. A second one of these comes when its reply begins anew, in another turn.
    """

    turn: Turn
    answer: Turn


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is whole."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer did not come to its end; what had come is kept in the turn ("failed" or "unfinished")."""

    turn: Turn
    words: str


ChatEvent = Asked | Thought | Said | Finished | Failed


Layered = Callable[[str, str | None, Mapping[str, object]], Mapping[str, object]]
"""What the configuration and a conversation come to, from a model, a preset and what the conversation says itself.

It raises ValueError for what is not allowed. `SettingsStore.resolved` is one.
"""


def unlayered(model: str, preset: str | None, own: Mapping[str, object]) -> Mapping[str, object]:
    """What a conversation says itself, and nothing else."""
    return own


class ChatService(Conversations):
    """Asks models, and keeps what was said: in the history if there is one, else in memory."""

    def __init__(
        self,
        server: ServerService,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        history: History | None = None,
        at_once: int = AT_ONCE,
        layered: Layered = unlayered,
    ) -> None:
        """
        Args:
            clock: the one that the client stamps the pieces of an answer with.
            layered: brings in what the configuration says; without it a conversation's own settings are all.
        """
        super().__init__(now=now, history=history)
        self._server = server
        self._clock = clock
        self._slots = asyncio.Semaphore(at_once)
        self._layered = layered
        self._queued: set[str] = set()
        self._can: dict[str, frozenset[str]] = {}
        self._can_at: Address | None = None

    # ------------------------------------------------------------ asking

    def ask(
        self,
        conversation: Conversation,
        text: str,
        *,
        images: Sequence[str] = (),
        system: str | None = None,
        options: Mapping[str, object] | None = None,
        think: Think | None = None,
        keep_alive: KeepAlive | None = None,
        format: str | Mapping[str, object] | None = None,
    ) -> AsyncGenerator[ChatEvent, None]:
        """Puts the question, then yields its answer: Asked, Thought and Said as they come, Finished or Failed last.

        Closing the generator, or cancelling the task that reads it, stops the model; what had come stays in the
        conversation as "stopped". Errors of the server are the event Failed, never an exception. Without room in the
        context the answer fails or ends with "length"; nothing of the conversation is dropped silently.

        Args:
            images: base64 texts without a `data:` prefix.
            system, options, think: for this answer; None leaves them as the conversation has them.
            think: where neither says anything, a model that can think is told to.

        Raises:
            ValueError: the text is blank, or an answer is still streaming in this conversation.
        """
        parent = conversation.turns[-1].id if conversation.turns else None
        question = self._question(text, parent, images)
        wishes = Wishes(system, options, think, keep_alive, format)
        answer = self._answer_to(question, conversation.model)
        return self._reply(conversation, question, answer, (question, answer), wishes)

    def edit(self, conversation: Conversation, question: Turn, text: str) -> AsyncGenerator[ChatEvent, None]:
        """Asks in other words: the new question and its answer stand beside the old ones. As `ask` otherwise."""
        other = self._question(text, question.parent, question.images)
        answer = self._answer_to(other, conversation.model)
        return self._reply(conversation, other, answer, (other, answer), Wishes())

    def again(
        self, conversation: Conversation, answer: Turn, *, model: str | None = None
    ) -> AsyncGenerator[ChatEvent, None]:
        """Asks the same once more; the new answer stands beside the old one. As `ask` otherwise.

        Args:
            model: another model to ask; the conversation's if None.

        Raises:
            ValueError: an answer is still streaming, or the turn is no answer to a question.
        """
        question = conversation.tree.get(answer.parent or "")
        if question is None or answer.role != "assistant":
            raise ValueError("this turn is no answer to a question")
        other = self._answer_to(question, model or conversation.model)
        return self._reply(conversation, question, other, (other,), Wishes())

    def go_on(self, conversation: Conversation, answer: Turn) -> AsyncGenerator[ChatEvent, None]:
        """Lets a model go on with an answer that was not finished. As `ask` otherwise.

        The request ends with the answer as it is; most templates go on from there. A reply that begins anew instead
        is put beside it: a second Asked tells of that turn.

        Raises:
            ValueError: an answer is still streaming, or the turn is no answer to a question, or has no text.
        """
        question = conversation.tree.get(answer.parent or "")
        if question is None or answer.role != "assistant" or not answer.text:
            raise ValueError("there is no answer here to go on with")
        return self._reply(conversation, question, answer, (), Wishes())

    async def answer_apart(self, model: str, messages: Sequence[Message], options: Mapping[str, object]) -> str:
        """The text that a model answers outside of any conversation. Raises the tree of OllamaError."""
        from codomyrmex_ollama_tui.domain.chat import AnswerEnd, ChatRequest  # not before the first frame

        client = await self._server.client()
        request = ChatRequest(model, tuple(messages), options=options, truncate=False, shift=False)
        request = replace(request, think=False if await self._thinking(client, request) is not None else None)
        texts = []
        with self._server.busy():
            async with aclosing(client.chat(request)) as items:
                async for item in items:
                    self._server.heard()
                    if not isinstance(item, AnswerEnd):
                        texts.append(item.text)
        return "".join(texts)

    def values_for(self, conversation: Conversation, model: str | None = None) -> Mapping[str, object]:
        """What a conversation is asked with: options, and `system`, `think`, `keep_alive`, `format` where set.

        Args:
            model: another one than the conversation's.

        Raises:
            NotSendable: there is no such preset, or a value is not allowed.
        """
        try:
            return self._layered(model or conversation.model, conversation.preset or None, own_values(conversation))
        except ValueError as error:
            raise NotSendable(str(error)) from None

    def capabilities_known(self, model: str) -> frozenset[str] | None:
        """What a model was found to be able to do when it was last asked; None where that is not known."""
        return self._can.get(model)

    def is_queued(self, conversation: Conversation) -> bool:
        """Whether its answer waits for others to end, because so many stream already."""
        return conversation.id in self._queued

    # ------------------------------------------------------------ inside

    async def _reply(
        self, conversation: Conversation, question: Turn, answer: Turn, fresh: tuple[Turn, ...], wishes: Wishes
    ) -> AsyncGenerator[ChatEvent, None]:
        """Reads an answer.

        Args:
            fresh: the turns that are new; none if the answer goes on.
        """
        if not question.text.strip():
            raise ValueError("there is nothing to send: the text is blank")
        if is_answering(conversation):
            raise ValueError("an answer is still being written in this conversation")
        before = replace(answer)
        answer.status, answer.words = "streaming", ""
        conversation.title = conversation.title or one_line(question.text, TITLE_LENGTH)
        conversation.add(*fresh)
        conversation.changed_at = self._now()
        keeper = Keeper(self.history, answer)
        path = conversation.above(answer)[:-1] if fresh else [*conversation.above(answer)[:-1], before]
        said, path = path, sent_part(conversation, path)
        turn = answer

        def restart() -> tuple[Turn, Keeper]:
            """The reply that was to go on begins anew: the old answer stays as it was."""
            nonlocal turn
            answer.status, answer.words, answer.answer = before.status, before.words, before.answer
            keeper.end()
            turn = self._answer_to(question, answer.model)
            conversation.add(turn)
            fresh_one = replace(turn)
            if self.history is not None:
                self.history.post(lambda store: store.add(conversation, [fresh_one]))
            return turn, Keeper(self.history, turn)

        async def prepared(client: OllamaClient) -> ChatRequest:
            values = self.values_for(with_wishes(conversation, wishes), answer.model)
            request = request_for(conversation, answer.model, path, values)
            request = replace(request, think=await self._thinking(client, request))
            keeper.sent(record_of(request, said, path))
            return request

        reading = Reading(self._server, answer, keeper, self._clock, None if fresh else restart)
        self._asked.add(conversation.id)
        try:
            await self._keep_first(conversation, answer, fresh)
            yield Asked(question, answer)
            await self._slot(conversation)
            try:
                async with aclosing(reading.pieces(prepared)) as events:
                    async for event in events:
                        if isinstance(event, Restarted):
                            yield Asked(question, turn)
                        else:
                            yield event
            finally:
                self._slots.release()
        finally:
            if turn.status == "streaming":
                turn.status = "stopped"
            if not fresh and turn is answer:
                _add_up(answer, before)
            reading.keeper.end()
            self._asked.discard(conversation.id)
        yield Finished(turn) if turn.status == "complete" else Failed(turn, turn.words)

    async def _keep_first(self, conversation: Conversation, answer: Turn, fresh: tuple[Turn, ...]) -> None:
        """What is going to be asked is on disk; where it cannot be, the history says so and the answer comes anyway."""
        if self.history is None:
            return
        if fresh:
            new = [replace(turn) for turn in fresh]
            await self.history.write(lambda store: store.add(conversation, new))
        else:
            await self.history.write(lambda store: store.resume(answer))

    async def _slot(self, conversation: Conversation) -> None:
        """Waits until fewer answers stream than are allowed to."""
        if self._slots.locked():
            self._queued.add(conversation.id)
        try:
            await self._slots.acquire()
        finally:
            self._queued.discard(conversation.id)

    async def _thinking(self, client: OllamaClient, request: ChatRequest) -> Think | None:
        """What is said about thinking: always something to a model that can, never anything to one that cannot."""
        capabilities = await self._capabilities(client, request.model)
        if capabilities is None:
            return request.think
        if "thinking" not in capabilities:
            return None
        return True if request.think is None else request.think

    async def _capabilities(self, client: OllamaClient, model: str) -> frozenset[str] | None:
        """What a model can do; None where the server does not say. Asked once for each model."""
        if client.address != self._can_at:  # another server may have another model of that name
            self._can, self._can_at = {}, client.address
        if model not in self._can:
            try:
                async with asyncio.timeout(CAPABILITIES_WITHIN):
                    info = await client.show(model)
            except (OllamaError, TimeoutError):
                return None
            if info.capabilities is None:
                return None
            self._can[model] = frozenset(info.capabilities)
        return self._can[model]

    def _question(self, text: str, parent: str | None, images: Sequence[str]) -> Turn:
        return Turn(self._new_id("turn"), "user", text, asked_at=self._now(), parent=parent, images=tuple(images))

    def _answer_to(self, question: Turn, model: str) -> Turn:
        return Turn(
            self._new_id("turn"),
            "assistant",
            model=model,
            status="streaming",
            asked_at=self._now(),
            parent=question.id,
        )


def _add_up(answer: Turn, before: Turn) -> None:
    """The tokens of an answer that came in two parts."""
    if (
        answer.answer is not None
        and before.answer is not None
        and None
        not in (
            answer.answer.tokens,
            before.answer.tokens,
        )
    ):
        answer.answer = replace(answer.answer, tokens=(answer.answer.tokens or 0) + (before.answer.tokens or 0))
