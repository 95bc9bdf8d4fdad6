"""The screens as they are drawn for pictures: a real local server, a fixed time of day, nothing that blinks."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from textual.widgets import Input, TextArea

from tests.support.server import Gate, LocalServer, Reply, Stream
from tests.ui.stage import Stage, furnish, loaded, model, stage

SIZES = ((80, 24), (120, 40))
Size = tuple[int, int]


class Scene(Protocol):
    """Builds a screen in a folder of its own and holds it still."""

    def __call__(self, folder: Path, size: Size) -> AbstractAsyncContextManager[Stage]: ...


PORT = re.compile(r"127\.0\.0\.1:\d+")
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
IDS = re.compile(r"\bterminal-\d+-")
SERVER_LABEL = "127.0.0.1:11434"
"""What pictures show in place of the address of the test server, in as many cells as that has."""


def drawing(seen: Stage, title: str = "cotui") -> str:
    """The screen as SVG: no fonts from elsewhere, the same bytes every time."""
    svg = seen.app.export_screenshot(title=title)
    svg = IDS.sub("terminal-", FONTS.sub("", svg))
    return PORT.sub(SERVER_LABEL, svg)


async def still(seen: Stage) -> None:
    """Waits for all work and stops what blinks."""
    await seen.settle()
    for screen in seen.app.screen_stack:
        for box in (*screen.query(Input), *screen.query(TextArea)):
            box.cursor_blink = False
    await seen.settle()


MODELS = [
    model("smollm2:135m", 98_000_000, digest="8f3a61c04b52"),
    model(
        "gemma3:270m", 253_000_000, digest="b1", age=timedelta(hours=1), parameters="268.10M", quant="Q4_K_M",
        family="gemma3",
    ),
    model(
        "gemma3:1b", 815_000_000, digest="8648f39daa8f", age=timedelta(days=3), parameters="999.89M", quant="Q4_K_M",
        family="gemma3",
    ),
    model("llama3.2:3b", 2_019_000_000, digest="c2", age=timedelta(days=3), parameters="3.2B", quant="Q4_K_M"),
    model(
        "qwen2.5-coder:7b", 4_683_000_000, digest="d3", age=timedelta(days=8), parameters="7.6B", quant="Q4_K_M",
        family="qwen2",
    ),
    model("deepseek-r1:8b", 4_920_000_000, digest="e4", age=timedelta(days=12), parameters="8.0B", quant="Q4_K_M"),
    model("llava:7b", 4_733_000_000, digest="f5", age=timedelta(days=64), parameters="7.2B", quant="Q4_0"),
    model(
        "nomic-embed-text", 274_000_000, digest="06", age=timedelta(days=160), parameters="137M", quant="F16",
        family="nomic-bert",
    ),
]  # fmt: skip
SHOWN = {
    "license": "Gemma Terms of Use\n\nLast modified: April 1, 2024\n",
    "modelfile": "FROM gemma3:1b\nPARAMETER temperature 1\n",
    "parameters": 'temperature 1\ntop_k 64\ntop_p 0.95\nstop "<end_of_turn>"',
    "template": "{{- range .Messages }}<start_of_turn>{{ .Role }}\n{{ .Content }}<end_of_turn>\n{{- end }}",
    "details": {"family": "gemma3"},
    "model_info": {
        "general.architecture": "gemma3",
        "general.parameter_count": 999_885_952,
        "gemma3.context_length": 32_768,
        "gemma3.block_count": 26,
        "gemma3.embedding_length": 1152,
        "gemma3.attention.head_count": 4,
        "gemma3.attention.head_count_kv": 1,
        "gemma3.attention.key_length": 256,
        "gemma3.attention.value_length": 256,
        "gemma3.attention.sliding_window": 512,
        "tokenizer.ggml.tokens": None,
    },
    "capabilities": ["completion"],
}
LAYER = "sha256:" + "aeda25e63ebd" + "0" * 52
SMALL_LAYER = "sha256:" + "e0a42594d802" + "0" * 52
ENGINE = "embedded xllamacpp 2026.10"


@asynccontextmanager
async def models_scene(folder: Path, size: Size, *, config: str = "") -> AsyncGenerator[Stage, None]:
    """The models screen with one model in memory, one pull that runs and one that failed."""
    async with LocalServer() as server:
        furnish(server, MODELS, [loaded("smollm2:135m", 512_000_000, digest="8f3a61c04b52")])
        server.route("POST", "/api/show", Reply(json=SHOWN))
        begun, half = Gate(), Gate()
        server.route(
            "POST",
            "/api/pull",
            [
                Stream({"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}),
                Stream(
                    {"status": "pulling", "digest": SMALL_LAYER, "total": 358, "completed": 358},
                    {"status": "pulling", "digest": LAYER, "total": 3_100_000_000},
                    begun,
                    {
                        "status": "pulling aeda25e63ebd",
                        "digest": LAYER,
                        "total": 3_100_000_000,
                        "completed": 81_000_000,
                    },
                    half,
                ),
            ],
        )
        async with stage(server.url, folder, screen="models", size=size, config=config) as seen:
            await seen.ready()
            pulls = seen.services.models.pulls
            pulls.add("qwen3:9oob")
            await seen.until(lambda: pulls.states[0].phase.over)
            pulls.add("gemma3:4b")
            await begun.reached()
            await seen.until(lambda: pulls.states[1].total is not None)
            seen.clock.go(10)
            begun.open()
            await half.reached()
            await seen.until(lambda: pulls.states[1].completed > 80_000_000)
            if size[0] >= 100:
                await seen.pilot.press("l")
            await seen.pilot.press("space", "j")
            if size[0] >= 100:
                await seen.until(lambda: "Gemma Terms of Use" in seen.text())
            await still(seen)
            yield seen


@asynccontextmanager
async def first_run_scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
    """The card of the first run in the middle of the download."""
    async with LocalServer() as server:
        furnish(server, engine=ENGINE)
        begun, half = Gate(), Gate()
        server.route(
            "POST",
            "/api/pull",
            Stream(
                {"status": "pulling", "digest": LAYER, "total": 92_921_600},
                begun,
                {"status": "pulling", "digest": LAYER, "total": 92_921_600, "completed": 48_300_000},
                half,
            ),
        )
        async with stage(server.url, folder, screen="chat", size=size) as seen:
            await seen.ready()
            await seen.until(lambda: type(seen.screen).__name__ == "FirstRunScreen")
            seen.clock.go(1)
            await seen.pilot.press("enter")
            await begun.reached()
            await seen.until(lambda: seen.services.models.pulls.states[0].total is not None)
            seen.clock.go(6)
            begun.open()
            await half.reached()
            await seen.until(lambda: seen.services.models.pulls.states[0].completed > 0)
            await still(seen)
            yield seen


@asynccontextmanager
async def offer_scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
    """The card of the first run before its key is pressed."""
    async with LocalServer() as server:
        furnish(server, engine=ENGINE)
        async with stage(server.url, folder, screen="chat", size=size) as seen:
            await seen.ready()
            await seen.until(
                lambda: type(seen.screen).__name__ == "FirstRunScreen" and "enter downloads" in seen.text()
            )
            await still(seen)
            yield seen


@asynccontextmanager
async def help_scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
    """The help of the models screen."""
    async with LocalServer() as server:
        furnish(server, MODELS)
        async with stage(server.url, folder, screen="models", size=size) as seen:
            await seen.ready()
            await seen.pilot.press("f1")
            await still(seen)
            yield seen


def opened(*keys: str, until: str, opens: str = "") -> Scene:
    """A scene of the models screen after some keys, once some words stand on it; `opens` is the key of a dialog."""

    @asynccontextmanager
    async def scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
        async with LocalServer() as server:
            furnish(server, MODELS, [loaded("smollm2:135m", 512_000_000, digest="8f3a61c04b52")])
            server.route("POST", "/api/show", Reply(json=SHOWN))
            async with stage(server.url, folder, screen="models", size=size) as seen:
                await seen.ready()
                screen = seen.screen
                for key in keys:
                    await seen.pilot.press(key)
                    if key == opens:
                        await seen.until(lambda: seen.screen is not screen)
                await seen.until(lambda: until in seen.text())
                # not `still`: whoever asked for the dialog waits for its answer
                for box in (*seen.screen.query(Input), *seen.screen.query(TextArea)):
                    box.cursor_blink = False
                await seen.pilot.pause()
                await seen.pilot.pause()
                yield seen

    return scene


async def drawn(scene: Scene, folder: Path, size: Size) -> str:
    """The picture of one scene."""
    async with scene(folder, size) as seen:
        return drawing(seen)


SCENES: dict[str, Scene] = {
    "models": models_scene,
    "first-run": first_run_scene,
    "offer": offer_scene,
    "help": help_scene,
    "models-sort": opened("j", "s", until="newest first"),
    "models-filter": opened("slash", *"size<5GB -cap:vision quant:q4", "enter", until="7 of 8"),
    "models-pull": opened("p", *"gem", opens="p", until="gemma3:12b"),
    "models-details": opened("j", "j", "i", opens="i", until="memory for context"),
    "models-fields": opened("j", "j", "i", "left", opens="i", until="sliding_window"),
    "models-running": opened("t", until="in all"),
    "models-load": opened("j", "j", "o", *"16k", opens="o", until="estimated"),
    "models-create": opened("j", "j", "e", until="temperature = 1"),
    "models-compare": opened("space", "j", "equals_sign", until="facts and parameters"),
    "models-charts": opened("b", until="nomic-bert"),
    "models-delete": opened("space", "j", "space", "d", until="together"),
}
"""All scenes by the name that their pictures have."""
