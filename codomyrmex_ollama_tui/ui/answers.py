"""Answers on their way: each is read to its end whether or not anybody looks at its conversation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from codomyrmex_ollama_tui.services.chat import Asked, Said, Thought

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.chat import ChatService, Conversation, Turn
    from codomyrmex_ollama_tui.ui.widgets.composer import Draft


@dataclass(slots=True)
class Answering:
    """An answer on its way.

    Attributes:
        draft: the prompt as it stood in the composer.
        replaced: the question and the answer that this one stands in for; nothing as a rule.
        asked_at, first_at: when it was asked for and when its first piece came, in seconds of the reader's clock.
        thinking_since: when its first thought came; None before it, and once it has begun to say something.
        pieces: how many have come; a piece is one token as a rule, but need not be.
        answer: the turn that grows; None until it stands in the conversation.
        stopped: the person does not want it any more.
    """

    conversation: Conversation
    draft: Draft
    replaced: Sequence[Turn]
    asked_at: float
    first_at: float | None = None
    thinking_since: float | None = None
    pieces: int = 0
    answer: Turn | None = None
    stopped: bool = False


class Reader(Protocol):
    """Whoever draws answers. Called for every answer, also of conversations that are not open."""

    def answer_begun(self, answering: Answering, question: Turn, answer: Turn) -> None:
        """The question and the empty answer stand in the conversation."""

    def answer_grew(self, answering: Answering, *, text: str = "", thinking: str = "") -> None:
        """A piece of text or of thinking has come."""

    def answer_ended(self, answering: Answering, answer: Turn) -> None:
        """The answer is whole, stopped or broken off; the turn says which."""


class Answers:
    """The answers that are being written, at most one in each conversation.

    Attributes:
        thought_for: seconds of thinking in each answer of this run that thought, by the id of its turn.
    """

    def __init__(self, chat: ChatService, reader: Reader, *, clock: Callable[[], float]) -> None:
        self._chat = chat
        self._reader = reader
        self._clock = clock
        self._on_their_way: dict[str, Answering] = {}
        self.thought_for: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._on_their_way)

    def of(self, conversation: Conversation) -> Answering | None:
        """The answer on its way in a conversation."""
        return self._on_their_way.get(conversation.id)

    def expect(self, conversation: Conversation, draft: Draft, replaced: Sequence[Turn] = ()) -> Answering:
        """From now on the conversation waits for an answer; `read` gets it."""
        answering = Answering(conversation, draft, replaced, self._clock())
        self._on_their_way[conversation.id] = answering
        return answering

    async def read(self, answering: Answering) -> None:
        """Asks, and reads to the end. Cancelling it stops the model and keeps what has come."""
        reader = self._reader
        try:
            async with aclosing(self._chat.ask(answering.conversation, answering.draft.prompt)) as events:
                async for event in events:
                    if isinstance(event, Said | Thought):
                        self._count(answering, event)
                    match event:
                        case Said(text):
                            reader.answer_grew(answering, text=text)
                        case Thought(text):
                            reader.answer_grew(answering, thinking=text)
                        case Asked(question, answer):
                            answering.answer = answer
                            reader.answer_begun(answering, question, answer)
                            if answering.stopped:  # before it could be cancelled
                                break
        finally:
            del self._on_their_way[answering.conversation.id]
            if answering.answer is not None:
                reader.answer_ended(answering, answering.answer)

    def _count(self, answering: Answering, event: Said | Thought) -> None:
        now = self._clock()
        answering.pieces += 1
        if answering.first_at is None:
            answering.first_at = now
        if isinstance(event, Thought):
            if answering.thinking_since is None:
                answering.thinking_since = now
        elif answering.thinking_since is not None and answering.answer is not None:
            self.thought_for[answering.answer.id] = now - answering.thinking_since
            answering.thinking_since = None
