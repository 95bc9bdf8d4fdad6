"""One answer as it comes: read from the server, put into its turn, kept on disk every half second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.conversations import NO_ROOM, AnswerFacts, Turn
from codomyrmex_ollama_tui.domain.errors import ContextTooLong, OllamaError, StreamUnfinished, casts_doubt
from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.client.ollama import OllamaClient
    from codomyrmex_ollama_tui.domain.chat import AnswerEnd, AnswerPiece, ChatRequest
    from codomyrmex_ollama_tui.services.history import History
    from codomyrmex_ollama_tui.services.server import ServerService

REPEATED = 30
"""Equal tokens in a row after which Ollama ends an answer without a word about it."""
LOOPED = f"the server ended it: the model had said the same token more than {REPEATED} times in a row"
KEPT_EVERY = 0.5
"""Seconds after which what has come of an answer is on disk, at the latest."""


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of thinking text."""

    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """A reply that was to go on with a text begins anew: it is put into a turn of its own."""


class Keeper:
    """Hands the pieces of one answer to the history, many at a time."""

    def __init__(self, history: History | None, turn: Turn) -> None:
        self._history = history
        self._turn = turn
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def take(self, text: str, thinking: str) -> None:
        """A piece has come."""
        if self._history is None:
            return
        self._text.append(text)
        self._thinking.append(thinking)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEPT_EVERY, self._flush)

    def sent(self, record: dict[str, object]) -> None:
        """The request is about to be sent."""
        turn_id = self._turn.id
        if self._history is not None:
            self._history.post(lambda store: store.sent(turn_id, record))

    def end(self) -> None:
        """The turn is as it will be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._history is not None:
            ended = replace(self._turn)
            self._history.post(lambda store: store.finish(ended))

    def _flush(self) -> None:
        self._timer = None
        text, thinking, turn_id = "".join(self._text), "".join(self._thinking), self._turn.id
        self._text.clear()
        self._thinking.clear()
        if self._history is not None and (text or thinking):
            self._history.post(lambda store: store.append(turn_id, text, thinking))


class Reading:
    """Reads one answer into its turn.

    Attributes:
        error: why the answer did not come to its end; None while it comes and when it is whole.
        keeper: that of the turn which is written now.
    """

    def __init__(
        self,
        server: ServerService,
        turn: Turn,
        keeper: Keeper,
        clock: Callable[[], float],
        restart: Callable[[], tuple[Turn, Keeper]] | None = None,
    ) -> None:
        """
        Args:
            restart: of a reply that is to go on with the text of the turn: gives another turn if it begins anew.
        """
        self.error: OllamaError | None = None
        self._server = server
        self._turn = turn
        self.keeper = keeper
        self._clock = clock
        self._thinking_since: float | None = None
        self._restart = restart
        self._start = turn.text
        self._held = ""
        self._token = ""
        self._equal = 0

    async def pieces(
        self, prepared: Callable[[OllamaClient], Awaitable[ChatRequest]]
    ) -> AsyncGenerator[Thought | Said | Restarted, None]:
        """Sends and yields what comes; the turn has its figures and its status in the end.

        Args:
            prepared: gives the request, once there is a client to ask what the model can do.
        """
        from codomyrmex_ollama_tui.domain.chat import AnswerEnd  # not before the first frame

        sent_at = self._clock()
        first_at: float | None = None
        end: AnswerEnd | None = None
        request: ChatRequest | None = None
        try:
            client = await self._server.client()
            request = await prepared(client)
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
                        for event in self._taken(item):
                            yield event
        except OllamaError as raised:
            self.error = raised
            if casts_doubt(raised):
                self._server.doubt()
        finally:
            self._turn.text += self._held
            turn, self._held = self._turn, ""
            turn.answer = facts_of(end, sent_at, first_at, self._clock())
            if isinstance(self.error, ContextTooLong):
                turn.answer = replace(turn.answer, done_reason=NO_ROOM)
            self._stop_thinking()
        if self.error is None and end is None:
            self.error = StreamUnfinished("the answer ended without its last line")
        if isinstance(self.error, StreamUnfinished) and self._equal >= REPEATED:
            self.error = StreamUnfinished(LOOPED)
        if self.error is None:
            turn.status, turn.words = "complete", ""
            if request is not None and request.format is not None:
                from codomyrmex_ollama_tui.domain.assertions import format_words  # seldom needed

                turn.answer = replace(turn.answer, checked=format_words(turn.text, request.format))
        else:
            turn.status = "unfinished" if isinstance(self.error, StreamUnfinished) else "failed"
            turn.words = one_line(str(self.error), 400)

    def _taken(self, piece: AnswerPiece) -> list[Thought | Said | Restarted]:
        events: list[Thought | Said | Restarted] = []
        text = piece.text
        self._count_equal(text or piece.thinking)
        if self._restart is not None and text:
            self._held += text
            anew = begins_anew(self._start, self._held)
            if anew is None:
                text = ""
            else:
                text, self._held = self._held, ""
                if anew:
                    self._turn, self.keeper = self._restart()
                    events.append(Restarted())
                self._restart = None
        if piece.thinking:
            if self._thinking_since is None and not self._turn.text:
                self._thinking_since = self._clock()
            self._turn.thinking += piece.thinking
            events.append(Thought(piece.thinking))
        if text:
            self._stop_thinking()
            self._turn.text += text
            events.append(Said(text))
        if piece.tool_calls:
            self._turn.tool_calls += piece.tool_calls
        if text or piece.thinking:
            self.keeper.take(text, piece.thinking)
        return events

    def _count_equal(self, token: str) -> None:
        """How often the last token has come in a row, white space around it aside, as the server counts."""
        token = token.strip()
        self._equal = self._equal + 1 if token == self._token else 1
        self._token = token

    def _stop_thinking(self) -> None:
        if self._thinking_since is not None:
            self._turn.thought_for = self._clock() - self._thinking_since
            self._thinking_since = None


def begins_anew(start: str, reply: str) -> bool | None:
    """Whether a reply repeats the text that it was to go on with; None while that cannot be told.

    A start of less than 8 characters says nothing: the reply is taken as going on.
    """
    wanted = start.lstrip()[:24]
    found = reply.lstrip()[: len(wanted)]
    if len(wanted) < 8 or not wanted.startswith(found):
        return False
    return None if len(found) < len(wanted) else True


def facts_of(end: AnswerEnd | None, sent_at: float, first_at: float | None, now: float) -> AnswerFacts:
    """The figures of an answer.

    Args:
        end: its last line, if it came.
        sent_at, first_at, now: when it was sent for, when its first byte came, and now; seconds of one clock.
    """
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
        prompt_tokens=counters.prompt_eval_count,
        prompt_s=None if counters.prompt_eval_duration is None else counters.prompt_eval_duration / 1e9,
    )
