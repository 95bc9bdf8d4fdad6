"""Batches at real local servers: the servers, the services, a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codomyrmex_ollama_tui.client.address import parse_address
from codomyrmex_ollama_tui.domain.plans import Plan, plan_of
from codomyrmex_ollama_tui.services.batch import Batch, Batches
from codomyrmex_ollama_tui.services.batch_events import BatchEnded, BatchEvent, CellEnded
from codomyrmex_ollama_tui.services.batch_servers import NamedServers
from codomyrmex_ollama_tui.services.execution import ExecutionService
from codomyrmex_ollama_tui.services.server import ServerService
from codomyrmex_ollama_tui.services.state import Access
from codomyrmex_ollama_tui.store.runs import RunsStore
from tests.services.asking import NOON, Hand, end, line, on_disk
from tests.services.rooms import launcher, ollama
from tests.support.server import LocalServer, Request, Stream

LIMIT = 60.0


def plan(**fields: Any) -> Plan:
    """A plan of model "m:1" and the prompts "say 0", "say 1", "say 2", but for what is given."""

    def read(name: str) -> Any:
        raise AssertionError(name)

    return plan_of({"models": ["m:1"], "prompts": [f"say {number}" for number in range(3)], **fields}, read)


def echo(request: Request) -> Stream:
    """What the model says: the prompt in capitals."""
    return Stream(line(request.json["prompt"].upper()), end())


@dataclass
class Stage:
    """Servers by their names ("" is the present one), and what runs batches on them."""

    servers: Mapping[str, LocalServer]
    batches: Batches
    runs: RunsStore
    clock: Hand
    waits: list[float] = field(default_factory=list)

    @property
    def real(self) -> LocalServer:
        """The present server."""
        return self.servers[""]

    async def ended(self, batch: Batch) -> list[BatchEvent]:
        """All events of a batch to its end."""
        events: list[BatchEvent] = []
        async with asyncio.timeout(LIMIT), aclosing(batch.events()) as told:
            async for event in told:
                events.append(event)
        assert isinstance(events[-1], BatchEnded)
        return events

    async def run(self, asked: Plan) -> tuple[Batch, list[BatchEvent]]:
        """A batch from its beginning to its end."""
        batch = await self.batches.begin(asked)
        return batch, await self.ended(batch)


def numbers(events: list[BatchEvent]) -> list[int]:
    """The cells that have ended, in that order."""
    return [event.result.cell for event in events if isinstance(event, CellEnded)]


@asynccontextmanager
async def stage(
    folder: Path, *names: str, patience: float = 0.0, waiting: Callable[[float], None] | None = None
) -> AsyncIterator[Stage]:
    """The present server and named ones, all with the models "m:1" and "n:1"; each echoes.

    Args:
        patience: seconds that a server may be away.
        waiting: called with the seconds of each wait before a further try; no time passes but what it moves.
    """
    clock, waits = Hand(), list[float]()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.now += seconds
        if waiting is not None:
            waiting(seconds)
        await asyncio.sleep(0)

    async with AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(ollama()) for name in ("", *names)}
        for server in servers.values():
            server.route("GET", "/api/tags", on_disk("m:1", "n:1"))
            server.route("POST", "/api/generate", echo)
        present = ServerService(parse_address(servers[""].url), "flag", launcher(folder), clock=clock, check_every=0.05)
        stack.push_async_callback(present.aclose)
        execution = ExecutionService(present, now=lambda: NOON, clock=clock)
        reach = NamedServers(
            execution,
            lambda name: (parse_address(servers[name].url), Access()),
            launcher(folder),
            now=lambda: NOON,
            clock=clock,
        )
        stack.push_async_callback(reach.aclose)
        tokens = itertools.count()
        runs = RunsStore(folder / "runs", token=lambda: f"{next(tokens):06x}")
        batches = Batches(runs, reach, now=lambda: NOON, clock=clock, sleep=sleep, patience=patience, tool="test 1")
        yield Stage(servers, batches, runs, clock, waits)
