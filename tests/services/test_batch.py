"""Batches at real local servers: whole, with failures, tried again, paused, cancelled, gone on with."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from codomyrmex_ollama_tui.domain.errors import ModelNotFound, ServerUnreachable
from codomyrmex_ollama_tui.domain.outputs import OutputNotFound
from codomyrmex_ollama_tui.domain.runs import CellStatus, rows_of
from codomyrmex_ollama_tui.services.batch_events import (
    BatchEnded,
    BatchEvent,
    CellBegan,
    CellEnded,
    CellTried,
    Estimate,
    ServerLost,
)
from codomyrmex_ollama_tui.services.batch_servers import unlike
from codomyrmex_ollama_tui.store.run_lines import Busy
from codomyrmex_ollama_tui.store.runs import check_run
from tests.services.asking import DIGEST, Hand, chat_line, end, line, on_disk
from tests.services.batching import LIMIT, echo, numbers, plan, stage
from tests.support.server import CUT, Gate, Reply, Request, Stream


async def test_a_batch_from_beginning_to_end(tmp_path: Path) -> None:
    asked = plan(
        name="three",
        options={"temperature": 0, "keep_alive": "5m"},
        seed=7,
        repeats=2,
        system="short",
        **{"assert": [{"type": "equals", "value": "{{prompt}}"}, {"type": "icontains", "value": "SAY"}]},
    )
    async with stage(tmp_path) as at:
        batch, events = await at.run(asked)
        run = at.runs.read(batch.id)
    assert numbers(events) == list(range(6))
    assert [event.cell for event in events if isinstance(event, CellBegan)] == list(range(6))
    assert events[-1] == BatchEnded("done")
    assert (batch.tally.done, batch.tally.passed, batch.tally.asserted, batch.tally.eta) == (6, 0, 6, 0.0)
    assert check_run(run) == ()
    assert (run.ended, run.left, run.plan) == ("done", (), asked)
    first = run.results[0]
    assert (first.answer, first.prompt, first.counters.eval_count, first.pieces) == ("SAY 0", "say 0", 21, 1)
    assert [(check.name, check.passed) for check in first.checks] == [
        ('equals "{{prompt}}"', False),
        ('icontains "SAY"', True),
    ]
    sent = [request.json for request in at.real.asked("/api/generate")]
    assert [body["options"]["seed"] for body in sent] == [7, 8] * 3
    assert {(body["system"], body["keep_alive"], body["truncate"], body["shift"]) for body in sent} == {
        ("short", "5m", False, False)
    }
    environment: Any = run.sessions[0].environment
    assert environment["tool"] == "test 1"
    assert environment["servers"][""]["version"] == "0.24.0"
    assert environment["servers"][""]["models"]["m:1"]["digest"] == DIGEST


async def test_messages_become_a_chat(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    asked = plan(prompts=[{"messages": messages}, {"messages": messages[:1], "options": {"raw": True}}], system="s")
    async with stage(tmp_path) as at:
        at.real.route("POST", "/api/chat", Stream(chat_line("hm"), {**end(), "message": {"content": ""}}))
        batch, _ = await at.run(asked)
        run = at.runs.read(batch.id)
        (sent,) = at.real.asked("/api/chat")
    assert [message["role"] for message in sent.json["messages"]] == ["system", "user", "assistant", "user"]
    assert (run.results[0].answer, run.results[0].prompt) == ("hm", "user: a\n\nassistant: b\n\nuser: c")
    assert run.results[1].status is CellStatus.CANNOT_ASK
    assert "options.raw" in run.results[1].words


@pytest.mark.parametrize(
    ("answer", "status", "tries"),
    [
        (Stream(line(), end()), CellStatus.EMPTY, 1),
        (Stream(line("a"), end(done_reason="length")), CellStatus.TRUNCATED, 1),
        (Stream(line("a"), end(eval_count=None, eval_duration=None)), CellStatus.OK, 1),
        (Stream(line("a"), end(eval_count=0, eval_duration=0)), CellStatus.OK, 1),
        (Stream(line("a"), line("a")), CellStatus.NO_DONE, 3),
        (Stream(line("a"), {"error": "boom"}), CellStatus.STREAM_ERROR, 1),
        (Stream(line("a"), CUT), CellStatus.STREAM_CUT, 3),
        (Stream(b"<html>\n"), CellStatus.BAD_REPLY, 1),
        (Reply(json={"error": "model 'm:1' not found"}, status=404), CellStatus.HTTP_4XX, 1),
        (Reply(json={"error": "busy"}, status=503), CellStatus.QUEUE_FULL, 3),
        (Reply(json={"error": "oh"}, status=500), CellStatus.HTTP_5XX, 3),
    ],
)
async def test_each_end_is_kept_and_named(tmp_path: Path, answer: Any, status: CellStatus, tries: int) -> None:
    asked = plan(prompts=["x"], retries=2, **{"assert": [{"type": "regex", "value": "."}]})
    async with stage(tmp_path) as at:
        at.real.route("POST", "/api/generate", answer)
        batch, events = await at.run(asked)
        run = at.runs.read(batch.id)
    result = run.results[0]
    assert (result.status, result.attempt, run.attempts) == (status, tries, tries)
    assert [event.wait for event in events if isinstance(event, CellTried)] == [1.0, 2.0][: tries - 1] == at.waits
    assert bool(result.words) is not result.answered
    assert result.passed is (status is CellStatus.OK)
    assert result.counters.eval_rate is None or status in (CellStatus.EMPTY, CellStatus.TRUNCATED)
    assert (batch.tally.done, batch.tally.failed) == (1, int(not result.answered))
    assert check_run(run) == ()


async def test_an_answer_that_does_not_begin_in_time(tmp_path: Path) -> None:
    async with stage(tmp_path) as at:
        at.real.route("POST", "/api/generate", Reply(json={}, gate=Gate()))
        batch, _ = await at.run(plan(prompts=["x"], retries=0, first_byte_timeout=0.05))
        assert at.runs.read(batch.id).results[0].status is CellStatus.TIMEOUT_FIRST


async def test_what_went_wrong_once_goes_well_the_next_time(tmp_path: Path) -> None:
    async with stage(tmp_path) as at:
        at.real.route("POST", "/api/generate", [Reply(json={"error": "busy"}, status=503), echo])
        batch, events = await at.run(plan(prompts=["x"]))
        run = at.runs.read(batch.id)
    tried, ended = (event for event in events if isinstance(event, CellTried | CellEnded))
    assert (tried.result.status, tried.result.last, tried.result.attempt) == (CellStatus.QUEUE_FULL, False, 1)
    assert (ended.result.status, ended.result.last, ended.result.attempt) == (CellStatus.OK, True, 2)
    assert (run.attempts, batch.tally.failed) == (2, 0)


async def test_several_servers_each_with_its_own_bound(tmp_path: Path) -> None:
    asked = plan(
        models=["m:1", {"model": "n:1", "server": "gpu"}],
        prompts=[f"say {number}" for number in range(6)],
        concurrency=2,
    )
    async with stage(tmp_path, "gpu") as at:
        gates: dict[str, list[Gate]] = {"": [], "gpu": []}
        full = asyncio.Event()

        def held(name: str) -> Any:
            def answer(request: Request) -> Stream:
                gates[name].append(Gate())
                if len(gates[""]) >= 2 and len(gates["gpu"]) >= 2:
                    full.set()
                return Stream(gates[name][-1], line(f"{name}!"), end())

            return answer

        for name, server in at.servers.items():
            server.route("POST", "/api/generate", held(name))
        batch = await at.batches.begin(asked)
        running = asyncio.ensure_future(at.ended(batch))
        async with asyncio.timeout(LIMIT):
            await full.wait()
        assert (len(gates[""]), len(gates["gpu"]), batch.tally.running) == (2, 2, 4)
        for name, server in at.servers.items():  # from now on nothing is held
            server.route("POST", "/api/generate", Stream(line(f"{name}!"), end()))
        for gate in (*gates[""], *gates["gpu"]):
            gate.open()
        events = await running
        run = at.runs.read(batch.id)
    assert sorted(numbers(events)) == list(range(12))
    assert {(result.server, result.answer) for result in run.results.values()} == {("", "!"), ("gpu", "gpu!")}
    assert [row.label for row in rows_of(run.results.values())] == ["m:1", "n:1 @ gpu"]
    environment: Any = run.sessions[0].environment
    assert set(environment["servers"]) == {"", "gpu"}


async def test_a_pause_begins_nothing_new(tmp_path: Path) -> None:
    async with stage(tmp_path) as at:
        batch = await at.batches.begin(plan())
        async with asyncio.timeout(LIMIT), aclosing(batch.events()) as told:
            async for event in told:
                if isinstance(event, CellBegan) and event.cell == 0:
                    batch.pause()
                if isinstance(event, CellEnded) and event.result.cell == 0:
                    break
            assert (batch.tally.paused, batch.tally.eta) == (True, None)
            following = asyncio.ensure_future(anext(told))
            # whatever else is due on the loop has had its turn many times over
            for _ in range(100):
                await asyncio.sleep(0)
            assert not following.done()
            assert len(at.real.asked("/api/generate")) == 1
            batch.resume()
            assert await following == CellBegan(1)
            rest = [event async for event in told]
    assert numbers(rest) == [1, 2]
    assert rest[-1] == BatchEnded("done")


async def test_a_cancelled_batch_is_gone_on_with(tmp_path: Path) -> None:
    async with stage(tmp_path) as at:
        hold = Gate()
        at.real.route("POST", "/api/generate", [echo, Stream(line("half"), hold)])
        batch = await at.batches.begin(plan())
        running = asyncio.ensure_future(at.ended(batch))
        await hold.reached()
        batch.cancel()
        events = await running
        assert events[-1] == BatchEnded("cancelled")
        await at.real.asked("/api/generate")[-1].closed.wait()
        run = at.runs.read(batch.id)
        assert (list(run.results), run.left, run.ended) == ([0], (1, 2), "cancelled")

        at.real.route("POST", "/api/generate", echo)
        at.real.route("GET", "/api/version", Reply(json={"version": "0.25.0"}))
        again = await at.batches.go_on(batch.id)
        assert (again.left, again.tally.done) == ([1, 2], 1)
        assert numbers(await at.ended(again)) == [1, 2]
        run = at.runs.read(batch.id)
    assert (run.ended, run.left, len(run.sessions), check_run(run)) == ("done", (), 2, ())


async def test_closing_the_generator_cancels(tmp_path: Path) -> None:
    async with stage(tmp_path) as at:
        hold = Gate()
        at.real.route("POST", "/api/generate", Stream(line("half"), hold))
        batch = await at.batches.begin(plan())
        async with asyncio.timeout(LIMIT):
            async with aclosing(batch.events()) as told:
                assert await anext(told) == CellBegan(0)
                await hold.reached()
            await at.real.asked("/api/generate")[0].closed.wait()
        assert at.runs.read(batch.id).ended == "cancelled"
        at.runs.writer(batch.id).close()


async def test_a_server_that_restarts_loses_nothing(tmp_path: Path) -> None:
    tries = 0

    async with stage(tmp_path, patience=600.0) as at:
        back = asyncio.Event()

        async def bring_back() -> None:
            await back.wait()
            await at.real.start()

        def waiting(seconds: float) -> None:
            nonlocal tries
            tries += 1
            if tries == 2:
                back.set()

        bringing = asyncio.ensure_future(bring_back())

        async def sleep(seconds: float) -> None:
            waiting(seconds)
            if back.is_set():
                await bringing
                await at.batches._reach("").server.retry_now()

        batches = at.batches
        batches._sleep = sleep
        batch = await batches.begin(plan())
        events: list[BatchEvent] = []
        async with asyncio.timeout(LIMIT), aclosing(batch.events()) as told:
            async for event in told:
                events.append(event)
                if isinstance(event, CellEnded) and event.result.cell == 0:
                    await at.real.stop()
        run = at.runs.read(batch.id)
    assert sorted(numbers(events)) == [0, 1, 2]
    assert tries >= 2
    assert {result.status for result in run.results.values()} == {CellStatus.OK}
    assert (run.ended, check_run(run)) == ("done", ())


async def test_the_cells_of_a_lost_server_are_left_and_the_others_go_on(tmp_path: Path) -> None:
    asked = plan(models=["m:1", {"model": "n:1", "server": "gpu"}])
    async with stage(tmp_path, "gpu") as at:
        batch = await at.batches.begin(asked)
        await at.servers["gpu"].stop()
        events = await at.ended(batch)
        run = at.runs.read(batch.id)
        (lost,) = (event for event in events if isinstance(event, ServerLost))
        assert (lost.server, bool(lost.words)) == ("gpu", True)
        assert (sorted(numbers(events)), events[-1]) == ([0, 1, 2], BatchEnded("stopped"))
        assert (run.left, run.ended, run.attempts) == ((3, 4, 5), "stopped", 4)
        with pytest.raises(ServerUnreachable):
            await at.batches.go_on(batch.id)
        await at.servers["gpu"].start()
        await at.batches._reach("gpu").server.retry_now()
        assert sorted(numbers(await at.ended(await at.batches.go_on(batch.id)))) == [3, 4, 5]


async def test_failed_cells_are_asked_again_where_that_is_wanted(tmp_path: Path) -> None:
    async with stage(tmp_path) as at:
        at.real.route("POST", "/api/generate", [Reply(json={"error": "no"}, status=400), echo])
        batch, _ = await at.run(plan())
        assert (await at.batches.go_on(batch.id)).left == []
        again = await at.batches.go_on(batch.id, failed=True)
        assert (again.left, again.tally.done, again.tally.failed) == ([0], 2, 0)
        await at.ended(again)
        run = at.runs.read(batch.id)
    assert [run.results[number].status for number in range(3)] == [CellStatus.OK] * 3
    assert check_run(run) == ()


async def test_what_cannot_begin_makes_no_file(tmp_path: Path) -> None:
    async with stage(tmp_path) as at:
        at.real.route("GET", "/api/tags", on_disk("n:1"))
        at.real.route("POST", "/api/show", Reply(json={"error": "model 'm:1' not found"}, status=404))
        with pytest.raises(ModelNotFound):
            await at.batches.begin(plan())
        await at.real.stop()
        await at.batches._reach("").server.retry_now()
        with pytest.raises(ServerUnreachable):
            await at.batches.begin(plan())
        assert not at.runs.exists
        with pytest.raises(OutputNotFound):
            await at.batches.go_on("nothing")


async def test_a_run_is_run_by_one_at_a_time(tmp_path: Path) -> None:
    async with stage(tmp_path) as at:
        batch = await at.batches.begin(plan())
        with at.runs.writer(batch.id), pytest.raises(Busy):
            await at.ended(batch)


async def test_ten_thousand_cells(tmp_path: Path) -> None:
    """No request can be made of them: a chat has no field `raw`."""
    prompt = {"messages": [{"role": "user", "content": "x"}], "options": {"raw": True}}
    async with stage(tmp_path) as at:
        batch, events = await at.run(plan(prompts=[prompt], repeats=10_000, concurrency=8))
        run = at.runs.read(batch.id)
    assert len(numbers(events)) == len(run.results) == 10_000
    assert {result.status for result in run.results.values()} == {CellStatus.CANNOT_ASK}


def test_the_rest_takes_as_long_as_the_slowest_server() -> None:
    asked = plan(models=["a", "b", {"model": "a", "server": "gpu"}], concurrency=2)
    clock = Hand()
    estimate = Estimate(asked, list(range(9)), clock)
    assert estimate.seconds is None
    estimate.begin(0)
    clock.now += 4
    estimate.end(0, done=True)
    assert estimate.seconds == (2 * 4 + 3 * 4) / 2  # b is not known yet
    estimate.begin(6)
    clock.now += 20
    estimate.end(6, done=True)
    assert estimate.seconds == pytest.approx((2 * 4 + 3 * 12) / 2)
    estimate.begin(1)
    clock.now += 1
    assert estimate.running == 1
    assert estimate.seconds == pytest.approx((2 * 4 + 3 * 12 - 1) / 2)


def test_what_is_no_longer_as_it_was_is_named() -> None:
    def told(version: str, digest: str) -> dict[str, object]:
        return {"servers": {"": {"label": "here", "version": version, "models": {"m": {"digest": digest}}}}}

    assert unlike(told("1", "a"), told("1", "a")) == ()
    version, model = unlike(told("1", "a"), told("2", "b"))
    assert version == "here was version 1, and is 2"
    assert model.startswith("m on here is not the model")
    assert unlike({}, told("2", "b")) == ()
