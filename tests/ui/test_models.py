"""The models screen on a real local server."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.domain.model_query import Column as Sorting
from codomyrmex_ollama_tui.ui.model_words import NEWEST, Order, abilities, columns
from codomyrmex_ollama_tui.ui.screens.ask import Confirm
from codomyrmex_ollama_tui.ui.screens.models import ModelsScreen
from codomyrmex_ollama_tui.ui.widgets.live_table import LiveTable
from tests.support.server import LocalServer, Reply, Request
from tests.ui.stage import NOW, Stage, furnish, loaded, model, stage

SMOLLM = model("smollm2:135m", 98_000_000)
GEMMA = model(
    "gemma3:1b", 815_000_000, age=timedelta(days=3), parameters="999.89M", quant="Q4_K_M", family="gemma3", digest="b"
)
LLAMA = model("llama3.2:3b", 2_019_000_000, age=timedelta(days=70), parameters="3.2B", quant="Q4_K_M", digest="c")
SHOWN = {
    "license": "Gemma Terms of Use\n\nLast modified: …",
    "modelfile": "FROM gemma3:1b",
    "parameters": 'top_k                          64\nstop                           "<end_of_turn>"',
    "template": "{{ .Prompt }}",
    "details": {"family": "gemma3"},
    "model_info": {
        "general.architecture": "gemma3",
        "gemma3.context_length": 32_768,
        "gemma3.block_count": 26,
        "gemma3.embedding_length": 1152,
        "gemma3.attention.head_count": 4,
        "gemma3.attention.head_count_kv": 1,
        "gemma3.attention.key_length": 256,
        "gemma3.attention.value_length": 256,
        "gemma3.attention.sliding_window": 512,
    },
    "capabilities": ["completion", "vision"],
}


def names(seen: Stage) -> list[str]:
    return list(seen.screen.query_one(LiveTable).keys)


def line_with(seen: Stage, words: str) -> str:
    return next(line for line in seen.text().splitlines() if words in line)


async def test_the_list_is_shown_with_what_it_says(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA], [loaded("smollm2:135m", 512_000_000)])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            assert names(seen) == ["smollm2:135m", "gemma3:1b", "llama3.2:3b"]
            assert line_with(seen, "gemma3:1b").split() == [
                "gemma3:1b",
                "1.0",
                "B",
                "Q4_K_M",
                "815",
                "MB",
                "·",
                "3",
                "d",
            ]
            assert line_with(seen, "Q4_1").split() == [
                "●",
                "smollm2:135m",
                "135",
                "M",
                "Q4_1",
                "98",
                "MB",
                "·",
                "2",
                "min",
            ]
            assert "3 models · 2.9 GB · newest first" in seen.text()
            assert "● smollm2:135m in memory 4:12" in seen.text().splitlines()[-2]


async def test_opening_the_screen_costs_no_request_for_any_model(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA])
        async with stage(server.url, tmp_path, size=(120, 40)) as seen:
            await seen.ready()
            await seen.pilot.press("s", "escape", "slash", *"gem", "escape")
            await seen.settle()
            assert {request.path for request in server.requests} <= {"/api/version", "/api/tags", "/api/ps"}


async def test_what_is_not_known_yet_is_a_sign(tmp_path: Path) -> None:
    async with LocalServer() as server:
        able = model("qwen3:4b", 2_600_000_000, digest="d", context_length=40_960)
        able["capabilities"] = ["completion", "tools", "thinking"]
        furnish(server, [able, SMOLLM])
        async with stage(server.url, tmp_path, size=(140, 40)) as seen:
            await seen.ready()
            assert "Context" in seen.text()
            assert "40 k" in line_with(seen, "qwen3:4b ")
            assert "chat tools +1" in line_with(seen, "qwen3:4b ")
            assert line_with(seen, "98 MB").count("·") >= 2


@pytest.mark.parametrize(
    ("room", "order", "asked", "keys"),
    [
        (78, NEWEST, (), "name params quant size context modified"),
        (60, NEWEST, (), "name params quant size modified"),
        (60, (Sorting.CONTEXT, True), (), "name params quant size context"),
        (60, NEWEST, (Sorting.CAPABILITIES,), "name params size can modified"),
        (82, NEWEST, (), "name params quant size context can modified"),
        (130, NEWEST, (), "name family params quant size context can modified"),
    ],
)
def test_columns_that_there_is_room_for_and_those_that_are_asked_for(
    room: int, order: Order, asked: tuple[Sorting, ...], keys: str
) -> None:
    found = columns(16, room, order, asked)
    assert " ".join(column.key for column in found[1:]) == keys
    assert [column.sign for column in found if column.sign] == ["↓"]


async def test_details_follow_the_cursor(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA], [loaded("smollm2:135m", 512_000_000, vram=204_800_000)])
        server.route("POST", "/api/show", Reply(json=SHOWN))
        async with stage(server.url, tmp_path, size=(120, 40)) as seen:
            await seen.ready()
            assert "40 % GPU" in line_with(seen, "runs on")
            assert server.asked("/api/show") == []
            await seen.pilot.press("j")
            await seen.until(lambda: "gemma3 · 1.0 B · Q4_K_M" in seen.text())
            assert "○ not in memory" in seen.text()
            await seen.until(lambda: "Gemma Terms of Use" in seen.text())
            assert "  32,768  ━━━" in seen.text()
            assert "top_k       64" in seen.text()
            await seen.until(lambda: "32 k" in line_with(seen, "Q4_K_M    815"))
            # the same row again, and another one with the same digest, cost nothing
            await seen.pilot.press("k", "j")
            await seen.settle()
            await seen.until(lambda: len(server.asked("/api/show")) <= 2)
            assert [request.json["model"] for request in server.asked("/api/show")].count("gemma3:1b") == 1


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
            assert "smollm2:135m · listed with 98 MB; smollm2:latest has the" in seen.text()
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


async def test_marked_models_are_deleted_together(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA])

        def gone(request: Request) -> Reply:
            left = [each for each in (SMOLLM, GEMMA, LLAMA) if each["name"] == "gemma3:1b"]
            server.route("GET", "/api/tags", Reply(json={"models": left}))
            if request.json["model"] == "llama3.2:3b":
                return Reply(json={"error": "model 'llama3.2:3b' not found"}, status=404)
            return Reply(body="")

        server.route("DELETE", "/api/delete", gone)
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("space", "j", "space", "d")
            await seen.until(lambda: isinstance(seen.screen, Confirm))
            assert "Delete 2 models?" in seen.text()
            assert "together listed with 2.1 GB" in seen.text()
            await seen.pilot.press("enter")
            await seen.until(lambda: names(seen) == ["gemma3:1b"])
            assert [request.json["model"] for request in server.asked("/api/delete")] == ["smollm2:135m", "llama3.2:3b"]
            await seen.until(lambda: "Delete llama3.2:3b" in seen.text())


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
    assert len(abilities(capabilities, 9)) <= 9


def test_the_time_of_the_stage_has_a_zone() -> None:
    assert NOW.tzinfo is not None
