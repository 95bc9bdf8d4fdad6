"""What the server's counters mean, by version."""

from __future__ import annotations

import pytest

from codomyrmex_ollama_tui.domain.chat import AnswerEnd, Counters
from codomyrmex_ollama_tui.domain.counters import cached_tokens, prompt_rate, version_numbers

SAID = Counters(prompt_eval_count=300, prompt_eval_duration=2_000_000_000)


@pytest.mark.parametrize(
    ("version", "cached", "cold", "rate"),
    [
        ("0.24.0", None, False, None),  # whole prompt counted, only new tokens timed: nobody knows
        ("0.24.0", None, True, 150.0),
        ("0.12.6", None, True, None),  # the older runner timed the last batch only
        ("0.12.7", None, True, 150.0),
        ("0.30.0", None, False, 150.0),  # the one version that counts new tokens only
        ("0.30.0-rc1", None, False, 150.0),
        ("0.30.1", None, False, None),
        ("0.33.3", 100, False, 100.0),
        ("0.33.3", 0, False, 150.0),
        ("0.33.3", None, False, None),
        ("0.33.3", 300, False, None),  # all of it was in the cache
        ("0.33.3", 301, False, None),
        ("0.0.0", None, False, None),  # a build of one's own
        ("0.0.0", None, True, 150.0),
        ("what", None, False, None),
    ],
)
def test_the_prompt_rate_is_said_only_where_it_is_known(
    version: str, cached: int | None, cold: bool, rate: float | None
) -> None:
    assert prompt_rate(SAID, cached=cached, version=version, cold=cold) == rate


@pytest.mark.parametrize("counters", [Counters(), Counters(prompt_eval_count=3), Counters(prompt_eval_duration=3)])
def test_there_is_no_prompt_rate_without_its_counters(counters: Counters) -> None:
    assert prompt_rate(counters, cached=0, version="0.33.3", cold=True) is None
    nothing = Counters(prompt_eval_count=0, prompt_eval_duration=0)
    assert prompt_rate(nothing, cached=None, version="0.24.0", cold=True) is None


@pytest.mark.parametrize(
    ("extra", "cached"),
    [({}, None), ({"prompt_eval_cached_count": 7}, 7), ({"prompt_eval_cached_count": 0}, 0)]
    + [({"prompt_eval_cached_count": wrong}, None) for wrong in (None, "7", -1, True, 1.5)],
)
def test_cached_tokens_are_those_the_server_names(extra: dict[str, object], cached: int | None) -> None:
    assert cached_tokens(AnswerEnd("m", "stop", Counters(), extra=extra)) == cached


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0.24.0", (0, 24, 0)), ("v1.2.3", (1, 2, 3)), ("0.33.0-rc2", (0, 33, 0)), ("", (0, 0, 0)), ("x", (0, 0, 0))],
)
def test_versions_as_numbers(text: str, numbers: tuple[int, int, int]) -> None:
    assert version_numbers(text) == numbers
