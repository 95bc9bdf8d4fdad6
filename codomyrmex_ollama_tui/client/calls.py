"""The kinds of exchange that endpoints are made of: a short body, an answer in pieces, a report of progress, any."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass

from codomyrmex_ollama_tui.client.answers import AnswerReader
from codomyrmex_ollama_tui.client.bodies import encode
from codomyrmex_ollama_tui.client.failures import refusal, words_in
from codomyrmex_ollama_tui.client.parse import Fields, load_object, progress_of
from codomyrmex_ollama_tui.client.wire import Call, Wire, is_lines
from codomyrmex_ollama_tui.domain.chat import AnswerEnd, AnswerPiece
from codomyrmex_ollama_tui.domain.errors import BadReply, OllamaError, StreamFailed, StreamUnfinished
from codomyrmex_ollama_tui.domain.models import Progress

JSON_HEADERS = {"Content-Type": "application/json"}
_REAL_WAIT = 0.001
"""Seconds; what comes sooner than this was there already."""
_GOODBYE = 0.25
"""Seconds for the rest of a stream after its last line, so that the connection can be used again."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer whose meaning nobody looked at.

    Attributes:
        headers: names in lower case.
        lines: the objects of a stream, None where the answer was no stream.
        body: the bytes of an answer that was no stream.
    """

    status: int
    headers: Mapping[str, str]
    lines: tuple[Mapping[str, object], ...] | None = None
    body: bytes = b""

    def json(self) -> object:
        """The body as JSON.

        Raises:
            BadReply: if it is none.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise BadReply("the raw request", "no JSON", self.body[:200].decode("utf-8", "replace")) from None


class Calls:
    """Exchanges over one `Wire`."""

    def __init__(self, wire: Wire, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._wire = wire
        self._limits = wire.limits
        self._clock = clock
        self._sleep = sleep

    async def fields(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        model: str = "",
        within: float | None = None,
    ) -> Fields:
        """A short call whose answer is one object."""
        return Fields(load_object(await self.short(method, path, body, model=model, within=within), path), path)

    async def short(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        model: str = "",
        within: float | None = None,
    ) -> bytes:
        """A short call: everything is over `within` seconds (default: the limit of requests), or NoAnswer is raised."""
        total = self._limits.request if within is None else within
        data, _ = await self._wire.body(_call(method, path, body, model, repeatable=method == "GET", total=total))
        return data

    async def slow_fields(self, path: str, body: Mapping[str, object], *, model: str) -> Fields:
        """A call that a model has to work for, answered by one object."""
        first_byte, gap = self._limits.first_byte, self._limits.request
        call = _call("POST", path, body, model, repeatable=True, first_byte=first_byte, gap=gap)
        data, _ = await self._wire.body(call)
        return Fields(load_object(data, path), path)

    async def answer(
        self,
        path: str,
        body: Mapping[str, object],
        *,
        model: str,
        rest: float = 0.0,
        patient: bool = False,
        first_byte: float | None = None,
    ) -> AsyncGenerator[AnswerPiece | AnswerEnd, None]:
        """The pieces of an answer and its end.

        Args:
            rest: seconds to rest after each real wait for the network.
            patient: whether silence may be a tool call in the writing, which is sent only when it is whole; then
                the wait between two bytes has no limit.
            first_byte: seconds until it begins; None is the usual limit.
        """
        first_byte = self._limits.first_byte if first_byte is None else first_byte
        gap = None if patient else self._limits.request
        call = _call("POST", path, body, model, repeatable=True, first_byte=first_byte, gap=gap)
        reader = AnswerReader(path, model)
        clock = self._clock
        try:
            async with aclosing(self._wire.lines(call)) as packets:
                before = clock()
                async for lines in packets:
                    at = clock()
                    for line in lines:
                        for item in reader.read(line, at):
                            yield item
                        if reader.ended:
                            await _drain(packets)
                            return
                    if rest > 0 and at - before > _REAL_WAIT:
                        await self._sleep(rest)
                    before = clock()
        except OllamaError as error:
            raise reader.broken(error) from error.__cause__
        reader.finish()

    async def one_answer(self, path: str, body: Mapping[str, object], *, model: str) -> AnswerEnd:
        """The end of an answer, its pieces left out."""
        last: AnswerPiece | AnswerEnd | None = None
        async with aclosing(self.answer(path, body, model=model)) as items:
            async for item in items:
                last = item
        assert isinstance(last, AnswerEnd)  # what ends without one raises
        return last

    async def progress(self, path: str, body: Mapping[str, object], *, model: str) -> AsyncGenerator[Progress, None]:
        """The lines of a report; it ends after "success", and has no limits of time."""
        async with aclosing(self._wire.lines(_call("POST", path, body, model))) as packets:
            async for lines in packets:
                for line in lines:
                    data = load_object(line, path)
                    words = words_in(data)
                    if words is not None:
                        raise refusal(None, words, model=model)
                    progress = progress_of(Fields(data, path))
                    yield progress
                    if progress.status == "success":
                        await _drain(packets)
                        return
        raise StreamUnfinished("the server ended its report before it said success")

    async def raw(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str] | None) -> RawAnswer:
        """Any request; statuses and error lines become the errors that they become everywhere."""
        call = Call(method, path, content, headers, first_byte=self._limits.first_byte, gap=self._limits.request)
        objects: list[Mapping[str, object]] = []
        async with self._wire.open(call) as response:
            heads = {name.lower(): value for name, value in response.headers.items()}
            if not is_lines(response):
                return RawAnswer(response.status_code, heads, body=await self._wire.whole(response, call))
            async with aclosing(self._wire.lines_of(response, call)) as packets:
                async for lines in packets:
                    for line in lines:
                        objects.append(load_object(line, path))
                        words = words_in(objects[-1])
                        if words is not None:
                            raise StreamFailed(words) if len(objects) > 1 else refusal(None, words)
        return RawAnswer(response.status_code, heads, tuple(objects))


def _call(
    method: str,
    path: str,
    body: Mapping[str, object] | None,
    model: str,
    *,
    repeatable: bool = False,
    first_byte: float | None = None,
    gap: float | None = None,
    total: float | None = None,
) -> Call:
    content, headers = (None, None) if body is None else (encode(body), JSON_HEADERS)
    return Call(method, path, content, headers, model, repeatable, first_byte, gap, total)


async def _drain(packets: AsyncIterator[object]) -> None:
    """Read what follows a last line; nothing that happens here can make the answer wrong."""
    with suppress(TimeoutError, OllamaError):
        async with asyncio.timeout(_GOODBYE):
            async for _ in packets:
                pass
