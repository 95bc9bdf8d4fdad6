"""What is done with models from the table, with a real local server."""

from __future__ import annotations

import hashlib
from pathlib import Path

from textual.widgets import Input, TextArea

from codomyrmex_ollama_tui.ui.screens.ask import Ask, Confirm
from codomyrmex_ollama_tui.ui.screens.model_details import DetailsScreen
from codomyrmex_ollama_tui.ui.screens.models import ModelsScreen
from codomyrmex_ollama_tui.ui.screens.models_compare import CompareScreen
from codomyrmex_ollama_tui.ui.screens.models_create import CreateScreen
from codomyrmex_ollama_tui.ui.screens.models_load import LoadBox
from codomyrmex_ollama_tui.ui.screens.models_running import RunningScreen
from tests.support.server import Gate, LocalServer, Reply, Request, Stream
from tests.ui.stage import Stage, furnish, loaded, model, stage
from tests.ui.test_models import GEMMA, LLAMA, SHOWN, SMOLLM, line_with, names

FOREVER = 60.0 * 24 * 365 * 200
"""Minutes."""


async def type_into(seen: Stage, text: str) -> None:
    seen.screen.query_one(Input).value = ""
    await seen.pilot.press(*text, "enter")


# ---------------------------------------------------------------------- memory


async def test_models_in_memory_with_their_names_share_and_time(tmp_path: Path) -> None:
    async with LocalServer() as server:
        twin = model("smollm2:latest", 98_000_000)
        furnish(
            server,
            [SMOLLM, twin, GEMMA],
            [
                loaded("smollm2:135m", 512_000_000, context=8192),
                loaded("gemma3:1b", 1_000_000_000, vram=400_000_000, minutes=FOREVER, digest="b"),
            ],
        )
        unloaded = Reply(json={"model": "smollm2:135m", "done": True, "done_reason": "unload"})
        server.route("POST", "/api/generate", unloaded)
        async with stage(server.url, tmp_path, size=(120, 30)) as seen:
            await seen.ready()
            assert line_with(seen, "smollm2:latest").split()[0] == "●", "the same weights are in memory"
            await seen.pilot.press("t")
            await seen.until(lambda: isinstance(seen.screen, RunningScreen) and "400 MB of it" in seen.text())
            assert line_with(seen, "8,192").split()[1:-1] == [
                "smollm2:135m",
                "512",
                "MB",
                "100",
                "%",
                "CPU",
                "8,192",
                "4:12",
                "left",
            ]
            assert "forever" in line_with(seen, "40 % GPU")
            assert "smollm2:135m is in memory for smollm2:latest too: the same weights" in seen.text()
            server.route("GET", "/api/ps", Reply(json={"models": []}))
            await seen.pilot.press("j", "u")
            await seen.until(lambda: "No model is in memory" in seen.text())
            assert [request.json["model"] for request in server.asked("/api/generate")] == ["gemma3:1b"]
            await seen.pilot.press("escape")
            await seen.until(lambda: isinstance(seen.screen, ModelsScreen))


async def test_all_are_unloaded(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA], [loaded("smollm2:135m", 1), loaded("gemma3:1b", 1, digest="b")])
        server.route("POST", "/api/generate", Reply(json={"model": "m", "done": True, "done_reason": "unload"}))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("U")
            await seen.until(lambda: len(server.asked("/api/generate")) == 2)
            assert [request.json["keep_alive"] for request in server.asked("/api/generate")] == [0, 0]


