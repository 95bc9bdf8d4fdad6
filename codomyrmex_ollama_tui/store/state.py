"""`state.db`: what the program remembers for the person — pulls that are not done, names pulled, small values."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from codomyrmex_ollama_tui.store.migrations import state as layout
from codomyrmex_ollama_tui.store.paths import make_private

BUSY_TIMEOUT = 3.0
"""Seconds to wait for another process that is writing."""
NAMES_KEPT = 500
"""Names of models pulled before; older ones are forgotten."""
_BESIDE = ("", "-wal", "-shm")


class StateFailed(Exception):
    """The file cannot be opened, read or written. `str(error)` is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class KeptPull:
    """A pull that has not come to its end.

    Attributes:
        server: where it was asked for: a label, or "embedded".
        name: the model, as the queue shows it.
        completed, total: bytes when it was last written down; total None where nothing was known.
        owner: the process that works on it; "" for none.
    """

    server: str
    name: str
    completed: int = 0
    total: int | None = None
    owner: str = ""


class StateStore:
    """The file, opened when first needed. Several threads and several programs may use it at once."""

    def __init__(self, path: Path, *, now: Callable[[], datetime]) -> None:
        """Nothing is opened yet.

        Args:
            path: `state.db`.
            now: the time of day with its zone.
        """
        self.path = path
        self.problems: tuple[str, ...] = ()
        """What was wrong with the file: one sentence each, which names what became of it."""
        self._now = now
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def keep_pull(self, pull: KeptPull) -> None:
        """Writes a pull down, at the end of those of its server if it is new.

        Raises:
            StateFailed: it cannot be written.
        """
        with self._using() as connection:
            connection.execute(
                """INSERT INTO pull (server, name, place, completed, total, owner)
                VALUES (?, ?, (SELECT coalesce(max(place), 0) + 1 FROM pull), ?, ?, ?)
                ON CONFLICT (server, name) DO UPDATE SET completed = excluded.completed, total = excluded.total,
                owner = excluded.owner""",
                (pull.server, pull.name, pull.completed, pull.total, pull.owner),
            )

    def drop_pull(self, server: str, name: str) -> None:
        """Forgets a pull; fine if it is not there.

        Raises:
            StateFailed: it cannot be written.
        """
        with self._using() as connection:
            connection.execute("DELETE FROM pull WHERE server = ? AND name = ?", (server, name))

    def kept_pulls(self, server: str) -> tuple[KeptPull, ...]:
        """The pulls of a server that are not done, in the order in which they were asked for.

        Raises:
            StateFailed: the file cannot be read.
        """
        with self._using() as connection:
            rows = connection.execute(
                "SELECT server, name, completed, total, owner FROM pull WHERE server = ? ORDER BY place", (server,)
            ).fetchall()
        return tuple(KeptPull(*row) for row in rows)

    def remember_pulled(self, name: str) -> None:
        """A model was pulled to its end.

        Raises:
            StateFailed: it cannot be written.
        """
        moment = int(self._now().timestamp() * 1_000_000)
        with self._using() as connection:
            connection.execute(
                "INSERT INTO pulled VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at", (name, moment)
            )
            connection.execute(
                "DELETE FROM pulled WHERE name IN (SELECT name FROM pulled ORDER BY at DESC, name LIMIT -1 OFFSET ?)",
                (NAMES_KEPT,),
            )

    def pulled_names(self) -> tuple[str, ...]:
        """Names of models that were pulled, the newest first.

        Raises:
            StateFailed: the file cannot be read.
        """
        with self._using() as connection:
            rows = connection.execute("SELECT name FROM pulled ORDER BY at DESC, name").fetchall()
        return tuple(name for (name,) in rows)

    def value(self, name: str) -> str | None:
        """A small text that was kept under a name, e.g. "last_model"; None for none.

        Raises:
            StateFailed: the file cannot be read.
        """
        with self._using() as connection:
            row = connection.execute("SELECT text FROM value WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def keep_value(self, name: str, text: str) -> None:
        """Keeps a small text under a name.

        Raises:
            StateFailed: it cannot be written.
        """
        with self._using() as connection:
            connection.execute(
                "INSERT INTO value VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET text = excluded.text", (name, text)
            )

    def close(self) -> None:
        """Closes the file; it is opened again when it is needed."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """The connection, in a transaction that is committed at the end."""
        with self._lock:
            try:
                connection = self._connection or self._open()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                self._let_go()
                raise StateFailed(f"{self.path.name}: {error}") from error
            except OSError as error:
                raise StateFailed(f"{self.path.name}: {(error.strerror or str(error)).lower()}") from error

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        make_private(self.path.parent)
        try:
            self._connection = self._connect()
        except layout.NewerLayout:
            raise
        except sqlite3.OperationalError:  # no room, no permission, held by another program: the file is not at fault
            raise
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite itself would let others read it
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            layout.version_of(connection)
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = NORMAL")
            layout.migrate(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        aside = self.path.with_name(f"state.broken-{self._now():%Y%m%d-%H%M%S-%f}.db")
        for ending in _BESIDE:
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self.path}{ending}", f"{aside}{ending}")
        words = f"{self.path.name} is broken ({error}); it is kept as {aside.name}, and a new one was begun"
        self.problems = (*self.problems, words)
