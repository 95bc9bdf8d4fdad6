"""The card: what is said, what its keys do, and that nothing is fetched unasked."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.services.launch import Launcher
from codomyrmex_ollama_tui.services.server import ServerPhase
from codomyrmex_ollama_tui.ui.screens.first_run import FirstRunScreen
from tests.support.server import Gate, LocalServer, Reply, Stream
from tests.ui.stage import Stage, furnish, model, stage

ENGINE = "embedded xllamacpp 2026.10"
LAYER = "sha256:" + "ab12" * 16
SIZE = 92_921_600


def card_is_shown(seen: Stage) -> bool:
    return isinstance(seen.screen, FirstRunScreen)


def pull_script(*gates: Gate) -> Stream:
    begun, half, end = gates
    return Stream(
        {"status": "pulling manifest"},
        begun,
        {"status": "pulling ab12", "digest": LAYER, "total": SIZE},
        {"status": "pulling ab12", "digest": LAYER, "total": SIZE, "completed": 48_300_000},
        half,
        {"status": "pulling ab12", "digest": LAYER, "total": SIZE, "completed": SIZE},
        end,
        {"status": "verifying sha256 digest"},
        {"status": "success"},
    )


async def test_an_engine_without_a_model_offers_one_and_fetches_nothing_unasked(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, engine=ENGINE)
        async with stage(server.url, tmp_path, screen="chat") as seen:
            await seen.ready()
            await seen.until(lambda: card_is_shown(seen) and "smollm2:135m" in seen.text())
            assert "The built-in engine is running. It needs a model once:" in seen.text()
            assert "enter downloads it, 93 MB, and opens the chat" in seen.text()
            assert "h   use Ollama on another computer" in seen.text()
            seen.clock.go(60)
            await seen.pilot.press("escape")
            await seen.until(lambda: not card_is_shown(seen))
            assert server.asked("/api/pull") == []


async def test_one_key_fetches_the_model_and_opens_the_chat(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, engine=ENGINE)
        begun, half, end = gates = (Gate(), Gate(), Gate())
        server.route("POST", "/api/pull", pull_script(*gates))
        async with stage(server.url, tmp_path, screen="chat") as seen:
            await seen.ready()
            await seen.until(lambda: card_is_shown(seen))
            seen.clock.go(1)
            await seen.pilot.press("enter")
            await begun.reached()
            await seen.until(lambda: "pulling manifest" in seen.text())
            begun.open()
            await half.reached()
            await seen.until(lambda: "48.3 / 92.9 MB" in seen.text())
            half.open()
            await end.reached()
            # the card stays, and its key does nothing while the pull runs
            await seen.pilot.press("enter")
            assert card_is_shown(seen)
            server.route("GET", "/api/tags", Reply(json={"models": [model("smollm2:135m", SIZE)]}))
            end.open()
            await seen.until(lambda: not card_is_shown(seen))
            assert seen.app.current_mode == "chat"
            assert "▌smollm2:135m" in seen.text()
            assert len(server.asked("/api/pull")) == 1


async def test_a_card_over_the_models_screen_does_not_stay_behind(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, engine=ENGINE)
        gates = (Gate(), Gate(), Gate())
        server.route("POST", "/api/pull", pull_script(*gates))
        async with stage(server.url, tmp_path, screen="models") as seen:
            await seen.ready()
            await seen.until(lambda: card_is_shown(seen))
            seen.clock.go(1)
            await seen.pilot.press("enter")
            await gates[0].reached()
            server.route("GET", "/api/tags", Reply(json={"models": [model("smollm2:135m", SIZE)]}))
            for gate in gates:
                gate.open()
            await seen.until(lambda: seen.app.current_mode == "chat")
            await seen.pilot.press("f5")
            await seen.until(lambda: seen.app.current_mode == "models")
            assert not card_is_shown(seen)


async def test_a_key_meant_for_what_was_there_before_is_no_consent(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, engine=ENGINE)
        async with stage(server.url, tmp_path, screen="chat") as seen:
            await seen.ready()
            await seen.until(lambda: card_is_shown(seen))
            seen.clock.go(0.1)
            await seen.pilot.press("enter")
            seen.clock.go(0.35)
            await seen.pilot.press(*"hello", "enter")
            await seen.settle()
            assert card_is_shown(seen)
            assert server.asked("/api/pull") == []


async def test_a_pull_that_fails_says_why_and_the_key_tries_again(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, engine=ENGINE)
        gates = (Gate(), Gate(), Gate())
        server.route(
            "POST",
            "/api/pull",
            [Stream({"status": "pulling manifest"}, {"error": "no index answers"}), pull_script(*gates)],
        )
        async with stage(server.url, tmp_path, screen="chat") as seen:
            await seen.ready()
            await seen.until(lambda: card_is_shown(seen))
            seen.clock.go(1)
            await seen.pilot.press("enter")
            await seen.until(lambda: "no index answers" in seen.text() and "enter tries again" in seen.text())
            await seen.pilot.press("enter")
            await gates[0].reached()
            await seen.until(lambda: "pulling manifest" in seen.text())


async def test_looking_around_leaves_the_download_running(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, engine=ENGINE)
        begun, half, end = gates = (Gate(), Gate(), Gate())
        server.route("POST", "/api/pull", pull_script(*gates))
        async with stage(server.url, tmp_path, screen="chat") as seen:
            await seen.ready()
            await seen.until(lambda: card_is_shown(seen))
            seen.clock.go(1)
            await seen.pilot.press("enter")
            begun.open()
            await half.reached()
            await seen.pilot.press("escape")
            await seen.until(lambda: not card_is_shown(seen))
            assert "↓ smollm2:135m" in seen.text()
            half.open()
            end.open()
            await seen.until(lambda: "↓" not in seen.text())
            assert not card_is_shown(seen)


async def test_a_real_ollama_without_a_model_is_named(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server)
        async with stage(server.url, tmp_path, screen="chat", size=(120, 40)) as seen:
            await seen.ready()
            await seen.until(lambda: f"Ollama answers at 127.0.0.1:{server.port} and has no model yet." in seen.text())
            assert "93 MB" not in seen.text()


async def test_a_server_with_models_shows_no_card(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [model("gemma3:1b", 815_000_000)], engine=ENGINE)
        async with stage(server.url, tmp_path, screen="chat") as seen:
            await seen.ready()
            assert not card_is_shown(seen)
            # it can be had from the palette, and goes when it sees that it is needless
            seen.app.action_first_steps()
            await seen.until(lambda: len(server.asked("/api/tags")) > 2 and not card_is_shown(seen))


def nothing_here(folder: Path) -> Launcher:
    """A machine with neither Ollama nor the engine, where something might be started."""
    return Launcher(
        allowed=True,
        python=sys.executable,
        environment={},
        state_folder=folder / "state",
        models_folder=folder / "models",
        package_folder=folder,
        search_path=str(folder / "empty"),
        engine_needs=("no_such_module_anywhere",),
    )


async def free_url() -> str:
    """Where nobody listens."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"http://127.0.0.1:{port}"


