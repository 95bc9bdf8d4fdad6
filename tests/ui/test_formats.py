"""Figures and times in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codomyrmex_ollama_tui.ui import formats

NOW = datetime(2026, 11, 23, 10, 42, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0 B"),
        (358, "358 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (98_000_000, "98 MB"),
        (999_600_000, "1.0 GB"),
        (2_019_000_000, "2.0 GB"),
        (99_940_000_000, "99.9 GB"),
        (404_000_000_000, "404 GB"),
        (2_500_000_000_000, "2.5 TB"),
    ],
)
def test_size(amount: int, words: str) -> None:
    assert formats.size(amount) == words


@given(st.integers(0, 10**18))
def test_a_size_has_at_most_four_digits(amount: int) -> None:
    number, _, unit = formats.size(amount).partition(" ")
    assert unit in {"B", "kB", "MB", "GB", "TB", "PB"}
    assert float(number) <= 1000


@pytest.mark.parametrize(
    ("completed", "total", "words"),
    [
        (48_300_000, 92_921_600, "48.3 / 92.9 MB"),
        (1_200_000_000, 3_100_000_000, "1.2 / 3.1 GB"),
        (0, 358, "0 / 358 B"),
        (81_000_000, 3_100_000_000, "81 MB / 3.1 GB"),
        (0, 92_921_600, "0.0 / 92.9 MB"),
        (0, 3_100_000_000, "0.0 / 3.1 GB"),
        (48_300_000, None, "48 MB"),
        (5_000_000, 1_000, "5.0 / 0.0 MB"),
    ],
)
def test_amounts(completed: int, total: int | None, words: str) -> None:
    assert formats.amounts(completed, total) == words


@pytest.mark.parametrize(("rate", "words"), [(8_100_000.0, "8.1 MB/s"), (12.4, "12 B/s"), (0.0, "0 B/s")])
def test_speed(rate: float, words: str) -> None:
    assert formats.speed(rate) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (18.4, "18 s"),
        (59.6, "1 min"),
        (240, "4 min"),
        (3569, "59 min"),
        (3571, "1 h"),
        (3900, "1 h 5 min"),
        (7200, "2 h"),
        (7199, "2 h"),
        (200_000, "2 d"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert formats.duration(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(-1, "0:00"), (252.9, "4:12"), (3852, "1:04:12")])
def test_countdown(seconds: float, words: str) -> None:
    assert formats.countdown(seconds) == words


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=-5), "now"),
        (timedelta(seconds=59), "now"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(days=3), "3 d"),
        (timedelta(days=65), "2 mo"),
        (timedelta(days=800), "2 y"),
    ],
)
def test_age(ago: timedelta, words: str) -> None:
    assert formats.age(NOW - ago, NOW) == words


def test_an_unknown_time_is_a_sign() -> None:
    assert formats.age(None, NOW) == formats.moment(None, NOW) == "·"


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (datetime(2026, 11, 23, 9, 15, tzinfo=UTC), "09:15"),
        (datetime(2026, 11, 21, 18, 20, tzinfo=UTC), "Sat 18:20"),
        (datetime(2025, 10, 12, 8, 0, tzinfo=UTC), "12 Oct 2025"),
        (datetime(2026, 11, 24, 8, 0, tzinfo=UTC), "24 Nov 2026"),
        (datetime(2026, 11, 23, 10, 15, tzinfo=timezone(timedelta(hours=1))), "09:15"),
    ],
)
def test_moment(then: datetime, words: str) -> None:
    assert formats.moment(then, NOW) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("134.52M", "135 M"),
        ("999.89M", "1.0 B"),
        ("3.2B", "3.2 B"),
        ("70.6b", "70.6 B"),
        ("405B", "405 B"),
        ("22M", "22 M"),
        ("", "·"),
        ("8x7B", "8x7B"),
    ],
)
def test_parameters(text: str, words: str) -> None:
    assert formats.parameters(text) == words


@pytest.mark.parametrize(("tokens", "words"), [(None, "·"), (512, "512"), (8192, "8 k"), (131_072, "128 k")])
def test_context(tokens: int | None, words: str) -> None:
    assert formats.context(tokens) == words


def test_count() -> None:
    assert formats.count(1204) == "1,204"
