"""What the tests of the chat screen say to it and what the server answers."""

from __future__ import annotations

from typing import Any

from codomyrmex_ollama_tui.ui.screens.chat import ChatScreen
from codomyrmex_ollama_tui.ui.widgets.composer import Composer
from tests.ui.stage import Stage

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
