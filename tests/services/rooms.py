"""Servers, launchers and watched states for the tests of the services."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from codomyrmex_ollama_tui.client.address import parse_address
from codomyrmex_ollama_tui.services.launch import Launcher
from codomyrmex_ollama_tui.services.server import Origin, ServerPhase, ServerService, ServerState
from tests.support.server import LocalServer, Reply

ROOT = Path(__file__).parent.parent.parent
LIMIT = 20.0


class Watched:
    """Every state that a server service tells, and waiting for one."""

    def __init__(self, server: ServerService) -> None:
        self.states: list[ServerState] = []
        self._news = asyncio.Event()
        server.listen(self._take)

    def _take(self, state: ServerState) -> None:
        self.states.append(state)
        self._news.set()

    async def until(self, wanted: Callable[[ServerState], bool], *, limit: float = LIMIT) -> ServerState:
        """The first state from now on that is wanted."""
        seen = len(self.states)
        async with asyncio.timeout(limit):
            while True:
                for state in self.states[seen:]:
                    if wanted(state):
                        return state
                seen = len(self.states)
                self._news.clear()
                await self._news.wait()

    async def until_phase(self, phase: ServerPhase, *, limit: float = LIMIT) -> ServerState:
        return await self.until(lambda state: state.phase is phase, limit=limit)

    @property
    def phases(self) -> list[ServerPhase]:
        """The phases in order, repeated ones once."""
        told = [state.phase for state in self.states]
        return [phase for phase, before in zip(told, [None, *told], strict=False) if phase is not before]


def launcher(
    folder: Path,
    *,
    allowed: bool = True,
    search_path: str = "",
    engine: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Launcher:
    """A launcher in a test's folder. `engine`: whether the engine counts as installed."""
    plain = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "HOME") if name in os.environ}
    return Launcher(
        allowed=allowed,
        python=sys.executable,
        environment={**plain, "PID_FILE": str(folder / "pid"), **(environment or {})},
        state_folder=folder / "state",
        models_folder=folder / "models",
        package_folder=ROOT,
        search_path=search_path,
        engine_module="tests.support.engine_program",
        engine_needs=() if engine else ("there_is_no_such_module",),
    )


@asynccontextmanager
async def watching(
    url: str,
    starter: Launcher,
    origin: Origin = "default",
    *,
    check_every: float = 0.05,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[tuple[ServerService, Watched]]:
    """A server service with its states, closed at the end."""
    server = ServerService(parse_address(url), origin, starter, clock=clock, check_every=check_every)
    watched = Watched(server)
    try:
        yield server, watched
    finally:
        await server.aclose()


@asynccontextmanager
async def ollama() -> AsyncIterator[LocalServer]:
    """A local server that answers `/api/version`."""
    async with LocalServer() as server:
        server.route("GET", "/api/version", Reply(json={"version": "0.24.0"}))
        yield server


async def free_url() -> str:
    """An address where nobody listens."""
    async with LocalServer() as server:
        return server.url


def process(folder: Path) -> psutil.Process:
    """The process that wrote its number."""
    return psutil.Process(int((folder / "pid").read_text(encoding="utf-8")))


def gone(child: psutil.Process) -> bool:
    """Whether it has ended (within the limit)."""
    _, alive = psutil.wait_procs([child], timeout=LIMIT)
    return not alive
