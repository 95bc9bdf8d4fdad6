"""A queue of pulls at a real local server, and every state it tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from codomyrmex_ollama_tui.services.pull_memory import PullMemory
from codomyrmex_ollama_tui.services.pulls import PullQueue, PullState
from tests.services.rooms import LIMIT, launcher, ollama, watching
from tests.support.server import LocalServer, Stream

A = "sha256:" + "a" * 64
SUCCESS = Stream({"status": "success"})


@dataclass
class Bench:
    """A queue at a real server, and every state it told."""

    real: LocalServer
    queue: PullQueue
    told: list[PullState]
    news: asyncio.Event

    def take(self, state: PullState) -> None:
        self.told.append(state)
        self.news.set()

    async def until(self, wanted: Callable[[PullState], bool]) -> PullState:
        seen = 0
        async with asyncio.timeout(LIMIT):
            while True:
                for state in self.told[seen:]:
                    if wanted(state):
                        return state
                seen = len(self.told)
                self.news.clear()
                await self.news.wait()

    async def over(self, name: str = "smollm2:135m") -> PullState:
        return await self.until(lambda state: state.name == name and state.phase.over)


@asynccontextmanager
async def bench(
    folder: Path, *, delays: Sequence[float] = (), at_once: int = 1, memory: PullMemory | None = None
) -> AsyncIterator[Bench]:
    async with ollama() as real, watching(real.url, launcher(folder), "flag") as (service, _):
        queue = PullQueue(service, retry_delays=delays, at_once=at_once, memory=memory)
        made = Bench(real, queue, [], asyncio.Event())
        queue.listen(made.take)
        await service.start()
        try:
            yield made
        finally:
            await queue.aclose()