async def test_nobody_there_says_so_and_offers_ways(tmp_path: Path) -> None:
    async with LocalServer() as other:
        furnish(other, [model("gemma3:1b", 815_000_000)])
        async with stage(
            await free_url(), tmp_path, screen="chat", size=(100, 30), origin="default", launcher=nothing_here(tmp_path)
        ) as seen:
            await seen.until(lambda: card_is_shown(seen) and "r   look for the server again" in seen.text())
            assert seen.services.server.state.phase is ServerPhase.ABSENT
            assert "neither Ollama nor the embedded engine is installed" in " ".join(seen.text().split())
            assert "○ no server" in seen.text()
            seen.clock.go(1)
            await seen.pilot.press("o")
            await seen.until(lambda: "https://ollama.com/install.sh" in seen.text())
            await seen.pilot.press("escape")
            await seen.until(lambda: "h   use Ollama on another computer" in seen.text())
            await seen.pilot.press("h")
            await seen.until(lambda: "OLLAMA_HOST" in seen.text())
            await seen.pilot.press(*other.url, "enter")
            await seen.until(lambda: not card_is_shown(seen) and "gemma3:1b" in seen.text())
            assert seen.app.current_mode == "chat"


async def test_a_named_host_that_does_not_answer_gets_no_card(tmp_path: Path) -> None:
    async with stage(await free_url(), tmp_path, screen="chat", origin="flag", launcher=nothing_here(tmp_path)) as seen:
        await seen.until(lambda: seen.services.server.state.phase is ServerPhase.LOST)
        await seen.settle()
        assert not card_is_shown(seen)
        assert "○ lost" in seen.text()


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40)])
async def test_the_card_fits(tmp_path: Path, size: tuple[int, int]) -> None:
    async with LocalServer() as server:
        furnish(server, engine=ENGINE)
        begun, half, _ = gates = (Gate(), Gate(), Gate())
        server.route("POST", "/api/pull", pull_script(*gates))
        async with stage(server.url, tmp_path, screen="chat", size=size) as seen:
            await seen.ready()
            await seen.until(lambda: card_is_shown(seen))
            seen.clock.go(1)
            await seen.pilot.press("enter")
            begun.open()
            await half.reached()
            await seen.until(lambda: "48.3 / 92.9" in seen.text())
