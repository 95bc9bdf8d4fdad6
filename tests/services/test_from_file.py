"""Models made from files, with real files and a real local server."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.services.from_file import FileStep, create_from_file, problem_with_file
from codomyrmex_ollama_tui.services.models import ModelsService, PullQueue
from tests.services.rooms import launcher, ollama, watching
from tests.support.recorded import answer
from tests.support.server import LocalServer, Reply

DATA = b"GGUF" + bytes(range(256)) * 1000
BLOB = f"/api/blobs/sha256:{hashlib.sha256(DATA).hexdigest()}"


async def steps(real: LocalServer, folder: Path) -> list[FileStep]:
    path = folder / "weights.gguf"
    path.write_bytes(DATA)
    async with watching(real.url, launcher(folder), "flag") as (service, _):
        models = ModelsService(service, PullQueue(service))
        async with aclosing(create_from_file(service, models, "mine:1", path)) as told:
            return [step async for step in told]


async def test_a_file_is_read_sent_and_made_into_a_model(tmp_path: Path) -> None:
    async with ollama() as real:
        real.route("HEAD", BLOB, Reply(status=404))
        real.route("POST", BLOB, Reply(status=201))
        real.route("POST", "/api/create", answer("create_files_gguf_ok"))
        told = await steps(real, tmp_path)
        assert told[0] == FileStep("reading", len(DATA), len(DATA))
        assert FileStep("sending", len(DATA), len(DATA)) in told
        assert told[-1].doing == "success"
        assert real.asked("/api/create")[0].json["files"] == {"model.gguf": BLOB.removeprefix("/api/blobs/")}
        assert [request.body for request in real.asked(BLOB) if request.method == "POST"] == [DATA]


async def test_what_the_server_has_is_not_sent_again(tmp_path: Path) -> None:
    async with ollama() as real:
        real.route("HEAD", BLOB, Reply(status=200))
        real.route("POST", "/api/create", answer("create_files_gguf_ok"))
        told = await steps(real, tmp_path)
        assert "sending" not in {step.doing for step in told}


@pytest.mark.parametrize("case", ["blob_post_mismatch"])
async def test_what_the_server_says_against_it_is_raised(tmp_path: Path, case: str) -> None:
    async with ollama() as real:
        real.route("HEAD", BLOB, Reply(status=404))
        real.route("POST", BLOB, answer(case))
        with pytest.raises(OllamaError, match="digest mismatch"):
            await steps(real, tmp_path)


def test_a_file_that_is_no_model_is_told_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(DATA)
    (tmp_path / "b.txt").write_text("hello")
    assert problem_with_file(tmp_path / "a.gguf") == ""
    assert problem_with_file(tmp_path / "b.txt") == "b.txt is no GGUF file"
    assert "no such file" in problem_with_file(tmp_path / "c")
    assert problem_with_file(tmp_path)
