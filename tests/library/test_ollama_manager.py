"""OllamaManager: what it says of the models of a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from codomyrmex_ollama_tui import OllamaManager, OllamaModel
from codomyrmex_ollama_tui.domain.errors import ModelNotFound
from tests.library.managing import DONE, GEMMA, GONE, NOTHING, SMOL, config, paths, shown, two_models
from tests.library.running_at import place
from tests.services.asking import end, in_memory, line
from tests.support.server import Reply, Stream


async def test_models_are_listed_with_two_requests_and_then_with_none(tmp_path: Path) -> None:
    async with two_models(tmp_path) as at:
        models = await asyncio.to_thread(at.manager.list_models)
        assert models == [
            OllamaModel(
                name=SMOL,
                id="b402902d14a1",
                size=98363295,
                modified="2026-01-01T01:16:46.415376+01:00",
                parameters="134.52M",
                family="llama",
                format="gguf",
                status="loaded",
            ),
            OllamaModel(
                name=GEMMA,
                id="ffd371649fd3",
                size=253113853,
                modified="2026-01-01T01:13:29.958961+01:00",
                parameters="268.10M",
                family="gemma3",
                format="gguf",
                status="available",
            ),
        ]
        assert paths(at.real) == ["/api/tags", "/api/ps"]
        assert await asyncio.to_thread(at.manager.list_models) == models
        assert await asyncio.to_thread(at.manager.is_model_available, "SmolLM2:135M")
        assert (await asyncio.to_thread(at.manager.get_model_by_name, GEMMA)) == models[1]
        assert len(paths(at.real)) == 2
        at.real.route("GET", "/api/tags", NOTHING)
        assert await asyncio.to_thread(at.manager.list_models, True) == []
        assert paths(at.real) == ["/api/tags", "/api/ps"] * 2


async def test_a_model_that_runs_elsewhere_is_remote(tmp_path: Path) -> None:
    stub = {"name": "big:cloud", "model": "big:cloud", "remote_host": "https://ollama.com", "remote_model": "big"}
    async with place(tmp_path) as at:
        at.real.route("GET", "/api/tags", Reply(json={"models": [stub]}))
        at.real.route("GET", "/api/ps", Reply(status=404, body="404 page not found"))
        model = (await asyncio.to_thread(at.manager.list_models))[0]
        assert (model.status, model.id, model.modified, model.size) == ("remote", "", "", 0)
        assert (model.parameters, model.family, model.format) == (None, None, None)


async def test_the_tag_latest_need_not_be_said(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("GET", "/api/tags", Reply(json={"models": [{"name": "llama3:latest", "model": "llama3:latest"}]}))
        for name in ("llama3", "LLAMA3:latest", "library/llama3"):
            assert await asyncio.to_thread(at.manager.is_model_available, name)
        found = await asyncio.to_thread(at.manager.get_model_by_name, "llama3")
        assert found is not None
        assert found.name == "llama3:latest"
        assert await asyncio.to_thread(at.manager.get_model_by_name, "llama3:8b") is None
        for odd in ("..", "a/b/c/d/e", "a\0b", "x" * 300, "🦙", " "):
            assert not await asyncio.to_thread(at.manager.is_model_available, odd)


async def test_caching_can_be_turned_off(tmp_path: Path) -> None:
    async with two_models(tmp_path) as at:
        for settings in (config(enable_caching=False), config(cache_ttl=0)):
            with OllamaManager(base_url=at.real.url, config=settings, data_dir=str(tmp_path)) as manager:
                before = len(paths(at.real))
                await asyncio.to_thread(manager.list_models)
                await asyncio.to_thread(manager.list_models)
                assert len(paths(at.real)) - before == 4
        with OllamaManager(
            base_url=at.real.url, config=config(enable_caching=False), data_dir=str(tmp_path)
        ) as manager:
            await asyncio.to_thread(manager.get_model_details, SMOL)
            await asyncio.to_thread(manager.get_model_details, SMOL)
            assert len(at.real.asked("/api/show")) == 2


@pytest.mark.parametrize(
    ("path", "method", "reply", "change"),
    [
        ("/api/copy", "POST", Reply(), lambda manager: manager.copy_model(SMOL, "mine")),
        ("/api/delete", "DELETE", Reply(), lambda manager: manager.delete_model(SMOL)),
        ("/api/create", "POST", DONE, lambda manager: manager.create_model("mine", SMOL, system="Be brief.")),
        ("/api/pull", "POST", DONE, lambda manager: manager.download_model("mine")),
    ],
)
async def test_a_change_makes_the_list_old(
    tmp_path: Path, path: str, method: str, reply: Reply | Stream, change: Callable[[OllamaManager], bool]
) -> None:
    async with two_models(tmp_path) as at:
        at.real.route(method, path, reply)
        await asyncio.to_thread(at.manager.list_models)
        assert await asyncio.to_thread(change, at.manager)
        assert at.manager.last_error == ""
        await asyncio.to_thread(at.manager.list_models)
        assert len(at.real.asked("/api/tags")) == 2


async def test_what_is_in_memory_is_asked_again_after_a_run(tmp_path: Path) -> None:
    async with two_models(tmp_path) as at:
        at.real.route("GET", "/api/ps", [Reply(json={"models": []}), in_memory(SMOL)])
        at.real.route("POST", "/api/generate", Stream(line("Hi"), end()))
        assert (await asyncio.to_thread(at.manager.list_models))[0].status == "available"
        result = await asyncio.to_thread(at.manager.run_model, SMOL, "hello")
        assert result.success
        assert (await asyncio.to_thread(at.manager.list_models))[0].status == "loaded"
        assert len(at.real.asked("/api/tags")) == 1


async def test_statistics(tmp_path: Path) -> None:
    async with two_models(tmp_path) as at:
        stats = await asyncio.to_thread(at.manager.get_model_stats)
        assert stats == {
            "total_models": 2,
            "total_size_bytes": 351477148,
            "total_size_mb": pytest.approx(335.1947),
            "models_by_family": {"llama": [SMOL], "gemma3": [GEMMA]},
            "by_quantization": {"Q4_1": [SMOL], "Q4_K_M": [GEMMA]},
            "largest_model": GEMMA,
            "smallest_model": SMOL,
            "running": [SMOL],
        }
        assert json.loads(json.dumps(stats)) == stats
        assert at.real.asked("/api/show") == []
        at.real.route("GET", "/api/tags", Reply(json={"models": []}))
        await asyncio.to_thread(at.manager.list_models, True)
        empty = await asyncio.to_thread(at.manager.get_model_stats)
        assert (empty["total_models"], empty["largest_model"], empty["smallest_model"]) == (0, None, None)


async def test_details_are_asked_for_once_for_each_digest(tmp_path: Path) -> None:
    async with two_models(tmp_path) as at:
        details = await asyncio.to_thread(at.manager.get_model_details, SMOL)
        assert details["system"] == "first"
        assert details["context_length"] == 8192
        assert details["capabilities"] == ["completion"]
        assert json.loads(json.dumps(details)) == details
        assert await asyncio.to_thread(at.manager.get_model_details, SMOL.upper()) == {**details, "name": SMOL.upper()}
        assert len(at.real.asked("/api/show")) == 1
        with OllamaManager(base_url=at.real.url, config=config(), data_dir=str(tmp_path)) as other:
            assert await asyncio.to_thread(other.get_model_details, SMOL) == details
            assert len(at.real.asked("/api/show")) == 1
            at.real.route("POST", "/api/show", shown("second"))
            again = await asyncio.to_thread(lambda: other.get_model_details(SMOL, force_refresh=True))
            assert again["system"] == "second"
        at.real.route("POST", "/api/show", GONE)
        with pytest.raises(ModelNotFound):
            await asyncio.to_thread(at.manager.get_model_details, "x")


async def test_the_models_in_memory(tmp_path: Path) -> None:
    async with two_models(tmp_path) as at:
        at.real.route("GET", "/api/ps", in_memory(SMOL, vram=250, size=1000))
        running = await asyncio.to_thread(at.manager.list_running_models)
        assert running == [
            {
                "name": SMOL,
                "id": "ab" * 6,
                "size": 1000,
                "size_vram": 250,
                "gpu_share": 0.25,
                "context_length": 4096,
                "expires_at": None,
            }
        ]


async def test_the_server(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        status = await asyncio.to_thread(at.manager.get_server_status)
        label = at.real.url.removeprefix("http://")
        assert (status["phase"], status["server"], status["version"]) == ("ready", label, "0.24.0")
        assert (status["kind"], status["started_here"], status["problem"]) == ("ollama", False, "")
        json.dumps(status)
