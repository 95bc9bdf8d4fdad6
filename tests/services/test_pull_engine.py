"""The queue of pulls at the embedded engine, with a real model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.services.pulls import PullPhase, PullQueue
from tests.embedded.harness import EngineProcess
from tests.services.pull_bench import Bench
from tests.services.rooms import launcher, watching
from tests.support.server import LocalServer

pytestmark = pytest.mark.engine


async def test_a_model_that_is_there_is_current_and_a_name_nobody_has_is_told(
    model_engine: EngineProcess, tmp_path: Path
) -> None:
    async with watching(model_engine.url, launcher(tmp_path), "flag") as (service, _):
        queue = PullQueue(service, retry_delays=())
        at = Bench(LocalServer(), queue, [], asyncio.Event())
        queue.listen(at.take)
        queue.add("smollm2:135m")
        queue.add("no-such-model:1b")
        done = await at.over("smollm2:135m")
        assert (done.phase, done.error, done.received) == (PullPhase.DONE, "", 0)
        assert done.completed == done.total
        failed = await at.over("no-such-model:1b")
        assert failed.phase is PullPhase.FAILED
        assert failed.error
        await queue.aclose()
