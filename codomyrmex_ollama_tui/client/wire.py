"""HTTP: one request out, one answer in, as whole bodies or as lines, and nothing but the error tree on the way."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import httpx

from codomyrmex_ollama_tui.client.address import Address
from codomyrmex_ollama_tui.client.failures import before_the_answer, in_the_answer, refusal, words_of_body
from codomyrmex_ollama_tui.client.ndjson import LineSplitter, LineTooLongError
from codomyrmex_ollama_tui.domain.errors import (
    BadReply,
    NoAnswer,
    OllamaError,
    ServerRefused,
    ServerUnreachable,
    StreamCut,
)

MAX_BODY = 64 * 1024 * 1024
"""Bytes of a body that is no stream; the longest ones are /api/show with every token of a large vocabulary."""
MAX_ERROR_BODY = 64 * 1024
_TRANSPORT_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError)
_BUSY = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, and how often to try. Seconds; None waits for ever.

    Attributes:
        connect: for a connection (name, TCP and TLS).
        request: for a whole short call, and between two bytes of an answer.
        first_byte: for the first byte of an answer that a model has to make.
        retries: further tries after a failed one.
        retry_delay: before the first further try; it doubles each time, up to 30 s, times 0.5–1.5 by `jitter`.
    """

    connect: float = 5.0
    request: float = 120.0
    first_byte: float | None = None
    retries: int = 0
    retry_delay: float = 1.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        content: the body; an iterable is sent as it comes and only once.
        model: the model it is about, for the errors.
        repeatable: whether 502, 503 and 504 may be tried again.
        first_byte, gap, total: seconds until the answer begins, between its bytes, and (bodies only) from sending
            to the last byte; None waits for ever.
    """

    method: str
    path: str
    content: bytes | AsyncIterable[bytes] | None = None
    headers: Mapping[str, str] | None = None
    model: str = ""
    repeatable: bool = False
    first_byte: float | None = None
    gap: float | None = None
    total: float | None = None


class Wire:
    """A pool of connections to one server.

    For http:// no certificate store is loaded, and no proxy of the environment is used for loopback. Redirects are
    never followed: they would turn a POST into a GET, and name a server that nobody chose.
    """

    def __init__(
        self,
        address: Address,
        limits: Limits,
        *,
        headers: Mapping[str, str],
        ca_file: str | None,
        sleep: Callable[[float], Awaitable[None]],
        jitter: Callable[[], float],
    ) -> None:
        self.address = address
        self.limits = limits
        self._sleep = sleep
        self._jitter = jitter
        self._closed = False
        verify = _verification(address, ca_file)
        try:
            self._http = httpx.AsyncClient(
                headers={"Accept-Encoding": "identity", "User-Agent": "codomyrmex-ollama-tui", **headers},
                verify=verify,
                trust_env=not address.is_loopback,
                timeout=httpx.Timeout(None, connect=limits.connect, write=limits.request),
                # Idle connections are dropped before the usual 5 s of servers, so that no request meets a closing one.
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=4.0),
            )
        except (ValueError, ImportError, httpx.InvalidURL) as error:  # nothing else of it comes from outside
            raise ServerUnreachable(address.label, f"the proxy of the environment cannot be used ({error})") from error

    async def aclose(self) -> None:
        """Close all connections; answers that are still coming break off."""
        self._closed = True
        await self._http.aclose()

    @asynccontextmanager
    async def open(self, call: Call) -> AsyncGenerator[httpx.Response, None]:
        """An answer whose status is 2xx, its body not read yet; the connection is given back or closed at the end."""
        response = await self._answer(call)
        try:
            yield response
        finally:
            await response.aclose()

    async def lines(self, call: Call) -> AsyncGenerator[list[bytes], None]:
        """The lines of an answer as they come, those of one packet together; a last one may lack its line end.

        Raises:
            BadReply: for compressed answers, documents, and lines beyond the limit.
            StreamCut: when the connection breaks, or is silent for longer than `call.gap`.
        """
        async with self.open(call) as response, aclosing(self.lines_of(response, call)) as packets:
            async for lines in packets:
                yield lines

    async def lines_of(self, response: httpx.Response, call: Call) -> AsyncGenerator[list[bytes], None]:
        """The lines of an open answer."""
        check_stream_type(response, call.path)
        splitter = LineSplitter()
        async with aclosing(self._chunks(response, call)) as chunks:
            async for chunk in chunks:
                try:
                    lines = splitter.feed(chunk)
                except LineTooLongError as error:
                    raise BadReply(call.path, str(error), excerpt(error.begins)) from None
                if lines:
                    yield lines
        tail = splitter.finish()
        if tail:
            yield [tail]

    async def body(self, call: Call) -> tuple[bytes, httpx.Response]:
        """A whole body.

        Raises:
            NoAnswer: when it is not complete within `call.total` seconds from sending.
        """
        try:
            async with asyncio.timeout(call.total), self.open(call) as response:
                return await self.whole(response, call), response
        except TimeoutError:
            raise NoAnswer(self.address.label, f"nothing complete within {_seconds(call.total)}", silent=True) from None

    async def whole(self, response: httpx.Response, call: Call) -> bytes:
        """The whole body of an open answer."""
        check_encoding(response, call.path)
        parts = bytearray()
        async with aclosing(self._chunks(response, call)) as chunks:
            async for chunk in chunks:
                parts += chunk
                if len(parts) > MAX_BODY:
                    raise BadReply(call.path, f"a body of more than {MAX_BODY} bytes", excerpt(bytes(parts[:200])))
        return bytes(parts)

    async def _chunks(self, response: httpx.Response, call: Call) -> AsyncGenerator[bytes, None]:
        # The transport looks at this when the body is begun; a scope of time around each piece costs more than reading.
        response.request.extensions["timeout"]["read"] = call.gap
        raw = response.aiter_raw()
        while True:
            try:
                chunk = await anext(raw)
            except StopAsyncIteration:
                return
            except httpx.ReadTimeout:
                raise StreamCut(f"the server was silent for {_seconds(call.gap)} in the middle of its answer") from None
            except _TRANSPORT_ERRORS as error:
                raise in_the_answer(error, call.path) from error
            yield chunk

    async def _answer(self, call: Call) -> httpx.Response:
        """One answer with a status of 2xx, after as many tries as are allowed; else the last try's error."""
        tries_left = self.limits.retries
        delay = self.limits.retry_delay
        while True:
            try:
                return await self._try(call)
            except OllamaError as error:
                if tries_left <= 0 or not _worth_another_try(error, call):
                    raise
            tries_left -= 1
            await self._sleep(min(delay, 30.0) * (0.5 + self._jitter()))
            delay *= 2

    async def _try(self, call: Call) -> httpx.Response:
        if self._closed:
            raise ServerUnreachable(self.address.label, "this connection to it has been closed")
        try:
            request = self._http.build_request(
                call.method, self.address.endpoint(call.path), content=call.content, headers=call.headers
            )
            async with asyncio.timeout(call.first_byte):
                response = await self._http.send(request, stream=True, follow_redirects=False)
        except TimeoutError:
            raise NoAnswer(self.address.label, f"nothing within {_seconds(call.first_byte)}", silent=True) from None
        except _TRANSPORT_ERRORS as error:
            raise before_the_answer(error, self.address.label, call.path) from error
        if response.is_success:
            return response
        try:
            raise await self._refusal(response, call)
        finally:
            await response.aclose()

    async def _refusal(self, response: httpx.Response, call: Call) -> OllamaError:
        status = response.status_code
        fallback = response.reason_phrase or f"status {status}"
        if response.is_redirect or 300 <= status < 400:
            return ServerRefused(status, f"redirects to {response.headers.get('location', 'nowhere')}")
        body = b""
        if not _encoding(response):
            body = await self._beginning(response)
        words, native = words_of_body(body, fallback)
        return refusal(status, words, model=call.model, native=native)

    async def _beginning(self, response: httpx.Response) -> bytes:
        """The first bytes of an error's body; what breaks off here still has its status to tell."""
        parts = bytearray()
        try:
            async with asyncio.timeout(self.limits.request):
                async for chunk in response.aiter_raw():
                    parts += chunk
                    if len(parts) >= MAX_ERROR_BODY:
                        break
        except (TimeoutError, *_TRANSPORT_ERRORS):
            pass
        return bytes(parts[:MAX_ERROR_BODY])


