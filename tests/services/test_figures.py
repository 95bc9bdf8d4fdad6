"""Figures of single runs: formulas, what must stay unknown, and the flags."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from codomyrmex_ollama_tui.domain.chat import AnswerEnd, Counters, GenerateRequest
from codomyrmex_ollama_tui.services.execution import Execution
from codomyrmex_ollama_tui.services.figures import Flag, figures_of

SECOND = 1_000_000_000
COUNTERS = Counters(
    total_duration=4 * SECOND,
    load_duration=SECOND // 2,
    prompt_eval_count=400,
    prompt_eval_duration=SECOND,
    eval_count=21,
    eval_duration=2 * SECOND,
)


def run(counters: Counters = COUNTERS, *, extra: dict[str, object] | None = None, **fields: Any) -> Execution:
    """A run of 4.2 s whose content came at 1.5, 2.5 and 3.5 s."""
    execution = Execution(
        GenerateRequest("m", "hello"),
        datetime(2026, 1, 1, tzinfo=UTC),
        text="abc",
        end=AnswerEnd("m", "stop", counters, extra=extra or {}),
        total_s=4.2,
        arrivals=(1.5, 2.5, 3.5),
        ttfa_s=1.5,
        version="0.24.0",
    )
    return replace(execution, **fields)


def test_the_formulas() -> None:
    figures = figures_of(run())
    assert (figures.ttft, figures.ttfa, figures.e2e, figures.load) == (1.5, 1.5, 4.2, 0.5)
    assert (figures.tokens, figures.prompt_tokens) == (21, 400)
    assert (figures.decode_rate, figures.decode_rate_adjusted, figures.client_rate) == (10.5, 10.0, 10.0)
    assert figures.tpot == pytest.approx(2.7 / 20)
    assert figures.overhead_server == 0.5
    assert figures.overhead_client == pytest.approx(0.2)
    assert figures.ttft_residual == 0.0
    assert figures.gaps == (1.0, 1.0)
    assert figures.prompt_rate is None
    assert figures.flags == ()
    assert not figures.reloaded


def test_the_prompt_rate_of_a_prompt_that_was_surely_not_cached() -> None:
    assert figures_of(run(), cold=True).prompt_rate == 400.0


@pytest.mark.parametrize("tokens", [None, 0, 1])
def test_hardly_any_token_divides_by_nothing(tokens: int | None) -> None:
    figures = figures_of(run(replace(COUNTERS, eval_count=tokens), arrivals=(1.5,)))
    assert (figures.tpot, figures.client_rate, figures.decode_rate_adjusted) == (None, None, None)


def test_an_answer_without_content_or_counters() -> None:
    figures = figures_of(run(Counters(), arrivals=(), ttfa_s=None))
    assert (figures.ttft, figures.ttft_residual, figures.decode_rate, figures.overhead_server) == (None,) * 4
    assert figures.e2e == 4.2


def test_a_run_that_broke_off_has_its_times_only() -> None:
    figures = figures_of(run(end=None))
    assert (figures.ttft, figures.e2e, figures.gaps) == (1.5, 4.2, (1.0, 1.0))
    assert (figures.tokens, figures.decode_rate, figures.flags) == (None, None, ())


def test_thinking_with_a_format_has_no_rates() -> None:
    request = GenerateRequest("m", "hello", format="json")
    figures = figures_of(run(thinking="hm", request=request), cold=True)
    assert (figures.decode_rate, figures.client_rate, figures.tpot, figures.prompt_rate) == (None,) * 4
    assert figures.flags == (Flag.TWO_PASSES,)
    assert figures.e2e == 4.2
    assert figures_of(run(request=request)).decode_rate == 10.5


@pytest.mark.parametrize(
    ("changed", "flags"),
    [
        ({"extra": {"prompt_eval_cached_count": 21}}, (Flag.CACHED,)),
        ({"extra": {"prompt_eval_cached_count": 20}}, ()),
        ({"counters": replace(COUNTERS, load_duration=SECOND + 1), "arrivals": (2.0, 3.0)}, (Flag.RELOADED,)),
        ({"counters": replace(COUNTERS, load_duration=SECOND), "arrivals": (2.0, 3.0)}, ()),
        ({"end": AnswerEnd("m", "length", COUNTERS)}, (Flag.TRUNCATED,)),
        ({"arrivals": (1.58, 2.5)}, (Flag.RESIDUAL,)),
        ({"arrivals": (1.57, 2.5)}, ()),
    ],
)
def test_flags(changed: dict[str, Any], flags: tuple[Flag, ...]) -> None:
    assert figures_of(run(**changed)).flags == flags


def test_the_rate_of_a_short_prompt_is_flagged() -> None:
    short = replace(COUNTERS, prompt_eval_count=255)
    assert figures_of(run(short), cold=True).flags == (Flag.SHORT_PROMPT,)
    assert figures_of(run(short)).flags == ()
