"""The file of the index: opened when first needed, shared by threads and processes, set aside when it is broken."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.outputs import OutputError
from codomyrmex_ollama_tui.store.migrations import index as layout
from codomyrmex_ollama_tui.store.paths import make_private

if TYPE_CHECKING:
    from filelock import BaseFileLock

BUSY_TIMEOUT = 15.0
"""Seconds to wait for another process that is writing."""
_IDLE_CONNECTIONS = 4
_CORRUPT = {11, 26}  # SQLITE_CORRUPT, SQLITE_NOTADB
_BESIDE = ("", "-wal", "-shm")


class IndexFailed(OutputError):
    """The index cannot be opened, read or written. The records themselves are not concerned."""


class IndexLost(IndexFailed):
    """The index was broken; it has been set aside and an empty one takes its place."""


class IndexFile:
    """Connections to one index file. A file that is deleted, or replaced by another process, is opened anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.aside = path.with_name(f"{path.name}.broken")
        self._idle: list[sqlite3.Connection] = []
        self._identity: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._closed = False
        self._between_processes: BaseFileLock | None = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading.

        Raises:
            IndexLost: it is broken and has been set aside.
            IndexFailed: anything else (no room, no permission, held by another program for 15 s).
        """
        with self._translated():
            connection, identity = self._take()
            try:
                yield connection
            except sqlite3.DatabaseError as error:
                connection.close()
                if _is_corrupt(error):
                    self._set_aside(identity, error)
                raise
            except BaseException:
                connection.close()
                raise
            self._give_back(connection, identity)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a transaction, which is committed at the end. Raises as `reading` does."""
        with self._writing, self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'revision'")
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the file against other threads and processes that would rebuild it, replace it or lay it out.

        The thread that holds it may take it again.
        """
        from filelock import FileLock  # most calls do without it

        with self._lock:
            lock = self._between_processes = self._between_processes or FileLock(
                self.path.with_name(f"{self.path.name}.lock"), mode=0o600
            )
        with self._translated():
            make_private(self.path.parent)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def close(self) -> None:
        """Closes what is not in use at the moment; the rest closes when it is given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> tuple[sqlite3.Connection, tuple[int, int]]:
        identity = _identity(self.path)
        with self._lock:
            self._closed = False
            if identity is not None and identity == self._identity:
                if self._idle:
                    return self._idle.pop(), identity
            else:
                stale, self._idle = self._idle, []
                for connection in stale:
                    connection.close()
        connection = self._open()
        identity = _identity(self.path)
        if identity is None:
            connection.close()
            raise IndexFailed("open", self.path, "it vanished")
        with self._lock:
            if identity != self._identity:
                self._identity = identity
                for stale_connection in self._idle:
                    stale_connection.close()
                self._idle.clear()
        return connection, identity

    def _give_back(self, connection: sqlite3.Connection, identity: tuple[int, int]) -> None:
        with self._lock:
            if not self._closed and identity == self._identity and len(self._idle) < _IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def _open(self) -> sqlite3.Connection:
        make_private(self.path.parent)
        connection = self._connect()
        try:
            _tune(connection)
            if layout.is_current(connection) and not layout.is_foreign(connection):
                connection.execute("PRAGMA synchronous = NORMAL")
                return connection
        except sqlite3.DatabaseError as error:
            connection.close()
            if _is_corrupt(error):
                self._set_aside(_identity(self.path), error)
            raise
        connection.close()
        return self._laid_out()

    def _laid_out(self) -> sqlite3.Connection:
        with self.locked():
            connection = self._connect()
            try:
                _tune(connection)
                if layout.is_foreign(connection):
                    connection.close()
                    self._move_aside()
                    connection = self._connect()
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("BEGIN IMMEDIATE")
                if not layout.is_current(connection):  # another process may have been quicker
                    layout.lay_out(connection)
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
            return connection

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite itself would let others read it
        return sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, cached_statements=64
        )

    def _set_aside(self, identity: tuple[int, int] | None, error: sqlite3.DatabaseError) -> None:
        """Moves the broken file away, unless another thread or process has done so by now."""
        with self.locked():
            if identity is not None and _identity(self.path) == identity:
                self._move_aside()
        raise IndexLost("read", self.path, f"{error}; it is set aside as {self.aside.name}") from error

    def _move_aside(self) -> None:
        for ending in _BESIDE:
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self.path}{ending}", f"{self.aside}{ending}")

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OutputError:
            raise
        except sqlite3.Error as error:
            raise IndexFailed("use", self.path, str(error)) from error
        except OSError as error:
            raise IndexFailed("use", self.path, (error.strerror or str(error)).lower()) from error


def _tune(connection: sqlite3.Connection) -> None:
    """The first look into the file: a broken one is noticed here."""
    connection.execute("PRAGMA cache_size = -16000")
    connection.execute("PRAGMA journal_size_limit = 16777216")


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # absent on errors that Python itself raises
    return isinstance(code, int) and code & 0xFF in _CORRUPT


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
