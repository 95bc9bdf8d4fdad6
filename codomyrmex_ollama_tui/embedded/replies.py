"""How the server answers: Ollama's JSON, its error object, and streams of lines that stop when the client goes."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Json = dict[str, Any]
Lines = AsyncGenerator[Json, None]

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


class Refusal(Exception):
    """What a request is answered with instead of what it asked for.

    Attributes:
        status: the HTTP status, as long as no line of the answer has been sent.
        words: the text of the `error` field.
    """

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


class Whole(Json):
    """A line that is sent as one JSON object even where a stream was asked for (load, unload, rendered prompts)."""


def dump(value: object) -> bytes:
    """JSON as Go writes it: compact, UTF-8, with `<`, `>`, `&` and the line separators escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES).encode("utf-8", "replace")


def stamp(seconds: float | None = None) -> str:
    """A moment (seconds since 1970; now, if None) as RFC 3339 in UTC, trailing zeros of the fraction cut off."""
    nanoseconds = time.time_ns() if seconds is None else int(seconds * 1e9)
    whole, rest = divmod(nanoseconds, 10**9)
    fraction = f"{rest:09d}".rstrip("0")
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def nanoseconds(seconds: float) -> int:
    """A duration in seconds as the integer that Ollama sends."""
    return round(seconds * 1e9)


def json_reply(value: object, status: int = 200) -> Response:
    """One JSON object."""
    return Response(dump(value), status, media_type="application/json; charset=utf-8")


def error_reply(refusal: Refusal) -> Response:
    """The error object."""
    return json_reply({"error": refusal.words}, refusal.status)


def last(lines: list[Json]) -> Json:
    """The last line: what pull and create answer when no stream is wanted."""
    return lines[-1]


class LinesResponse(Response):
    """The lines of a generator, as NDJSON or joined to one object.

    Headers go out only with the first line, so a refusal before it has a status of its own and one after it becomes
    the last line. The generator is closed as soon as the client has gone, also before the first line.
    """

    def __init__(self, lines: Lines, *, stream: bool, join: Callable[[list[Json]], Json] = last) -> None:
        super().__init__()
        self._lines = lines
        self._stream = stream
        self._join = join

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.ensure_future(self._answer(send))
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not work.done():
                work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    async def _answer(self, send: Send) -> None:
        begun = False
        kept: list[Json] = []
        try:
            async for line in self._lines:
                if not self._stream or isinstance(line, Whole):
                    kept.append(line)
                    continue
                if not begun:
                    await begin_lines(send)
                    begun = True
                await send({"type": "http.response.body", "body": dump(line) + b"\n", "more_body": True})
            if begun:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await _send_whole(send, 200, self._join(kept))
        except Refusal as refusal:
            await _send_error(send, refusal, begun=begun)
        except Exception as error:  # a fault of ours is an answer, too
            sys.stderr.write(f"{type(error).__name__} in the middle of an answer: {error}\n")
            await _send_error(send, internal_error(error), begun=begun)
        finally:
            await self._lines.aclose()


def internal_error(error: Exception) -> Refusal:
    """What a request is told of a fault of ours."""
    return Refusal(500, f"internal error of the embedded engine: {type(error).__name__}")


async def _send_error(send: Send, refusal: Refusal, *, begun: bool) -> None:
    error = {"error": refusal.words}
    if begun:
        await send({"type": "http.response.body", "body": dump(error) + b"\n", "more_body": False})
    else:
        await _send_whole(send, refusal.status, error)


async def disconnected(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def begin_lines(send: Send) -> None:
    """Send the head of an answer that comes in lines."""
    await _begin(send, 200, b"application/x-ndjson")


async def _begin(send: Send, status: int, content_type: bytes, length: int | None = None) -> None:
    headers = [(b"content-type", content_type)]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send_whole(send: Send, status: int, value: Json) -> None:
    body = dump(value)
    await _begin(send, status, b"application/json; charset=utf-8", len(body))
    await send({"type": "http.response.body", "body": body, "more_body": False})
