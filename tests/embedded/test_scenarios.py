"""What happens when several things happen at once: queues, reloads, clients that leave, processes that die."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from codomyrmex_ollama_tui.domain.names import parse_name
from codomyrmex_ollama_tui.embedded.store import ModelStore, describe_weights
from tests.embedded.harness import LIMIT, MODEL, EngineProcess, give_model, start_engine
from tests.embedded.talk import LONG, ask, open_client, received, request, running, stream, unload, waiting

pytestmark = pytest.mark.engine
OTHER = "other:135m"
BROKE_OFF = "an error was encountered while running the model: unexpected EOF"
STOPPED = "model runner has unexpectedly stopped"


@pytest.fixture(scope="module")
def whole_engine(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine with two models whose weights are not one file (the second has a byte more at its end)."""
    models = tmp_path_factory.mktemp("scenarios") / "models"
    give_model(models, weights)
    store = ModelStore(models)
    longer = models / "tmp" / "longer"
    shutil.copyfile(weights, longer)
    with longer.open("ab") as file:
        file.write(b"\0")
    sha256 = hashlib.sha256(longer.read_bytes()).hexdigest()
    longer.replace(store.blob_path(sha256))
    name = parse_name(OTHER)
    assert name is not None
    store.put(name, describe_weights(store.blob_path(sha256), sha256))
    with start_engine(models) as engine:
        yield engine


@pytest_asyncio.fixture
async def engine(whole_engine: EngineProcess) -> AsyncIterator[EngineProcess]:
    """The engine with nothing in memory, and nobody left in its queues afterwards."""
    for model in (MODEL, OTHER):
        await unload(whole_engine.url, model)
    assert whole_engine.children() == []
    yield whole_engine
    assert whole_engine.process.poll() is None, whole_engine.log()
    assert "Traceback" not in whole_engine.log()


def the_child(engine: EngineProcess) -> psutil.Process:
    (child,) = engine.children()
    return child


async def ended(process: psutil.Process) -> None:
    await asyncio.to_thread(process.wait, LIMIT)


async def still_works(engine: EngineProcess) -> None:
    """A short request is answered, by one process, and nobody keeps it: it goes as soon as it is let go."""
    answer = await ask(engine.url, request("x", tokens=1, raw=True))
    assert answer["status"] == 200
    child = the_child(engine)
    await unload(engine.url)
    await ended(child)
    assert await running(engine.url) == []


async def test_two_loads_at_once_are_one(engine: EngineProcess) -> None:
    answers = await asyncio.gather(*(ask(engine.url, {"model": MODEL}) for _ in range(2)))
    assert [answer["done_reason"] for answer in answers] == ["load", "load"]
    assert len(engine.children()) == 1


async def test_one_request_at_a_time_in_order(engine: EngineProcess) -> None:
    async with stream(engine.url, request(tokens=60)) as first, waiting(engine.url, request(tokens=5)) as second:
        end = (await first.rest())[-1]
        assert end["done"]
        assert not second.done() or second.result()["total_duration"] > 0
        answer = await second
        assert answer["eval_count"] == 5
        # waiting in line is no loading: it shows in the total only
        parts = answer["load_duration"] + answer["prompt_eval_duration"] + answer["eval_duration"]
        assert answer["total_duration"] > parts
    assert len(engine.children()) == 1


async def test_another_model_waits_for_the_running_request(engine: EngineProcess) -> None:
    async with stream(engine.url, request(tokens=40)) as first:
        child = the_child(engine)
        async with waiting(engine.url, request(tokens=3, model=OTHER)) as second:
            assert (await first.rest())[-1]["eval_count"] == 40
            assert (await second)["eval_count"] == 3
            await ended(child)
    assert [model["name"] for model in await running(engine.url)] == [OTHER]
    assert len(engine.children()) == 1


async def test_another_context_loads_anew_after_the_running_request(engine: EngineProcess) -> None:
    async with (
        stream(engine.url, request(tokens=40)) as first,
        waiting(engine.url, request(tokens=3, options={"num_ctx": 512})) as second,
    ):
        assert (await first.rest())[-1]["done_reason"] == "length"
        assert (await second)["status"] == 200
    assert [model["context_length"] for model in await running(engine.url)] == [512]


async def test_unload_while_busy_answers_at_once_and_waits_for_the_end(engine: EngineProcess) -> None:
    async with stream(engine.url, request(tokens=80)) as first:
        child = the_child(engine)
        assert (await unload(engine.url))["done_reason"] == "unload"
        assert [model["name"] for model in await running(engine.url)] == [MODEL]
        assert (await first.rest())[-1]["eval_count"] == 80
    await ended(child)
    assert await running(engine.url) == []


