"""The models screen on a real local server."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.domain.models import ModelDetails, ModelSummary
from codomyrmex_ollama_tui.services.pulls import PullPhase
from codomyrmex_ollama_tui.ui.model_words import abilities, parameter_count
from codomyrmex_ollama_tui.ui.screens.ask import Ask, Confirm
from codomyrmex_ollama_tui.ui.screens.models import ModelsScreen
from codomyrmex_ollama_tui.ui.widgets.live_table import LiveTable
from codomyrmex_ollama_tui.ui.widgets.pull_panel import PullPanel
from tests.support.server import CUT, Gate, LocalServer, Reply, Stream
from tests.ui.stage import NOW, Stage, furnish, loaded, model, stage

SMOLLM = model("smollm2:135m", 98_000_000)
GEMMA = model(
    "gemma3:1b", 815_000_000, age=timedelta(days=3), parameters="999.89M", quant="Q4_K_M", family="gemma3", digest="b"
)
LLAMA = model("llama3.2:3b", 2_019_000_000, age=timedelta(days=70), parameters="3.2B", quant="Q4_K_M", digest="c")
LAYER = "sha256:" + "ab12" * 16
OTHER = "sha256:" + "cd34" * 16


def names(seen: Stage) -> list[str]:
    table = seen.screen.query_one(LiveTable)
    return [str(key.value) for key in table.rows]


def line_with(seen: Stage, words: str) -> str:
    return next(line for line in seen.text().splitlines() if words in line)


async def test_the_list_is_shown_with_what_it_says(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA], [loaded("smollm2:135m", 512_000_000)])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            assert names(seen) == ["smollm2:135m", "gemma3:1b", "llama3.2:3b"]
            assert line_with(seen, "gemma3:1b").split() == ["gemma3:1b", "1.0", "B", "Q4_K_M", "815", "MB", "3", "d"]
            assert line_with(seen, "Q4_1").split() == ["●", "smollm2:135m", "135", "M", "Q4_1", "98", "MB", "2", "min"]
            assert "3 models · 2.9 GB · newest first" in seen.text()
            assert "● smollm2:135m in memory 4:12" in seen.text().splitlines()[-2]


async def test_no_model_costs_a_request_of_its_own(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA])
        async with stage(server.url, tmp_path, size=(120, 40)) as seen:
            await seen.ready()
            await seen.pilot.press("j", "j", "i", "escape")
            await seen.settle()
            assert {request.path for request in server.requests} <= {"/api/version", "/api/tags", "/api/ps"}


async def test_columns_that_only_some_servers_fill_come_when_they_do(tmp_path: Path) -> None:
    async with LocalServer() as server:
        able = model("qwen3:4b", 2_600_000_000, digest="d", context_length=40_960)
        able["capabilities"] = ["completion", "tools", "thinking"]
        furnish(server, [able, SMOLLM])
        async with stage(server.url, tmp_path, size=(130, 40)) as seen:
            await seen.ready()
            assert "Context" in seen.text()
            assert "40 k" in line_with(seen, "qwen3:4b ")
            assert "chat tools +1" in line_with(seen, "qwen3:4b ")
            # what one of them does not say is a sign, not a blank
            assert line_with(seen, "98 MB").count("·") >= 2


async def test_an_older_server_has_no_empty_columns(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        async with stage(server.url, tmp_path, size=(130, 40)) as seen:
            await seen.ready()
            assert "Context" not in seen.text()


async def test_details_follow_the_cursor(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA], [loaded("smollm2:135m", 512_000_000, vram=204_800_000)])
        async with stage(server.url, tmp_path, size=(120, 40)) as seen:
            await seen.ready()
            assert "40 % GPU" in line_with(seen, "runs on")
            await seen.pilot.press("j")
            await seen.until(lambda: "gemma3 · 1.0 B · Q4_K_M" in seen.text())
            assert "○ not in memory" in seen.text()


async def test_narrow_terminals_have_the_details_in_a_dialog(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [GEMMA])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            assert "not in memory" not in seen.text()
            await seen.pilot.press("i")
            await seen.until(lambda: "○ not in memory" in seen.text())
            await seen.pilot.press("escape")
            await seen.until(lambda: isinstance(seen.screen, ModelsScreen))


async def test_names_are_never_markup_and_hold_no_control_bytes(tmp_path: Path) -> None:
    async with LocalServer() as server:
        wild = model("evil[/x]\x1b[31m:latest", 1, family="[red]", quant="[b]")
        furnish(server, [wild], [loaded("evil[/x]\x1b[31m:latest", 1)])
        async with stage(server.url, tmp_path, size=(120, 40)) as seen:
            await seen.ready()
            assert "evil[/x]␛[31m:latest" in seen.text()
            await seen.pilot.press("d")
            await seen.until(lambda: isinstance(seen.screen, Confirm))
            assert "Delete evil[/x]␛[31m:latest?" in seen.text()


async def test_the_filter_keeps_names_with_the_letters(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("slash", *"MM")
            await seen.until(lambda: names(seen) == ["gemma3:1b"])
            await seen.pilot.press("enter")
            await seen.until(lambda: "/ MM" in seen.text())
            assert "1 of 3 models · 815 MB" in seen.text()
            await seen.pilot.press("slash", *"zz")
            await seen.until(lambda: "No model has MMzz in its name." in seen.text())
            await seen.pilot.press("escape")
            await seen.until(lambda: len(names(seen)) == 3)
            assert isinstance(seen.screen.focused, LiveTable)


async def test_esc_takes_the_filter_away(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("slash", *"gem", "enter", "escape")
            await seen.until(lambda: len(names(seen)) == 2)


async def test_sorting_goes_through_the_orders_and_the_cursor_stays(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("j")
            orders = []
            for _ in range(5):
                await seen.pilot.press("s")
                await seen.pilot.pause()
                orders.append(names(seen))
                assert seen.screen.query_one(LiveTable).held == "gemma3:1b"
            assert orders[0] == ["gemma3:1b", "llama3.2:3b", "smollm2:135m"]
            assert orders[1] == ["llama3.2:3b", "gemma3:1b", "smollm2:135m"]
            assert orders[2] == ["smollm2:135m", "gemma3:1b", "llama3.2:3b"]
            assert orders[3] == ["llama3.2:3b", "gemma3:1b", "smollm2:135m"]
            assert orders[4] == ["smollm2:135m", "gemma3:1b", "llama3.2:3b"]


async def test_enter_opens_the_chat_with_the_model(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("j", "enter")
            await seen.until(lambda: seen.app.current_mode == "chat")
            await seen.until(lambda: "gemma3:1b" in seen.text())
            # again, now that the chat screen is there
            await seen.pilot.press("f5")
            await seen.until(lambda: seen.app.current_mode == "models")
            await seen.pilot.press("k", "enter")
            await seen.until(lambda: seen.app.current_mode == "chat" and "smollm2:135m" in seen.text())


async def test_no_model_at_all_is_a_sentence_with_a_key(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("escape")
            await seen.until(lambda: "No model is here yet. p pulls one." in seen.text())
            assert "enter chat" not in seen.text()


async def test_a_list_that_cannot_be_read_is_told_and_the_old_one_stays(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            server.route("GET", "/api/tags", Reply(body="<html>[/x]", status=500))
            await seen.pilot.press("ctrl+r")
            await seen.until(lambda: "The list of models" in seen.text())
            assert "smollm2:135m" in seen.text()
            server.route("GET", "/api/tags", Reply(json={"models": [GEMMA]}))
            await seen.pilot.press("ctrl+r")
            await seen.until(lambda: names(seen) == ["gemma3:1b"])


async def test_a_list_that_has_grown_old_is_read_again_when_the_screen_is_shown(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("f6")
            await seen.until(lambda: seen.app.current_mode == "chat")
            server.route("GET", "/api/tags", Reply(json={"models": [SMOLLM, GEMMA]}))
            seen.clock.go(31)
            await seen.pilot.press("f5")
            await seen.until(lambda: names(seen) == ["smollm2:135m", "gemma3:1b"])


# ---------------------------------------------------------------------- pulls


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
            await seen.until(lambda: isinstance(seen.screen, Ask))
            await seen.pilot.press(*"gemma3:1b", "enter")
            await known.reached()
            await seen.until(lambda: "0.0 / 800.0 MB" in seen.text())
            seen.clock.go(10)
            known.open()
            await half.reached()
            await seen.until(lambda: "200.0 / 800.0 MB  20.0 MB/s  30 s" in seen.text())
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
            await seen.pilot.press("x")
            await seen.until(lambda: not seen.screen.query_one(PullPanel).display)


async def test_a_name_that_cannot_be_one_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("p")
            await seen.until(lambda: isinstance(seen.screen, Ask))
            await seen.pilot.press("enter")
            await seen.until(lambda: "✕ nothing is typed yet" in seen.text())
            await seen.pilot.press(*"a:b:c d", "enter")
            await seen.until(lambda: "✕" in seen.text() and "nothing is typed" not in seen.text())
            assert isinstance(seen.screen, Ask)
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


async def test_a_pull_can_be_stopped(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        hold = Gate()
        server.route("POST", "/api/pull", Stream({"status": "pulling manifest"}, hold, CUT))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            assert isinstance(seen.screen, ModelsScreen)
            seen.screen.pull("gemma3:1b")
            await hold.reached()
            await seen.pilot.press("x")
            await seen.until(lambda: "‖ gemma3:1b" in seen.text())
            await server.asked("/api/pull")[0].closed.wait()
            assert seen.services.models.pulls.states[0].phase is PullPhase.CANCELLED


# ---------------------------------------------------------------------- unload and delete


async def test_only_what_is_in_memory_can_be_unloaded(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA], [loaded("smollm2:135m", 512_000_000)])
        server.route(
            "POST", "/api/generate", Reply(json={"model": "smollm2:135m", "done": True, "done_reason": "unload"})
        )
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("j", "u")
            await seen.settle()
            assert server.asked("/api/generate") == []
            server.route("GET", "/api/ps", Reply(json={"models": []}))
            await seen.pilot.press("k", "u")
            await seen.until(lambda: "in memory" not in seen.text())
            assert server.asked("/api/generate")[0].json["keep_alive"] == 0


async def test_deleting_asks_and_names_models_with_the_same_weights(tmp_path: Path) -> None:
    async with LocalServer() as server:
        twin = model("smollm2:latest", 98_000_000, age=timedelta(days=1))
        furnish(server, [SMOLLM, twin, GEMMA])
        server.route("DELETE", "/api/delete", Reply(body=""))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("d")
            await seen.until(lambda: isinstance(seen.screen, Confirm))
            assert "takes 98 MB on the disk" in seen.text()
            assert "smollm2:latest" in seen.text()
            await seen.pilot.press("escape")
            await seen.until(lambda: isinstance(seen.screen, ModelsScreen))
            assert server.asked("/api/delete") == []
            await seen.pilot.press("d")
            await seen.until(lambda: isinstance(seen.screen, Confirm))
            server.route("GET", "/api/tags", Reply(json={"models": [twin, GEMMA]}))
            await seen.pilot.press("enter")
            await seen.until(lambda: names(seen) == ["smollm2:latest", "gemma3:1b"])
            assert server.asked("/api/delete")[0].json == {"model": "smollm2:135m"}


async def test_what_the_server_says_against_deleting_is_told(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        server.route("DELETE", "/api/delete", Reply(json={"error": "model 'smollm2:135m' not found"}, status=404))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("d")
            await seen.until(lambda: isinstance(seen.screen, Confirm))
            await seen.pilot.press("enter")
            await seen.until(lambda: "not found" in seen.text())


# ---------------------------------------------------------------------- small things


@pytest.mark.parametrize(
    ("capabilities", "words"),
    [
        (None, "·"),
        ((), ""),
        (("completion",), "chat"),
        (("embedding",), "embed"),
        (("completion", "tools", "vision", "x[/]"), "chat tools +2"),
    ],
)
def test_abilities(capabilities: tuple[str, ...] | None, words: str) -> None:
    assert abilities(capabilities) == words


@pytest.mark.parametrize(("text", "number"), [("134.52M", 134.52e6), ("7B", 7e9), ("", 0.0), ("8x7B", 0.0)])
def test_parameter_count(text: str, number: float) -> None:
    assert parameter_count(ModelSummary("m", details=ModelDetails(parameter_size=text))) == pytest.approx(number)


def test_the_time_of_the_stage_has_a_zone() -> None:
    assert NOW.tzinfo is not None
