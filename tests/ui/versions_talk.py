"""What the tests of other models and versions begin with."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.widgets import Input

from codomyrmex_ollama_tui.ui.screens.model_picker import ModelPicker
from tests.support.server import LocalServer, Stream
from tests.ui.chat_talk import MODEL, SMALL, end, piece
from tests.ui.stage import Stage, furnish, model, stage

GEMMA = model("gemma3:270m", 253_000_000, family="gemma3", digest="b")
QWEN = model("qwen3:0.6b", 523_000_000, family="qwen3", digest="c")


@asynccontextmanager
async def opened(server: LocalServer, folder: Path, size: tuple[int, int] = (120, 40)) -> AsyncGenerator[Stage, None]:
    """The chat screen of a server with three models."""
    furnish(server, [SMALL, GEMMA, QWEN])
    async with stage(server.url, folder, screen="chat", model=MODEL, size=size) as s:
        await s.ready()
        yield s


async def pick(s: Stage, *names: str) -> None:
    """ctrl+o; marks some models and asks them."""
    await s.pilot.press("ctrl+o")
    await s.until(lambda: isinstance(s.screen, ModelPicker) and "3 models" in s.text())
    for name in names:
        s.screen.query_one(Input).value = name
        await s.until(lambda: "1 of 3" in s.text())
        await s.pilot.press("tab")
        s.screen.query_one(Input).value = ""
        await s.until(lambda: "3 models" in s.text())
    await s.pilot.press("enter")


def serve(server: LocalServer, *answers: str) -> None:
    server.route("POST", "/api/chat", [Stream(piece(text), end()) for text in answers])
