"""Benchmarks and comparisons of ModelRunner against a server whose answers take as long as a script says."""

from __future__ import annotations

import asyncio
import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codomyrmex_ollama_tui.library.options import ExecutionOptions
from codomyrmex_ollama_tui.library.output_manager import OutputManager
from codomyrmex_ollama_tui.library.reports import summary_of
from tests.library.running_at import Place, place
from tests.services.asking import DIGEST, MODEL, end, in_memory, line
from tests.support.server import CUT, Gate, Reply, Request, Stream

SIX = [f"question {number}" for number in range(6)]
SEED_KEYS = {
    "model_name",
    "total_prompts",
    "successful_runs",
    "failed_runs",
    "total_time",
    "avg_execution_time",
    "avg_tokens_per_second",
    "detailed_results",
}


def timed(rates: dict[str, float]) -> Callable[[Request], Stream | Reply]:
    """100 tokens at the model's rate, a little slower from prompt to prompt; other models are missing."""

    def answer(request: Request) -> Stream | Reply:
        model, prompt = request.json["model"], request.json["prompt"]
        if model not in rates:
            return Reply(json={"error": f"model '{model}' not found"}, status=404)
        slower = 1 + 0.002 * int(prompt.split()[-1]) if prompt in SIX else 1.0
        counters = {"eval_count": 100, "eval_duration": round(100e9 / rates[model] * slower)}
        return Stream(line(f"{model} answers"), end(**counters))

    return answer


async def benchmarked(at: Place, prompts: list[str], **further: Any) -> dict[str, Any]:
    report = await asyncio.to_thread(lambda: at.runner.benchmark_model(MODEL, prompts, **further))
    read: dict[str, Any] = json.loads(json.dumps(report, allow_nan=False))
    assert read == report  # only what JSON has, also its lists
    return report


async def compared(at: Place, names: list[str], prompts: list[str], **further: Any) -> dict[str, Any]:
    report = await asyncio.to_thread(lambda: at.runner.create_model_comparison(names, prompts, **further))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    return report


async def test_a_benchmark_sends_the_prompts_as_they_are_after_one_warm_up(tmp_path: Path) -> None:
    options = ExecutionOptions(num_predict=50, seed=3)
    before, prompts = copy.deepcopy(options), list(SIX)
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", timed({MODEL: 50.0}))
        report = await benchmarked(at, prompts, execution_options=options)
        warm, *runs = at.sent()
        assert [run["prompt"] for run in runs] == SIX
        assert {(run["keep_alive"], run["shift"]) for run in [warm, *runs]} == {("30m", False)}
        assert all(run["options"] == options.sent() and run["truncate"] is False for run in runs)
        # the same runner options, so that nothing is loaded twice, and a beginning that no prompt has
        assert warm["options"] == {**options.sent(), "num_predict": 8}
        assert warm["prompt"] not in SIX
        await benchmarked(at, ["a"], execution_options=options)
        assert at.sent()[7]["prompt"][:8] != warm["prompt"][:8]
        assert (options, prompts) == (before, SIX)
        assert set(report) >= SEED_KEYS
        assert (report["model_name"], report["total_prompts"]) == (MODEL, 6)
        assert (report["successful_runs"], report["failed_runs"], report["counted_runs"]) == (6, 0, 6)
        assert report["avg_execution_time"] == pytest.approx(
            sum(run["execution_time"] for run in report["detailed_results"]) / 6
        )
        assert report["total_time"] >= sum(run["execution_time"] for run in report["detailed_results"])
        assert report["warm_up"]["error"] is None


