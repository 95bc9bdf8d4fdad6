"""The arithmetic of a pull: lines of progress in, figures out that never go backwards."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import Progress

SPEED_WINDOW = 10.0
"""Seconds over which the speed of a pull is measured."""
STALL_AFTER = 15.0
"""Seconds without a new byte after which a download counts as stalled."""


class PullPhase(StrEnum):
    """Where a pull stands."""

    QUEUED = "queued"
    PREPARING = "preparing"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    WRITING = "writing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Nothing more will come unless it is tried again."""
        return self in (PullPhase.DONE, PullPhase.FAILED, PullPhase.CANCELLED)


@dataclass(frozen=True, slots=True)
class LayerState:
    """One layer of a model: bytes fetched of bytes known. `completed` never goes down within one try."""

    digest: str
    completed: int
    total: int


class Tally:
    """The figures of one try of a pull. Times are seconds of one monotonic clock."""

    def __init__(self, now: float) -> None:
        self.phase = PullPhase.PREPARING
        self.status = ""
        self._layers: dict[str, LayerState] = {}
        self._before = 0
        self._samples: deque[tuple[float, int]] = deque([(now, 0)])
        self._moved_at = now

    @property
    def layers(self) -> tuple[LayerState, ...]:
        """The layers seen so far, in the order in which the server began them."""
        return tuple(self._layers.values())

    @property
    def completed(self) -> int:
        """Bytes of all layers; never goes down, also where the server rolls a try back."""
        return sum(layer.completed for layer in self._layers.values())

    @property
    def total(self) -> int | None:
        """Bytes of all layers seen so far; None before the first. It only grows."""
        return sum(layer.total for layer in self._layers.values()) if self._layers else None

    def add(self, progress: Progress, now: float) -> None:
        """Takes one line in. What is absent counts as 0, as on the wire."""
        self.status = one_line(progress.status)
        if not progress.digest:
            self.phase = _phase_of(progress.status, self.phase)
            return
        if self.phase is not PullPhase.DOWNLOADING:
            self.phase, self._moved_at = PullPhase.DOWNLOADING, now
        if not self._layers:
            self._samples = deque([(now, 0)])  # what came before was no downloading
        seen = self._layers.get(progress.digest)
        done, size = max(0, progress.completed or 0), max(0, progress.total or 0)
        if seen is None:
            # What is there at first sight was on disk before, or cannot be told from it: it is no speed.
            self._before += done
        else:
            done, size = max(done, seen.completed), max(size, seen.total)
        # The words of a server are not to be trusted: more than all cannot be there.
        layer = LayerState(progress.digest, done, max(size, done))
        if seen is None or layer.completed > seen.completed:
            self._moved_at = now
        self._layers[progress.digest] = layer

    def speed(self, now: float) -> float | None:
        """Bytes per second over the last 10 s; None within the first second, and while nothing is downloaded."""
        if self.phase is not PullPhase.DOWNLOADING:
            return None
        fetched = self.completed - self._before
        samples = self._samples
        if fetched != samples[-1][1] or now - samples[-1][0] >= 0.5:
            samples.append((now, fetched))
        while len(samples) > 2 and samples[1][0] <= now - SPEED_WINDOW:
            samples.popleft()
        since, had = samples[0]
        return (fetched - had) / (now - since) if now - since >= 1.0 else None

    def eta(self, speed: float | None) -> float | None:
        """Seconds until everything known of is there at that speed."""
        total = self.total
        if not speed or total is None:
            return None
        return (total - self.completed) / speed

    def stalled(self, now: float) -> bool:
        """Whether a download that is not whole has brought no new byte for 15 s."""
        whole = self.total is not None and self.completed >= self.total
        return self.phase is PullPhase.DOWNLOADING and not whole and now - self._moved_at >= STALL_AFTER


def _phase_of(status: str, before: PullPhase) -> PullPhase:
    if status.startswith("verifying"):
        return PullPhase.VERIFYING
    if status.startswith(("writing", "removing", "couldn't remove", "success")):
        return PullPhase.WRITING
    # Words not known yet say nothing of where the pull stands.
    return before
