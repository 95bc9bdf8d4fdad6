"""Questions about models, passed on to the present server."""

from __future__ import annotations

from pathlib import Path

import pytest

from codomyrmex_ollama_tui.domain.errors import ModelNotFound, OllamaError
from codomyrmex_ollama_tui.services.models import ModelsService, PullQueue, near_names
from tests.services.rooms import launcher, ollama, watching
from tests.support.recorded import answer, case
from tests.support.server import Gate, Reply


async def test_models_of_the_present_server(tmp_path: Path) -> None:
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag") as (service, _):
        models = ModelsService(service, PullQueue(service))
        real.route("GET", "/api/tags", answer("tags_two"))
        assert [model.name for model in await models.list_models()] == [
            model["name"] for model in case("tags_two")["response"]["body"]["models"]
        ]
        real.route("GET", "/api/ps", answer("ps_empty"))
        assert await models.running() == ()
        real.route("POST", "/api/show", Reply(status=404, json={"error": "model 'x' not found"}))
        with pytest.raises(ModelNotFound):
            await models.details("x")
        real.route("DELETE", "/api/delete", Reply())
        await models.delete("x:latest")
        assert real.asked("/api/delete")[0].json == {"model": "x:latest"}
        real.route("POST", "/api/generate", answer("gen_unload"))
        await models.unload("smollm2:135m")
        assert real.asked("/api/generate")[0].json["keep_alive"] == 0


async def test_what_is_in_memory_is_asked_for_a_second_at_most(tmp_path: Path) -> None:
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag") as (service, _):
        real.route("GET", "/api/ps", Reply(json={"models": []}, gate=Gate()))
        with pytest.raises(OllamaError):
            await ModelsService(service, PullQueue(service)).running()


def test_near_names() -> None:
    names = ("smollm2:135m", "gemma3:270m", "qwen3:8b")
    assert near_names("smolm2", names) == ("smollm2:135m",)
    assert near_names("zzz", names) == ()
