"""Requests to models run to their end, whatever that is: one, one in pieces, or many at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.chat import AnswerEnd, AnswerPiece, ChatRequest, Counters, GenerateRequest, ToolCall
from codomyrmex_ollama_tui.domain.errors import OllamaError, Stopped, casts_doubt
from codomyrmex_ollama_tui.services.monitor import Monitor
from codomyrmex_ollama_tui.services.parallel import in_parallel

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.server import ServerService
    from codomyrmex_ollama_tui.services.stopping import Stop

Request = GenerateRequest | ChatRequest

_NO_COUNTERS = Counters()


@dataclass(frozen=True, slots=True)
class Execution:
    """One request and everything that came of it. Text is raw: clean it before it reaches a terminal.

    Attributes:
        request: what was sent.
        started_at: the time of day when it was sent.
        text, thinking, tool_calls: the answer; what had come of it where it did not come to its end.
        end: the last line with its counters; None for an answer that did not come to its end.
        error: what the server or the network did; None for a whole answer and for one that was stopped.
        stopped: somebody stopped it here.
        total_s: seconds from sending to the last byte.
        arrivals: when each piece with text, thinking or tool calls came, in seconds from sending.
        ttfa_s: time to first answer: seconds from sending to the first piece with text that is no thinking.
        answer_pieces: how many of the pieces had text that is no thinking.
        server, version, engine: who answered, as `ServerState` has it.
    """

    request: Request
    started_at: datetime
    text: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    end: AnswerEnd | None = None
    error: OllamaError | None = None
    stopped: bool = False
    total_s: float = 0.0
    arrivals: tuple[float, ...] = ()
    ttfa_s: float | None = None
    answer_pieces: int = 0
    server: str = ""
    version: str = ""
    engine: str = ""

    @property
    def success(self) -> bool:
        """Whether the answer came to its end."""
        return self.end is not None and self.error is None and not self.stopped

    @property
    def partial(self) -> bool:
        """Whether a part of an answer came, and not the whole."""
        return not self.success and bool(self.text or self.thinking or self.tool_calls)

    @property
    def ttft_s(self) -> float | None:
        """Time to first token: seconds from sending to the first piece with content of any kind; None without one."""
        return self.arrivals[0] if self.arrivals else None

    @property
    def counters(self) -> Counters:
        """The figures of the last line; all None without one."""
        return self.end.counters if self.end is not None else _NO_COUNTERS

    @property
    def done_reason(self) -> str:
        """ "stop", "length", …; "" for an answer that did not come to its end."""
        return self.end.done_reason if self.end is not None else ""


class ExecutionService:
    """Runs requests on whatever server is present."""

    def __init__(
        self, server: ServerService, *, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is the one that the client stamps the pieces of an answer with."""
        self.server = server
        self.clock = clock
        self.monitor = Monitor(server, clock=clock)
        self._now = now

    async def run(
        self,
        request: Request,
        *,
        on_piece: Callable[[AnswerPiece], None] | None = None,
        first_byte_timeout: float | None = None,
        stop: Stop | None = None,
    ) -> Execution:
        """Runs one request to its end.

        Args:
            on_piece: called with each piece when it arrives; what it raises ends the run and comes out here.
            first_byte_timeout: seconds until the answer begins, loading and waiting included; None waits for ever.
            stop: stops the model when it is pulled; what had come is kept.

        Raises:
            TypeError, ValueError: the request holds what JSON does not have. What the server or the network does is
                `Execution.error`, never an exception.
        """
        gathered = _Gathered(request, self._now(), self.clock)
        try:
            if stop is None:
                await self._read(gathered, on_piece, first_byte_timeout)
            else:
                async with stop.scope():
                    await self._read(gathered, on_piece, first_byte_timeout)
        except OllamaError as error:
            gathered.error = error
        except TimeoutError:
            if stop is None or not stop.pulled:
                raise
            gathered.stopped = True
        return gathered.execution()

    async def stream(
        self,
        request: Request,
        *,
        first_byte_timeout: float | None = None,
        on_finish: Callable[[Execution], None] | None = None,
        stop: Stop | None = None,
    ) -> AsyncGenerator[AnswerPiece, None]:
        """The pieces of one answer as they arrive. Closing the generator stops the model.

        Args:
            first_byte_timeout, stop: as in `run`.
            on_finish: called once with everything that came: at the end, before an error is raised, or when stopped.

        Raises:
            OllamaError: after what had come; `Stopped` when the stop was pulled.
        """
        gathered = _Gathered(request, self._now(), self.clock)
        try:
            async with aclosing(self._pieces(gathered, first_byte_timeout)) as pieces:
                while (piece := await _next(pieces, stop)) is not None:
                    yield piece
        except Stopped:
            gathered.stopped = True
            raise
        except OllamaError as error:
            gathered.error = error
            raise
        except (GeneratorExit, asyncio.CancelledError):
            gathered.stopped = True
            raise
        finally:
            if on_finish is not None:
                on_finish(gathered.execution())

    async def batch(
        self,
        requests: Sequence[Request],
        *,
        max_concurrent: int = 1,
        on_piece: Callable[[int, AnswerPiece], None] | None = None,
        first_byte_timeout: float | None = None,
        stop: Stop | None = None,
    ) -> AsyncGenerator[tuple[int, Execution], None]:
        """Runs many requests, some at a time, and yields (index, execution) as each ends; one failure ends no other.

        Closing the generator stops those that are running. With `stop` those not begun yet are yielded as stopped.

        Raises:
            ValueError: `max_concurrent` is less than 1.
        """

        def run(number: int) -> Awaitable[Execution]:
            take = None if on_piece is None else partial(on_piece, number)
            return self.run(requests[number], on_piece=take, first_byte_timeout=first_byte_timeout, stop=stop)

        async with aclosing(in_parallel(run, len(requests), max_concurrent)) as ended:
            async for number, execution in ended:
                yield number, execution

    def unsent(self, request: Request, error: OllamaError) -> Execution:
        """The execution of a request that never was sent, because there is no server."""
        state = self.server.state
        return Execution(request, self._now(), error=error, server=state.label)

    async def _read(
        self, gathered: _Gathered, on_piece: Callable[[AnswerPiece], None] | None, first_byte_timeout: float | None
    ) -> None:
        async with aclosing(self._pieces(gathered, first_byte_timeout)) as pieces:
            async for piece in pieces:
                if on_piece is not None:
                    on_piece(piece)

    async def _pieces(self, gathered: _Gathered, first_byte_timeout: float | None) -> AsyncGenerator[AnswerPiece, None]:
        """The pieces, each gathered before it is handed over."""
        request = gathered.request
        try:
            client = await self.server.client()
            state = self.server.state
            gathered.server, gathered.version, gathered.engine = state.label, state.version, state.engine
            gathered.send(self._now())
            if isinstance(request, ChatRequest):
                answer = client.chat(request, first_byte_timeout=first_byte_timeout)
            else:
                answer = client.generate(request, first_byte_timeout=first_byte_timeout)
            with self.server.busy():
                async with aclosing(answer) as items:
                    async for item in items:
                        self.server.heard()
                        if isinstance(item, AnswerEnd):
                            gathered.end = item
                        else:
                            gathered.take(item)
                            yield item
        except OllamaError as error:
            if casts_doubt(error):
                self.server.doubt()
            raise
        finally:
            gathered.ended_at = self.clock()


