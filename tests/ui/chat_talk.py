"""What the tests of the chat screen say to it and what the server answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from codomyrmex_ollama_tui.services.chat import Conversation
from codomyrmex_ollama_tui.store.history import HistoryStore
from codomyrmex_ollama_tui.ui.screens.chat import ChatScreen
from codomyrmex_ollama_tui.ui.widgets.composer import Composer
from tests.support.server import LocalServer, Stream
from tests.ui.stage import NOW, Stage, furnish, model, stage

MODEL = "smollm2:135m"


def piece(text: str = "", *, thinking: str = "") -> dict[str, Any]:
    """One line of a streaming answer."""
    message = {"role": "assistant", "content": text} | ({"thinking": thinking} if thinking else {})
    return {"model": MODEL, "created_at": "2026-11-23T10:42:00Z", "message": message, "done": False}


def end(*, tokens: int = 236, prompt: int = 20, reason: str = "stop", load: float = 0.1) -> dict[str, Any]:
    """The last line: 41.8 tokens a second."""
    return {
        "model": MODEL,
        "created_at": "2026-11-23T10:42:06Z",
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": reason,
        "total_duration": 6_000_000_000,
        "load_duration": int(load * 1e9),
        "prompt_eval_count": prompt,
        "prompt_eval_duration": 100_000_000,
        "eval_count": tokens,
        "eval_duration": int(tokens / 41.8 * 1e9),
    }


def chat(stage: Stage) -> ChatScreen:
    """The chat screen, which must be the one that is shown."""
    screen = stage.screen
    assert isinstance(screen, ChatScreen)
    return screen


def composer(stage: Stage) -> Composer:
    """Where prompts are written."""
    return chat(stage).composer


async def send(stage: Stage, text: str) -> None:
    """Puts a prompt into the composer and presses enter. (A key at a time takes the pilot 60 ms for each.)"""
    composer(stage).insert(text)
    await stage.pilot.press("enter")
    await stage.pilot.pause()


SMALL = model(MODEL, 98_000_000)
WIDE = (120, 40)


@asynccontextmanager
async def kept(server: LocalServer, folder: Path) -> AsyncGenerator[Stage, None]:
    """The App as it is started again and again with the same data folder."""
    furnish(server, [SMALL])
    async with stage(server.url, folder, screen="chat", model=MODEL, size=WIDE, data=folder / "data") as s:
        await s.ready()
        yield s


def answers(server: LocalServer, *texts: str) -> None:
    server.route("POST", "/api/chat", [Stream(piece(text), end()) for text in texts])


async def say(s: Stage, text: str) -> None:
    """Sends a prompt and waits for the end of its answer."""
    await send(s, text)
    await s.until(lambda: composer(s).ready and chat(s).conversation.turns[-1].status == "complete")


def disk(folder: Path) -> HistoryStore:
    return HistoryStore(folder / "data" / "history.db", now=lambda: NOW, writer="reader")


def texts(conversation: Conversation) -> list[str]:
    return [turn.text for turn in conversation.turns]


def side(s: Stage) -> str:
    """What stands in the list."""
    return "\n".join(line[:30].rstrip() for line in s.text().splitlines()[1:36])