async def test_names_with_the_same_weights_share_a_process(engine: EngineProcess) -> None:
    await ask(engine.url, request(tokens=1))
    child = the_child(engine)
    created = {"model": "pirate", "from": MODEL, "system": "You are a pirate.", "parameters": {"temperature": 0.1}}
    assert (await ask(engine.url, created, "/api/create"))["status"] == 200
    shown = await ask(engine.url, {"model": "pirate"}, "/api/show")
    assert shown["system"] == "You are a pirate."
    assert shown["details"]["parent_model"] == MODEL
    rendered = await ask(engine.url, request("Hi", model="pirate", _debug_render_only=True))
    assert "You are a pirate." in rendered["_debug_info"]["rendered_template"]
    assert (await ask(engine.url, request(tokens=1, model="pirate")))["model"] == "pirate"
    assert the_child(engine).pid == child.pid
    assert [model["name"] for model in await running(engine.url)] == [MODEL]
    await unload(engine.url, "pirate")
    assert await running(engine.url) == []


async def test_keep_alive_ends_by_itself(engine: EngineProcess) -> None:
    await ask(engine.url, request(tokens=1, keep_alive="50ms"))
    for child in engine.children():
        await ended(child)
    assert await running(engine.url) == []
    await ask(engine.url, request(tokens=1, keep_alive=0))
    for child in engine.children():
        await ended(child)
    assert await running(engine.url) == []
    await ask(engine.url, request(tokens=1, keep_alive=-1))
    (model,) = await running(engine.url)
    assert model["expires_at"] > "2300"


async def test_a_client_that_leaves_in_mid_stream(engine: EngineProcess) -> None:
    async with stream(engine.url, request(tokens=LONG)) as answer:
        await answer.line()
    await still_works(engine)


async def test_a_client_that_leaves_without_streaming(engine: EngineProcess) -> None:
    await ask(engine.url, {"model": MODEL})
    async with waiting(engine.url, request(tokens=LONG)) as answer:
        assert not answer.done()
    await still_works(engine)


async def test_a_client_that_leaves_while_it_waits_in_line(engine: EngineProcess) -> None:
    async with stream(engine.url, request(tokens=60)) as first:
        async with waiting(engine.url, request(tokens=LONG)) as second:
            assert not second.done()
        assert (await first.rest())[-1]["eval_count"] == 60
    await still_works(engine)


async def test_a_client_that_leaves_while_the_model_is_loaded(engine: EngineProcess) -> None:
    async with waiting(engine.url, request()) as answer:
        assert not answer.done()
    await still_works(engine)


async def test_a_client_that_leaves_while_a_long_prompt_is_read(engine: EngineProcess) -> None:
    await ask(engine.url, {"model": MODEL})
    async with waiting(engine.url, request("word " * 3000)) as answer:
        assert not answer.done()
    await still_works(engine)


async def test_a_process_that_dies_in_mid_stream(engine: EngineProcess) -> None:
    async with stream(engine.url, request(tokens=LONG)) as answer:
        the_child(engine).kill()
        assert (await answer.rest())[-1] == {"error": BROKE_OFF}
    await still_works(engine)


async def test_a_process_that_dies_before_the_first_token(engine: EngineProcess) -> None:
    await ask(engine.url, {"model": MODEL})
    child = the_child(engine)
    before = child.cpu_times().user
    async with waiting(engine.url, request("word " * 4000)) as answer:
        while child.cpu_times().user < before + 0.3:  # by then it reads the prompt, which takes it seconds
            await received(engine.url)
        child.kill()
        said = await answer
    assert said["status"] == 500
    assert said["error"].startswith(STOPPED)
    await still_works(engine)


async def test_who_waits_for_a_process_that_dies_is_answered_by_the_next(engine: EngineProcess) -> None:
    async with stream(engine.url, request(tokens=LONG)) as first, waiting(engine.url, request(tokens=3)) as second:
        the_child(engine).kill()
        assert (await first.rest())[-1] == {"error": BROKE_OFF}
        assert (await second)["eval_count"] == 3
    await still_works(engine)


async def test_a_death_that_nobody_has_noticed_yet_costs_no_request(engine: EngineProcess) -> None:
    for _ in range(3):
        await ask(engine.url, {"model": MODEL})
        the_child(engine).kill()
        assert (await ask(engine.url, request(tokens=2)))["status"] == 200
    await still_works(engine)


async def test_a_process_that_dies_idle_is_loaded_anew(engine: EngineProcess) -> None:
    await ask(engine.url, {"model": MODEL})
    child = the_child(engine)
    child.kill()
    await ended(child)
    assert [model["name"] for model in await running(engine.url)] == [MODEL]
    await still_works(engine)


