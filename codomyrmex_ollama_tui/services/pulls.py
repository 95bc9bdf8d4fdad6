"""Pulls that outlive screens: a queue, one at a time, each with one total in bytes that never goes down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.errors import ModelNotFound, OllamaError, casts_doubt
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.listeners import Listeners
from codomyrmex_ollama_tui.services.tally import LayerState, PullPhase, Tally

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.server import ServerService

__all__ = ["LayerState", "PullPhase", "PullQueue", "PullState"]

log = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between states while nothing comes from the server, so that speed and stall are told."""


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
        failure: the error itself.
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
    failure: OllamaError | None = None


class PullQueue:
    """Pulls in the order they were added, one at a time. Its methods are called on the event loop."""

    def __init__(self, server: ServerService, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._states: dict[str, PullState] = {}
        self._waiting: list[str] = []
        self._running: tuple[str, asyncio.Task[None]] | None = None
        self._listeners: Listeners[PullState] = Listeners()
        self._closed = False

    @property
    def states(self) -> tuple[PullState, ...]:
        """All pulls of this run in the order they were added, those that are over included until dismissed."""
        return tuple(self._states.values())

    def add(self, name: str) -> PullState:
        """Queues a pull, or joins the one of the same model (one that is over is queued again).

        Raises:
            ValueError: no model can have that name; one sentence says why.
        """
        key, shown = _key(name)
        state = self._states.get(key)
        if state is None or state.phase.over:
            self._states.pop(key, None)  # to the end of the list
            state = PullState(shown)
            self._waiting.append(key)
            self._publish(key, state)
            self._next()
        return self._states[key]

    def cancel(self, name: str) -> None:
        """Takes a pull from the queue or closes its connection; the server keeps or drops the partial as it likes."""
        key, _ = _key(name)
        state = self._states.get(key)
        if state is None or state.phase.over:
            return
        if key in self._waiting:
            self._waiting.remove(key)
        elif self._running is not None and self._running[0] == key:
            self._running[1].cancel()
        self._publish(key, replace(state, phase=PullPhase.CANCELLED, speed=None, eta=None, stalled=False))

    def retry(self, name: str) -> None:
        """Queues a failed or cancelled pull again; its figures begin anew."""
        if _key(name)[0] in self._states:
            self.add(name)

    def dismiss(self, name: str) -> None:
        """Forgets a pull that is over."""
        key, _ = _key(name)
        if key in self._states and self._states[key].phase.over:
            del self._states[key]

    def listen(self, callback: Callable[[PullState], None]) -> Callable[[], None]:
        """Calls `callback` on the loop with every new state of every pull. Returns what unsubscribes."""
        return self._listeners.add(callback)

    async def aclose(self) -> None:
        """Closes the running pull and ends."""
        self._closed = True
        self._listeners.clear()
        if self._running is not None:
            self._running[1].cancel()
            await asyncio.wait([self._running[1]])

    def _next(self) -> None:
        if self._running is not None or not self._waiting or self._closed:
            return
        key = self._waiting.pop(0)
        task = asyncio.get_running_loop().create_task(self._pull(key), name=f"pull {key}")
        self._running = (key, task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a pull ended by a mistake of ours", exc_info=error)
        self._next()

    async def _pull(self, key: str) -> None:
        name = self._states[key].name
        tally = Tally(self._clock())
        self._tell(key, tally, "waiting for the server")
        ticking = asyncio.get_running_loop().create_task(self._tick(key, tally))
        try:
            client = await self._server.client()
            with self._server.busy():
                async with aclosing(client.pull(name)) as lines:
                    async for progress in lines:
                        self._server.heard()
                        tally.add(progress, self._clock())
                        self._tell(key, tally)
        except OllamaError as error:
            if self._being_cancelled():
                return
            if casts_doubt(error):
                self._server.doubt()
            words = one_line(str(error), 400)
            if isinstance(error, ModelNotFound):
                words = f"there is no model {name} to pull ({one_line(error.words)})"
            failed = replace(self._states[key], phase=PullPhase.FAILED, error=words, failure=error)
            self._publish(key, replace(failed, speed=None, eta=None, stalled=False))
        else:
            tally.phase = PullPhase.DONE
            self._tell(key, tally)
        finally:
            ticking.cancel()

    async def _tick(self, key: str, tally: Tally) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._tell(key, tally)

    def _tell(self, key: str, tally: Tally, status: str | None = None) -> None:
        state = self._states.get(key)
        if state is None or state.phase.over or self._being_cancelled():
            return
        now = self._clock()
        speed = tally.speed(now)
        told = PullState(
            name=state.name,
            phase=tally.phase,
            completed=tally.completed,
            total=tally.total,
            layers=tally.layers,
            speed=speed,
            eta=tally.eta(speed),
            stalled=tally.stalled(now),
            status=tally.status or status or state.status,
        )
        if told != state:
            self._publish(key, told)

    def _being_cancelled(self) -> bool:
        """The connection is just being closed; the state may already be that of the next try."""
        return self._running is not None and self._running[1].cancelling() > 0

    def _publish(self, key: str, state: PullState) -> None:
        self._states[key] = state
        self._listeners.tell(state)


def _key(name: str) -> tuple[str, str]:
    """What two names of one model have in common, and the name as it is shown."""
    from codomyrmex_ollama_tui.domain.names import parse_name, parse_reference, problem_with_name  # not at start

    reference = parse_reference(name)
    parsed = None if reference is None else parse_name(reference.pull_name)
    if parsed is None:
        raise ValueError(problem_with_name(name) or f"no model can be called {one_line(name, 80)!r}")
    return parsed.key, parsed.short
