"""Conversations in memory and their answers as they stream."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Literal

from codomyrmex_ollama_tui.domain.chat import AnswerEnd, ChatRequest, KeepAlive, Message, Role, Think
from codomyrmex_ollama_tui.domain.errors import OllamaError, ServerUnreachable, StreamCut, StreamUnfinished
from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.server import ServerService

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
    """Turns with one model at a time; `title` is the first line of the first question, "" before it."""

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
        raise NotImplementedError

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        """All conversations of this run, oldest first."""
        raise NotImplementedError

    def new_conversation(self, model: str) -> Conversation:
        """Begins an empty conversation."""
        raise NotImplementedError

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
        conversation as "stopped". Errors of the server are the event Failed, never an exception.

        Raises:
            ValueError: the text is blank, or an answer is still streaming in this conversation.
        """
        raise NotImplementedError
        yield
