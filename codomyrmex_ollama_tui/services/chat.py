"""Conversations in memory and their answers as they stream."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Literal

from codomyrmex_ollama_tui.domain.errors import OllamaError, StreamUnfinished, casts_doubt
from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.chat import AnswerEnd, ChatRequest, KeepAlive, Message, Role, Think
    from codomyrmex_ollama_tui.services.server import ServerService

TITLE_LENGTH = 60
"""Characters of a conversation's title, which is the beginning of its first question."""

TurnStatus = Literal["complete", "stopped", "failed", "unfinished", "streaming"]


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """The figures of one answer.

    Attributes:
        tokens: `eval_count`, the unseen end token included; None for an answer without a last line.
        eval_rate: tokens per second, eval_count / eval_duration; None where the server gives no duration.
        ttft: seconds from sending to the first byte; None if none came.
        total: seconds from sending to the last byte.
        done_reason: "stop", "length", …; "" for an answer without a last line.
        load_s: seconds the model took to load.
        context_used: tokens of the context in use after the answer: prompt_eval_count + eval_count.
    """

    tokens: int | None = None
    eval_rate: float | None = None
    ttft: float | None = None
    total: float = 0.0
    done_reason: str = ""
    load_s: float | None = None
    context_used: int | None = None


@dataclass(slots=True)
class Turn:
    """One turn of a conversation. `text` and `thinking` are raw text from a person or a model: clean before drawing.

    Attributes:
        answer: the figures, once an answer has ended in whatever way; None for a person's turn.
        words: why it failed, one clean sentence; "" otherwise.
    """

    id: str
    role: Role
    text: str = ""
    thinking: str = ""
    model: str = ""
    status: TurnStatus = "complete"
    answer: AnswerFacts | None = None
    words: str = ""
    asked_at: datetime | None = None


@dataclass(slots=True)
class Conversation:
    """Turns with one model at a time; `title` is the beginning of the first question, "" before it."""

    id: str
    title: str
    model: str
    turns: list[Turn] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """The question stands in the conversation and the empty answer after it; nothing has been sent yet."""

    turn: Turn
    answer: Turn


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of thinking text."""

    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the answer's text."""

    text: str


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


class ChatService:
    """Asks models and keeps what was said, in memory."""

    def __init__(
        self, server: ServerService, *, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is the one that the client stamps the pieces of an answer with."""
        self._server = server
        self._now = now
        self._clock = clock
        self._numbers = count(1)
        self._conversations: list[Conversation] = []

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        """All conversations of this run, oldest first."""
        return tuple(self._conversations)

    def new_conversation(self, model: str) -> Conversation:
        """Begins an empty conversation."""
        conversation = Conversation(f"conversation-{next(self._numbers)}", "", model)
        self._conversations.append(conversation)
        return conversation

    async def ask(
        self,
        conversation: Conversation,
        text: str,
        *,
        system: str = "",
        options: Mapping[str, object] | None = None,
        think: Think | None = None,
        keep_alive: KeepAlive | None = None,
    ) -> AsyncGenerator[ChatEvent, None]:
        """Puts the question, then yields its answer: Asked, Thought and Said as they come, Finished or Failed last.

        Closing the generator, or cancelling the task that reads it, stops the model; what had come stays in the
        conversation as "stopped". Errors of the server are the event Failed, never an exception. Without room in the
        context the answer fails or ends with "length"; nothing of the conversation is dropped silently.

        Raises:
            ValueError: the text is blank, or an answer is still streaming in this conversation.
        """
        from codomyrmex_ollama_tui.domain.chat import ChatRequest  # not before the first frame

        if not text.strip():
            raise ValueError("there is nothing to send: the text is blank")
        if any(turn.status == "streaming" for turn in conversation.turns):
            raise ValueError("an answer is still being written in this conversation")
        asked_at = self._now()
        question = Turn(self._turn_id(), "user", text, asked_at=asked_at)
        answer = Turn(self._turn_id(), "assistant", model=conversation.model, status="streaming", asked_at=asked_at)
        conversation.turns += [question, answer]
        conversation.title = conversation.title or one_line(text, TITLE_LENGTH)
        request = ChatRequest(
            conversation.model,
            messages_of(conversation, system),
            options=options or {},
            think=think,
            keep_alive=keep_alive,
            truncate=False,
            shift=False,
        )
        try:
            yield Asked(question, answer)
            async with aclosing(self._answer(request, answer)) as events:
                async for event in events:
                    yield event
        finally:
            if answer.status == "streaming":
                answer.status = "stopped"

    async def _answer(self, request: ChatRequest, answer: Turn) -> AsyncGenerator[ChatEvent, None]:
        from codomyrmex_ollama_tui.domain.chat import AnswerEnd  # not before the first frame

        sent_at = self._clock()
        first_at: float | None = None
        end: AnswerEnd | None = None
        error: OllamaError | None = None
        try:
            client = await self._server.client()
            sent_at = self._clock()
            with self._server.busy():
                async with aclosing(client.chat(request)) as items:
                    async for item in items:
                        self._server.heard()
                        if first_at is None:
                            first_at = item.at
                        if isinstance(item, AnswerEnd):
                            end = item
                            continue
                        if item.thinking:
                            answer.thinking += item.thinking
                            yield Thought(item.thinking)
                        if item.text:
                            answer.text += item.text
                            yield Said(item.text)
        except OllamaError as raised:
            error = raised
            if casts_doubt(error):
                self._server.doubt()
        finally:
            answer.answer = _facts(end, sent_at, first_at, self._clock())
        if error is None and end is None:
            error = StreamUnfinished("the answer ended without its last line")
        if error is None:
            answer.status = "complete"
            yield Finished(answer)
            return
        answer.status = "unfinished" if isinstance(error, StreamUnfinished) else "failed"
        answer.words = one_line(str(error), 400)
        yield Failed(answer, answer.words)

    def _turn_id(self) -> str:
        return f"turn-{next(self._numbers)}"


def messages_of(conversation: Conversation, system: str = "") -> tuple[Message, ...]:
    """What the model is sent: a question that brought nothing is left out, thinking is never sent back."""
    from codomyrmex_ollama_tui.domain.chat import Message  # not before the first frame

    messages = [Message("system", system)] if system else []
    turns = conversation.turns
    for turn, following in zip(turns, [*turns[1:], None], strict=True):
        if turn.role == "user":
            answer = following if following is not None and following.role == "assistant" else None
            if answer is None or answer.text or answer.status == "streaming":
                messages.append(Message("user", turn.text))
        elif turn.text:
            messages.append(Message(turn.role, turn.text))
    return tuple(messages)


def _facts(end: AnswerEnd | None, sent_at: float, first_at: float | None, now: float) -> AnswerFacts:
    ttft = None if first_at is None else max(0.0, first_at - sent_at)
    if end is None:
        return AnswerFacts(ttft=ttft, total=now - sent_at)
    counters = end.counters
    counts = (counters.prompt_eval_count, counters.eval_count)
    return AnswerFacts(
        tokens=counters.eval_count,
        eval_rate=counters.eval_rate,
        ttft=ttft,
        total=max(0.0, end.at - sent_at),
        done_reason=one_line(end.done_reason),
        load_s=None if counters.load_duration is None else counters.load_duration / 1e9,
        context_used=None if counts == (None, None) else sum(number or 0 for number in counts),
    )
