"""The history on a thread of its own: no screen waits for a disk, and what could not be written is tried again."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from codomyrmex_ollama_tui.services.listeners import Listeners

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from codomyrmex_ollama_tui.store.history import HistoryStore
    from codomyrmex_ollama_tui.store.history_source import HistorySource

T = TypeVar("T")
Job = Callable[["HistoryStore"], object]

_log = logging.getLogger(__name__)


class History:
    """Runs calls of a HistoryStore one after the other, in the order in which they were asked for.

    Attributes:
        path: the database.
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime], token: Callable[[], str]) -> None:
        """Opens nothing and starts no thread yet.

        Args:
            token: gives a short random text of letters and digits.
        """
        self.path = path
        self._token = token
        self._now = now
        self._listeners: Listeners[str] = Listeners()
        self._thread: ThreadPoolExecutor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._others: list[HistoryStore] = []
        # these are used on the thread alone
        self._store: HistoryStore | None = None
        self._late: deque[Job] = deque()
        self._failing = False

    @property
    def is_behind(self) -> bool:
        """Whether something could not be written yet."""
        return bool(self._late)

    def new_id(self) -> str:
        """A name that no conversation and no turn has had or will have."""
        return "".join(self._token() for _ in range(4))

    def source(self) -> HistorySource:
        """The answers as records for the index, for any thread; `aclose` closes it too."""
        from codomyrmex_ollama_tui.store.history import HistoryStore
        from codomyrmex_ollama_tui.store.history_source import HistorySource

        store = HistoryStore(self.path, now=self._now, writer=self.new_id(), told=self._tell)
        self._others.append(store)
        return HistorySource(store)

    def listen(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Calls back, on the loop, with a sentence for the person: nothing can be saved, or a file was set aside.

        Once for each trouble, not for each of its victims. Returns what ends the listening.
        """
        return self._listeners.add(callback)

    async def run(self, call: Callable[[HistoryStore], T]) -> T:
        """What a call of the store gives, everything posted before it being done first. Raises what the call raises."""
        return await _settled(self._running().submit(self._ask, call))

    def post(self, job: Job) -> None:
        """Writes without waiting for it; if it cannot be written, it is tried again before whatever comes next."""
        self._running().submit(self._write, job)

    async def write(self, job: Job) -> bool:
        """As `post`, but gives whether it is written once that is known."""
        return await _settled(self._running().submit(self._write, job))

    async def aclose(self) -> None:
        """Writes what is left, closes the file and ends the thread. A second time nothing happens."""
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                closing = thread.submit(self._close)
            except RuntimeError:  # at the end of the interpreter there are no threads to be had any more
                self._close()
            else:
                await asyncio.wrap_future(closing)
            finally:
                thread.shutdown(wait=False)
        self._listeners.clear()
        for store in self._others:
            store.close()
        self._others.clear()

    def _running(self) -> ThreadPoolExecutor:
        self._loop = asyncio.get_running_loop()
        if self._thread is None:
            from concurrent.futures import ThreadPoolExecutor  # not before the first frame

            self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")
        return self._thread

    # ------------------------------------------------------------ on the thread

    def _opened(self) -> HistoryStore:
        if self._store is None:
            from codomyrmex_ollama_tui.store.history import HistoryStore  # sqlite3: not before the first frame

            self._store = HistoryStore(self.path, now=self._now, writer=self.new_id(), told=self._tell)
        return self._store

    def _ask(self, call: Callable[[HistoryStore], T]) -> T:
        self._catch_up()
        return call(self._opened())

    def _write(self, job: Job) -> bool:
        self._late.append(job)
        return self._catch_up()

    def _catch_up(self) -> bool:
        """Does what is to be written; whether all of it is."""
        while self._late:
            try:
                self._late[0](self._opened())
            except OSError as error:
                from codomyrmex_ollama_tui.store.history_file import HistoryRefused  # on this thread it is there

                if isinstance(error, HistoryRefused):
                    _log.error("%s", error)
                    self._tell(f"Something of a conversation could not be saved: {error}")
                    self._late.popleft()
                    continue
                if not self._failing:
                    self._failing = True
                    _log.warning("%s", error)
                    self._tell(f"Conversations cannot be saved now: {error}. Saving is tried again and again.")
                return False
            except Exception:  # a mistake of ours in one job must not stop all that come after it; it is logged
                _log.exception("a conversation could not be saved")
            self._late.popleft()
        self._failing = False
        return True

    def _tell(self, words: str) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(self._listeners.tell, words)

    def _close(self) -> None:
        self._catch_up()
        store, self._store = self._store, None
        if store is not None:
            store.close()


async def _settled(job: Future[T]) -> T:
    """What a job on the thread gives. Who does not wait for it any more has not taken it back."""
    return await asyncio.shield(asyncio.wrap_future(job))
