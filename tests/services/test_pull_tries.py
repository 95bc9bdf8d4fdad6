"""Pulls that are tried again, and those that outlive the program."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.services.owners import is_alive, this_process
from codomyrmex_ollama_tui.services.pull_memory import PullMemory
from codomyrmex_ollama_tui.services.pulls import PullPhase, PullQueue
from codomyrmex_ollama_tui.store.state import StateStore
from tests.services.pull_bench import SUCCESS, A, Bench, bench
from tests.services.rooms import launcher, ollama, watching
from tests.support.recorded import answer
from tests.support.server import CUT, Gate, Stream


async def test_the_network_is_tried_again_with_growing_delays(tmp_path: Path) -> None:
    async with bench(tmp_path, delays=(0.0, 0.001)) as at:
        at.real.route("POST", "/api/pull", answer("pull_source_down_for_good"))
        at.queue.add("smollm2:135m")
        failed = await at.over()
        assert "the registry cannot be reached (max retries exceeded" in failed.error
        waits = [state for state in at.told if state.phase is PullPhase.WAITING]
        assert len(at.real.asked("/api/pull")) >= 3
        assert all("max retries exceeded" in state.status for state in waits)
        assert all(state.retry_in is not None for state in waits)


async def test_bytes_that_came_make_the_delays_begin_anew(tmp_path: Path) -> None:
    tries = [
        Stream({"status": "pulling a", "digest": A, "total": 100, "completed": at}, further(at), CUT)
        for at in range(0, 80, 10)
    ]
    async with bench(tmp_path, delays=(0.0,)) as at:
        at.real.route("POST", "/api/pull", [*tries, SUCCESS])
        at.queue.add("a")
        assert (await at.over("a:latest")).phase is PullPhase.DONE
        assert len(at.real.asked("/api/pull")) == len(tries) + 1


async def test_a_server_that_restarts_in_the_middle_is_waited_for(tmp_path: Path) -> None:
    line = {"status": "pulling a", "digest": A, "total": 100, "completed": 40}
    hold = Gate()
    async with bench(tmp_path, delays=(3600.0,)) as at:
        at.real.route(
            "POST", "/api/pull", [Stream(line, hold), Stream({**line, "completed": 100}, {"status": "success"})]
        )
        at.queue.add("a")
        await at.until(lambda state: state.completed == 40)
        await at.real.stop()
        await at.until(lambda state: state.phase is PullPhase.WAITING)
        await at.real.start()
        assert (await at.over("a:latest")).phase is PullPhase.DONE


async def test_a_pull_that_waits_can_go_on_at_once_or_be_stopped(tmp_path: Path) -> None:
    line = {"status": "pulling a", "digest": A, "total": 100, "completed": 40}
    async with bench(tmp_path, delays=(3600.0, 3600.0)) as at:
        at.real.route("POST", "/api/pull", Stream(line, CUT))
        at.queue.add("a")
        await at.until(lambda state: state.phase is PullPhase.WAITING)
        at.queue.retry("a")
        await at.real.wait_for("/api/pull", 2)
        at.told.clear()
        await at.until(lambda state: state.phase is PullPhase.WAITING)
        at.queue.cancel("a")
        assert at.queue.states[0].phase is PullPhase.CANCELLED


@pytest.mark.parametrize(
    ("words", "tried", "said"),
    [
        ("write /models/blobs/x: no space left on device", 1, "the server's disk is full (write"),
        ("digest mismatch, file must be downloaded again: want a, got b", 1, "what came is damaged"),
        ("pull model manifest: file does not exist", 1, "there is no model a:latest to pull"),
        (
            "pull model manifest: dial tcp: lookup nowhere.example: no such host",
            1,
            "cannot be reached",
        ),
        ('pull model manifest: Get "https://x": dial tcp 1.2.3.4:443: i/o timeout', 2, "cannot be reached"),
        ("this model requires MLX support", 1, "this model requires MLX support"),
    ],
)
async def test_only_what_may_be_otherwise_in_a_moment_is_tried_again(
    tmp_path: Path, words: str, tried: int, said: str
) -> None:
    async with bench(tmp_path, delays=(0.0,)) as at:
        at.real.route("POST", "/api/pull", Stream({"status": "pulling manifest"}, {"error": words}))
        at.queue.add("a")
        failed = await at.over("a:latest")
        assert failed.phase is PullPhase.FAILED
        assert said in failed.error
        assert words in failed.error
        assert len(at.real.asked("/api/pull")) == tried


def further(completed: int) -> dict[str, object]:
    return {"status": "pulling a", "digest": A, "total": 100, "completed": completed + 5}


# ---------------------------------------------------------------------- what is written down


def memory(folder: Path, owner: str = "") -> PullMemory:
    moments = iter(range(10**6))
    store = StateStore(folder / "state.db", now=lambda: datetime.fromtimestamp(next(moments), UTC))
    return PullMemory(lambda: store, owner=lambda: owner or this_process(), alive=is_alive)


async def test_what_was_not_done_is_offered_at_the_next_start(tmp_path: Path) -> None:
    hold = Gate()
    line = {"status": "pulling a", "digest": A, "total": 100, "completed": 40}
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag") as (service, _):
        queue = PullQueue(service, memory=memory(tmp_path, "an earlier run"))
        at = Bench(real, queue, [], asyncio.Event())
        queue.listen(at.take)
        real.route("POST", "/api/pull", [SUCCESS, Stream(line, hold)])
        for name in ("done", "a", "b", "c", "gone"):
            queue.add(name)
        await at.until(lambda state: state.completed == 40)
        queue.pause("c")
        queue.cancel("gone")
        await queue.aclose()

        real.route("POST", "/api/pull", Stream({**line, "completed": 2}, {"status": "success"}))
        queue = PullQueue(service, memory=memory(tmp_path))
        at = Bench(real, queue, [], asyncio.Event())
        queue.listen(at.take)
        restored = await queue.restore()
        assert [(state.name, state.phase, state.completed, state.total) for state in restored] == [
            ("a:latest", PullPhase.PAUSED, 40, 100),
            ("b:latest", PullPhase.PAUSED, 0, None),
            ("c:latest", PullPhase.PAUSED, 0, None),
        ]
        assert queue.states == restored
        assert await queue.restore() == ()
        assert await queue.pulled_names() == ("done:latest",)
        queue.dismiss("c")
        queue.resume("a")
        again = await at.until(lambda state: state.began_again)
        assert (again.completed, again.resumed_at) == (40, 2)
        await at.over("a:latest")
        assert await queue.pulled_names() == ("a:latest", "done:latest")
        await queue.aclose()

        queue = PullQueue(service, memory=memory(tmp_path, "a later run"))
        assert await queue.restore() == (), "the one that has them is alive"
        await queue.aclose()


async def test_a_file_that_cannot_be_used_ends_no_pull(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    kept = memory(tmp_path)
    async with bench(tmp_path, memory=kept) as at:
        at.real.route("POST", "/api/pull", SUCCESS)
        at.queue.add("a")
        assert (await at.over("a:latest")).phase is PullPhase.DONE
        assert await at.queue.restore() == ()
        assert await at.queue.pulled_names() == ("a:latest",)
        assert "state.db" in kept.problem


def test_a_process_is_known_by_its_number_and_its_beginning() -> None:
    mine = this_process()
    assert is_alive(mine)
    for words in ("", "x", "1e9 3", f"{mine.partition(' ')[0]} 1.00", "99999999999999999999 1"):
        assert not is_alive(words)