async def test_a_model_is_loaded_with_a_context_and_a_time(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [GEMMA])
        server.route("POST", "/api/show", Reply(json=SHOWN))
        hold = Gate()
        done = Reply(json={"model": "gemma3:1b", "done": True, "done_reason": "load"}, gate=hold)
        server.route("POST", "/api/generate", done)
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("o")
            await seen.until(lambda: isinstance(seen.screen, LoadBox))
            await seen.pilot.press(*"8q", "enter")
            await seen.until(lambda: "✕ '8q' is no number of tokens" in seen.text())
            await seen.pilot.press("backspace", "k")
            await seen.until(lambda: "≈ 860 MB  estimated: weights 815 MB, context 45 MB" in seen.text())
            await seen.pilot.press("tab", *"10m", "enter")
            await hold.reached()
            await seen.until(lambda: "loading gemma3:1b" in seen.text())
            seen.clock.go(3)
            hold.open()
            await seen.until(lambda: "In memory after 3.0 s." in seen.text())
            asked = server.asked("/api/generate")[0].json
            assert (asked["options"], asked["keep_alive"]) == ({"num_ctx": 8192}, "10m")


# ---------------------------------------------------------------------- names


async def test_a_copy_gets_another_name_and_what_has_it_is_asked_about(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA])
        server.route("POST", "/api/copy", Reply(body=""))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("c")
            await seen.until(lambda: isinstance(seen.screen, Ask))
            await seen.pilot.press("enter")
            await seen.until(lambda: "that is its name already" in seen.text())
            await type_into(seen, "a b")
            await seen.until(lambda: "✕ the model" in seen.text())
            await type_into(seen, "gemma3:1b")
            await seen.until(lambda: isinstance(seen.screen, Confirm))
            await seen.pilot.press("escape")
            await seen.until(lambda: isinstance(seen.screen, ModelsScreen))
            await seen.pilot.press("c")
            await seen.until(lambda: isinstance(seen.screen, Ask))
            assert server.asked("/api/copy") == []
            server.route("GET", "/api/tags", Reply(json={"models": [SMOLLM, GEMMA, model("mine:1", 98_000_000)]}))
            await type_into(seen, "mine:1")
            await seen.until(lambda: "mine:1" in names(seen))
            assert server.asked("/api/copy")[0].json == {"source": "smollm2:135m", "destination": "mine:1"}


async def test_renaming_is_a_copy_and_the_old_name_goes(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        server.route("POST", "/api/copy", Reply(body=""))

        def gone(request: Request) -> Reply:
            server.route("GET", "/api/tags", Reply(json={"models": [model("mine:1", 98_000_000)]}))
            return Reply(body="")

        server.route("DELETE", "/api/delete", gone)
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("m")
            await seen.until(lambda: isinstance(seen.screen, Ask))
            await type_into(seen, "mine:1")
            await seen.until(lambda: names(seen) == ["mine:1"])
            assert server.asked("/api/delete")[0].json == {"model": "smollm2:135m"}


async def test_a_copy_that_fails_deletes_nothing(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, LLAMA])
        server.route("POST", "/api/copy", Reply(json={"error": "no space left on device"}, status=500))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("m")
            await seen.until(lambda: isinstance(seen.screen, Ask))
            await type_into(seen, "mine:1")
            await seen.until(lambda: "no space left" in seen.text())
            assert server.asked("/api/delete") == []


