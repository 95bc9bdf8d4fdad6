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
KEPT_SHARE = 0.1
"""A server that goes on with less than this share of what had come began again."""


class PullPhase(StrEnum):
    """Where a pull stands."""

    QUEUED = "queued"
    PREPARING = "preparing"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    WRITING = "writing"
    WAITING = "waiting"
    """the network failed; it is tried again soon"""
    PAUSED = "paused"
    """a person stopped it, or the program ended before it was done; it can go on"""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Nothing more will come unless it is asked for anew."""
        return self in (PullPhase.DONE, PullPhase.FAILED, PullPhase.CANCELLED)

    @property
    def running(self) -> bool:
        """It is being worked on: it has a place among those that are pulled at once."""
        return not self.over and self not in (PullPhase.QUEUED, PullPhase.PAUSED)


@dataclass(frozen=True, slots=True)
class LayerState:
    """One layer of a model: bytes fetched of bytes known. `completed` never goes down."""

    digest: str
    completed: int
    total: int


class Tally:
    """The figures of a pull over all its tries. Times are seconds of one monotonic clock.

    Attributes:
        resumed_at: what the server still had of an interrupted layer when this try went on with it, in bytes; None
            while nothing is known, and when nothing was interrupted.
        began_again: it had next to nothing of it any more.
        received: bytes that came over the network, as far as the lines tell.
    """

    def __init__(self, now: float, *, had: int = 0) -> None:
        """`had`: bytes that came in an earlier run of the program."""
        self.phase = PullPhase.PREPARING
        self.status = ""
        self.resumed_at: int | None = None
        self.began_again = False
        self.received = 0
        self._layers: dict[str, LayerState] = {}
        self._had = had
        self._now_at: dict[str, int] = {}  # what the server says in this try; it can be less than what is shown
        self._samples: deque[tuple[float, int]] = deque([(now, 0)])
        self._moved_at = now

    def begin(self, now: float) -> None:
        """A further try begins; the figures stay until it is beyond them."""
        self.phase, self.status = PullPhase.PREPARING, ""
        self.resumed_at, self.began_again = None, False
        self._now_at = {}
        self._samples = deque([(now, self.received)])
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

    @property
    def retrying(self) -> bool:
        """The server has less than is shown: it fetches something again."""
        return any(at < self._layers[digest].completed for digest, at in self._now_at.items())

    def add(self, progress: Progress, now: float) -> None:
        """Takes one line in. What is absent counts as 0, as on the wire."""
        self.status = one_line(progress.status)
        if not progress.digest:
            self.phase = _phase_of(progress.status, self.phase)
            return
        if self.phase is not PullPhase.DOWNLOADING:
            self.phase, self._moved_at = PullPhase.DOWNLOADING, now
        if not self._now_at:
            self._samples = deque([(now, self.received)])  # what came before was no downloading
        seen = self._layers.get(progress.digest)
        done, size = max(0, progress.completed or 0), max(0, progress.total or 0)
        before = self._now_at.get(progress.digest)
        if before is None:
            # What is there at first sight was on disk before, or cannot be told from it: it is no speed.
            self._compare(done, max(size, done), seen)
        elif done > before:
            self.received += done - before
        if done != before:
            self._moved_at = now
        self._now_at[progress.digest] = done
        shown = max(done, seen.completed if seen else 0)
        # The words of a server are not to be trusted: more than all cannot be there.
        self._layers[progress.digest] = LayerState(progress.digest, shown, max(size, shown, seen.total if seen else 0))

    def _compare(self, done: int, size: int, seen: LayerState | None) -> None:
        """What is left of an interrupted layer, at the first line about it in a further try."""
        had = seen.completed if seen is not None else 0
        if not self._layers:
            had, self._had = min(self._had, size), 0  # the big layer is the first one, and what had come was of it
        if had and (seen is None or had < seen.total) and self.resumed_at is None:
            self.resumed_at = done
            self.began_again = done < KEPT_SHARE * had

    def speed(self, now: float) -> float | None:
        """Bytes per second over the last 10 s; None within the first second, and while nothing is downloaded."""
        if self.phase is not PullPhase.DOWNLOADING:
            return None
        samples = self._samples
        if self.received != samples[-1][1] or now - samples[-1][0] >= 0.5:
            if len(samples) > 1 and now - samples[-2][0] < 0.1:  # a fast server: a sample for each tenth is enough
                samples.pop()
            samples.append((now, self.received))
        while len(samples) > 2 and samples[1][0] <= now - SPEED_WINDOW:
            samples.popleft()
        since, had = samples[0]
        return (self.received - had) / (now - since) if now - since >= 1.0 else None

    def eta(self, speed: float | None) -> float | None:
        """Seconds until everything known of is there at that speed."""
        if not speed or not self._layers:
            return None
        there = sum(self._now_at.get(layer.digest, layer.completed) for layer in self._layers.values())
        return max(0, (self.total or 0) - there) / speed

    def stalled(self, now: float) -> bool:
        """Whether a download that is not whole has brought no new byte for 15 s."""
        whole = bool(self._layers) and not any(
            self._now_at.get(layer.digest, layer.completed) < layer.total for layer in self._layers.values()
        )
        return self.phase is PullPhase.DOWNLOADING and not whole and now - self._moved_at >= STALL_AFTER


def _phase_of(status: str, before: PullPhase) -> PullPhase:
    if status.startswith("verifying"):
        return PullPhase.VERIFYING
    if status.startswith(("writing", "removing", "couldn't remove", "success")):
        return PullPhase.WRITING
    # Words not known yet say nothing of where the pull stands.
    return before
