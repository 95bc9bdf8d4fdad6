"""What is written down of pulls, so that those that are not done can be offered again at the next start."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from codomyrmex_ollama_tui.store.state import KeptPull, StateStore

Value = TypeVar("Value")

log = logging.getLogger(__name__)


class PullMemory:
    """The store behind the queue of pulls, used on a thread of its own: a slow disk holds up no screen.

    A file that cannot be used never ends a pull: it is logged, and told in `problem`.
    """

    def __init__(
        self, open_store: Callable[[], StateStore], *, owner: Callable[[], str], alive: Callable[[str], bool]
    ) -> None:
        """Nothing is opened yet.

        Args:
            open_store: makes the store, when it is first needed.
            owner: tells this process in words that no other has (see `services.owners`).
            alive: whether the process that such words mean is there.
        """
        self._open_store = open_store
        self._name_owner = owner
        self._alive = alive
        self._thread: ThreadPoolExecutor | None = None
        self.problem = ""
        """Why nothing is remembered at the moment; one sentence, "" when all is well."""

    def keep(self, server: str, name: str, completed: int, total: int | None) -> None:
        """Writes down that a pull of this process is not done."""
        self._later(lambda: self._keep(server, name, completed, total))

    def drop(self, server: str, name: str) -> None:
        """Forgets a pull."""
        self._later(lambda: self._store.drop_pull(server, name))

    def done(self, server: str, name: str) -> None:
        """Forgets a pull that is done and remembers its name for the next time one is typed."""
        self.drop(server, name)
        self._later(lambda: self._store.remember_pulled(name))

    async def left_over(self, server: str) -> tuple[KeptPull, ...]:
        """The pulls of a server that no living process works on; they belong to this one from now on."""
        nothing: tuple[KeptPull, ...] = ()
        return await self._now(lambda: self._take(server), nothing)

    async def pulled_names(self) -> tuple[str, ...]:
        """Names of models that were pulled, the newest first."""
        return await self._now(lambda: self._store.pulled_names(), ())

    async def aclose(self) -> None:
        """Waits until everything is written, and closes the file."""
        if self._thread is not None:
            await self._now(lambda: self._store.close(), None)
            self._thread.shutdown(wait=False)
            self._thread = None

    @cached_property
    def _store(self) -> StateStore:
        return self._open_store()

    @cached_property
    def _owner(self) -> str:
        return self._name_owner()

    def _keep(self, server: str, name: str, completed: int, total: int | None) -> None:
        from codomyrmex_ollama_tui.store.state import KeptPull  # brings SQLite: only when something is pulled

        self._store.keep_pull(KeptPull(server, name, completed, total, self._owner))

    def _take(self, server: str) -> tuple[KeptPull, ...]:
        from dataclasses import replace

        kept = self._store.kept_pulls(server)
        left = tuple(pull for pull in kept if pull.owner != self._owner and not self._alive(pull.owner))
        for pull in left:
            self._store.keep_pull(replace(pull, owner=self._owner))
        return left

    def _executor(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "pull-memory")
        return self._thread

    def _later(self, work: Callable[[], None]) -> None:
        self._executor().submit(self._done, work, None)

    async def _now(self, work: Callable[[], Value], otherwise: Value) -> Value:
        return await asyncio.get_running_loop().run_in_executor(self._executor(), self._done, work, otherwise)

    def _done(self, work: Callable[[], Value], otherwise: Value) -> Value:
        from codomyrmex_ollama_tui.store.state import StateFailed

        try:
            value = work()
        except StateFailed as error:
            if not self.problem:
                log.warning("%s", error)
            self.problem = str(error)
            return otherwise
        self.problem = ""
        return value


def memory_in(path: Path, now: Callable[[], datetime]) -> PullMemory:
    """The memory kept in a `state.db`; nothing is opened or imported before the first pull or question."""
    from codomyrmex_ollama_tui.services.owners import is_alive, this_process

    def open_store() -> StateStore:
        from codomyrmex_ollama_tui.store.state import StateStore

        return StateStore(path, now=now)

    return PullMemory(open_store, owner=this_process, alive=is_alive)
