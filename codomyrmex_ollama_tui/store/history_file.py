"""The file of the history: opened when first needed, migrated, shared by threads and processes, set aside if broken."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from codomyrmex_ollama_tui.domain.outputs import OutputError
from codomyrmex_ollama_tui.store.migrations import history as layout
from codomyrmex_ollama_tui.store.paths import make_private

BUSY_TIMEOUT = 15.0
"""Seconds to wait for another process that is writing."""
_IDLE_CONNECTIONS = 3
_CORRUPT = {11, 26}  # SQLITE_CORRUPT, SQLITE_NOTADB
_BESIDE = ("", "-wal", "-shm")


class HistoryFailed(OutputError):
    """The history cannot be opened, read or written."""


class HistoryRefused(HistoryFailed):
    """The history is well, but what was to be written can never be: trying again is of no use."""


class HistoryFile:
    """Connections to one database of conversations.

    Attributes:
        problems: what a person must be told, one sentence each: a file that was set aside.
    """

    def __init__(
        self,
        path: Path,
        *,
        told: Callable[[str], None] = lambda words: None,
        migrations: Sequence[layout.Migration] = layout.MIGRATIONS,
    ) -> None:
        """
        Args:
            told: called with a sentence for the person when a broken file has been set aside.
        """
        self.path = path
        self._told = told
        self._migrations = migrations
        self._idle: list[sqlite3.Connection] = []
        self._identity: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading.

        Raises:
            HistoryFailed: it cannot be used. A broken file has been set aside; the next call begins a new one.
        """
        with self._translated():
            connection = self._take()
            try:
                yield connection
            except sqlite3.DatabaseError as error:
                connection.close()
                if _is_corrupt(error):
                    self._set_aside(self._identity, str(error))
                raise
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a transaction, which is committed at the end. Raises as `reading` does."""
        with self._writing, self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Closes what is not in use at the moment; the next call opens the file again."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._identity = None
        for connection in idle:
            connection.close()

    # ------------------------------------------------------------ opening

    def _take(self) -> sqlite3.Connection:
        identity = _identity(self.path)
        with self._lock:
            if identity is not None and identity == self._identity:
                if self._idle:
                    return self._idle.pop()
            else:  # deleted or replaced
                for stale in self._idle:
                    stale.close()
                self._idle = []
        connection = self._open()
        with self._lock:
            self._identity = _identity(self.path)
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if self._identity is not None and len(self._idle) < _IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def _open(self) -> sqlite3.Connection:
        make_private(self.path.parent)
        for _ in range(3):
            connection = self._connect()
            identity = _identity(self.path)
            try:
                connection.execute("PRAGMA foreign_keys = ON")
                if layout.is_foreign(connection):
                    raise _Broken("it is a database of another program")
                if layout.version_of(connection) != len(self._migrations):
                    self._migrate(connection)
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("PRAGMA journal_size_limit = 16777216")
                return connection
            except _Broken as error:
                connection.close()
                self._set_aside(identity, str(error))
            except sqlite3.DatabaseError as error:
                connection.close()
                if not _is_corrupt(error):
                    raise
                self._set_aside(identity, str(error))
            except layout.TooNew as error:
                connection.close()
                raise HistoryFailed("open", self.path, str(error)) from error
            except BaseException:
                connection.close()
                raise
        raise HistoryFailed("open", self.path, "it is broken again and again")

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite itself would let others read it
        return sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, cached_statements=64
        )

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Lays an empty file out, or copies an older one and brings it to the newest layout."""
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = layout.version_of(connection)  # another process may have done it since
            if 0 < version < len(self._migrations):
                self._copy(version)
            layout.migrate(connection, self._migrations)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _copy(self, version: int) -> None:
        """Keeps the file as it was; nobody writes while this process holds the transaction."""
        target = self.path.with_name(f"{self.path.name}.layout-{version}")
        partial = self.path.with_name(f"{target.name}.partial")
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT, 0o600))
        with (
            contextlib.closing(sqlite3.connect(self.path, timeout=BUSY_TIMEOUT)) as source,
            contextlib.closing(sqlite3.connect(partial)) as copy,
        ):
            source.backup(copy)
        os.replace(partial, target)

    # ------------------------------------------------------------ breaking

    def _set_aside(self, identity: tuple[int, int] | None, why: str) -> None:
        """Moves the broken file away, unless another thread or process has done so by now."""
        from filelock import FileLock  # seldom needed

        aside = None
        with FileLock(self.path.with_name(f"{self.path.name}.lock"), mode=0o600):
            if identity is not None and _identity(self.path) == identity:
                aside = self._free_name()
                for ending in _BESIDE:
                    with contextlib.suppress(FileNotFoundError):
                        os.replace(f"{self.path}{ending}", f"{aside}{ending}")
        self.close()
        if aside is not None:
            self._told(f"{self.path} could not be read ({why}). It is kept as {aside.name}; a new one begins.")

    def _free_name(self) -> Path:
        number = 1
        while True:
            name = f"{self.path.name}.broken" + (f"-{number}" if number > 1 else "")
            if not (aside := self.path.with_name(name)).exists():
                return aside
            number += 1

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OutputError:
            raise
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, OverflowError) as error:
            raise HistoryRefused("use", self.path, str(error)) from error
        except sqlite3.Error as error:
            raise HistoryFailed("use", self.path, str(error)) from error
        except OSError as error:
            raise HistoryFailed("use", self.path, (error.strerror or str(error)).lower()) from error


class _Broken(Exception):
    """The file is no history."""


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # absent on errors that Python itself raises
    return isinstance(code, int) and code & 0xFF in _CORRUPT


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
