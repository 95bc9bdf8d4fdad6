"""Answers on their way: each is read to its end whether or not anybody looks at its conversation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from codomyrmex_ollama_tui.services.chat import Asked, Said, Thought

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.chat import ChatEvent, Conversation, Turn
    from codomyrmex_ollama_tui.ui.widgets.composer import Draft


@dataclass(slots=True)
class Answering:
    """An answer on its way.

    Attributes:
        draft: the prompt as it stood in the composer.
        replaced: the answer in whose place this one is shown, which comes back if this one brings nothing.
        asked_at, first_at: when it was asked for and when its first piece came, in seconds of the reader's clock.
        pieces: how many have come; a piece is one token as a rule, but need not be.
        answer: the turn that grows; None until it stands in the conversation.
        stopped: the person does not want it any more.
        fresh: its question is new at the end of the conversation; else it stands beside others, or goes on.
    """

    conversation: Conversation
    draft: Draft
    replaced: Turn | None
    asked_at: float
    first_at: float | None = None
    pieces: int = 0
    answer: Turn | None = None
    stopped: bool = False
    fresh: bool = True


class Reader(Protocol):
    """Whoever draws answers. Called for every answer, also of conversations that are not open."""

    def answer_begun(self, answering: Answering, question: Turn, answer: Turn) -> None:
        """The question and the empty answer stand in the conversation."""

    def answer_grew(self, answering: Answering, *, text: str = "", thinking: str = "") -> None:
        """A piece of text or of thinking has come."""

    def answer_ended(self, answering: Answering, answer: Turn) -> None:
        """The answer is whole, stopped or broken off; the turn says which."""


class Answers:
    """The answers that are being written, at most one in each conversation."""

    def __init__(self, reader: Reader, *, clock: Callable[[], float]) -> None:
        self._readers = [reader]
        self._clock = clock
        self._on_their_way: dict[str, Answering] = {}

    def __len__(self) -> int:
        return len(self._on_their_way)

    def of(self, conversation: Conversation) -> Answering | None:
        """The answer on its way in a conversation."""
        return self._on_their_way.get(conversation.id)

    def with_id(self, conversation_id: str) -> Answering | None:
        """The answer on its way in the conversation with that id."""
        return self._on_their_way.get(conversation_id)

    def listen(self, reader: Reader) -> Callable[[], None]:
        """Tells one more reader of every answer, after the first one; gives what ends that."""
        self._readers.append(reader)
        return lambda: self._readers.remove(reader)

    def expect(self, conversation: Conversation, draft: Draft, replaced: Turn | None = None) -> Answering:
        """From now on the conversation waits for an answer; `read` gets it."""
        answering = Answering(conversation, draft, replaced, self._clock())
        self._on_their_way[conversation.id] = answering
        return answering

    async def read(self, answering: Answering, asking: AsyncGenerator[ChatEvent, None]) -> None:
        """Asks, and reads to the end. Cancelling it stops the model and keeps what has come."""
        try:
            async with aclosing(asking) as events:
                async for event in events:
                    match event:
                        case Said(text):
                            self._count(answering)
                            for reader in self._readers:
                                reader.answer_grew(answering, text=text)
                        case Thought(text):
                            self._count(answering)
                            for reader in self._readers:
                                reader.answer_grew(answering, thinking=text)
                        case Asked(question, answer):
                            answering.answer = answer
                            for reader in self._readers:
                                reader.answer_begun(answering, question, answer)
                            if answering.stopped:  # before it could be cancelled
                                break
        finally:
            del self._on_their_way[answering.conversation.id]
            if answering.answer is not None:
                for reader in tuple(self._readers):  # one may leave at that
                    reader.answer_ended(answering, answering.answer)

    def _count(self, answering: Answering) -> None:
        answering.pieces += 1
        if answering.first_at is None:
            answering.first_at = self._clock()
