"""A real HTTP server on loopback that says exactly the bytes it is told, cut wherever the test wants them cut."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from codomyrmex_ollama_tui.client.address import Address


@dataclass(slots=True)
class Request:
    """One request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)


@dataclass(slots=True)
class Script:
    """What to say to one request.

    Attributes:
        pieces: written one after the other, each flushed; the client gets to run in between.
        gates: before piece number N wait for this event.
        end: "keep" leaves the connection open for the next request, "close" ends it properly, "abort" resets it.
    """

    pieces: Sequence[bytes]
    gates: dict[int, asyncio.Event] = field(default_factory=dict)
    end: str = "keep"


def head(status: int = 200, reason: str = "OK", **headers: str) -> bytes:
    """A status line and headers; underscores in names stand for hyphens."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def whole(body: bytes, status: int = 200, reason: str = "OK", kind: str = "application/json") -> Script:
    """A complete answer of known length."""
    return Script([head(status, reason, Content_Type=kind, Content_Length=str(len(body))) + body])


def as_json(value: object, status: int = 200, reason: str = "OK") -> Script:
    return whole(json.dumps(value, ensure_ascii=False).encode(), status, reason, "application/json; charset=utf-8")


def chunked(parts: Iterable[bytes]) -> bytes:
    """HTTP chunks, without the last one."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)


def stream(lines: Iterable[object], *, end: str = "keep", kind: str = "application/x-ndjson") -> Script:
    """Lines of JSON as Ollama sends them: a chunk for each line. With another end than "keep", no last chunk."""
    parts = [json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines]
    pieces = [head(Content_Type=kind, Transfer_Encoding="chunked"), *(chunked([part]) for part in parts)]
    if end == "keep":
        pieces.append(b"0\r\n\r\n")
    return Script(pieces, end=end)


class WireServer:
    """Answers requests with scripts, in order; the last one is repeated.

    Attributes:
        requests: what came in.
        asked: set when a request has come in.
        gone: set when a client has closed its connection.
    """

    NOWHERE = Address("http", "127.0.0.1", 9)
    """An address for clients that must not get as far as asking."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self._scripts = list(scripts)
        self._tls = tls
        self._next = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[Request] = []
        self.connections = 0
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()

    @property
    def port(self) -> int:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        assert isinstance(port, int)
        return port

    @property
    def address(self) -> Address:
        return Address("https" if self._tls else "http", "127.0.0.1", self.port)

    async def __aenter__(self) -> WireServer:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        begin = await reader.readuntil(b"\r\n\r\n")
        first, *rest = begin.decode("latin-1").strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        body = await self._body(reader, headers)
        self.requests.append(Request(method, target, headers, body))
        self.asked.set()
        script = self._scripts[min(self._next, len(self._scripts) - 1)]
        self._next += 1
        watch = asyncio.ensure_future(self._watch(reader)) if script.gates else None
        for number, piece in enumerate(script.pieces):
            if number in script.gates:
                await script.gates[number].wait()
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if watch is not None:
            watch.cancel()
        if script.end == "abort":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return script.end == "keep"

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        """Notice a client that hangs up while a gate is closed."""
        with suppress(ConnectionError):  # a reset is an end as good as any
            if await reader.read(1):
                return
        self.gone.set()

    async def _body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            parts = bytearray()
            while size := int(await reader.readline(), 16):
                parts += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readexactly(2)
            return bytes(parts)
        return await reader.readexactly(int(headers.get("content-length", "0")))
