"""Rounds of measured runs against a local server: their order, what is left out of them, what is told of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.chat import GenerateRequest
from codomyrmex_ollama_tui.domain.errors import ServerUnreachable, StreamCut
from codomyrmex_ollama_tui.services.execution import Request
from codomyrmex_ollama_tui.services.figures import Flag
from codomyrmex_ollama_tui.services.measure import Measured, Measurer, Plan, Sample, WarmUp, measure, steps
from codomyrmex_ollama_tui.services.stopping import Stop
from tests.services.asking import ASK, DIGEST, MODEL, Bench, bench, end, in_memory, line, on_disk
from tests.support import server as scripted
from tests.support.server import CUT, Gate, Reply, Stream

WARM = "warm"


def request_of(model: str, prompt: int) -> Request:
    return GenerateRequest(model, f"prompt {prompt}")


def plan_of(*models: str, prompts: int = 1, rounds: int = 1, **further: Any) -> Plan:
    fields = {"request": request_of, "warm_up": lambda model: GenerateRequest(model, WARM), **further}
    return Plan(models, prompts, rounds=rounds, **fields)


def answering(make: Callable[[str, str], Stream | Reply]) -> Callable[[scripted.Request], Stream | Reply]:
    """Answers by model and prompt."""
    return lambda request: make(request.json["model"], request.json["prompt"])


def in_order(names: list[str]) -> None:
    names.sort()


async def events(at: Bench, plan: Plan, stop: Stop | None = None) -> list[WarmUp | Sample]:
    async with aclosing(measure(Measurer(at.execution), plan, shuffle=in_order, stop=stop)) as running:
        return [event async for event in running]


def samples_in(found: list[WarmUp | Sample]) -> list[Sample]:
    return [event for event in found if isinstance(event, Sample)]


def sent(at: Bench) -> list[tuple[str, str]]:
    return [(request.json["model"], request.json["prompt"]) for request in at.real.asked("/api/generate")]


async def test_models_that_fit_together_take_turns_in_an_order_and_its_reverse(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.real.route("GET", "/api/ps", in_memory("a:1", "b:1", vram=5))
        at.real.route("POST", "/api/generate", Stream(line("yes"), end()))
        found = await events(at, plan_of("a:1", "b:1", prompts=2, rounds=2))
        assert sent(at)[:2] == [("a:1", WARM), ("b:1", WARM)]
        assert [model[0] for model, _ in sent(at)[2:]] == list("abbaabba")
        assert [prompt for _, prompt in sent(at)[2:]] == ["prompt 0"] * 2 + ["prompt 1"] * 2 + ["prompt 0"] * 2 + [
            "prompt 1"
        ] * 2
        samples = samples_in(found)
        assert [(sample.round, sample.prompt) for sample in samples[::2]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
        assert all(sample.success and sample.counts and sample.interleaved for sample in samples)


@pytest.mark.parametrize("after", [in_memory("b:1"), in_memory("a:1", "b:1", vram=5)])
async def test_models_that_do_not_fit_are_loaded_once_a_round(tmp_path: Path, after: Reply) -> None:
    """The first is gone once the second is there, or has been moved off the GPU."""
    async with bench(tmp_path) as at:
        at.real.route("GET", "/api/ps", [in_memory("a:1", vram=9), after])
        at.real.route("POST", "/api/generate", Stream(line("yes"), end()))
        found = await events(at, plan_of("a:1", "b:1", prompts=2, rounds=2))
        prompts = ["prompt 0", "prompt 1"]
        blocks = [("a:1", [WARM, *prompts]), ("b:1", [WARM, *prompts, *prompts]), ("a:1", [WARM, *prompts])]
        assert sent(at)[2:] == [(model, prompt) for model, block in blocks for prompt in block]
        assert not any(sample.interleaved for sample in samples_in(found))
        assert sum(isinstance(event, WarmUp) for event in found) == 5


async def test_one_model_alone_is_warmed_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("yes"), end()))
        found = await events(at, plan_of(MODEL, prompts=2, rounds=2))
        assert [prompt for _, prompt in sent(at)] == [WARM, "prompt 0", "prompt 1", "prompt 0", "prompt 1"]
        assert len(samples_in(found)) == 4


async def test_a_missing_model_keeps_its_samples_with_the_error(tmp_path: Path) -> None:
    def make(model: str, prompt: str) -> Stream | Reply:
        if model == "gone:1":
            return Reply(json={"error": "model 'gone:1' not found"}, status=404)
        return Stream(line("yes"), end())

    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", answering(make))
        samples = samples_in(await events(at, plan_of("gone:1", MODEL, prompts=2)))
        lost = [sample for sample in samples if sample.model == "gone:1"]
        assert [(sample.measured, sample.success, sample.counts) for sample in lost] == [(None, False, False)] * 2
        assert all("not found" in sample.words for sample in lost)
        assert [sample.success for sample in samples if sample.model == MODEL] == [True, True]
        assert [model for model, _ in sent(at)].count("gone:1") == 1


async def test_three_failures_in_a_row_end_a_model(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        well = Stream(line("yes"), end())
        broken = Stream(line("half"), CUT)
        at.real.route("POST", "/api/generate", [well, broken, broken, well, broken, broken, broken, well])
        samples = samples_in(await events(at, plan_of(MODEL, prompts=8)))
        assert [sample.success for sample in samples] == [False, False, True] + [False] * 5
        assert len(sent(at)) == 1 + 6
        assert [sample.words for sample in samples[6:]] == ["not tried after 3 failures in a row"] * 2
        assert samples[0].words == "the connection broke before the answer was complete"
        assert samples[0].measured is not None
        assert samples[0].measured.execution.text == "half"


async def test_a_run_that_loaded_the_model_is_kept_and_does_not_count(tmp_path: Path) -> None:
    loads = [2_000, 300, 400, 1_400, 1_600, 300]  # ms; the third but one is slow, but not five times the others
    async with bench(tmp_path) as at:
        at.real.route(
            "POST", "/api/generate", [Stream(line("yes"), end(load_duration=load * 1_000_000)) for load in loads]
        )
        samples = samples_in(await events(at, plan_of(MODEL, prompts=5)))
        assert [Flag.RELOADED in sample.flags for sample in samples] == [False, False, False, False, False]
        loads[4] = 9_000
        at.real.route(
            "POST", "/api/generate", [Stream(line("yes"), end(load_duration=load * 1_000_000)) for load in loads]
        )
        samples = samples_in(await events(at, plan_of(MODEL, prompts=5)))
        assert [Flag.RELOADED in sample.flags for sample in samples] == [False, False, False, True, False]
        assert [sample.counts for sample in samples] == [True, True, True, False, True]
        assert all(sample.success for sample in samples)


async def test_a_model_that_takes_no_part_is_told_of(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("yes"), end()))
        both = in_memory(MODEL, "stranger:7")
        at.real.route("GET", "/api/ps", [in_memory(MODEL), in_memory(MODEL), both])
        samples = samples_in(await events(at, plan_of(MODEL, prompts=2)))
        assert [Flag.CONTAMINATED in sample.flags for sample in samples] == [False, True]
        assert [sample.counts for sample in samples] == [True, True]


async def test_what_has_no_request_is_told_why(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("yes"), end()))

        def make(model: str, prompt: int) -> Request | str:
            return "there is nothing to ask" if prompt == 1 else request_of(model, prompt)

        samples = samples_in(await events(at, plan_of(MODEL, prompts=3, request=make)))
        assert [sample.words for sample in samples] == ["", "there is nothing to ask", ""]


async def test_a_stop_ends_the_run_and_those_that_follow(tmp_path: Path) -> None:
    hold, stop = Gate(), Stop()
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", [Stream(line("yes"), end()), Stream(line("half"), hold)])
        running = asyncio.ensure_future(events(at, plan_of(MODEL, prompts=3), stop))
        await hold.reached()
        stop.pull()
        samples = samples_in(await running)
        assert [sample.words for sample in samples] == ["stopped"] * 3
        assert len(sent(at)) == 2


@given(st.lists(st.sampled_from("abcd"), unique=True, min_size=1), st.integers(1, 4), st.integers(1, 4), st.booleans())
@settings(max_examples=40)
def test_every_model_gets_every_prompt_once_a_round(
    models: list[str], prompts: int, rounds: int, interleaved: bool
) -> None:
    plan = plan_of(*models, prompts=prompts, rounds=rounds)
    order = list(steps(plan, interleaved=interleaved, shuffle=list.reverse))
    assert sorted(order) == sorted(
        (round_, model, prompt) for round_ in range(rounds) for model in models for prompt in range(prompts)
    )
    turn = len(models) * (1 if interleaved else prompts)
    turns = [[model for _, model, _ in order[n : n + turn]] for n in range(0, len(order), turn)]
    assert all(second == first[::-1] for first, second in zip(turns[::2], turns[1::2], strict=False))
    assert [round_ for round_, _, _ in order] == sorted(round_ for round_, _, _ in order)


async def test_what_is_known_of_one_run(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("yes"), end()))
        at.real.route("GET", "/api/ps", in_memory("M:1", "other:2", vram=250))
        measured = await Measurer(at.execution).run(ASK, cold=True)
        assert measured.digest == DIGEST
        assert measured.memory is not None
        assert (measured.memory.gpu_share, measured.others) == (0.25, ("other:2",))
        assert measured.figures.prompt_rate == 300.0
        assert measured.process is not None
        assert at.real.asked("/api/tags") == []


async def test_a_model_on_disk_only_has_its_digest_all_the_same(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("yes"), end()))
        at.real.route("GET", "/api/ps", Reply(json={"error": "no"}, status=500))
        at.real.route("GET", "/api/tags", on_disk(MODEL))
        measured = await Measurer(at.execution).run(ASK)
        assert (measured.digest, measured.memory) == (DIGEST, None)


async def test_of_a_run_that_never_answered_nothing_is_asked(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Reply(json={"error": "no"}, status=500))
        measured = await Measurer(at.execution).run(ASK)
        assert measured.digest == ""
        assert at.real.asked("/api/ps") == at.real.asked("/api/tags") == []


async def test_a_stream_is_measured_at_its_end_whatever_that_is(tmp_path: Path) -> None:
    ended: list[Measured] = []
    async with bench(tmp_path) as at:
        at.real.route("GET", "/api/ps", in_memory(MODEL))
        answers = [Stream(line("yes"), end()), Stream(line("half"), CUT), Stream(line("half"), Gate())]
        at.real.route("POST", "/api/generate", answers)
        measurer = Measurer(at.execution)
        assert [piece.text async for piece in measurer.stream(ASK, on_finish=ended.append)] == ["yes"]
        broken = measurer.stream(ASK, on_finish=ended.append)
        assert (await anext(broken)).text == "half"
        with pytest.raises(StreamCut):
            await anext(broken)
        left = measurer.stream(ASK, on_finish=ended.append)
        await anext(left)
        await left.aclose()
        assert [(one.execution.text, one.execution.success, one.execution.stopped) for one in ended] == [
            ("yes", True, False),
            ("half", False, False),
            ("half", False, True),
        ]
        assert ended[0].digest == DIGEST
        assert ended[0].process is not None


async def test_a_batch_is_measured(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.real.route("GET", "/api/ps", in_memory(MODEL))
        at.real.route("POST", "/api/generate", [Stream(line("half"), CUT), Stream(line("yes"), end())])
        batch = Measurer(at.execution).batch([ASK, ASK, ASK])
        ended = {number: measured async for number, measured in batch}
        assert {number: one.execution.success for number, one in ended.items()} == {0: False, 1: True, 2: True}
        assert ended[2].digest == DIGEST


async def test_a_stop_works_while_the_server_is_still_looked_for(tmp_path: Path) -> None:
    hold, stop = Gate(), Stop()
    async with bench(tmp_path) as at:
        at.real.route("GET", "/api/version", Reply(gate=hold, json={"version": "0.24.0"}))
        running = asyncio.ensure_future(Measurer(at.execution).run(ASK, stop=stop))
        await hold.reached()
        stop.pull()
        measured = await running
        assert measured.execution.stopped
        assert sent(at) == []


async def test_a_server_that_is_not_there_ends_every_way_of_running(tmp_path: Path) -> None:
    ended: list[Measured] = []
    async with bench(tmp_path) as at:
        measurer = Measurer(at.execution)
        await at.real.stop()
        ended.append(await measurer.run(ASK))
        with pytest.raises(ServerUnreachable):
            await anext(measurer.stream(ASK, on_finish=ended.append))
        ended += [measured async for _, measured in measurer.batch([ASK])]
        assert [isinstance(one.execution.error, ServerUnreachable) for one in ended] == [True] * 3
        assert [one.execution.server for one in ended] == [at.server.state.label] * 3
