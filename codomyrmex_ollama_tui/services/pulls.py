"""Pulls that outlive screens: a queue, each pull with one total in bytes that never goes down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.errors import OllamaError, ServerUnreachable, casts_doubt
from codomyrmex_ollama_tui.services.listeners import Listeners
from codomyrmex_ollama_tui.services.pull_state import PullState, at_rest, key_of
from codomyrmex_ollama_tui.services.pull_trouble import is_passing, words_of
from codomyrmex_ollama_tui.services.tally import LayerState, PullPhase, Tally

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.pull_memory import PullMemory
    from codomyrmex_ollama_tui.services.server import ServerService, ServerState

__all__ = ["LayerState", "PullPhase", "PullQueue", "PullState"]

log = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between states while nothing comes from the server, so that speed and stall are told."""
TELL_EVERY = 0.2
"""Seconds between two states of one pull, however many lines come; another phase is told at once."""
KEEP_EVERY = 5.0
"""Seconds between two times that the figures of a pull are written down."""
BREATH = 64
"""Lines of a server that are taken in before everything else on the loop has its turn."""
RETRY_DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before each further try when the network fails; when bytes have come it begins with the first again."""
LEFT_OVER = "left over from the last time"


class _Run:
    """A pull that is being worked on: all its tries until it is over or a person stops it."""

    def __init__(self, key: str, tally: Tally) -> None:
        self.key = key
        self.tally = tally
        self.stopped = False
        """A person has said so; it tells nothing any more while its connection closes."""
        self.dirty = False
        self.timer: asyncio.TimerHandle | None = None
        self.retry_at: float | None = None
        self.kept_at = 0.0
        self.task: asyncio.Task[None]


class PullQueue:
    """Pulls in the order they were added, so many at a time. Its methods are called on the event loop.

    Args:
        at_once: how many are pulled at a time.
        retry_delays: seconds before each further try when the network fails.
        memory: what is written down; None: nothing is.
    """

    def __init__(
        self,
        server: ServerService,
        *,
        clock: Callable[[], float] = time.monotonic,
        at_once: int = 1,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        memory: PullMemory | None = None,
    ) -> None:
        self._server = server
        self._clock = clock
        self._at_once = max(1, at_once)
        self._delays = tuple(retry_delays)
        self._memory = memory
        self._states: dict[str, PullState] = {}
        self._tallies: dict[str, Tally] = {}
        self._kept: dict[str, str] = {}
        self._waiting: list[str] = []
        self._runs: dict[str, _Run] = {}
        self._listeners: Listeners[PullState] = Listeners()
        self._ready = asyncio.Event()
        self._unsubscribe: Callable[[], None] | None = None
        self._closed = False

    @property
    def states(self) -> tuple[PullState, ...]:
        """All pulls of this run in the order they were added, those that are over included until dismissed."""
        return tuple(self._states.values())

    @property
    def at_once(self) -> int:
        """How many are pulled at a time."""
        return self._at_once

    @at_once.setter
    def at_once(self, number: int) -> None:
        self._at_once = max(1, number)
        self._next()

    def add(self, name: str) -> PullState:
        """Queues a pull, or joins the one of the same model. One that is paused or failed goes on; one that is done
        or was cancelled begins anew.

        Raises:
            ValueError: no model can have that name; one sentence says why.
        """
        key, shown = key_of(name)
        state = self._states.get(key)
        if state is None or state.phase.over or state.phase is PullPhase.PAUSED:
            if state is None or state.phase in (PullPhase.DONE, PullPhase.CANCELLED):
                self._states.pop(key, None)  # to the end of the list
                self._tallies.pop(key, None)
                state = PullState(shown)
            else:
                state = at_rest(state, PullPhase.QUEUED)
            self._waiting.append(key)
            self._publish(key, state)
            self._keep(key, state)
            self._next()
        return self._states[key]

    def pause(self, name: str) -> None:
        """Closes the connection of a pull or takes it from the queue, until it is resumed.

        What has come stays on servers that keep it; whether this one did is known when it goes on.
        """
        self._stop(name, PullPhase.PAUSED)

    def resume(self, name: str) -> None:
        """Lets a paused pull go on when it is its turn."""
        key, _ = key_of(name)
        if key in self._states and self._states[key].phase is PullPhase.PAUSED:
            self.add(name)

    def cancel(self, name: str) -> None:
        """Takes a pull from the queue or closes its connection; the server keeps or drops the partial as it likes."""
        self._stop(name, PullPhase.CANCELLED)

    def retry(self, name: str) -> None:
        """Queues a failed or cancelled pull again, or lets one that waits for its next try go on at once."""
        key, _ = key_of(name)
        run = self._runs.get(key)
        if run is not None and run.retry_at is not None:
            self._ready.set()
        elif key in self._states:
            self.add(name)

    def dismiss(self, name: str) -> None:
        """Forgets a pull that is over or paused."""
        key, _ = key_of(name)
        state = self._states.get(key)
        if state is not None and (state.phase.over or state.phase is PullPhase.PAUSED):
            self._forget(key)
            self._tallies.pop(key, None)
            del self._states[key]

    def listen(self, callback: Callable[[PullState], None]) -> Callable[[], None]:
        """Calls `callback` on the loop with every new state of every pull. Returns what unsubscribes."""
        return self._listeners.add(callback)

    async def restore(self) -> tuple[PullState, ...]:
        """Puts the pulls that an earlier run of the program did not end into the queue, paused; returns them."""
        restored = []
        for pull in await self._memory.left_over(self._place()) if self._memory is not None else ():
            try:
                key, shown = key_of(pull.name)
            except ValueError:
                continue  # another version of the program knew better names
            if key in self._states or self._closed:
                continue
            state = PullState(shown, PullPhase.PAUSED, pull.completed, pull.total, status=LEFT_OVER)
            self._kept[key] = pull.server
            self._tallies[key] = Tally(self._clock(), had=pull.completed)
            self._publish(key, state)
            restored.append(state)
        return tuple(restored)

    async def pulled_names(self) -> tuple[str, ...]:
        """Names of models that were pulled before, in this run and earlier ones, the newest first."""
        done = [state.name for state in reversed(self.states) if state.phase is PullPhase.DONE]
        before = await self._memory.pulled_names() if self._memory is not None else ()
        return tuple(dict.fromkeys((*done, *before)))

    async def aclose(self) -> None:
        """Closes the connections and ends. What is not done can be offered again at the next start."""
        self._closed = True
        self._listeners.clear()
        if self._unsubscribe is not None:
            self._unsubscribe()
        for key, run in self._runs.items():
            state = self._states.get(key)
            if state is not None and state.phase.running:
                self._keep(key, state)
            run.task.cancel()
        try:
            if self._runs:
                await asyncio.wait([run.task for run in self._runs.values()])
        finally:
            if self._memory is not None:
                await self._memory.aclose()

    # ------------------------------------------------------------------ the queue

    def _stop(self, name: str, phase: PullPhase) -> None:
        key, _ = key_of(name)
        state = self._states.get(key)
        if state is None or state.phase.over or state.phase is phase:
            return
        if key in self._waiting:
            self._waiting.remove(key)
        elif key in self._runs:
            self._runs[key].stopped = True
            self._runs[key].task.cancel()
        self._publish(key, at_rest(state, phase))
        if phase is PullPhase.CANCELLED:
            self._forget(key)
        else:
            self._keep(key, self._states[key])

    def _next(self) -> None:
        for key in tuple(self._waiting):
            if len(self._runs) >= self._at_once or self._closed:
                return
            if key in self._runs:
                continue  # the connection of an earlier try is still being closed
            self._waiting.remove(key)
            tally = self._tallies.setdefault(key, Tally(self._clock()))
            run = self._runs[key] = _Run(key, tally)
            run.task = asyncio.get_running_loop().create_task(self._work(run), name=f"pull {key}")
            run.task.add_done_callback(partial(self._ended, run))

    def _ended(self, run: _Run, task: asyncio.Task[None]) -> None:
        del self._runs[run.key]
        if run.timer is not None:
            run.timer.cancel()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a pull ended by a mistake of ours", exc_info=error)
        self._next()

    async def _work(self, run: _Run) -> None:
        failures = 0
        while True:
            run.tally.begin(self._clock())
            had = run.tally.completed
            try:
                await self._try(run)
            except OllamaError as error:
                if run.stopped:
                    return
                if casts_doubt(error):
                    self._server.doubt()
                if run.tally.completed > had:  # a server that only fetches the same again gets nowhere
                    failures = 0
                if failures >= len(self._delays) or not is_passing(error) or self._never_there(run, error):
                    self._fail(run, error)
                    return
                await self._rest(run, self._delays[failures], error)
                failures += 1
            else:
                run.tally.phase = PullPhase.DONE
                self._tell(run)
                self._done(run.key)
                return

    def _never_there(self, run: _Run, error: OllamaError) -> bool:
        """Nobody has answered at that address so far: a wrong address is told at once."""
        return isinstance(error, ServerUnreachable) and not (run.tally.status or self._server.state.version)

    async def _try(self, run: _Run) -> None:
        """One request, until `success`."""
        self._tell(run, "waiting for the server")
        ticking = asyncio.get_running_loop().create_task(self._tick(run))
        try:
            client = await self._server.client()
            with self._server.busy():
                async with aclosing(client.pull(self._states[run.key].name)) as lines:
                    count = 0
                    async for progress in lines:
                        self._server.heard()
                        run.tally.add(progress, self._clock())
                        self._changed(run)
                        if (count := count + 1) % BREATH == 0:
                            await asyncio.sleep(0)
        finally:
            ticking.cancel()

    async def _rest(self, run: _Run, seconds: float, error: OllamaError) -> None:
        """Waits for the next try, or until the server is there again."""
        if self._unsubscribe is None:
            self._unsubscribe = self._server.listen(self._server_changed)
        self._ready.clear()
        run.retry_at = self._clock() + seconds
        run.tally.phase = PullPhase.WAITING
        why = words_of(error, self._states[run.key].name)
        ticking = asyncio.get_running_loop().create_task(self._tick(run))
        try:
            self._tell(run, why)
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            pass
        finally:
            run.retry_at = None
            ticking.cancel()

    def _server_changed(self, state: ServerState) -> None:
        from codomyrmex_ollama_tui.services.state import ServerPhase

        if state.phase is ServerPhase.READY:
            self._ready.set()

    def _fail(self, run: _Run, error: OllamaError) -> None:
        state = at_rest(self._states[run.key], PullPhase.FAILED)
        if not is_passing(error):
            self._forget(run.key)
        self._publish(run.key, replace(state, error=words_of(error, state.name), failure=error))

    # ------------------------------------------------------------------ telling

    async def _tick(self, run: _Run) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._tell(run)

    def _changed(self, run: _Run) -> None:
        """A line has come: tell it, unless something was told just now; then a little later."""
        if run.tally.phase is not self._states[run.key].phase:
            self._tell(run)
        elif run.timer is not None:
            run.dirty = True
        else:
            self._tell(run)
            run.timer = asyncio.get_running_loop().call_later(TELL_EVERY, self._later, run)

    def _later(self, run: _Run) -> None:
        run.timer = None
        if run.dirty and not run.stopped:
            run.dirty = False
            self._changed(run)

    def _tell(self, run: _Run, status: str | None = None) -> None:
        state = self._states.get(run.key)
        if state is None or run.stopped or state.phase.over:
            return
        now, tally = self._clock(), run.tally
        speed = tally.speed(now)
        told = PullState(
            name=state.name,
            phase=tally.phase,
            completed=max(state.completed, tally.completed),
            total=tally.total if tally.total is not None else state.total,
            layers=tally.layers,
            speed=speed,
            eta=tally.eta(speed),
            stalled=tally.stalled(now),
            status=status or tally.status or state.status,
            received=tally.received,
            retrying=tally.retrying,
            resumed_at=tally.resumed_at,
            began_again=tally.began_again,
            retry_in=None if run.retry_at is None else max(0.0, run.retry_at - now),
        )
        if told != state:
            self._publish(run.key, told)
            if now - run.kept_at >= KEEP_EVERY:
                run.kept_at = now
                self._keep(run.key, told)

    def _publish(self, key: str, state: PullState) -> None:
        self._states[key] = state
        self._listeners.tell(state)

    # ------------------------------------------------------------------ what is written down

    def _place(self) -> str:
        state = self._server.state
        return "embedded" if state.kind == "embedded" else state.label

    def _keep(self, key: str, state: PullState) -> None:
        if self._memory is not None:
            place = self._place()
            if self._kept.get(key, place) != place:  # it was asked for before its server was known
                self._memory.drop(self._kept[key], state.name)
            self._kept[key] = place
            self._memory.keep(place, state.name, state.completed, state.total)

    def _forget(self, key: str) -> None:
        place = self._kept.pop(key, None)
        if self._memory is not None and place is not None and key in self._states:
            self._memory.drop(place, self._states[key].name)

    def _done(self, key: str) -> None:
        place = self._kept.pop(key, self._place())
        if self._memory is not None:
            self._memory.done(place, self._states[key].name)