async def test_the_name_is_copied(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("y")
            await seen.until(lambda: "smollm2:135m copied." in seen.text())
            assert seen.app.clipboard == "smollm2:135m"


# ---------------------------------------------------------------------- made from others, compared


def shown(request: Request) -> Reply:
    if request.json["model"].startswith("gemma3"):
        return Reply(json=SHOWN)
    info = {"general.architecture": "llama", "llama.context_length": 8192, "llama.block_count": 30}
    return Reply(
        json={
            "parameters": "temperature 0.2",
            "system": "You are [b]SmolLM[/b].\nBe brief.",
            "template": "{{ .Prompt }}",
            "details": {"family": "llama"},
            "model_info": info,
            "capabilities": ["completion"],
        }
    )


async def test_a_model_is_made_with_another_system_prompt_and_parameters(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        server.route("POST", "/api/show", shown)
        hold = Gate()
        server.route("POST", "/api/create", Stream({"status": "using existing layer"}, hold, {"status": "success"}))
        async with stage(server.url, tmp_path, size=(120, 40)) as seen:
            await seen.ready()
            await seen.pilot.press("e")
            await seen.until(lambda: isinstance(seen.screen, CreateScreen))
            assert "You are [b]SmolLM[/b]." in seen.text()
            await seen.pilot.press("ctrl+s")
            await seen.until(lambda: "✕ a model name is needed" in seen.text())
            seen.screen.query_one("#name", Input).value = "mine:1"
            box = seen.screen.query_one("#parameters", TextArea)
            assert box.text == "temperature = 0.2"
            box.text = "temperature = 'hot'"
            await seen.pilot.press("ctrl+s")
            await seen.until(lambda: "parameters.temperature" in seen.text())
            box.text = "temperature = 0.2\ntop_k = 5"
            seen.screen.query_one("#system", TextArea).text = "Be long."
            server.route("GET", "/api/tags", Reply(json={"models": [model("mine:1", 98_000_000), SMOLLM]}))
            await seen.pilot.press("ctrl+s")
            await hold.reached()
            await seen.until(lambda: "creating mine:1 · using existing layer" in seen.text())
            hold.open()
            await seen.until(lambda: "mine:1 is on the server." in seen.text() and "mine:1" in names(seen))
            assert server.asked("/api/create")[0].json == {
                "model": "mine:1",
                "from": "smollm2:135m",
                "system": "Be long.",
                "parameters": {"top_k": 5},
            }


async def test_what_the_server_says_against_making_it_is_told(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        server.route("POST", "/api/show", shown)
        server.route("POST", "/api/create", Stream({"status": "creating"}, {"error": "no space left on device"}))
        async with stage(server.url, tmp_path, size=(120, 40)) as seen:
            await seen.ready()
            await seen.pilot.press("e")
            await seen.until(lambda: isinstance(seen.screen, CreateScreen))
            await seen.pilot.press(*"smollm2:135m", "enter")
            await seen.until(lambda: isinstance(seen.screen, Confirm))
            await seen.pilot.press("enter")
            await seen.until(lambda: "no space left on device" in seen.text())


async def test_two_models_stand_side_by_side_with_what_differs_marked(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA])
        server.route("POST", "/api/show", shown)
        async with stage(server.url, tmp_path, size=(120, 40)) as seen:
            await seen.ready()
            await seen.pilot.press("equals_sign")
            await seen.until(lambda: "Mark two models with space" in seen.text())
            await seen.pilot.press("space", "equals_sign")
            await seen.until(lambda: isinstance(seen.screen, CompareScreen) and "facts and parameters" in seen.text())
            assert line_with(seen, "temperature").split()[1:-1] == ["≠", "temperature", "0.2", "—"]
            assert "≠" not in line_with(seen, "format")
            await seen.pilot.press("space", "space", "space")
            await seen.until(lambda: "-You are [b]SmolLM[/b]." in seen.text())
            assert "≠ llama.block_count" in seen.text()
            await seen.pilot.press("escape")
            await seen.until(lambda: isinstance(seen.screen, ModelsScreen))


# ---------------------------------------------------------------------- details


async def test_every_section_of_the_details_is_there_searched_and_copied(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [GEMMA], [loaded("gemma3:1b", 900_000_000, context=8192, digest="b")])
        server.route("POST", "/api/show", Reply(json=SHOWN))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("i")
            await seen.until(lambda: isinstance(seen.screen, DetailsScreen) and "815 MB" in seen.text())
            await seen.pilot.press("space")
            await seen.until(lambda: "≈ 961 MB" in seen.text() and "= 900 MB now" in seen.text())
            await seen.pilot.press("right")
            await seen.until(lambda: "<end_of_turn>" in seen.text())
            await seen.pilot.press("y")
            assert seen.app.clipboard == SHOWN["parameters"]
            await seen.pilot.press("right")
            await seen.until(lambda: "This model has no system of its own." in seen.text())
            await seen.pilot.press("right", "right")
            await seen.until(lambda: "Gemma Terms of Use" in seen.text())
            await seen.pilot.press("left", "left", "left", "left", "left")
            await seen.until(lambda: "sliding_window  512" in seen.text())
            await seen.pilot.press("slash", *"head_count", "enter")
            await seen.until(lambda: "head_count_kv  1" in seen.text() and "sliding_window" not in seen.text())
            assert "gemma3" in seen.text()
            assert "  attention" in seen.text(), "the branch that it hangs on"
            await seen.pilot.press("escape")
            await seen.until(lambda: "sliding_window  512" in seen.text())
            await seen.pilot.press("escape")
            await seen.until(lambda: isinstance(seen.screen, ModelsScreen))


async def test_a_model_that_somebody_else_deleted_is_told(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA])
        server.route("POST", "/api/show", Reply(json={"error": "model 'smollm2:135m' not found"}, status=404))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            server.route("GET", "/api/tags", Reply(json={"models": [GEMMA]}))
            await seen.pilot.press("i")
            await seen.until(lambda: "is not on the server any more" in seen.text() and names(seen) == ["gemma3:1b"])


async def test_charts_of_all_models(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("b")
            await seen.until(lambda: "A llama" in seen.text() and "1.0 B" in seen.text())
            assert "2.1 GB  2 models" in seen.text()
            await seen.pilot.resize_terminal(120, 40)
            await seen.until(lambda: max(map(len, seen.text().splitlines())) == 120)
            await seen.pilot.press("escape")
            await seen.until(lambda: isinstance(seen.screen, ModelsScreen))


async def test_a_model_is_pushed_with_its_progress_and_can_be_stopped(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [model("me/mine:1", 98_000_000)])
        hold = Gate()
        line = {"status": "pushing ab12", "digest": "sha256:" + "ab" * 32, "total": 98_000_000, "completed": 49_000_000}
        refused = Stream({"status": "retrieving manifest"}, {"error": "you need to be signed in"})
        sent = Stream(line, {"status": "success"})
        server.route("POST", "/api/push", [Stream(line, hold), refused, sent])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            assert isinstance(seen.screen, ModelsScreen)
            room = seen.screen

            async def push(words: str) -> None:
                await seen.pilot.press("P")
                await seen.until(lambda: isinstance(seen.screen, Confirm))
                await seen.pilot.press("enter")
                await seen.until(lambda: words in seen.text())

            assert room.check_action("stop_push", ()) is False
            await push("pushing me/mine:1 · 49.0 / 98.0 MB")
            assert room.check_action("stop_push", ()) is True
            room.action_stop_push()
            await server.asked("/api/push")[0].closed.wait()
            await seen.until(lambda: "pushing" not in seen.text())
            await push("you need to be signed in")
            await push("me/mine:1 is in the registry.")


async def test_a_model_is_made_from_a_file(tmp_path: Path) -> None:
    weights = tmp_path / "weights.gguf"
    weights.write_bytes(b"GGUF and more")
    blob = f"/api/blobs/sha256:{hashlib.sha256(weights.read_bytes()).hexdigest()}"
    async with LocalServer() as server:
        furnish(server, [SMOLLM])
        server.route("HEAD", blob, Reply(status=404))
        server.route("POST", blob, Reply(status=201))
        server.route("POST", "/api/create", Stream({"status": "parsing GGUF"}, {"status": "success"}))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            assert isinstance(seen.screen, ModelsScreen)
            seen.screen.action_create_from_file()
            await seen.until(lambda: "The path of a GGUF file" in seen.text())
            await type_into(seen, str(tmp_path / "none"))
            await seen.until(lambda: "✕ none: no such file" in seen.text())
            seen.screen.query_one(Input).value = str(weights)
            await seen.pilot.press("enter")
            await seen.until(lambda: "What the model of weights.gguf will be called." in seen.text())
            await type_into(seen, "mine:1")
            await seen.until(lambda: "mine:1 is on the server." in seen.text())
            assert server.asked("/api/create")[0].json["model"] == "mine:1"