def check_stream_type(response: httpx.Response, path: str) -> None:
    """Raise BadReply for an answer that cannot be lines of JSON, going by its headers."""
    check_encoding(response, path)
    kind = _kind(response)
    if kind.startswith(("text/html", "image/", "audio/", "video/")) or kind == "text/event-stream":
        raise BadReply(path, f"{kind} instead of lines of JSON")


def is_lines(response: httpx.Response) -> bool:
    """Whether an answer says that it is lines of JSON."""
    return _kind(response) == "application/x-ndjson"


def check_encoding(response: httpx.Response, path: str) -> None:
    """Raise BadReply for compressed answers: none was asked for, and a small one can grow without end."""
    encoding = _encoding(response)
    if encoding:
        raise BadReply(path, f"a compressed answer ({encoding[:50]}) that was not asked for")


def excerpt(body: bytes) -> str:
    """The beginning of a body for an error."""
    return body[:200].decode("utf-8", "replace")


def _seconds(limit: float | None) -> str:
    return "the system's own limit" if limit is None else f"{limit:g} s"


def _kind(response: httpx.Response) -> str:
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


def _encoding(response: httpx.Response) -> str:
    encoding: str = response.headers.get("content-encoding", "").strip().lower()
    return "" if encoding == "identity" else encoding


def _worth_another_try(error: OllamaError, call: Call) -> bool:
    if isinstance(error, ServerUnreachable):
        # Only a failed connection can mend itself; no part of the body has been read then.
        return isinstance(error.__cause__, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError))
    if isinstance(error, ServerRefused):
        return call.repeatable and error.status in _BUSY
    return isinstance(error, NoAnswer) and call.method in ("GET", "HEAD")


def _verification(address: Address, ca_file: str | None) -> ssl.SSLContext | bool:
    if address.scheme.lower() != "https":
        return False
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ServerUnreachable(address.label, f"the CA file {ca_file} cannot be used ({reason})") from error