async def test_rates_are_medians_with_an_interval(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", timed({MODEL: 50.0}))
        report = await benchmarked(at, SIX)
        rate = report["figures"]["tokens_per_second"]
        rates = sorted(50 / (1 + 0.002 * number) for number in range(6))
        assert rate["median"] == pytest.approx((rates[2] + rates[3]) / 2)
        assert (rate["n"], rate["indicative"], rate["noise"]) == (6, False, "quiet")
        assert (rate["low"], rate["high"]) == (pytest.approx(rates[0]), pytest.approx(rates[5]))
        assert rate["confidence"] >= 0.95
        # all tokens by all the time, which is no mean of rates
        assert report["avg_tokens_per_second"] == pytest.approx(6 / sum(1 / rate for rate in rates))
        assert report["figures"]["prompt_tokens_per_second"] is None
        assert any("no prompt rate" in note for note in report["notes"])
        assert report["figures"]["ttft"]["p95"] is None  # 6 are too few to speak of it
        assert report["figures"]["tokens"]["median"] == 100


async def test_fewer_than_six_runs_are_indicative(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", timed({MODEL: 50.0}))
        report = await benchmarked(at, SIX[:5])
        rate = report["figures"]["tokens_per_second"]
        assert (rate["indicative"], rate["low"], rate["high"]) == (True, None, None)
        assert any("indicative" in note for note in report["notes"])
        again = await benchmarked(at, SIX[:3], rounds=2)
        assert again["figures"]["tokens_per_second"]["indicative"] is False
        assert (again["total_prompts"], again["rounds"], again["successful_runs"]) == (3, 2, 6)
        assert [(run["round"], run["prompt_index"]) for run in again["detailed_results"]] == [
            (round_, prompt) for round_ in range(2) for prompt in range(3)
        ]
        assert any("cache" in note for note in again["notes"])


async def test_failed_and_reloaded_runs_are_kept_and_not_counted(tmp_path: Path) -> None:
    answers = [
        Stream(line("warm"), end()),
        Stream(line("one"), end()),
        Stream(line("half"), CUT),
        Stream(line("two"), end(load_duration=3_000_000_000)),
        Stream(line("three"), end()),
    ]
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", answers)
        report = await benchmarked(at, ["a", "b", "c", " ", "d"])
        runs = report["detailed_results"]
        assert [run["success"] for run in runs] == [True, False, True, False, True]
        assert (report["successful_runs"], report["failed_runs"], report["counted_runs"]) == (3, 2, 2)
        assert report["flags"] == {"reloaded": 1}
        assert [run["metadata"].get("reloaded", False) for run in runs] == [False, False, True, False, False]
        assert runs[1]["response"] == "half"
        assert runs[3]["error_message"] == "test_prompts[3]: empty, nothing was sent"
        assert report["figures"]["tokens_per_second"]["n"] == 2


async def test_the_environment_says_what_must_be_the_same(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", timed({MODEL: 50.0}))
        environment = (await benchmarked(at, ["a"], execution_options=ExecutionOptions()))["environment"]
        assert environment["server_version"] == "0.24.0"
        assert environment["server_is_local"] is True
        assert environment["options"] == ExecutionOptions().sent()
        assert environment["models"][MODEL]["digest"] == DIGEST
        assert environment["models"][MODEL]["context_length"] == 4096
        assert environment["machine"]["cpu_count"] >= 1
        assert environment["machine"]["memory"] > 0
        assert environment["program"].startswith("codomyrmex-ollama-tui ")


async def test_a_benchmark_of_a_missing_model_or_server_has_all_its_runs(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", timed({}))
        report = await benchmarked(at, SIX)
        assert (report["successful_runs"], report["failed_runs"]) == (0, 6)
        assert (report["avg_execution_time"], report["avg_tokens_per_second"]) == (None, None)
        assert all("not found" in run["error_message"] for run in report["detailed_results"])
        assert len(at.sent()) == 1
        await at.real.stop()
        report = await benchmarked(at, ["a", "b"])
        assert report["failed_runs"] == 2
        assert all(run["error_message"] for run in report["detailed_results"])


async def test_no_prompts_are_no_runs(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        report = await benchmarked(at, [])
        assert (report["total_prompts"], report["successful_runs"], report["detailed_results"]) == (0, 0, [])
        nothing = await compared(at, [], SIX)
        assert (nothing["results"], nothing["summary"]["fastest_model"]) == ({}, None)
        assert at.real.requests == []


async def test_a_benchmark_is_cancelled_from_another_thread(tmp_path: Path) -> None:
    hold = Gate()
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", [Stream(line("warm"), end()), Stream(line("half"), hold)])
        running = asyncio.ensure_future(benchmarked(at, SIX))
        await hold.reached()
        assert at.runner.cancel() == 1
        report = await running
        assert (report["successful_runs"], report["failed_runs"]) == (0, 6)


async def test_a_manager_that_is_closed_meanwhile_leaves_a_whole_report(tmp_path: Path) -> None:
    hold = Gate()
    async with place(tmp_path) as at:
        well = Stream(line("yes"), end())
        at.real.route("POST", "/api/generate", [well, well, Stream(line("half"), hold)])
        running = asyncio.ensure_future(benchmarked(at, SIX))
        await hold.reached()
        await asyncio.to_thread(at.manager.cleanup)
        report = await running
        assert (report["successful_runs"], report["failed_runs"]) == (1, 5)
        assert "closed" in report["detailed_results"][5]["error_message"]


# Comparisons

A, B, C = "a:1", "b:1", "c:1"


async def test_a_difference_that_is_proven_is_a_verdict(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("GET", "/api/ps", in_memory(A, B))
        at.real.route("POST", "/api/generate", timed({A: 50.0, B: 100.0}))
        report = await compared(at, [A, B], SIX)
        assert (report["test_prompts"], report["models_compared"]) == (SIX, [A, B])
        (verdict,) = report["summary"]["verdicts"]
        assert (verdict["model"], verdict["against"], verdict["verdict"], verdict["pairs"]) == (B, A, "faster", 6)
        assert (verdict["low"], verdict["ratio"], verdict["high"]) == pytest.approx((2.0, 2.0, 2.0))
        summary = report["summary"]
        assert (summary["fastest_model"], summary["slowest_model"], summary["success_rate"]) == (B, A, 1.0)
        assert (summary["indicative"], summary["interleaved"], summary["notes"]) == (False, True, [])
        results = report["results"]
        assert [results[name]["rank"] for name in (A, B)] == [2, 1]
        assert results[A]["success"] is True
        assert results[A]["responses"] == [f"{A} answers"] * 6
        assert results[A]["response_length"] == len(f"{A} answers")
        assert results[B]["tokens_per_second"] == pytest.approx(2 * results[A]["tokens_per_second"])
        assert results[A]["execution_time"] > 0
        assert set(results[A]) >= SEED_KEYS - {"total_time"}


async def test_a_difference_within_three_per_cent_is_equal(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("GET", "/api/ps", in_memory(A, B))
        at.real.route("POST", "/api/generate", timed({A: 50.0, B: 51.0}))
        report = await compared(at, [A, B], SIX)
        assert report["summary"]["verdicts"][0]["verdict"] == "equal"
        assert [report["results"][name]["rank"] for name in (A, B)] == [1, 1]


async def test_too_few_pairs_prove_nothing(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("GET", "/api/ps", in_memory(A, B, C))
        at.real.route("POST", "/api/generate", timed({A: 50.0, B: 100.0, C: 200.0}))
        report = await compared(at, [A, B], SIX[:5])
        (verdict,) = report["summary"]["verdicts"]
        assert (verdict["verdict"], verdict["low"], verdict["more_pairs"]) == ("undecided", None, 1)
        assert "too few" in verdict["reason"]
        assert report["summary"]["indicative"] is True
        assert [report["results"][name]["rank"] for name in (A, B)] == [1, 1]
        # three comparisons at once need more than one alone
        three = await compared(at, [A, B, C], SIX)
        assert {verdict["verdict"] for verdict in three["summary"]["verdicts"]} == {"undecided"}
        enough = await compared(at, [A, B, C], SIX, rounds=2)
        assert {verdict["verdict"] for verdict in enough["summary"]["verdicts"]} == {"faster"}
        assert [enough["results"][name]["rank"] for name in (A, B, C)] == [3, 2, 1]


async def test_models_one_after_the_other_prove_nothing_in_one_round(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        # the one that is asked for last is alone in memory
        at.real.route("GET", "/api/ps", lambda request: in_memory(at.sent()[-1]["model"]))
        at.real.route("POST", "/api/generate", timed({A: 50.0, B: 100.0}))
        report = await compared(at, [A, B], SIX)
        (verdict,) = report["summary"]["verdicts"]
        assert (verdict["verdict"], report["summary"]["interleaved"]) == ("undecided", False)
        assert "one after the other" in verdict["reason"]
        assert "do not fit" in report["summary"]["notes"][0]
        two = await compared(at, [A, B], SIX, rounds=2)
        assert two["summary"]["verdicts"][0]["verdict"] == "faster"


async def test_a_missing_model_is_in_the_results_with_its_error(tmp_path: Path) -> None:
    names = [A, "gone:1"]
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", timed({A: 50.0}))
        report = await compared(at, names, ["a", "b"])
        gone = report["results"]["gone:1"]
        assert (gone["success"], gone["successful_runs"], gone["failed_runs"]) == (False, 0, 2)
        assert "not found" in gone["error"]
        assert (gone["rank"], gone["tokens_per_second"], gone["responses"]) == (None, None, ["", ""])
        assert report["results"][A]["error"] is None
        assert report["models_compared"] == names == [A, "gone:1"]
        summary = report["summary"]
        assert (summary["success_rate"], summary["verdicts"]) == (0.5, [])
        assert (summary["fastest_model"], summary["slowest_model"]) == (A, None)


async def test_reports_and_results_can_be_saved_whole(tmp_path: Path) -> None:
    outputs = OutputManager(str(tmp_path / "outputs"))
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", timed({MODEL: 50.0}))
        report = await benchmarked(at, ["a", "b"])
        comparison = await compared(at, [MODEL, "gone:1"], ["a"])
        batch = await asyncio.to_thread(at.runner.run_batch, MODEL, ["a", " "])
    assert outputs.load_output(outputs.save_benchmark_report(report))["data"] == report
    assert outputs.load_output(outputs.save_model_comparison(comparison))["data"] == comparison
    assert outputs.load_output(outputs.save_execution_result(batch[0]))["metadata"] == batch[0].metadata
    saved = outputs.load_output(outputs.save_batch_results(batch))["data"]
    assert (saved["total"], saved["successful"]) == (2, 1)


def test_summaries_hold_nothing_that_json_does_not_have() -> None:
    assert summary_of([]) is None
    assert summary_of([None, math.nan, math.inf]) is None
    one = summary_of([3.0, None])
    assert one is not None
    assert (one["n"], one["median"], one["spread"], one["variation"], one["noise"]) == (1, 3.0, None, None, "")
    zero = summary_of([0.0, 0.0, 0.0])
    assert zero is not None
    assert zero["variation"] is None
    many = summary_of([float(number) for number in range(1, 41)], tail=True)
    assert many is not None
    assert many["p95"] == 38.0
