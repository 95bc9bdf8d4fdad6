"""Small-sample statistics for speed measurements: medians with exact intervals, paired comparison, verdicts.

Everything here is exact for the sizes a benchmark has (n up to about 60) and needs no numpy. No resampling is used:
for so few samples the percentile bootstrap covers far less than it promises.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

NOISE = math.log(1.03)
"""Differences within ±3 % are called equal."""

SCALE_OF_MAD = 1.4826
"""Makes the median absolute deviation comparable to a standard deviation under normal noise."""

NOISIEST = "do not compare"
"""What is said of samples that vary by more than 10 %."""

_NORMAL_975 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval and the confidence it really has (an exact method overshoots the nominal one)."""

    low: float
    high: float
    confidence: float


class Verdict(StrEnum):
    """What a comparison proves. `UNDECIDED` is an honest answer, not a failure."""

    FASTER = "faster"
    SLOWER = "slower"
    EQUAL = "equal"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much faster B is than A.

    Attributes:
        verdict: of B against A.
        ratio: Hodges–Lehmann estimate of rate B / rate A (1.0 is equal); NaN without any pair.
        low, high: the interval of the ratio by the exact Wilcoxon distribution; NaN where there are too few pairs
            (fewer than 6 at 95 %).
        pairs: how many pairs entered.
        more_pairs: about how many more pairs would decide, if the spread stays; None when decided or not foreseeable.
    """

    verdict: Verdict
    ratio: float
    low: float
    high: float
    pairs: int
    more_pairs: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What can honestly be said of some samples, in their unit.

    Attributes:
        n: how many there are, at least 1.
        median, minimum, maximum: of all of them.
        interval: of the median at 95 %; None for fewer than 6 samples: what is said then is only indicative.
        spread: robust standard deviation; None for one sample.
        variation: `spread / median`; None for one sample, and where the median is 0.
    """

    n: int
    median: float
    minimum: float
    maximum: float
    interval: Interval | None
    spread: float | None
    variation: float | None

    @property
    def indicative(self) -> bool:
        """Too few samples for an interval."""
        return self.interval is None

    @property
    def noise(self) -> str:
        """In words: "quiet" to 2 %, "fair" to 5 %, "noisy" to 10 %, then "do not compare"; "" for none."""
        if self.variation is None:
            return ""
        words = ((0.02, "quiet"), (0.05, "fair"), (0.10, "noisy"))
        return next((word for limit, word in words if self.variation <= limit), NOISIEST)


def median(samples: Sequence[float]) -> float:
    """The median; infinities (timeouts) count as the largest. NaN for no samples."""
    if not samples:
        return math.nan
    ordered = sorted(samples)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    low, high = ordered[middle - 1], ordered[middle]
    return low if low == high else low / 2 + high / 2


def spread(samples: Sequence[float]) -> float:
    """Robust standard deviation: 1.4826 × the median absolute deviation from the median, in the samples' unit."""
    middle = median(samples)
    return SCALE_OF_MAD * median([abs(sample - middle) for sample in samples])


def variation(samples: Sequence[float]) -> float:
    """Robust coefficient of variation (`spread / median`), NaN where the median is 0 or there are no samples."""
    middle = median(samples)
    return spread(samples) / middle if middle else math.nan


def summarise(samples: Sequence[float]) -> Summary | None:
    """The summary of samples; None for none."""
    if not samples:
        return None
    several = len(samples) > 1
    varied = variation(samples) if several else math.nan
    return Summary(
        n=len(samples),
        median=median(samples),
        minimum=min(samples),
        maximum=max(samples),
        interval=median_interval(samples),
        spread=spread(samples) if several else None,
        variation=varied if math.isfinite(varied) else None,
    )


