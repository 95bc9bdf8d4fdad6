"""Two versions of an answer side by side, as they are drawn for pictures."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.widgets import Input

from codomyrmex_ollama_tui.ui.screens.chat_compare import ChatCompare
from codomyrmex_ollama_tui.ui.screens.model_picker import ModelPicker
from tests.pictures.chat_scenes import still_but_streaming
from tests.pictures.scenes import ENGINE, MODELS, Scene, Size
from tests.support.server import Gate, LocalServer, Part, Stream
from tests.ui.chat_talk import MODEL, chat, composer, end, piece, send
from tests.ui.stage import Stage, furnish, loaded, stage

QUESTION = "Explain to a child why the sky is blue."
SMALL = """The sky looks blue because sunlight is made of **many colours**. When it meets the air, blue light is \
scattered the most.

So wherever you look, some blue light comes to your eyes. That is why the whole sky looks blue!"""
LARGE = """Imagine sunlight is a big box of crayons with *every* colour in it. When it meets the air, blue light is \
scattered the most.

So wherever you look, a little blue comes to your eyes:

1. red goes straight on,
2. blue bounces around.

That is why the whole sky is blue."""


@asynccontextmanager
async def _asked_twice(folder: Path, size: Size, second: list[Part]) -> AsyncGenerator[Stage, None]:
    async with LocalServer() as server:
        furnish(server, MODELS, [loaded(MODEL, 512_000_000)], engine=ENGINE)
        server.route("POST", "/api/chat", [Stream(piece(SMALL), end(tokens=58)), Stream(*second)])
        async with stage(server.url, folder, screen="chat", model=MODEL, size=size) as seen:
            await seen.ready()
            await send(seen, QUESTION)
            await seen.until(lambda: composer(seen).ready)
            answer = chat(seen).answer_in_hand()
            assert answer is not None
            chat(seen).ask_again(answer, "gemma3:1b")
            yield seen


async def _compare(seen: Stage) -> ChatCompare:
    chat(seen).transcript.focus()
    await seen.pilot.press("equals_sign")
    await seen.until(lambda: isinstance(seen.screen, ChatCompare))
    screen = seen.screen
    assert isinstance(screen, ChatCompare)
    for _ in range(5):
        await seen.pilot.pause()
    return screen


def versions(*, diff: bool) -> Scene:
    """Both are whole."""

    @asynccontextmanager
    async def scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
        async with _asked_twice(folder, size, [piece(LARGE), end(tokens=81)]) as seen:
            await seen.until(lambda: composer(seen).ready and len(chat(seen).conversation.tree) == 3)
            await _compare(seen)
            if diff:
                await seen.pilot.press("d")
                await seen.until(lambda: "words differ" in seen.text())
            await seen.settle()
            yield seen

    return scene


@asynccontextmanager
async def live_scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
    """The second one is being written."""
    half = Gate()
    async with _asked_twice(folder, size, [*(piece(LARGE[at : at + 20]) for at in range(0, 180, 20)), half]) as seen:
        await half.reached()
        screen = await _compare(seen)
        await seen.until(lambda: "scattered" in seen.text())
        seen.clock.go(4)
        screen.show_progress()
        for _ in range(5):
            await seen.pilot.pause()
        yield seen


@asynccontextmanager
async def marking_scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
    """Several models are marked to be asked the same."""
    async with _asked_twice(folder, size, [piece(LARGE), end(tokens=81)]) as seen:
        await seen.until(lambda: composer(seen).ready and len(chat(seen).conversation.tree) == 3)
        await still_but_streaming(seen)
        await seen.pilot.press("ctrl+o")
        await seen.until(lambda: isinstance(seen.screen, ModelPicker) and "8 models" in seen.text())
        await seen.pilot.press("tab", "tab")
        await seen.until(lambda: "2 marked" in seen.text())
        for box in seen.screen.query(Input):
            box.cursor_blink = False
        await seen.pilot.pause()
        yield seen


COMPARE_SCENES: dict[str, Scene] = {
    "versions": versions(diff=False),
    "versions-diff": versions(diff=True),
    "versions-live": live_scene,
    "versions-models": marking_scene,
}
"""All scenes by the name that their pictures have."""
