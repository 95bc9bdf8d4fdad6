"""Benchmarks and comparisons as dicts of JSON values, with no more certainty than the samples have."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

from codomyrmex_ollama_tui import __version__
from codomyrmex_ollama_tui.domain.models import ModelSummary
from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.statistics import NOISIEST, Comparison, Verdict, compare, median, quantile, summarise
from codomyrmex_ollama_tui.library.results import ModelExecutionResult
from codomyrmex_ollama_tui.library.running import failed, result_of
from codomyrmex_ollama_tui.services.figures import Flag
from codomyrmex_ollama_tui.services.measure import Sample, WarmUp

_RATES = {"tokens_per_second": "decode_rate", "prompt_tokens_per_second": "prompt_rate"}
_TIMES = {"ttft": "ttft", "ttfa": "ttfa", "execution_time": "e2e", "time_per_token": "tpot"}
_TAIL = 0.95


@dataclass(slots=True)
class Sources:
    """What a report is made from.

    Attributes:
        prompts: as they were passed.
        rounds: how often each model was asked each of them.
        samples, warm_ups: in the order in which they were run.
        options: as they were sent.
        seed: of the order of the models.
        machine: `machine_facts` of this machine, before the first run.
        listed: the models on the server's disk.
        server: who answered: label, version, engine, local.
        total_time: seconds from the end of the first warm-ups to the last sample.
    """

    prompts: list[str]
    rounds: int
    options: Mapping[str, object]
    seed: int
    samples: list[Sample] = field(default_factory=list)
    warm_ups: list[WarmUp] = field(default_factory=list)
    machine: Mapping[str, object] = field(default_factory=dict)
    listed: tuple[ModelSummary, ...] = ()
    server: Mapping[str, object] = field(default_factory=dict)
    total_time: float = 0.0

    def of(self, model: str) -> list[Sample]:
        """The samples of one model."""
        return [sample for sample in self.samples if sample.model == model]


def benchmark_report(model: str, sources: Sources) -> dict[str, Any]:
    """What `ModelRunner.benchmark_model` gives."""
    return {**_measured(model, sources), "environment": environment(sources, [model])}


def comparison_report(models: Sequence[str], sources: Sources) -> dict[str, Any]:
    """What `ModelRunner.create_model_comparison` gives."""
    results = {model: _compared(model, sources) for model in models}
    rates = {
        model: summary["median"]
        for model, result in results.items()
        if (summary := result["figures"]["tokens_per_second"]) is not None
    }
    best_first = sorted(rates, key=lambda model: -rates[model])
    verdicts, better = _verdicts(best_first, sources)
    for model, result in results.items():
        result["rank"] = 1 + len(better[model]) if model in rates else None
    whole = sum(sample.success for sample in sources.samples)
    interleaved = all(sample.interleaved for sample in sources.samples)
    return {
        "test_prompts": list(sources.prompts),
        "models_compared": list(models),
        "results": results,
        "summary": {
            "fastest_model": best_first[0] if best_first else None,
            "slowest_model": best_first[-1] if len(best_first) > 1 else None,
            "verdicts": verdicts,
            "success_rate": whole / len(sources.samples) if sources.samples else None,
            "indicative": not any(verdict["low"] is not None for verdict in verdicts),
            "interleaved": interleaved,
            "notes": _order_notes(interleaved, sources.rounds, len(models)),
        },
        "rounds": sources.rounds,
        "total_time": sources.total_time,
        "environment": environment(sources, models),
    }


def summary_of(values: Iterable[float | None], *, tail: bool = False) -> dict[str, Any] | None:
    """The summary of what is known of some values; None where nothing is.

    Args:
        tail: with the 95th percentile, which is None for fewer than 20 values.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    summary = summarise(known)
    if summary is None:
        return None
    interval = summary.interval
    made: dict[str, Any] = {
        "n": summary.n,
        "median": summary.median,
        "min": summary.minimum,
        "max": summary.maximum,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "confidence": None if interval is None else interval.confidence,
        "spread": summary.spread,
        "variation": summary.variation,
        "noise": summary.noise,
        "indicative": summary.indicative,
    }
    return {**made, "p95": quantile(known, _TAIL)} if tail else made


def environment(sources: Sources, models: Sequence[str]) -> dict[str, Any]:
    """What has to be the same for figures to be compared: program, server, models, options, this machine."""
    return {
        "program": f"codomyrmex-ollama-tui {__version__}",
        **sources.server,
        "options": dict(sources.options),
        "order_seed": sources.seed,
        "models": {model: _model_facts(model, sources) for model in models},
        "machine": dict(sources.machine),
    }


