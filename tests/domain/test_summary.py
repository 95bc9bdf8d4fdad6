"""Summaries of samples, and comparisons where several are made at once."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.statistics import Verdict, compare, pairs_needed, summarise


def test_nothing_has_no_summary() -> None:
    assert summarise([]) is None


def test_one_sample_says_nothing_of_a_spread() -> None:
    one = summarise([3.0])
    assert one is not None
    assert (one.n, one.median, one.minimum, one.maximum) == (1, 3.0, 3.0, 3.0)
    assert (one.interval, one.spread, one.variation, one.indicative, one.noise) == (None, None, None, True, "")


@pytest.mark.parametrize(
    ("off", "word"), [(0.0, "quiet"), (0.01, "quiet"), (0.03, "fair"), (0.06, "noisy"), (0.08, "do not compare")]
)
def test_variation_in_words(off: float, word: str) -> None:
    found = summarise([1 - off, 1 - off, 1.0, 1 + off, 1 + off])
    assert found is not None
    assert found.noise == word


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
@settings(max_examples=50)
def test_the_interval_is_there_from_six_on_and_holds_the_median(samples: list[float]) -> None:
    found = summarise(samples)
    assert found is not None
    assert found.minimum <= found.median <= found.maximum
    assert found.indicative == (len(samples) < 6)
    if found.interval is not None:
        assert found.minimum <= found.interval.low <= found.median <= found.interval.high <= found.maximum
    assert found.variation is None or math.isfinite(found.variation)


@pytest.mark.parametrize(("confidence", "pairs"), [(0.95, 6), (1 - 0.05 / 3, 7), (1 - 0.05 / 6, 8), (0.5, 2)])
def test_more_confidence_needs_more_pairs(confidence: float, pairs: int) -> None:
    assert pairs_needed(confidence) == pairs
    twice = [(1.0, 2.0)] * pairs
    assert compare(twice, confidence=confidence).verdict is Verdict.FASTER
    few = compare(twice[1:], confidence=confidence)
    assert (few.verdict, few.more_pairs) == (Verdict.UNDECIDED, 1)
