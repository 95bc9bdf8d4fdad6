"""The queue of pulls against a real local server, with recorded answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.services.pulls import PullPhase, PullQueue, PullState
from codomyrmex_ollama_tui.services.server import ServerPhase
from tests.services.rooms import LIMIT, launcher, ollama, watching
from tests.support.recorded import answer, case
from tests.support.server import CUT, Gate, LocalServer, Raw, Reply, Request, Stream

A = "sha256:" + "a" * 64


@dataclass
class Bench:
    """A queue at a real server, and every state it told."""

    real: LocalServer
    queue: PullQueue
    told: list[PullState]
    news: asyncio.Event

    def take(self, state: PullState) -> None:
        self.told.append(state)
        self.news.set()

    async def until(self, wanted: Callable[[PullState], bool]) -> PullState:
        seen = 0
        async with asyncio.timeout(LIMIT):
            while True:
                for state in self.told[seen:]:
                    if wanted(state):
                        return state
                seen = len(self.told)
                self.news.clear()
                await self.news.wait()

    async def over(self, name: str = "smollm2:135m") -> PullState:
        return await self.until(lambda state: state.name == name and state.phase.over)


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    async with ollama() as real, watching(real.url, launcher(folder), "flag") as (service, _):
        queue = PullQueue(service)
        made = Bench(real, queue, [], asyncio.Event())
        queue.listen(made.take)
        await service.start()
        try:
            yield made
        finally:
            await queue.aclose()


@pytest.mark.parametrize(
    "name",
    ["pull_full", "pull_full_fast", "pull_full_three_parts", "pull_resumed", "pull_already_present", "pull_update",
     "pull_source_down_5s", "pull_connection_cut_once", "pull_resumed_after_sigkill"],
)  # fmt: skip
async def test_recorded_pulls_end_well_and_never_go_back(tmp_path: Path, name: str) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/pull", answer(name))
        at.queue.add("smollm2:135m")
        done = await at.over()
        assert (done.phase, done.error) == (PullPhase.DONE, "")
        assert done.completed == done.total == sum(layer.total for layer in done.layers)
        sizes = {
            line["json"]["digest"]: line["json"]["total"]
            for line in case(name)["response"]["lines"]
            if "digest" in line["json"]
        }
        assert done.total == sum(sizes.values())
        completed = [state.completed for state in at.told]
        assert completed == sorted(completed)
        assert {state.phase for state in at.told} >= {PullPhase.QUEUED, PullPhase.DOWNLOADING, PullPhase.DONE}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pull_missing_model", "there is no model smollm2:135m to pull (pull model manifest: file does not exist)"),
        ("pull_digest_mismatch", "digest mismatch, file must be downloaded again"),
        ("pull_source_down_for_good", "max retries exceeded"),
        ("pull_registry_unreachable", "pull model manifest"),
        ("pull_server_sigkill", "connection"),
    ],
)
async def test_recorded_failures_say_why_and_keep_the_figures(tmp_path: Path, name: str, words: str) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/pull", answer(name))
        at.queue.add("smollm2:135m")
        failed = await at.over()
        assert failed.phase is PullPhase.FAILED
        assert words in failed.error
        before = [state for state in at.told if not state.phase.over][-1]
        assert failed.completed == before.completed
        assert (failed.speed, failed.eta, failed.stalled) == (None, None, False)


async def test_one_after_the_other_and_one_name_once(tmp_path: Path) -> None:
    hold = Gate()
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/pull", Stream({"status": "pulling manifest"}, hold, {"status": "success"}))
        first = at.queue.add("llama3")
        assert (first.name, first.phase) == ("llama3:latest", PullPhase.QUEUED)
        at.queue.add("b")
        again = at.queue.add(" Library/LLAMA3:latest ")
        assert again.name == "llama3:latest"
        assert [state.name for state in at.queue.states] == ["llama3:latest", "b:latest"]
        await hold.reached()
        assert len(at.real.asked("/api/pull")) == 1
        assert at.queue.states[1].phase is PullPhase.QUEUED
        hold.open()
        await at.over("b:latest")
        assert [request.json["model"] for request in at.real.asked("/api/pull")] == ["llama3:latest", "b:latest"]


async def test_cancelling_closes_the_connection_and_lets_the_next_one_in(tmp_path: Path) -> None:
    hold = Gate()
    line = {"status": "pulling a", "digest": A, "total": 100, "completed": 40}
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/pull", [Stream(line, hold), Stream({"status": "success"})])
        for name in ("a", "b", "c"):
            at.queue.add(name)
        await at.until(lambda state: state.completed == 40)
        at.queue.cancel("c")
        at.queue.cancel("a")
        assert [state.phase for state in at.queue.states] == [
            PullPhase.CANCELLED,
            PullPhase.QUEUED,
            PullPhase.CANCELLED,
        ]
        async with asyncio.timeout(LIMIT):
            await at.real.asked("/api/pull")[0].closed.wait()
        await at.over("b:latest")
        assert at.queue.states[0].completed == 40
        at.queue.cancel("b")
        assert at.queue.states[1].phase is PullPhase.DONE


async def test_trying_again_begins_anew_at_the_end_of_the_queue(tmp_path: Path) -> None:
    line = {"status": "pulling a", "digest": A, "total": 100, "completed": 40}
    whole = {**line, "completed": 100}
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/pull", [Stream(line, CUT), Stream(whole, {"status": "success"})])
        at.queue.add("a")
        assert (await at.over("a:latest")).phase is PullPhase.FAILED
        at.queue.retry("a")
        assert at.queue.states[0] == PullState("a:latest")
        done = await at.until(lambda state: state.phase is PullPhase.DONE)
        assert (done.completed, done.total) == (100, 100)
        at.queue.dismiss("a")
        assert at.queue.states == ()
        at.queue.retry("a")
        assert at.queue.states == ()


async def test_a_cancelled_pull_can_be_added_again_while_its_connection_closes(tmp_path: Path) -> None:
    hold = Gate()
    async with bench(tmp_path) as at:
        at.real.route(
            "POST", "/api/pull", [Stream({"status": "pulling manifest"}, hold), Stream({"status": "success"})]
        )
        at.queue.add("a")
        await hold.reached()
        at.queue.cancel("a")
        assert at.queue.add("a").phase is PullPhase.QUEUED
        done = await at.until(lambda state: state.phase is PullPhase.DONE)
        assert done.error == ""


@pytest.mark.parametrize("name", ["", "a b", "localhost:5000/x", "a\x1b", "x" * 200])
async def test_a_name_that_no_model_can_have_is_refused(tmp_path: Path, name: str) -> None:
    async with bench(tmp_path) as at:
        with pytest.raises(ValueError, match=r"\w"):
            at.queue.add(name)
        assert at.queue.states == ()


async def test_without_a_server_the_pull_fails_with_its_words(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        await at.real.stop()
        at.queue.add("a")
        failed = await at.over("a:latest")
        assert "no server answers at" in failed.error


async def test_a_server_that_hangs_up_is_looked_at_once(tmp_path: Path) -> None:
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag", check_every=60.0) as (service, _):
        await service.settled()
        real.route("POST", "/api/pull", Raw())
        queue = PullQueue(service)
        at = Bench(real, queue, [], asyncio.Event())
        queue.listen(at.take)
        queue.add("a")
        assert "gave no answer" in (await at.over("a:latest")).error
        await real.wait_for("/api/version", 2)
        await queue.aclose()


async def test_hard_words_of_a_server_are_made_safe(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/pull", Reply(status=500, json={"error": "no \x1b[31m\nroom \u202eleft"}))
        at.queue.add("a")
        failed = await at.over("a:latest")
        assert "\x1b" not in failed.error
        assert "\u202e" not in failed.error
        assert "\n" not in failed.error
        assert "room" in failed.error


async def test_a_silent_download_is_told_as_stalled(tmp_path: Path) -> None:
    """The clock is moved by hand; the queue's own tick tells of it."""
    hold = Gate()
    hours = [0.0]
    line = {"status": "pulling a", "digest": A, "total": 100, "completed": 40}
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag") as (service, _):
        queue = PullQueue(service, clock=lambda: hours[0])
        at = Bench(real, queue, [], asyncio.Event())
        queue.listen(at.take)
        real.route("POST", "/api/pull", Stream(line, hold))
        queue.add("a")
        await at.until(lambda state: state.completed == 40)
        hours[0] = 15.0
        await at.until(lambda state: state.stalled)
        assert queue.states[0].speed == 0.0
        await queue.aclose()
        await real.asked("/api/pull")[0].closed.wait()
        assert service.state.phase is ServerPhase.READY


async def test_a_listener_that_fails_does_not_end_a_pull(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:

        def fail(state: PullState) -> None:
            raise RuntimeError("a screen's mistake")

        stop = at.queue.listen(fail)

        def gone(request: Request) -> Stream:
            stop()
            return Stream({"status": "success"})

        at.real.route("POST", "/api/pull", gone)
        at.queue.add("a")
        assert (await at.over("a:latest")).phase is PullPhase.DONE
