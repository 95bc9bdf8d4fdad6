"""The statistics against scipy, against brute force, and in simulated sessions."""

from __future__ import annotations

import itertools
import math
import random
import statistics as python_statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from codomyrmex_ollama_tui.domain import statistics as ours

finite = st.floats(-1e6, 1e6, allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=1, max_size=40))
def test_median_and_spread_agree_with_scipy(samples: list[float]) -> None:
    assert ours.median(samples) == pytest.approx(python_statistics.median(samples), rel=1e-12, abs=1e-9)
    expected = stats.median_abs_deviation(samples) * 1.4826
    assert ours.spread(samples) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [(6, 1, 6), (7, 1, 7), (8, 1, 8), (9, 2, 8), (10, 2, 9), (12, 3, 10), (15, 4, 12), (20, 6, 15), (30, 10, 21)],
)
def test_median_interval_takes_the_tabulated_order_statistics(n: int, low: int, high: int) -> None:
    interval = ours.median_interval(list(range(1, n + 1)))
    assert interval is not None
    assert (interval.low, interval.high) == (low, high)
    assert interval.confidence == pytest.approx(1 - 2 * stats.binom.cdf(low - 1, n, 0.5))
    assert interval.confidence >= 0.95


@pytest.mark.parametrize("n", range(6))
def test_no_interval_is_claimed_for_fewer_than_six(n: int) -> None:
    assert ours.median_interval([1.0] * n) is None
    assert ours.shift([0.1] * n)[1] is None


@pytest.mark.parametrize(
    ("n", "index"), [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (12, 13), (15, 25), (20, 52), (30, 137)]
)
def test_wilcoxon_index_is_the_tabulated_one(n: int, index: int) -> None:
    assert ours.wilcoxon_index(n) == index


@pytest.mark.parametrize("n", range(1, 13))
def test_signed_rank_distribution_agrees_with_brute_force(n: int) -> None:
    counts = [0] * (n * (n + 1) // 2 + 1)
    for signs in itertools.product((0, 1), repeat=n):
        counts[sum(rank for rank, sign in enumerate(signs, 1) if sign)] += 1
    assert ours._signed_rank_counts(n) == tuple(counts)


@given(st.lists(st.integers(-1000, 1000), min_size=6, max_size=14, unique_by=abs).filter(lambda d: 0 not in d))
def test_the_interval_holds_zero_just_when_scipys_exact_test_does_not_reject(differences: list[int]) -> None:
    _, interval = ours.shift([float(d) for d in differences])
    assert interval is not None
    p = stats.wilcoxon(differences, method="exact").pvalue
    walsh = [(a + b) / 2 for n, a in enumerate(differences) for b in differences[n:]]
    if 0 not in walsh:  # on the edge both answers are right
        assert (interval.low <= 0 <= interval.high) == (p > 1 - 0.95 + 1e-12)


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=20), st.floats(-3, 3))
def test_the_estimate_moves_with_the_data(differences: list[float], by: float) -> None:
    estimate, interval = ours.shift(differences)
    moved, moved_interval = ours.shift([d + by for d in differences])
    assert interval is not None
    assert moved_interval is not None
    assert moved == pytest.approx(estimate + by, abs=1e-9)
    assert interval.low <= estimate <= interval.high
    assert moved_interval.low == pytest.approx(interval.low + by, abs=1e-9)


def test_verdicts_in_plain_cases() -> None:
    noise = [0.99, 1.0, 1.01, 0.995, 1.005, 1.0, 1.002, 0.998]
    assert ours.compare([(10 * n, 20 * n) for n in noise]).verdict is ours.Verdict.FASTER
    assert ours.compare([(20 * n, 10 * n) for n in noise]).verdict is ours.Verdict.SLOWER
    assert ours.compare([(10.0, 10 * n) for n in noise]).verdict is ours.Verdict.EQUAL
    few = ours.compare([(10.0, 20.0)] * 5)
    assert few.verdict is ours.Verdict.UNDECIDED
    assert few.more_pairs == 1
    noisy = ours.compare([(10, 10 * f) for f in (0.7, 1.4, 0.8, 1.3, 1.2, 0.9)])
    assert noisy.verdict is ours.Verdict.UNDECIDED
    assert noisy.more_pairs is None or noisy.more_pairs > 0


@given(st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(0.1, 1e4)), min_size=6, max_size=15))
def test_swapping_the_sides_turns_the_comparison_round(pairs: list[tuple[float, float]]) -> None:
    there, back = ours.compare(pairs), ours.compare([(b, a) for a, b in pairs])
    turned = {ours.Verdict.FASTER: ours.Verdict.SLOWER, ours.Verdict.SLOWER: ours.Verdict.FASTER}
    assert back.verdict is turned.get(there.verdict, there.verdict)
    assert back.ratio == pytest.approx(1 / there.ratio)
    assert back.low == pytest.approx(1 / there.high)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
def test_rates_that_were_not_measured_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        ours.compare([(10.0, bad)] * 6)


@pytest.mark.parametrize("cv", [0.01, 0.05, 0.10])
@pytest.mark.parametrize("n", [6, 12])
def test_equal_models_are_seldom_called_different(cv: float, n: int) -> None:
    """2,000 sessions of two equal models, ABBA order, 6 % slow-down over the session: at most 6 % called different."""
    chance = random.Random(f"{cv} {n}")
    wrong = 0
    for _ in range(2000):
        slots, at = 2 * n, 0
        pairs = []
        for number in range(n):
            rates = {}
            for side in ("AB", "BA")[number % 2]:
                rates[side] = 50 * (1 - 0.06 * at / slots) * math.exp(chance.gauss(0, cv))
                at += 1
            pairs.append((rates["A"], rates["B"]))
        wrong += ours.compare(pairs).verdict in (ours.Verdict.FASTER, ours.Verdict.SLOWER)
    assert wrong / 2000 <= 0.06


@pytest.mark.parametrize(("wins", "tries"), [(0, 5), (5, 5), (16, 20), (80, 100), (1, 1)])
def test_wilson_agrees_with_scipy(wins: int, tries: int) -> None:
    expected = stats.binomtest(wins, tries).proportion_ci(method="wilson")
    assert ours.wilson(wins, tries) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_no_tries_say_nothing() -> None:
    assert ours.wilson(0, 0) == (0.0, 1.0)
    assert ours.sign_test(0, 0) == 1.0


@pytest.mark.parametrize(("wins", "n"), [(6, 6), (9, 10), (12, 15), (15, 20), (21, 30), (33, 50), (61, 100)])
def test_sign_test_needs_the_tabulated_wins(wins: int, n: int) -> None:
    assert ours.sign_test(wins, n - wins) == pytest.approx(stats.binomtest(wins, n).pvalue)
    assert ours.sign_test(wins, n - wins) <= 0.05 < ours.sign_test(wins - 1, n - wins + 1)


def test_quantiles_are_not_claimed_beyond_what_was_seen() -> None:
    assert ours.quantile(list(range(19)), 0.95) is None
    assert ours.quantile(list(range(1, 21)), 0.95) == 19
    assert ours.quantile([1.0, math.inf, 2.0], 0.5) == 2.0
    assert ours.quantile([], 0.5) is None
    assert ours.median([1.0, math.inf, math.inf]) == math.inf


def test_outliers_are_named_not_removed() -> None:
    assert ours.outliers([10.0, 10.1, 9.9, 10.05, 9.95, 40.0]) == (5,)
    assert ours.outliers([1.0] * 8) == ()
