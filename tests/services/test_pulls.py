"""The queue of pulls against a real local server, with recorded answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.services.pulls import PullPhase, PullQueue, PullState
from codomyrmex_ollama_tui.services.server import ServerPhase
from tests.services.pull_bench import SUCCESS, A, Bench, bench
from tests.services.rooms import LIMIT, launcher, ollama, watching
from tests.support.recorded import WIRE, answer, case
from tests.support.server import CUT, Gate, Raw, Reply, Request, Stream

STREAMS = sorted(
    path.stem
    for path in (WIRE / "cases").glob("pull_*.json")
    if not path.stem.endswith("nostream") and "malformed" not in path.stem and case(path.stem)["response"].get("lines")
)
WHOLE = [name for name in STREAMS if case(name)["response"]["lines"][-1]["json"] == {"status": "success"}]


def test_every_recorded_stream_is_replayed() -> None:
    assert len(STREAMS) >= 28
    assert len(WHOLE) >= 16


@pytest.mark.parametrize("name", sorted({*STREAMS} - {*WHOLE}))
async def test_a_recorded_stream_that_did_not_end_well_never_goes_back_either(tmp_path: Path, name: str) -> None:
    """It is tried once more, and the second answer is a whole one that begins at zero."""
    async with bench(tmp_path, delays=(0.0,)) as at:
        at.real.route("POST", "/api/pull", [answer(name), answer("pull_full")])
        at.queue.add("smollm2:135m")
        last = await at.over()
        assert last.phase in (PullPhase.DONE, PullPhase.FAILED)
        figures = [(state.completed, state.total or 0) for state in at.told]
        assert [completed for completed, _ in figures] == sorted(completed for completed, _ in figures)
        assert [total for _, total in figures] == sorted(total for _, total in figures)
        assert all(completed <= total for completed, total in figures)


@pytest.mark.parametrize("name", WHOLE)
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


async def test_trying_again_keeps_the_figures_and_what_is_over_can_be_forgotten(tmp_path: Path) -> None:
    line = {"status": "pulling a", "digest": A, "total": 100, "completed": 40}
    whole = {**line, "completed": 100}
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/pull", [Stream(line, CUT), Stream(whole, {"status": "success"})])
        at.queue.add("a")
        failed = await at.over("a:latest")
        assert failed.phase is PullPhase.FAILED
        assert failed.failure is not None
        at.queue.retry("a")
        again = at.queue.states[0]
        assert (again.phase, again.completed, again.total, again.error) == (PullPhase.QUEUED, 40, 100, "")
        done = await at.until(lambda state: state.phase is PullPhase.DONE)
        assert (done.completed, done.total) == (100, 100)
        at.queue.dismiss("a")
        assert at.queue.states == ()
        at.queue.retry("a")
        assert at.queue.states == ()


# ---------------------------------------------------------------------- pause and resume


async def test_a_paused_pull_closes_its_connection_and_goes_on_where_the_server_says(tmp_path: Path) -> None:
    hold = Gate()
    line = {"status": "pulling a", "digest": A, "total": 100, "completed": 40}
    async with bench(tmp_path) as at:
        at.real.route(
            "POST",
            "/api/pull",
            [
                Stream(line, hold),
                Stream({**line, "completed": 41}, hold, {**line, "completed": 100}, {"status": "success"}),
            ],
        )
        at.queue.add("a")
        await at.until(lambda state: state.completed == 40)
        at.queue.pause("a")
        paused = at.queue.states[0]
        assert (paused.phase, paused.completed, paused.total, paused.speed) == (PullPhase.PAUSED, 40, 100, None)
        async with asyncio.timeout(LIMIT):
            await at.real.asked("/api/pull")[0].closed.wait()
        at.queue.pause("a")
        assert at.queue.states == (paused,)
        at.queue.resume("a")
        goes_on = await at.until(lambda state: state.completed == 41)
        assert (goes_on.resumed_at, goes_on.began_again) == (41, False)
        hold.open()
        assert (await at.over("a:latest")).phase is PullPhase.DONE


async def test_the_recorded_pause_and_resume(tmp_path: Path) -> None:
    hold = Gate()
    lines = [line["json"] for line in case("pull_cancelled")["response"]["lines"]]
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/pull", [Stream(*lines, hold), answer("pull_resumed")])
        at.queue.add("smollm2:135m")
        await at.until(lambda state: state.completed == 40_304_640)
        at.queue.pause("smollm2:135m")
        at.queue.resume("smollm2:135m")
        await at.over()
        assert {state.resumed_at for state in at.told} == {None, 40_828_928}
        assert not any(state.began_again for state in at.told)
        completed = [state.completed for state in at.told]
        assert completed == sorted(completed)


async def test_a_server_that_begins_at_zero_again_is_told(tmp_path: Path) -> None:
    async with bench(tmp_path, delays=(0.0,)) as at:
        at.real.route("POST", "/api/pull", [answer("pull_server_sigkill"), answer("pull_resumed_after_sigkill")])
        at.queue.add("smollm2:135m")
        done = await at.over()
        assert done.phase is PullPhase.DONE
        assert any(state.began_again and state.retrying and state.completed == 31_195_136 for state in at.told)
        completed = [state.completed for state in at.told]
        assert completed == sorted(completed)


async def test_pausing_what_waits_lets_the_others_go_first(tmp_path: Path) -> None:
    hold = Gate()
    async with bench(tmp_path) as at:
        at.real.route(
            "POST", "/api/pull", [Stream({"status": "pulling manifest"}, hold, {"status": "success"}), SUCCESS]
        )
        for name in ("a", "b", "c"):
            at.queue.add(name)
        await hold.reached()
        at.queue.pause("b")
        hold.open()
        await at.over("c:latest")
        assert at.queue.states[1].phase is PullPhase.PAUSED
        at.queue.dismiss("b")
        assert [state.name for state in at.queue.states] == ["a:latest", "c:latest"]


async def test_several_at_once(tmp_path: Path) -> None:
    hold = Gate()
    async with bench(tmp_path, at_once=2) as at:
        at.real.route("POST", "/api/pull", Stream({"status": "pulling manifest"}, hold, {"status": "success"}))
        for name in ("a", "b", "c", "d"):
            at.queue.add(name)
        await at.real.wait_for("/api/pull", 2)
        await hold.reached()
        assert [state.phase.running for state in at.queue.states] == [True, True, False, False]
        at.queue.at_once = 3
        await at.real.wait_for("/api/pull", 3)
        hold.open()
        await at.over("d:latest")


# ---------------------------------------------------------------------- many lines


async def test_ten_thousand_lines_are_told_in_a_few_states(tmp_path: Path) -> None:
    lines = [{"status": "pulling a", "digest": A, "total": 10_000, "completed": number} for number in range(10_000)]
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/pull", Stream(*lines, {"status": "success"}))
        turns = 0

        async def other_work() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        other = asyncio.create_task(other_work())
        at.queue.add("a")
        done = await at.over("a:latest")
        other.cancel()
        assert done.completed == 9_999
        assert turns > 100, "everything else on the loop has its turn"
        assert len(at.told) < 2_000
        assert at.told[-1] is done


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
        queue = PullQueue(service, retry_delays=())
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