@lru_cache(256)
def _median_rank(n: int, tail: float) -> tuple[int, float] | None:
    """(1-based rank from below, coverage) of the order-statistic interval of a median, None if n is too small."""
    whole, below = 2**n, 0
    best: tuple[int, float] | None = None
    for rank in range(1, n // 2 + 1):
        below += math.comb(n, rank - 1)
        if below / whole > tail:
            break
        best = rank, 1 - 2 * below / whole
    return best


def median_interval(samples: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """The distribution-free interval of the median by order statistics.

    Returns None where no interval of that confidence exists (fewer than 6 samples at 95 %).
    """
    found = _median_rank(len(samples), (1 - confidence) / 2)
    if found is None:
        return None
    rank, coverage = found
    ordered = sorted(samples)
    return Interval(ordered[rank - 1], ordered[-rank], coverage)


def quantile(samples: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile, or None where there are too few samples to speak of it.

    A p95 wants at least 20 samples, a p99 100: `share` of the samples must leave at least one above it.
    """
    if not samples or (share > 0.5 and len(samples) * (1 - share) < 1 - 1e-9):
        return None
    return sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]


def outliers(samples: Sequence[float]) -> tuple[int, ...]:
    """Indices of severe outliers: |x − median| / MAD > 14.826. To be flagged, never deleted."""
    middle = median(samples)
    deviation = median([abs(sample - middle) for sample in samples])
    if not deviation > 0:
        return ()
    return tuple(n for n, sample in enumerate(samples) if abs(sample - middle) / deviation > 14.826)


@lru_cache(128)
def _signed_rank_counts(n: int) -> tuple[int, ...]:
    """How many of the 2**n sign patterns give each value of Wilcoxon's signed-rank sum."""
    counts = [1]
    for rank in range(1, n + 1):
        grown = counts + [0] * rank
        for value, count in enumerate(counts):
            grown[value + rank] += count
        counts = grown
    return tuple(counts)


@lru_cache(128)
def wilcoxon_index(n: int, confidence: float = 0.95) -> int | None:
    """0-based index into the sorted Walsh averages where the exact interval begins; None if n is too small."""
    tail, below, whole = (1 - confidence) / 2, 0, 2**n
    index: int | None = None
    for value, count in enumerate(_signed_rank_counts(n)):
        below += count
        if below / whole > tail:
            break
        index = value
    return index


def shift(differences: Sequence[float], confidence: float = 0.95) -> tuple[float, Interval | None]:
    """Hodges–Lehmann estimate of the centre of paired differences, with the exact Wilcoxon interval.

    Returns:
        the median of all Walsh averages (NaN without differences), and the interval (None for fewer than 6 at 95 %).
    """
    walsh = sorted((a + b) / 2 for n, a in enumerate(differences) for b in differences[n:])
    index = wilcoxon_index(len(differences), confidence)
    if index is None:
        return median(walsh), None
    below = sum(_signed_rank_counts(len(differences))[: index + 1])
    return median(walsh), Interval(walsh[index], walsh[-1 - index], 1 - 2 * below / 2 ** len(differences))


def pairs_needed(confidence: float = 0.95) -> int:
    """How many pairs the exact interval needs at least: 6 at 95 %."""
    return next(n for n in range(1, 60) if wilcoxon_index(n, confidence) is not None)


def compare(pairs: Sequence[tuple[float, float]], *, noise: float = NOISE, confidence: float = 0.95) -> Comparison:
    """Is B faster than A?

    Args:
        pairs: (rate of A, rate of B) of the same prompt in the same round, both above 0 in any unit of rate.
        noise: the natural logarithm of the ratio below which a difference does not matter.
        confidence: of the interval; several comparisons at once want more than one alone (1 - 0.05 / their number).

    Raises:
        ValueError: a rate that is not a positive finite number.
    """
    for a, b in pairs:
        if not (0 < a < math.inf and 0 < b < math.inf):
            raise ValueError(f"rates must be positive and finite, not {a!r} and {b!r}")
    estimate, interval = shift([math.log(b / a) for a, b in pairs], confidence)
    if interval is None:
        ratio = math.exp(estimate)
        missing = pairs_needed(confidence) - len(pairs)
        return Comparison(Verdict.UNDECIDED, ratio, math.nan, math.nan, len(pairs), missing)
    low, high = interval.low, interval.high
    if low > 0 and estimate > noise:
        verdict = Verdict.FASTER
    elif high < 0 and estimate < -noise:
        verdict = Verdict.SLOWER
    elif low > -noise and high < noise:
        verdict = Verdict.EQUAL
    else:
        verdict = Verdict.UNDECIDED
    more = _more_pairs(estimate, interval, len(pairs), noise) if verdict is Verdict.UNDECIDED else None
    return Comparison(verdict, math.exp(estimate), math.exp(low), math.exp(high), len(pairs), more)


def _more_pairs(estimate: float, interval: Interval, n: int, noise: float) -> int | None:
    """About how many more pairs shrink the interval enough; its width goes with 1/√n. None beyond 200."""
    half = (interval.high - interval.low) / 2
    room = abs(estimate) if abs(estimate) > noise else noise - abs(estimate)
    if room <= 0 or half <= 0:
        return None
    needed = math.ceil(n * (half / room) ** 2) - n
    return max(1, needed) if needed <= 200 else None


def wilson(wins: int, tries: int, confidence_z: float = _NORMAL_975) -> tuple[float, float]:
    """Wilson's score interval of a share, 0–1; (0, 1) without tries."""
    if tries == 0:
        return 0.0, 1.0
    share, z2 = wins / tries, confidence_z**2
    middle = (share + z2 / (2 * tries)) / (1 + z2 / tries)
    half = confidence_z * math.sqrt(share * (1 - share) / tries + z2 / (4 * tries**2)) / (1 + z2 / tries)
    return max(0.0, middle - half), min(1.0, middle + half)


def sign_test(wins: int, losses: int) -> float:
    """Two-sided p-value of the exact sign test; ties are left out beforehand. 1.0 without any."""
    n, most = wins + losses, max(wins, losses)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(most, n + 1)) / 2**n) if n else 1.0