@pytest.mark.parametrize(
    ("damage", "words"),
    [("cut", "tensor '"), ("garbage", "model failed to load"), ("missing", "missing")],
)
async def test_damaged_weights_are_an_error(engine: EngineProcess, weights: Path, damage: str, words: str) -> None:
    blob = blob_of(engine, weights)
    aside = blob.with_name("aside")
    blob.replace(aside)
    try:
        if damage == "cut":
            blob.write_bytes(aside.read_bytes()[:40_000_000])
        elif damage == "garbage":
            blob.write_bytes(b"no model " * 1000)
        answer = await ask(engine.url, request())
        assert answer["status"] == 500
        assert words in answer["error"]
        assert engine.children() == []
        assert await running(engine.url) == []
    finally:
        aside.replace(blob)
    await still_works(engine)


def models_of(engine: EngineProcess) -> Path:
    """The folder an engine serves."""
    command = psutil.Process(engine.process.pid).cmdline()
    return Path(command[command.index("--models") + 1])


def blob_of(engine: EngineProcess, weights: Path) -> Path:
    """Where the engine keeps its own copy (or link) of the weights."""
    folder = models_of(engine) / "blobs"
    (blob,) = (path for path in folder.iterdir() if path.stat().st_size == weights.stat().st_size)
    return blob


@pytest.mark.parametrize(("asked", "in_force"), [(1, 4), (10**7, 8192), (2_000_000_000, 8192)])
async def test_contexts_beyond_sense_are_held_within_bounds(engine: EngineProcess, asked: int, in_force: int) -> None:
    answer = await ask(engine.url, request("Hi", tokens=2, options={"num_ctx": asked}))
    assert answer["status"] == 200
    assert [model["context_length"] for model in await running(engine.url)] == [in_force]


async def test_the_process_behind_is_closed_to_others(engine: EngineProcess) -> None:
    await ask(engine.url, {"model": MODEL})
    (listening,) = (one for one in the_child(engine).net_connections() if one.status == psutil.CONN_LISTEN)
    assert listening.laddr.ip == "127.0.0.1"
    async with open_client(f"http://127.0.0.1:{listening.laddr.port}") as client:
        for path in ("/props", "/tokenize", "/completion", "/v1/chat/completions"):
            assert (await client.post(path, json={"prompt": "x"})).status_code == 401


async def test_two_models_at_once_where_that_is_asked_for(whole_engine: EngineProcess, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(models_of(whole_engine), models, ignore=shutil.ignore_patterns("engine.*", "tmp"))
    with start_engine(models, "--loaded-at-once", "2") as engine:
        for model in (MODEL, OTHER, MODEL):
            assert (await ask(engine.url, request("Hi", tokens=1, model=model)))["status"] == 200
        assert {model["name"] for model in await running(engine.url)} == {MODEL, OTHER}
        assert len(engine.children()) == 2


async def test_a_killed_front_leaves_no_process_behind(weights: Path, tmp_path: Path) -> None:
    give_model(tmp_path / "models", weights)
    with start_engine(tmp_path / "models") as engine:
        await ask(engine.url, {"model": MODEL})
        child = the_child(engine)
        engine.process.kill()
        await ended(child)


async def test_a_front_that_is_let_go_ends_while_it_answers(weights: Path, tmp_path: Path) -> None:
    give_model(tmp_path / "models", weights)
    with start_engine(tmp_path / "models") as engine:
        async with (
            stream(engine.url, request(tokens=LONG)) as first,
            waiting(engine.url, request()) as second,
            waiting(engine.url, request(options={"num_ctx": 512})) as third,
        ):
            child = the_child(engine)
            stopping = asyncio.ensure_future(asyncio.to_thread(engine.stop))
            assert (await first.rest())[-1] == {"error": BROKE_OFF}
            for answer in (await second, await third):
                assert (answer["status"], answer["error"]) == (503, "the embedded engine is stopping")
            assert await stopping == 0
        await ended(child)
        assert engine.log() == ""


async def test_more_than_the_memory_holds_is_refused(weights: Path, tmp_path: Path) -> None:
    give_model(tmp_path / "models", weights)
    store = ModelStore(tmp_path / "models")
    name = parse_name(MODEL)
    assert name is not None
    manifest = store.get(name)
    assert manifest is not None
    # as a model would be that was trained for a context of 2³¹
    info = {**manifest.model_info, "llama.context_length": 2**31 - 1}
    store.put(name, replace(manifest, model_info=info))
    with start_engine(tmp_path / "models") as engine:
        answer = await ask(engine.url, request(options={"num_ctx": 2**31 - 1}))
        assert answer["status"] == 500
        assert answer["error"].startswith("model requires more system memory (")
        assert engine.children() == []
        assert (await ask(engine.url, request("Hi", tokens=1)))["status"] == 200
        await received(engine.url)
