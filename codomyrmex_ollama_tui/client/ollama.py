"""Ollama's HTTP interface as methods; only the tree of `domain.errors` leaves them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from types import MappingProxyType, TracebackType

from codomyrmex_ollama_tui.client.address import Address
from codomyrmex_ollama_tui.client.answers import AnswerReader
from codomyrmex_ollama_tui.client.bodies import chat_body, encode, generate_body, load_body
from codomyrmex_ollama_tui.client.failures import refusal, words_in
from codomyrmex_ollama_tui.client.parse import (
    Fields,
    load_object,
    progress_of,
    running_of,
    show_of,
    tags_of,
    version_of,
)
from codomyrmex_ollama_tui.client.wire import Call, Limits, Wire
from codomyrmex_ollama_tui.domain.chat import AnswerEnd, AnswerPiece, ChatRequest, GenerateRequest, KeepAlive
from codomyrmex_ollama_tui.domain.errors import BadReply, OllamaError, StreamUnfinished
from codomyrmex_ollama_tui.domain.models import (
    NOTHING,
    ModelInfo,
    ModelSummary,
    Progress,
    RunningModel,
    ServerVersion,
)

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_REAL_WAIT = 0.001
"""Seconds; what comes sooner than this was there already."""
_GOODBYE = 0.25
"""Seconds for the rest of a stream after its last line, so that the connection can be used again."""


class OllamaClient:
    """One server, asked over HTTP.

    Args:
        address: where it is.
        headers: sent with every request.
        token: sent as a bearer token.
        ca_file: PEM file of the authorities to trust for https:// instead of the usual ones.
        connect_timeout: seconds for a connection.
        request_timeout: seconds for a whole short call, and between two bytes of an answer.
        first_byte_timeout: seconds until an answer begins (loading and waiting included); None waits for ever.
        max_retries: further tries: for failed connections always; for 502, 503 and 504 before the first byte only
            for GET, generate, chat and embed; never for an answer that has begun.
        retry_delay: seconds before the first further try, doubled each time.
        clock: a monotonic clock in seconds, for the times in answers.
        sleep: waits that many seconds.
        jitter: a number in 0–1 for each wait before a further try; a constant spreads nothing.

    Raises:
        ValueError: for headers or a token that no request can carry.
        ServerUnreachable: when the CA file cannot be read.
    """

    def __init__(
        self,
        address: Address,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        token: str | None = None,
        ca_file: str | None = None,
        connect_timeout: float = 5.0,
        request_timeout: float = 120.0,
        first_byte_timeout: float | None = None,
        max_retries: int = 0,
        retry_delay: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.address = address
        self._clock = clock
        self._sleep = sleep
        self._limits = Limits(connect_timeout, request_timeout, first_byte_timeout, max_retries, retry_delay)
        self._wire = Wire(
            address, self._limits, headers=_checked(headers, token), ca_file=ca_file, sleep=sleep, jitter=jitter
        )

    async def __aenter__(self) -> OllamaClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; answers that are still coming break off with StreamCut."""
        await self._wire.aclose()

    # -- short calls ---------------------------------------------------------------------------------------------

    async def version(self, *, timeout: float | None = None) -> ServerVersion:
        """`GET /api/version`. `timeout` in seconds, else the client's `request_timeout`; NoAnswer when it is over."""
        return version_of(await self._short("GET", "/api/version", limit=timeout))

    async def list_models(self) -> tuple[ModelSummary, ...]:
        """`GET /api/tags`, the newest first."""
        return tags_of(await self._short("GET", "/api/tags"))

    async def running(self, *, timeout: float | None = None) -> tuple[RunningModel, ...]:
        """`GET /api/ps`. From 0.32.4 it can wait while a model is loading: NoAnswer after `timeout` seconds."""
        return running_of(await self._short("GET", "/api/ps", limit=timeout))

    async def show(self, model: str, *, verbose: bool = False) -> ModelInfo:
        """`POST /api/show`. `verbose` also brings the large arrays of `model_info`."""
        body: dict[str, object] = {"model": model}
        if verbose:
            body["verbose"] = True
        return show_of(await self._short("POST", "/api/show", body, model=model))

    async def delete(self, model: str) -> None:
        """`DELETE /api/delete`. A loaded model stays in memory until its time is over."""
        await self._empty("DELETE", "/api/delete", {"model": model}, model=model)

    # -- answers -------------------------------------------------------------------------------------------------

    def chat(self, request: ChatRequest, *, rest: float = 0.0) -> AsyncGenerator[AnswerPiece | AnswerEnd, None]:
        """`POST /api/chat`, streaming; the last item is the AnswerEnd. See `generate`."""
        return self._answer("/api/chat", chat_body(request), request.model, rest, patient=bool(request.tools))

    def generate(self, request: GenerateRequest, *, rest: float = 0.0) -> AsyncGenerator[AnswerPiece | AnswerEnd, None]:
        """`POST /api/generate`, streaming; the last item is the AnswerEnd.

        Close the generator (`contextlib.aclosing`) to stop: the response is closed at once, and the server with it.

        Args:
            rest: seconds to rest after each real wait for the network, so that what comes fast is read together
                and drawn together. For drawing only: measuring takes 0.

        Raises:
            StreamBroken: with the text that had come; see its subclasses.
            OllamaError: all the others, before anything has come.
        """
        return self._answer("/api/generate", generate_body(request), request.model, rest)

    async def load(
        self, model: str, *, options: Mapping[str, object] = NOTHING, keep_alive: KeepAlive | None = None
    ) -> AnswerEnd:
        """Load a model; `options` such as num_ctx must be those of the requests that follow, else it loads twice."""
        return await self._one_answer(load_body(model, options, keep_alive), model)

    async def unload(self, model: str) -> AnswerEnd:
        """Let the server drop a model from memory as soon as it is idle; fine if it was not loaded."""
        return await self._one_answer(load_body(model, NOTHING, 0), model)

    # -- progress ------------------------------------------------------------------------------------------------

    def pull(self, model: str, *, insecure: bool = False) -> AsyncGenerator[Progress, None]:
        """`POST /api/pull`; ends after "success", raises otherwise. Closing the generator stops the download."""
        body: dict[str, object] = {"model": model}
        if insecure:
            body["insecure"] = True
        return self._progress("/api/pull", body, model)

    # -- how ------------------------------------------------------------------------------------------------------

    async def _short(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        model: str = "",
        limit: float | None = None,
    ) -> Fields:
        data = await self._whole(method, path, body, model=model, limit=limit)
        return Fields(load_object(data, path), path)

    async def _empty(self, method: str, path: str, body: Mapping[str, object], *, model: str) -> None:
        await self._whole(method, path, body, model=model)

    async def _whole(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        *,
        model: str = "",
        limit: float | None = None,
    ) -> bytes:
        call = Call(
            method,
            path,
            None if body is None else encode(body),
            _JSON if body is not None else None,
            model=model,
            repeatable=method == "GET",
            gap=self._limits.request if limit is None else limit,
        )
        data, _ = await self._wire.body(call)
        return data

    async def _answer(
        self, path: str, body: Mapping[str, object], model: str, rest: float, *, patient: bool = False
    ) -> AsyncGenerator[AnswerPiece | AnswerEnd, None]:
        """Args: patient: whether silence may be a tool call in the writing, which shows only when it is whole."""
        call = Call(
            "POST",
            path,
            encode(body),
            _JSON,
            model=model,
            repeatable=True,
            first_byte=self._limits.first_byte,
            gap=None if patient else self._limits.request,
        )
        reader = AnswerReader(path, model)
        clock = self._clock
        try:
            async with aclosing(self._wire.lines(call)) as packets:
                before = clock()
                async for lines, _ in packets:
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

    async def _one_answer(self, body: Mapping[str, object], model: str) -> AnswerEnd:
        async with aclosing(self._answer("/api/generate", body, model, 0.0)) as items:
            async for item in items:
                if isinstance(item, AnswerEnd):
                    return item
        raise BadReply("/api/generate", "no end")

    async def _progress(self, path: str, body: Mapping[str, object], model: str) -> AsyncGenerator[Progress, None]:
        status = ""
        async with aclosing(self._wire.lines(Call("POST", path, encode(body), _JSON, model=model))) as packets:
            async for lines, _ in packets:
                for line in lines:
                    data = load_object(line, path)
                    words = words_in(data)
                    if words is not None:
                        raise refusal(None, words, model=model)
                    progress = progress_of(Fields(data, path))
                    status = progress.status
                    yield progress
                if status == "success":
                    await _drain(packets)
                    return
        raise StreamUnfinished("the server ended its progress report before it said success")


async def _drain(packets: AsyncIterator[object]) -> None:
    """Read what follows a last line; nothing that happens here can make the answer wrong."""
    with suppress(TimeoutError, OllamaError):
        async with asyncio.timeout(_GOODBYE):
            async for _ in packets:
                pass


def _checked(headers: Mapping[str, str], token: str | None) -> dict[str, str]:
    """The headers to send; their values are secrets, so the errors name only the header."""
    made = dict(headers)
    if token is not None:
        made["Authorization"] = f"Bearer {token}"
    for name, value in made.items():
        if not name or not all(33 <= ord(sign) < 127 and sign != ":" for sign in name):
            raise ValueError(f"{name!r} cannot be the name of a header")
        if not all(32 <= ord(sign) < 127 or sign == "\t" for sign in value) or value != value.strip():
            raise ValueError(f"the value of the header {name} holds characters that no header can hold")
    return made


_JSON = {"Content-Type": "application/json"}
