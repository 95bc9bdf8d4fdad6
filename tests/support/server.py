"""A real HTTP/1.1 server on loopback, in the test's own event loop, that answers as a script says.

    async with LocalServer() as server:
        hold = Gate()
        server.route("GET", "/api/version", Reply(json={"version": "0.24.0"}))
        server.route("POST", "/api/chat", Stream({"message": {"content": "Hel"}}, hold, {"done": True}))
        ... something talks to server.url ...
        await hold.reached()        # the server has sent everything before the gate and waits
        hold.open()                 # and goes on
        request = server.requests[-1]
        request.json                # what was asked
        await request.closed.wait() # the client has hung up

What a route answers with:
    Reply(...)    one body with a Content-Length
    Stream(...)   chunked; each part is one chunk: a mapping is an NDJSON line, bytes go out raw, a Gate waits,
                  CUT breaks the connection there
    Raw(...)      bytes (and gates, CUT) exactly as given, status line and all, then the connection is closed
    a function    of the Request, returning one of these
    a list        of these: one for each request in turn, the last one for all that follow
Paths are compared without the query. A path nobody named is answered with 404 as Ollama does.
"""

from __future__ import annotations

import asyncio
import json as json_module
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

LIMIT: Final = 10.0  # seconds a test waits for what must come


class Gate:
    """A place in a script where the server waits until the test lets it go on."""

    def __init__(self) -> None:
        self._reached = asyncio.Event()
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Lets everybody through, now and later."""
        self._opened.set()

    async def reached(self) -> None:
        """Waits until the server stands at the gate; everything before it has been written."""
        async with asyncio.timeout(LIMIT):
            await self._reached.wait()

    async def pass_through(self) -> None:
        """What the server does."""
        self._reached.set()
        await self._opened.wait()


class Cut:
    """The connection breaks here."""


CUT: Final = Cut()
Part = Mapping[str, Any] | bytes | Gate | Cut


@dataclass(frozen=True)
class Reply:
    """One whole body. `json` (any value) or `body`; `gate` is waited for before the first byte goes out."""

    json: Any = None
    body: bytes | str | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    gate: Gate | None = None


class Stream:
    """A chunked answer in parts."""

    def __init__(self, *parts: Part, status: int = 200, content_type: str = "application/x-ndjson") -> None:
        self.parts = parts
        self.status = status
        self.content_type = content_type


class Raw:
    """Exactly these bytes, and the connection is closed after them."""

    def __init__(self, *parts: bytes | Gate | Cut) -> None:
        self.parts = parts


@dataclass
class Request:
    """One request as it came. `closed` is set when the client's connection has gone."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    closed: asyncio.Event

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json_module.loads(self.body)


Answer = Reply | Stream | Raw
OneAnswer = Answer | Callable[[Request], Answer]
Scripted = OneAnswer | Sequence[OneAnswer]


class LocalServer:
    """The server; `url`, `host`, `port` are known once it has started. It can be stopped and started again in place."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self.port = port
        self.requests: list[Request] = []
        self._routes: dict[tuple[str, str], list[OneAnswer]] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._news = asyncio.Condition()

    @property
    def url(self) -> str:
        """http://127.0.0.1:PORT"""
        return f"http://{self.host}:{self.port}"

    def route(self, method: str, path: str, answer: Scripted) -> None:
        """Says what is answered from now on."""
        self._routes[method, path] = list(answer) if isinstance(answer, Sequence) else [answer]

    def asked(self, path: str) -> list[Request]:
        """The requests for one path so far."""
        return [request for request in self.requests if request.path == path]

    async def wait_for(self, path: str, times: int = 1) -> Request:
        """Waits until a path has been asked for so many times, counted from the server's start; gives the newest."""
        async with asyncio.timeout(LIMIT), self._news:
            await self._news.wait_for(lambda: len(self.asked(path)) >= times)
            return self.asked(path)[-1]

    async def start(self) -> None:
        """Listens; on the same port as before if it had one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening and breaks every connection."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            await connection.end()
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> LocalServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _answer(self, request: Request) -> Answer:
        async with self._news:
            self.requests.append(request)
            self._news.notify_all()
        script = self._routes.get((request.method, request.path))
        if script is None:
            return Reply(body="404 page not found", status=404, headers={"Content-Type": "text/plain"})
        answer = script.pop(0) if len(script) > 1 else script[0]
        return answer(request) if callable(answer) else answer


class _Connection(asyncio.Protocol):
    """One connection: requests one after the other."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._more = asyncio.Event()
        self._closed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server._connections.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._more.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()
        self._server._connections.discard(self)
        self._task.cancel()

    async def end(self) -> None:
        self._transport.abort()
        await self._closed.wait()
        await asyncio.wait([self._task])

    async def _fill(self, enough: Callable[[], bool]) -> None:
        while not enough():
            self._more.clear()
            await self._more.wait()

    async def _fill_to(self, length: int) -> None:
        await self._fill(lambda: len(self._buffer) >= length)

    async def _read(self) -> Request:
        await self._fill(lambda: b"\r\n\r\n" in self._buffer)
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._buffer[:] = rest
        body = b""
        if "chunked" in headers.get("transfer-encoding", ""):
            while True:
                await self._fill(lambda: b"\r\n" in self._buffer)
                size_text, _, _ = bytes(self._buffer).partition(b"\r\n")
                size, skip = int(size_text, 16), len(size_text) + 2
                await self._fill_to(skip + size + 2)
                body += bytes(self._buffer[skip : skip + size])
                del self._buffer[: skip + size + 2]
                if size == 0:
                    break
        else:
            length = int(headers.get("content-length", "0"))
            await self._fill_to(length)
            body = bytes(self._buffer[:length])
            del self._buffer[:length]
        path, _, query = target.partition("?")
        return Request(method, path, query, headers, body, self._closed)

    async def _write(self, data: bytes) -> None:
        self._transport.write(data)
        await self._writable.wait()

    async def _serve(self) -> None:
        while True:
            request = await self._read()
            answer = await self._server._answer(request)
            if isinstance(answer, Reply):
                await self._send_reply(answer, with_body=request.method != "HEAD")
                continue
            if isinstance(answer, Stream):
                await self._write(
                    f"HTTP/1.1 {answer.status} X\r\nContent-Type: {answer.content_type}\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n".encode()
                )
                whole = await self._send_parts(answer.parts, chunked=True)
                if whole:
                    await self._write(b"0\r\n\r\n")
                    continue
                return
            if await self._send_parts(answer.parts, chunked=False):
                self._transport.close()
            return

    async def _send_reply(self, reply: Reply, *, with_body: bool) -> None:
        if reply.gate is not None:
            await reply.gate.pass_through()
        headers = {key.lower(): value for key, value in reply.headers.items()}
        if reply.body is None:
            body = b"" if reply.json is None else json_module.dumps(reply.json).encode()
            if reply.json is not None:
                headers.setdefault("content-type", "application/json; charset=utf-8")
        else:
            body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        headers["content-length"] = str(len(body))
        head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        await self._write(f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode() + (body if with_body else b""))

    async def _send_parts(self, parts: Sequence[Part], *, chunked: bool) -> bool:
        """Whether the end was reached (no CUT)."""
        for part in parts:
            if isinstance(part, Gate):
                await part.pass_through()
            elif isinstance(part, Cut):
                self._transport.abort()
                return False
            else:
                data = part if isinstance(part, bytes) else json_module.dumps(part).encode() + b"\n"
                await self._write(f"{len(data):x}\r\n".encode() + data + b"\r\n" if chunked else data)
        return True
