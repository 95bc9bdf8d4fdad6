"""Pulls that outlive screens: a queue, one at a time, each with one total in bytes that never goes down."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.errors import ModelNotFound, OllamaError, ServerUnreachable, StreamCut
from codomyrmex_ollama_tui.domain.models import Progress
from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.server import ServerService

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


@dataclass(frozen=True, slots=True)
class PullState:
    """One pull at one moment.

    Attributes:
        name: the model, in the short form with its tag ("llama3:latest").
        completed: bytes of all layers seen so far; never goes down within one try.
        total: bytes of all layers seen so far: the server names each layer only when it begins it, so this grows and
            a percentage of it is a lower bound of nothing ("≥"); None before the first layer.
        speed: bytes per second over the last 10 s, without what had been on disk before; None while unknown.
        eta: seconds until `total` at that speed; None while unknown.
        stalled: downloading, but no new byte for 15 s.
        status: the server's own words, cleaned.
        error: one sentence of why it failed; "" otherwise.
    """

    name: str
    phase: PullPhase = PullPhase.QUEUED
    completed: int = 0
    total: int | None = None
    layers: tuple[LayerState, ...] = ()
    speed: float | None = None
    eta: float | None = None
    stalled: bool = False
    status: str = ""
    error: str = ""


class PullQueue:
    """Pulls in the order they were added, one at a time. Its methods are called on the event loop."""

    def __init__(self, server: ServerService, *, clock: Callable[[], float] = time.monotonic) -> None:
        raise NotImplementedError

    @property
    def states(self) -> tuple[PullState, ...]:
        """All pulls of this run in the order they were added, those that are over included until dismissed."""
        raise NotImplementedError

    def add(self, name: str) -> PullState:
        """Queues a pull, or joins the one of the same model (one that is over is queued again).

        Raises:
            ValueError: no model can have that name; one sentence says why.
        """
        raise NotImplementedError

    def cancel(self, name: str) -> None:
        """Takes a pull from the queue or closes its connection; the server keeps or drops the partial as it likes."""
        raise NotImplementedError

    def retry(self, name: str) -> None:
        """Queues a failed or cancelled pull again; its figures begin anew."""
        raise NotImplementedError

    def dismiss(self, name: str) -> None:
        """Forgets a pull that is over."""
        raise NotImplementedError

    def listen(self, callback: Callable[[PullState], None]) -> Callable[[], None]:
        """Calls `callback` on the loop with every new state of every pull. Returns what unsubscribes."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Closes the running pull and ends."""
        raise NotImplementedError
