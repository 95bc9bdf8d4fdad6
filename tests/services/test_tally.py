"""The arithmetic of pulls: nothing goes backwards, whatever the server says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.models import Progress
from codomyrmex_ollama_tui.services.tally import STALL_AFTER, PullPhase, Tally

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64

lines = st.lists(
    st.tuples(
        st.floats(0, 30),
        st.builds(
            Progress,
            status=st.sampled_from(
                ["pulling manifest", "pulling aaa", "verifying sha256 digest", "writing manifest", "?"]
            ),
            digest=st.sampled_from(["", A, B, "sha256:model"]),
            total=st.none() | st.integers(-5, 10**12),
            completed=st.none() | st.integers(-5, 10**12),
        ),
    ),
    max_size=40,
)


@settings(max_examples=50)
@given(lines)
def test_no_figure_ever_goes_down_or_beyond_its_total(steps: list[tuple[float, Progress]]) -> None:
    now = 100.0
    tally = Tally(now)
    completed, total = 0, 0
    for wait, progress in steps:
        now += wait
        if wait > 29.0:
            tally.begin(now)
        tally.add(progress, now)
        assert tally.completed >= completed
        assert (tally.total or 0) >= total
        completed, total = tally.completed, tally.total or 0
        assert completed <= total
        assert sum(layer.completed for layer in tally.layers) == completed
        assert all(0 <= layer.completed <= layer.total for layer in tally.layers)
        speed = tally.speed(now)
        assert speed is None or speed >= 0
        eta = tally.eta(speed)
        assert eta is None or eta >= 0


def test_a_try_that_is_rolled_back_stays_where_it_was() -> None:
    tally = Tally(0.0)
    for at, completed in enumerate((100, 600, 300, 500)):
        tally.add(Progress("pulling a", A, 1000, completed), float(at))
        assert tally.retrying is (completed in (300, 500))
    assert (tally.completed, tally.total) == (600, 1000)
    assert tally.received == 700, "fetched twice is received twice"
    tally.add(Progress("pulling a", A, 1000, 600), 4.0)
    assert not tally.retrying


@settings(max_examples=50)
@given(st.permutations(range(1, 30)), st.integers(1, 10**9))
def test_shuffled_lines_of_a_growing_total_end_at_the_largest(order: list[int], size: int) -> None:
    tally = Tally(0.0)
    shown = 0
    for at, step in enumerate(order):
        tally.add(Progress("pulling a", A, size + step, step), float(at))
        tally.add(Progress("pulling b", B, 29, step), float(at))
        assert tally.completed >= shown
        shown = tally.completed
    assert tally.total == size + 29 + 29 or size < 29
    assert all(layer.completed == 29 for layer in tally.layers)


def test_a_further_try_says_what_the_server_had_kept() -> None:
    tally = Tally(0.0)
    tally.add(Progress("pulling a", A, 1000, 0), 0.0)
    tally.add(Progress("pulling a", A, 1000, 600), 10.0)
    assert (tally.resumed_at, tally.began_again) == (None, False)
    tally.begin(20.0)
    assert (tally.completed, tally.phase, tally.retrying) == (600, PullPhase.PREPARING, False)
    tally.add(Progress("pulling a", A, 1000, 590), 21.0)
    assert (tally.completed, tally.resumed_at, tally.began_again, tally.retrying) == (600, 590, False, True)
    tally.add(Progress("pulling a", A, 1000, 700), 23.0)
    assert (tally.completed, tally.retrying, tally.speed(23.0)) == (700, False, 55.0)
    tally.begin(30.0)
    tally.add(Progress("pulling a", A, 1000, 5), 31.0)
    assert (tally.completed, tally.resumed_at, tally.began_again) == (700, 5, True)
    assert tally.eta(1.0) == 995.0


def test_a_layer_that_was_whole_was_not_interrupted() -> None:
    tally = Tally(0.0)
    tally.add(Progress("pulling a", A, 10, 10), 0.0)
    tally.begin(1.0)
    tally.add(Progress("pulling a", A, 10, 10), 2.0)
    tally.add(Progress("pulling b", B, 50, 0), 2.0)
    assert (tally.resumed_at, tally.began_again) == (None, False)


def test_a_pull_of_an_earlier_run_says_too_what_was_kept() -> None:
    kept, lost = Tally(0.0, had=600), Tally(0.0, had=600)
    kept.add(Progress("pulling a", A, 1000, 620), 0.0)
    lost.add(Progress("pulling a", A, 1000, 0), 0.0)
    assert (kept.resumed_at, kept.began_again) == (620, False)
    assert (lost.resumed_at, lost.began_again) == (0, True)


def test_many_lines_in_a_second_keep_no_more_samples_than_few() -> None:
    tally = Tally(0.0)
    for number in range(20_000):
        tally.add(Progress("pulling a", A, 20_000, number), number / 10_000)
        tally.speed(number / 10_000)
    assert len(tally._samples) <= 2 * 10 * 2 + 2
    assert tally.speed(2.0) == pytest.approx(10_000, rel=0.05)


def test_speed_counts_the_last_ten_seconds_and_nothing_that_was_on_disk() -> None:
    tally = Tally(0.0)
    tally.add(Progress("pulling a", A, 10_000, 4_000), 0.0)
    assert tally.speed(0.5) is None
    for second in range(1, 21):
        tally.add(
            Progress("pulling a", A, 10_000, 4_000 + (100 * second if second <= 10 else 1_000 + 10 * (second - 10))),
            float(second),
        )
        if second == 10:
            assert tally.speed(10.0) == 100.0
    assert tally.speed(20.0) == 10.0
    assert tally.eta(10.0) == (10_000 - 5_100) / 10.0
    assert tally.eta(0.0) is None


def test_stalled_after_fifteen_seconds_without_a_byte_while_downloading() -> None:
    tally = Tally(0.0)
    tally.add(Progress("pulling manifest"), 0.0)
    assert not tally.stalled(STALL_AFTER * 2)
    tally.add(Progress("pulling a", A, 1000, 10), 40.0)
    tally.add(Progress("pulling a", A, 1000, 10), 54.0)
    assert not tally.stalled(54.9)
    assert tally.stalled(55.0)
    tally.add(Progress("pulling a", A, 1000, 11), 56.0)
    assert not tally.stalled(56.0)
    tally.add(Progress("pulling a", A, 1000, 1000), 57.0)
    assert not tally.stalled(99.0), "everything known of is there: what comes next takes its time"
    tally.add(Progress("verifying sha256 digest"), 99.0)
    assert tally.phase is PullPhase.VERIFYING
    assert not tally.stalled(999.0)


def test_the_words_of_the_server_move_the_phase() -> None:
    tally = Tally(0.0)
    phases = []
    for status in (
        "pulling manifest",
        "verifying sha256 digest",
        "writing manifest",
        "removing unused layers",
        "brewing",
    ):
        tally.add(Progress(status), 0.0)
        phases.append(tally.phase)
    assert phases == [PullPhase.PREPARING, PullPhase.VERIFYING, *[PullPhase.WRITING] * 3]
    tally.add(Progress("brewing\x1b[31m\n coffee"), 0.0)
    assert tally.status == "brewing␛[31m coffee"