def _measured(model: str, sources: Sources) -> dict[str, Any]:
    """One model's runs and figures."""
    samples = sources.of(model)
    whole = [sample for sample in samples if sample.success]
    return {
        "model_name": model,
        "total_prompts": len(sources.prompts),
        "rounds": sources.rounds,
        "successful_runs": len(whole),
        "failed_runs": len(samples) - len(whole),
        "total_time": sources.total_time,
        "avg_execution_time": _mean([time for sample in whole if (time := _figure(sample, "e2e")) is not None]),
        "avg_tokens_per_second": _pooled_rate(whole),
        **_honest(samples),
        "warm_up": _warm_up(model, sources.warm_ups),
        "detailed_results": _details(samples, sources.prompts),
    }


def _compared(model: str, sources: Sources) -> dict[str, Any]:
    """The same for one of several models, with what is compared; the time of all of them is not its own."""
    samples, measured = sources.of(model), _measured(model, sources)
    del measured["total_time"]
    whole = [sample.measured.execution.text for sample in samples if sample.success and sample.measured is not None]
    first = sorted((sample for sample in samples if sample.round == 0), key=lambda sample: sample.prompt)
    figures = measured["figures"]
    return {
        "success": bool(samples) and len(whole) == len(samples),
        "error": next((sample.words for sample in samples if not sample.success), None),
        "execution_time": _median_in(figures["execution_time"]),
        "response_length": median([len(answer) for answer in whole]) if whole else None,
        "tokens_per_second": _median_in(figures["tokens_per_second"]),
        "responses": ["" if sample.measured is None else sample.measured.execution.text for sample in first],
        **measured,
    }


def _honest(samples: Sequence[Sample]) -> dict[str, Any]:
    """Figures with their intervals, how many runs they stand on, what was flagged, and what that means."""
    counted = [sample for sample in samples if sample.counts]
    figures = {name: summary_of([_figure(sample, key) for sample in counted]) for name, key in _RATES.items()}
    times = {name: summary_of([_figure(sample, key) for sample in counted], tail=True) for name, key in _TIMES.items()}
    tokens = [None if sample.measured is None else sample.measured.execution.counters.eval_count for sample in counted]
    flags = Counter(flag.value for sample in samples for flag in sample.flags)
    return {
        "counted_runs": len(counted),
        "figures": {**figures, **times, "tokens": summary_of(tokens)},
        "flags": dict(flags),
        "notes": _notes(samples, counted, flags, figures["tokens_per_second"]),
    }


def _notes(
    samples: Sequence[Sample], counted: Sequence[Sample], flags: Mapping[str, int], rate: Mapping[str, Any] | None
) -> list[str]:
    notes = []
    if 0 < len(counted) < 6:
        notes.append(f"indicative only: an interval needs 6 runs, these are {len(counted)}")
    if rate is not None and rate["noise"] == NOISIEST:
        notes.append("the rates vary by more than 10 %: something else was at work, do not compare them")
    if flags.get(Flag.RELOADED):
        notes.append("runs in which the model was loaded are in detailed_results, and left out of the figures")
    if flags.get(Flag.CONTAMINATED):
        notes.append("another model was in the server's memory during some runs")
    if flags.get(Flag.TWO_PASSES):
        notes.append("thinking with a format makes two passes, and the server counts the second only: no rates")
    if counted and all(_figure(sample, "prompt_rate") is None for sample in counted):
        notes.append("no prompt rate: cached tokens of the prompt may have been counted as computed")
    if any(sample.round for sample in samples):
        notes.append("a prompt that is sent again can meet the server's cache: its TTFT is shorter then")
    return notes


def _verdicts(models: Sequence[str], sources: Sources) -> tuple[list[dict[str, Any]], dict[str, set[str]]]:
    """Each pair of models, the one with the higher median first, and for each model those proven faster."""
    pairs = list(combinations(models, 2))
    better: dict[str, set[str]] = {sample.model: set() for sample in sources.samples}
    verdicts = []
    for fast, slow in pairs:
        both = _paired(sources.of(slow), sources.of(fast))
        found = compare(both, confidence=1 - 0.05 / len(pairs))
        reason = _why_none(sources, found)
        if found.verdict is Verdict.FASTER and not reason:
            better[slow].add(fast)
        if found.verdict is Verdict.SLOWER and not reason:
            better[fast].add(slow)
        verdicts.append(_verdict(fast, slow, found, 1 - 0.05 / len(pairs), reason))
    return verdicts, better


