"""Execution services at a real local server, and the lines that it answers with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from codomyrmex_ollama_tui.client.address import parse_address
from codomyrmex_ollama_tui.domain.chat import ChatRequest, GenerateRequest, Message
from codomyrmex_ollama_tui.services.execution import ExecutionService
from codomyrmex_ollama_tui.services.server import ClientSettings, ServerService
from tests.services.rooms import launcher, ollama
from tests.support.server import LocalServer, Reply

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MODEL = "m:1"
DIGEST = "ab" * 32
ASK = GenerateRequest(MODEL, "hello", truncate=False)
TALK = ChatRequest(MODEL, (Message("user", "hello"),), truncate=False)
COUNTERS = {
    "total_duration": 2_000_000_000,
    "load_duration": 50_000_000,
    "prompt_eval_count": 300,
    "prompt_eval_duration": 1_000_000_000,
    "eval_count": 21,
    "eval_duration": 400_000_000,
}


def line(text: str = "", thinking: str = "", **fields: Any) -> dict[str, Any]:
    """A line of generate."""
    more = {"thinking": thinking} if thinking else {}
    return {"model": MODEL, "created_at": "2026-01-01T00:00:00Z", "response": text, **more, "done": False, **fields}


def chat_line(text: str = "", thinking: str = "", **fields: Any) -> dict[str, Any]:
    """A line of chat."""
    message = {"role": "assistant", "content": text, **({"thinking": thinking} if thinking else {})}
    return {"model": MODEL, "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False, **fields}


def end(**fields: Any) -> dict[str, Any]:
    """The last line of generate; a field that is None is left out."""
    whole = {**line(), "done": True, "done_reason": "stop", **COUNTERS, **fields}
    return {name: value for name, value in whole.items() if value is not None}


def in_memory(*names: str, vram: int = 0, size: int = 1000) -> Reply:
    """`/api/ps` with these models."""
    models = [
        {"name": name, "model": name, "digest": DIGEST, "size": size, "size_vram": vram, "context_length": 4096}
        for name in names
    ]
    return Reply(json={"models": models})


def on_disk(*names: str) -> Reply:
    """`/api/tags` with these models."""
    return Reply(json={"models": [{"name": name, "model": name, "digest": DIGEST, "size": 5} for name in names]})


class Hand:
    """A clock that stands still until it is moved; seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """An execution service at a server."""

    real: LocalServer
    server: ServerService
    execution: ExecutionService
    clock: Hand


@asynccontextmanager
async def bench(folder: Path, *, check_every: float = 0.05, **settings: float | int) -> AsyncIterator[Bench]:
    """`settings`: those of the client. Time stands still; health checks come all the same."""
    clock = Hand()
    async with ollama() as real:
        client: Any = settings
        server = ServerService(
            parse_address(real.url),
            "flag",
            launcher(folder),
            ClientSettings(**client),
            clock=clock,
            check_every=check_every,
        )
        try:
            yield Bench(real, server, ExecutionService(server, now=lambda: NOON, clock=clock), clock)
        finally:
            await server.aclose()
