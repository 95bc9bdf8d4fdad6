"""Batches: the cells of a plan asked on one or more servers, some at a time, written down as they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.plans import Plan
from codomyrmex_ollama_tui.domain.runs import WORTH_A_TRY, CellResult, CellStatus
from codomyrmex_ollama_tui.services.batch_cells import cannot_ask, request_of, result_from
from codomyrmex_ollama_tui.services.batch_events import (
    BatchEnded,
    BatchEvent,
    CellBegan,
    CellEnded,
    CellTried,
    Estimate,
    ServerLost,
    Tally,
)
from codomyrmex_ollama_tui.services.batch_servers import environment_of

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.execution import ExecutionService
    from codomyrmex_ollama_tui.store.run_lines import LineWriter
    from codomyrmex_ollama_tui.store.runs import RunsStore

FIRST_WAIT = 1.0
LONGEST_WAIT = 30.0
"""Seconds before a further try: doubled each time from the first to the longest."""
PATIENCE = 60.0
"""Seconds that a server may be away before its cells are left for another time."""


class Batches:
    """Begins batches, and goes on with those that were stopped or killed."""

    def __init__(
        self,
        runs: RunsStore,
        reach: Callable[[str], ExecutionService],
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        patience: float = PATIENCE,
        tool: str = "",
    ) -> None:
        """
        Args:
            reach: what runs requests on the server of that name; "" is the one that the program uses anyway.
            sleep: waits that many seconds before a further try.
            patience: seconds that a server may be away before its cells are left.
            tool: name and version of this program, for the record.
        """
        self.runs = runs
        self._reach = reach
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._patience = patience
        self._tool = tool

    async def begin(self, plan: Plan) -> Batch:
        """Looks at the servers, and writes the beginning of the run; nothing is asked of a model yet.

        Raises:
            ServerUnreachable: a server does not answer.
            ModelNotFound: a model is not there.
            OSError: the file cannot be written.
        """
        environment = await environment_of(plan, self._reach, self._tool)
        id_ = await asyncio.to_thread(self.runs.create, plan, at=self._now(), environment=environment)
        return self._batch(id_, plan, list(range(plan.size)), Tally(plan.size))

    async def go_on(self, id_: str, *, failed: bool = False) -> Batch:
        """Goes on with a run where it was.

        Args:
            failed: cells that have ended without an answer are asked again as well.

        Raises:
            OutputNotFound, OutputUnreadable: there is no such run, or its plan cannot be read.
            ServerUnreachable, ModelNotFound: as `begin`.
            Busy: another program is writing it.
        """
        run = await asyncio.to_thread(self.runs.read, id_)
        again = {number for number, result in run.results.items() if failed and not result.answered}
        left = sorted({*run.left, *again})
        kept = [result for number, result in run.results.items() if number not in again]
        tally = Tally(run.plan.size, done=len(run.gone))
        for result in kept:
            tally = _counted(tally, result)
        batch = self._batch(id_, run.plan, left, tally)
        if left:
            batch.environment = await environment_of(run.plan, self._reach, self._tool)
        return batch

    def _batch(self, id_: str, plan: Plan, left: list[int], tally: Tally) -> Batch:
        return Batch(self, id_, plan, left, tally)


@dataclass
class _Lane:
    """The cells of one server."""

    server: str
    execution: ExecutionService
    waiting: Iterator[int]
    down_since: float | None = None
    lost: bool = False


@dataclass
class Batch:
    """One sitting of a run: `events()` runs it. `pause`, `resume` and `cancel` may be called on its loop at any time.

    Attributes:
        id: of the run.
        left: the cells that are to be asked, in their order.
        environment: what was found of the servers when a run goes on; None for a run that begins.
    """

    batches: Batches
    id: str
    plan: Plan
    left: list[int]
    counted: Tally
    environment: Mapping[str, object] | None = None
    _going: asyncio.Event = field(default_factory=asyncio.Event)
    _cancelled: bool = False

    def __post_init__(self) -> None:
        self._going.set()
        self._clock = self.batches._clock
        self._estimate = Estimate(self.plan, self.left, self._clock)
        self._news: asyncio.Queue[BatchEvent | Exception | None] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []

    @property
    def tally(self) -> Tally:
        """How far it is now."""
        paused = not self._going.is_set()
        return replace(
            self.counted,
            running=self._estimate.running,
            eta=None if paused else self._estimate.seconds,
            paused=paused,
        )

    def pause(self) -> None:
        """Begins nothing new; what runs comes to its end."""
        self._going.clear()

    def resume(self) -> None:
        """Goes on after a pause."""
        self._going.set()

    def cancel(self) -> None:
        """Stops what runs and begins nothing new; the cells that were stopped are asked when the run goes on."""
        self._cancelled = True
        self._end_workers()
        self._news.put_nowait(None)

    async def events(self) -> AsyncGenerator[BatchEvent, None]:
        """Runs it, and tells what happens; each result stands in the file before it is told.

        Closing the generator cancels it. Only once for each object.

        Raises:
            OutputNotSaved: the file cannot be written (Busy: another program writes it); what ran is stopped.
        """
        batches = self.batches
        writer = await asyncio.to_thread(batches.runs.writer, self.id)
        closing: str | None = "cancelled"
        try:
            if self.environment is not None:
                at = batches._now().isoformat()
                writer.append({"type": "session", "at": at, "environment": self.environment})
            self._begin(writer)
            running = len(self._workers) - 1  # without the one that syncs
            while running and not self._cancelled:
                event = await self._news.get()
                if isinstance(event, Exception):
                    closing = None
                    raise event
                if event is None:
                    running -= 1
                else:
                    yield event
            await self._stop()
            while not self._news.empty():  # what ended while it was being cancelled
                event = self._news.get_nowait()
                if event is not None and not isinstance(event, Exception):
                    yield event
            if not self._cancelled:
                closing = "done" if self.counted.done >= self.counted.total else "stopped"
        finally:
            await self._stop()
            try:
                if closing is not None:
                    writer.append({"type": "end", "at": batches._now().isoformat(), "status": closing})
            finally:
                await asyncio.shield(asyncio.to_thread(writer.close))
        yield BatchEnded(closing or "")

    def _begin(self, writer: LineWriter) -> None:
        per_target = self.plan.size // len(self.plan.targets)
        by_server: dict[str, list[int]] = {}
        for number in self.left:
            by_server.setdefault(self.plan.targets[number // per_target].server, []).append(number)
        spawn = asyncio.get_running_loop().create_task
        self._workers = [spawn(self._sync(writer))]
        for server, numbers in by_server.items():
            lane = _Lane(server, self.batches._reach(server), iter(numbers))
            for _ in range(min(self.plan.concurrency, len(numbers))):
                self._workers.append(spawn(self._work(lane, writer)))

    def _end_workers(self) -> None:
        for worker in self._workers:
            # Only once: a second time would break off the closing of the connection.
            if not worker.cancelling():
                worker.cancel()

    async def _stop(self) -> None:
        self._end_workers()
        if self._workers:
            await asyncio.wait(self._workers)

    async def _sync(self, writer: LineWriter) -> None:
        """What was written is made to last once a second, on a thread: it takes longer than a frame."""
        while True:
            await asyncio.sleep(0.25)
            if writer.due:
                try:
                    await asyncio.to_thread(writer.sync)
                except OSError as error:
                    self._news.put_nowait(error)
                    return

    async def _work(self, lane: _Lane, writer: LineWriter) -> None:
        try:
            while True:
                await self._going.wait()
                if lane.lost or (number := next(lane.waiting, None)) is None:
                    break
                self._estimate.begin(number)
                done = False
                try:
                    done = await self._cell(lane, number, writer)
                finally:
                    self._estimate.end(number, done=done)
            self._news.put_nowait(None)
        except Exception as error:  # raised again where the events are read
            self._news.put_nowait(error)

    async def _cell(self, lane: _Lane, number: int, writer: LineWriter) -> bool:
        """Asks one cell until it has ended; False where its server is lost."""
        attempt = 0
        while True:
            attempt += 1
            self._news.put_nowait(CellBegan(number, attempt))
            result = await self._try(lane, number, attempt)
            if result.status is CellStatus.CONNECT:
                # Nobody took the request, so that it is no try of this cell.
                lane.down_since = self._clock() if lane.down_since is None else lane.down_since
                if lane.lost or self._clock() - lane.down_since >= self.batches._patience:
                    writer.append(replace(result, last=False).fields())
                    if not lane.lost:
                        lane.lost = True
                        self._news.put_nowait(ServerLost(lane.server, result.words))
                    return False
                further = True
            else:
                lane.down_since = None
                further = result.status in WORTH_A_TRY and attempt <= self.plan.retries
            if not further:
                break
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (attempt - 1))
            tried = replace(result, last=False)
            writer.append(tried.fields())
            self._news.put_nowait(CellTried(tried, wait))
            await self.batches._sleep(wait)
        writer.append(result.fields())
        self.counted = _counted(self.counted, result)
        self._news.put_nowait(CellEnded(result))
        return True

    async def _try(self, lane: _Lane, number: int, attempt: int) -> CellResult:
        cell = self.plan.cell(number)
        try:
            asked = cell.asked(self.plan)
            request = request_of(cell, asked)
            execution = await lane.execution.run(request, first_byte_timeout=self.plan.first_byte_timeout)
        except (TypeError, ValueError) as error:
            return cannot_ask(cell, self.batches._now(), str(error))
        return result_from(cell, asked, execution, attempt)


def _counted(tally: Tally, result: CellResult) -> Tally:
    return replace(
        tally,
        done=tally.done + 1,
        failed=tally.failed + (not result.answered),
        passed=tally.passed + (bool(result.checks) and result.passed),
        asserted=tally.asserted + bool(result.checks),
    )