async def _next(pieces: AsyncGenerator[AnswerPiece, None], stop: Stop | None) -> AnswerPiece | None:
    """The next piece, None after the last. Raises Stopped when the stop is pulled meanwhile."""
    if stop is None:
        return await anext(pieces, None)
    try:
        # Around each wait of its own: whoever reads the pieces must not be cancelled between two of them.
        async with stop.scope():
            return await anext(pieces, None)
    except TimeoutError:
        if stop.pulled:
            raise Stopped from None
        raise


class _Gathered:
    """What has come so far."""

    def __init__(self, request: Request, started_at: datetime, clock: Callable[[], float]) -> None:
        self.request = request
        self.end: AnswerEnd | None = None
        self.error: OllamaError | None = None
        self.stopped = False
        self.server = self.version = self.engine = ""
        self.ended_at: float | None = None
        self._clock = clock
        self._started_at = started_at
        self._sent_at = clock()
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[ToolCall] = []
        self._arrivals: list[float] = []
        self._first_answer: float | None = None
        self._answer_pieces = 0

    def send(self, now: datetime) -> None:
        """The request is sent now."""
        self._started_at = now
        self._sent_at = self._clock()

    def take(self, piece: AnswerPiece) -> None:
        """Takes one piece in; one without content is no arrival."""
        if not (piece.text or piece.thinking or piece.tool_calls):
            return
        at = max(0.0, piece.at - self._sent_at)
        self._arrivals.append(at)
        if piece.text:
            self._text.append(piece.text)
            self._answer_pieces += 1
            if self._first_answer is None:
                self._first_answer = at
        if piece.thinking:
            self._thinking.append(piece.thinking)
        self._calls.extend(piece.tool_calls)

    def execution(self) -> Execution:
        """All of it."""
        last = self.end.at if self.end is not None else self.ended_at
        return Execution(
            request=self.request,
            started_at=self._started_at,
            text="".join(self._text),
            thinking="".join(self._thinking),
            tool_calls=tuple(self._calls),
            end=self.end,
            error=self.error,
            stopped=self.stopped and self.end is None,
            total_s=max(0.0, (self._clock() if last is None else last) - self._sent_at),
            arrivals=tuple(self._arrivals),
            ttfa_s=self._first_answer,
            answer_pieces=self._answer_pieces,
            server=self.server,
            version=self.version,
            engine=self.engine,
        )
