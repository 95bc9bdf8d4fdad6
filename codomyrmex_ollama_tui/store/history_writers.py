"""Who is alive: each process that streams answers into the history holds a lock for as long as it lives."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock


class Writers:
    """Locks beside a database file, one for each process; the operating system lets go of them when a process ends.

    Attributes:
        name: of this process.
    """

    def __init__(self, database: Path, name: str) -> None:
        self.name = name
        self._database = database
        self._own: BaseFileLock | None = None

    def sign_in(self) -> None:
        """From now on this process counts as alive. Raises OSError."""
        if self._own is None:
            lock = self._lock(self.name)
            lock.acquire()
            self._own = lock

    def sign_out(self) -> None:
        """This process writes no more."""
        own, self._own = self._own, None
        if own is not None:
            own.release()
            self._path(self.name).unlink(missing_ok=True)

    def is_gone(self, name: str) -> bool:
        """Whether a process has ended without signing out."""
        if name == self.name:
            return self._own is None
        from filelock import Timeout  # as in `_lock`

        if not self._path(name).exists():
            return True
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        lock.release()
        with contextlib.suppress(OSError):  # it is in the way of nothing
            self._path(name).unlink(missing_ok=True)
        return True

    def _path(self, name: str) -> Path:
        return self._database.with_name(f"{self._database.name}.writer-{name}")

    def _lock(self, name: str) -> BaseFileLock:
        from filelock import FileLock  # only once there is an answer to write or to look after

        return FileLock(self._path(name), mode=0o600, thread_local=False)
