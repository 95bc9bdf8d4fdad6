"""What the tests of connections share: a question, a short answer, and a clock and a sleep that take note."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from codomyrmex_ollama_tui.client.ollama import OllamaClient
from codomyrmex_ollama_tui.domain.chat import AnswerEnd, AnswerPiece, ChatRequest, Message
from tests.client.server import Script, as_json, stream

VERSION = as_json({"version": "0.24.0"})
ASK = ChatRequest("m", (Message("user", "hi"),))
END = {
    "model": "m",
    "response": "",
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
}
PIECE = {"model": "m", "response": "a", "message": {"role": "assistant", "content": "a"}, "done": False}
LINES = stream([PIECE, END])


def held(*lines: object, gate: asyncio.Event) -> Script:
    """A stream whose last line waits for a gate."""
    script = stream(lines)
    return Script(script.pieces, gates={len(script.pieces) - 2: gate})


async def all_of(client: OllamaClient, request: ChatRequest = ASK) -> list[AnswerPiece | AnswerEnd]:
    return [item async for item in client.chat(request)]


class Naps:
    """Takes note of the waits instead of waiting."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.seconds: list[float] = []
        self._then = then

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._then()


def ticking() -> Callable[[], float]:
    times = iter(range(10_000))
    return lambda: float(next(times))
