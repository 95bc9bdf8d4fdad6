"""Pulls on the models screen, with a real local server."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from textual.widgets import Input

from codomyrmex_ollama_tui.domain.names import problem_with_name
from codomyrmex_ollama_tui.services.pulls import PullPhase
from codomyrmex_ollama_tui.ui.screens.models import ModelsScreen
from codomyrmex_ollama_tui.ui.screens.models_pull_box import PullBox
from codomyrmex_ollama_tui.ui.widgets.live_table import LiveTable
from codomyrmex_ollama_tui.ui.widgets.pull_panel import PullPanel
from tests.support.recorded import answer
from tests.support.server import CUT, Gate, LocalServer, Reply, Stream
from tests.ui.stage import furnish, stage
from tests.ui.test_models import GEMMA, SMOLLM, line_with, names

LAYER = "sha256:" + "ab12" * 16
OTHER = "sha256:" + "cd34" * 16


async def test_a_pull_runs_with_a_bar_in_bytes_and_ends_in_the_list(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        known, half, end = Gate(), Gate(), Gate()
        server.route(
            "POST",
            "/api/pull",
            Stream(
                {"status": "pulling manifest"},
                {"status": "pulling ab12", "digest": LAYER, "total": 800_000_000},
                known,
                {"status": "pulling ab12", "digest": LAYER, "total": 800_000_000, "completed": 200_000_000},
                {"status": "pulling cd34", "digest": OTHER, "total": 358, "completed": 358},
                half,
                {"status": "pulling ab12", "digest": LAYER, "total": 800_000_000, "completed": 800_000_000},
                {"status": "verifying sha256 digest"},
                end,
                {"status": "success"},
            ),
        )
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("p")
            await seen.until(lambda: isinstance(seen.screen, PullBox))
            await seen.pilot.press(*"gemma3:1b", "enter")
            await known.reached()
            await seen.until(lambda: "0.0 / ≥800.0 MB" in seen.text())
            seen.clock.go(10)
            known.open()
            await half.reached()
            await seen.until(lambda: "200.0 / ≥800.0 MB  25 %  20.0 MB/s" in seen.text())
            assert "↓ gemma3:1b" in seen.text().splitlines()[-2]
            await seen.pilot.press("l")
            await seen.until(lambda: "└ cd34cd3" in seen.text())
            assert "├ ab12ab1" in seen.text()
            # the pull goes on while another screen is looked at, and is told there
            await seen.pilot.press("f6")
            await seen.until(lambda: seen.app.current_mode == "chat")
            assert "↓ gemma3:1b" in seen.text()
            half.open()
            await end.reached()
            await seen.pilot.press("f5")
            await seen.until(lambda: "verifying" in seen.text())
            server.route("GET", "/api/tags", Reply(json={"models": [GEMMA, SMOLLM]}))
            end.open()
            await seen.until(lambda: "✓ gemma3:1b" in seen.text())
            await seen.until(lambda: "gemma3:1b" in names(seen))
            await seen.pilot.press("X")
            await seen.until(lambda: not seen.screen.query_one(PullPanel).display)


async def test_a_name_that_cannot_be_one_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("p")
            await seen.until(lambda: isinstance(seen.screen, PullBox))
            await seen.pilot.press("enter")
            await seen.until(lambda: "✕ nothing is typed yet" in seen.text())
            await seen.pilot.press(*"a:b:c d", "enter")
            await seen.until(lambda: "✕" in seen.text() and "nothing is typed" not in seen.text())
            assert isinstance(seen.screen, PullBox)
            assert server.asked("/api/pull") == []
            await seen.pilot.press("escape")
            await seen.until(lambda: isinstance(seen.screen, ModelsScreen))
            assert seen.services.models.pulls.states == ()


async def test_a_pull_that_fails_says_why_and_can_be_tried_again(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        server.route(
            "POST",
            "/api/pull",
            [
                Stream({"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist [/x]"}),
                Stream({"status": "pulling manifest"}, {"status": "success"}),
            ],
        )
        async with stage(server.url, tmp_path, size=(120, 40)) as seen:
            await seen.ready()
            assert isinstance(seen.screen, ModelsScreen)
            seen.screen.pull("qwen3:9oob")
            await seen.until(lambda: "✕ qwen3:9oob" in seen.text())
            assert "file does not exist" in line_with(seen, "✕ qwen3:9oob")
            await seen.pilot.press("a")
            await seen.until(lambda: "✓ qwen3:9oob" in seen.text())


async def test_pulls_are_paused_and_go_on(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        hold = Gate()
        line = {"status": "pulling ab12", "digest": LAYER, "total": 800_000_000, "completed": 200_000_000}
        again = {**line, "completed": 1_000_000}
        server.route("POST", "/api/pull", [Stream(line, hold), Stream(again, hold)])
        async with stage(server.url, tmp_path, size=(120, 30)) as seen:
            await seen.ready()
            assert isinstance(seen.screen, ModelsScreen)
            seen.screen.pull("gemma3:1b")
            seen.screen.pull("llama3.2:1b")
            await seen.until(lambda: seen.services.models.pulls.states[0].completed > 0)
            await seen.pilot.press("x")
            await seen.until(lambda: "‖ gemma3:1b" in seen.text() and "‖ llama3.2:1b" in seen.text())
            assert "200.0 / 800.0 MB  paused · x goes on" in line_with(seen, "‖ gemma3:1b")
            await server.asked("/api/pull")[0].closed.wait()
            await seen.pilot.press("x", "l")
            await seen.until(lambda: "25 %  again from zero" in seen.text())
            assert "200.0 / ≥800.0 MB" in line_with(seen, "↓ gemma3:1b")
            assert "├ began again at zero: the server kept nothing" in seen.text()


async def test_one_pull_of_several_is_chosen_with_the_keys(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        hold = Gate()
        server.route("POST", "/api/pull", [Stream({"status": "pulling manifest"}, hold, CUT)])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            assert isinstance(seen.screen, ModelsScreen)
            for name in ("a", "b", "c"):
                seen.screen.pull(name)
            await hold.reached()
            pulls = seen.services.models.pulls
            await seen.pilot.press("w", "j", "x")
            await seen.until(lambda: "‖ b:latest" in seen.text())
            assert [state.phase.value for state in pulls.states] == ["preparing", "paused", "queued"]
            await seen.pilot.press("j", "d")
            await seen.until(lambda: "✕ c:latest" in seen.text())
            await seen.pilot.press("a")
            await seen.until(lambda: "○ c:latest" in seen.text())
            await seen.pilot.press("d", "d")
            await seen.until(lambda: "c:latest" not in seen.text())
            await seen.pilot.press("x")
            await seen.until(lambda: "○ b:latest" in seen.text())
            await seen.pilot.press("k", "d")
            await server.asked("/api/pull")[0].closed.wait()
            await seen.until(lambda: pulls.states[0].phase is PullPhase.CANCELLED)
            await seen.pilot.press("escape")
            assert isinstance(seen.screen.focused, LiveTable)


async def test_a_network_that_fails_is_told_with_the_next_try(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        line = {"status": "pulling ab12", "digest": LAYER, "total": 800_000_000, "completed": 200_000_000}
        error = {"error": 'max retries exceeded: Get "https://x": dial tcp: i/o timeout'}
        server.route("POST", "/api/pull", [Stream(line, error), Stream(line, {"status": "success"})])
        async with stage(server.url, tmp_path, size=(120, 30)) as seen:
            await seen.ready()
            assert isinstance(seen.screen, ModelsScreen)
            seen.screen.pull("gemma3:1b")
            await seen.until(lambda: "tries again in 1 s · the registry cannot be reached (max retries" in seen.text())
            await seen.pilot.press("a")
            await seen.until(lambda: "✓ gemma3:1b" in seen.text())


async def test_a_pull_that_brings_nothing_was_current_already(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        server.route("POST", "/api/pull", answer("pull_already_present"))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            assert isinstance(seen.screen, ModelsScreen)
            seen.screen.pull("smollm2:135m")
            await seen.until(lambda: "98 MB  already current" in seen.text())


async def test_models_are_brought_up_to_date_by_pulling_them_again(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA])
        server.route("POST", "/api/pull", answer("pull_already_present"))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("space", "space", "R")
            await seen.until(lambda: seen.text().count("already current") == 2)
            assert [request.json["model"] for request in server.asked("/api/pull")] == ["smollm2:135m", "gemma3:1b"]


async def test_names_are_offered_while_one_is_typed(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        server.route("GET", "/api/experimental/model-recommendations", answer("recommendations"))
        server.route("POST", "/api/pull", Stream({"status": "success"}))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("p")
            await seen.until(lambda: isinstance(seen.screen, PullBox) and "glm-5.1:cloud" in seen.text())
            await seen.pilot.press(*"gemma")
            await seen.until(lambda: "gemma3:270m" in seen.text() and "268 M" in seen.text())
            assert "Reasoning and code generation" in line_with(seen, "gemma4")
            await seen.pilot.press("down", "down", "tab")
            assert seen.screen.query_one(Input).value == "gemma3:270m"
            await seen.pilot.press("escape", "p")
            await seen.until(lambda: isinstance(seen.screen, PullBox))
            await seen.pilot.press(*"smol", "down", "enter")
            await seen.until(lambda: bool(server.asked("/api/pull")))
            assert server.asked("/api/pull")[0].json["model"] == "smollm2:135m"


@pytest.mark.parametrize("name", ["hf.co/bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M", "library/x", "qwen3:8b:cloud"])
async def test_names_by_the_rules_of_the_registry_are_taken(name: str) -> None:
    assert problem_with_name(name) == ""


# ---------------------------------------------------------------------- leaving, and the next start


async def test_leaving_asks_while_a_pull_runs_and_the_next_start_offers_it(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        hold = Gate()
        line = {"status": "pulling ab12", "digest": LAYER, "total": 800_000_000, "completed": 200_000_000}
        server.route("POST", "/api/pull", [Stream(line, hold), Stream(line, {"status": "success"})])
        async with stage(server.url, tmp_path, data=tmp_path / "data") as seen:
            await seen.ready()
            assert isinstance(seen.screen, ModelsScreen)
            seen.screen.pull("gemma3:1b")
            seen.screen.pull("llama3.2:1b")
            await seen.until(lambda: seen.services.models.pulls.states[0].completed > 0)
            await seen.pilot.press("ctrl+q")
            await seen.until(lambda: "2 models are being pulled" in seen.text())
            await seen.pilot.press("escape", "x")
            await seen.until(lambda: "‖ 2 pulls paused" in seen.text())
        # the same process is still alive, so that nothing would be left over; another one has died
        forget_the_owner(tmp_path / "data" / "state.db")
        async with stage(server.url, tmp_path, size=(120, 30), data=tmp_path / "data") as seen:
            await seen.ready()
            await seen.until(lambda: "2 pulls were not finished" in seen.text())
            await seen.until(lambda: "200.0 / 800.0 MB  paused · x goes on · left" in seen.text())
            await seen.pilot.press("x")
            await seen.until(lambda: "✓ llama3.2:1b" in seen.text())
            await seen.pilot.press("p")
            await seen.until(lambda: isinstance(seen.screen, PullBox))
            await seen.until(lambda: "pulled before · Gemma 3 · 1.0 B" in line_with(seen, "  gemma3:1b "))


def forget_the_owner(path: Path) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("UPDATE pull SET owner = 'gone'").rowcount == 2
    connection.commit()
    connection.close()


async def test_how_many_are_pulled_at_once_is_kept(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            assert isinstance(seen.screen, ModelsScreen)
            seen.screen.action_pulls_at_once()
            await seen.until(lambda: "How many models, 1 to 8." in seen.text())
            await seen.pilot.press("backspace", "9", "enter")
            await seen.until(lambda: "✕ a whole number from 1 to 8" in seen.text())
            await seen.pilot.press("backspace", "3", "enter")
            await seen.until(lambda: seen.services.models.pulls.at_once == 3)
            await seen.until(lambda: seen.settings.settings.pulls_at_once == 3)