def _verdict(fast: str, slow: str, found: Comparison, confidence: float, reason: str) -> dict[str, Any]:
    return {
        "model": fast,
        "against": slow,
        "verdict": Verdict.UNDECIDED.value if reason else found.verdict.value,
        "ratio": _finite(found.ratio),
        "low": _finite(found.low),
        "high": _finite(found.high),
        "confidence": confidence,
        "pairs": found.pairs,
        "more_pairs": found.more_pairs,
        "reason": reason,
    }


def _why_none(sources: Sources, found: Comparison) -> str:
    """Why a comparison proves nothing whatever its interval says; "" if it may."""
    if math.isnan(found.low):
        return f"{found.pairs} pairs of runs are too few"
    if not all(sample.interleaved for sample in sources.samples) and sources.rounds < 2:
        return "the models were measured one after the other: a machine that grew slower would look the same"
    return ""


def _paired(first: Sequence[Sample], second: Sequence[Sample]) -> list[tuple[float, float]]:
    """Decode rates of the same prompt in the same round, where both are known."""
    rates = {(sample.round, sample.prompt): _figure(sample, "decode_rate") for sample in first if sample.counts}
    pairs = []
    for sample in second:
        a = rates.get((sample.round, sample.prompt))
        b = _figure(sample, "decode_rate") if sample.counts else None
        if a and b:
            pairs.append((a, b))
    return pairs


def _order_notes(interleaved: bool, rounds: int, models: int) -> list[str]:
    if models < 2 or interleaved:
        return []
    words = "the models do not fit into memory together: each was loaded once a round"
    return [words if rounds > 1 else f"{words}; more than one round is needed for a verdict"]


def _details(samples: Sequence[Sample], prompts: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {**asdict(_result(sample, prompts)), "prompt_index": sample.prompt, "round": sample.round}
        for sample in sorted(samples, key=lambda sample: (sample.round, sample.prompt))
    ]


def _result(sample: Sample, prompts: Sequence[str]) -> ModelExecutionResult:
    if sample.measured is None:
        return failed(sample.model, prompts[sample.prompt], sample.words)
    result = result_of(sample.measured)
    flags = {"flags": [flag.value for flag in sample.flags], "reloaded": Flag.RELOADED in sample.flags}
    result.metadata = {**(result.metadata or {}), **flags}
    return result


def _warm_up(model: str, warm_ups: Sequence[WarmUp]) -> dict[str, Any] | None:
    first = next((warm_up.measured for warm_up in warm_ups if warm_up.model == model), None)
    if first is None:
        return None
    error = first.execution.error
    return {
        "execution_time": first.execution.total_s,
        "load_time": first.figures.load,
        "error": None if error is None else result_of(first).error_message,
    }


def _model_facts(model: str, sources: Sources) -> dict[str, Any]:
    listed = next((entry for entry in sources.listed if same_model(entry.name, model)), None)
    runs = [warm_up.measured for warm_up in sources.warm_ups if warm_up.model == model]
    runs += [sample.measured for sample in sources.of(model) if sample.measured is not None]
    memory = next((run.memory for run in reversed(runs) if run.memory is not None), None)
    details = listed.details if listed is not None else None
    return {
        "digest": (listed.digest if listed is not None else "") or next((run.digest for run in runs), "") or None,
        "size": None if listed is None else listed.size,
        "format": None if details is None else details.format,
        "family": None if details is None else details.family,
        "parameter_size": None if details is None else details.parameter_size,
        "quantization_level": None if details is None else details.quantization_level,
        "remote": listed is not None and bool(listed.remote_host),
        "memory": None if memory is None else memory.size,
        "memory_vram": None if memory is None else memory.size_vram,
        "gpu_share": None if memory is None else memory.gpu_share,
        "context_length": None if memory is None else memory.context_length,
    }


def _figure(sample: Sample, name: str) -> float | None:
    if sample.measured is None:
        return None
    value: float | None = getattr(sample.measured.figures, name)
    return value


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _pooled_rate(samples: Sequence[Sample]) -> float | None:
    """All tokens by all the time in which they were generated, as the server counts."""
    known = [
        (counters.eval_count, counters.eval_duration)
        for sample in samples
        if sample.measured is not None and _figure(sample, "decode_rate") is not None
        for counters in (sample.measured.execution.counters,)
    ]
    duration = sum(nanoseconds or 0 for _, nanoseconds in known)
    return sum(count or 0 for count, _ in known) / (duration / 1e9) if duration else None


def _median_in(summary: Mapping[str, Any] | None) -> float | None:
    return None if summary is None else summary["median"]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
