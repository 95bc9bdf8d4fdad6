"""The layouts of `state.db`, one step from each to the next. What the program remembers is not to be had again."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

APPLICATION = 0x636F7473
"""Stands in the file's header ("cots"), so that a database of someone else is never taken for this one."""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        # A pull that has not come to its end. owner: the process that works on it, see StateStore.
        """CREATE TABLE pull (
            server TEXT NOT NULL,
            name TEXT NOT NULL,
            place INTEGER NOT NULL,
            completed INTEGER NOT NULL,
            total INTEGER,
            owner TEXT NOT NULL,
            PRIMARY KEY (server, name)
        ) WITHOUT ROWID""",
        "CREATE TABLE pulled (name TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE value (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID",
    ),
)
"""Step n makes layout n + 1 of layout n; a step that was released is never changed."""


class NewerLayout(sqlite3.DatabaseError):
    """The file was written by a newer version of the program."""


Steps = Sequence[Sequence[str]]


def version_of(connection: sqlite3.Connection, steps: Steps = STEPS) -> int:
    """The layout of a database, 0 for an empty one.

    Raises:
        NewerLayout: it is one that only a newer version knows.
        sqlite3.DatabaseError: it is no database, or one of something else.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION:
        raise sqlite3.DatabaseError("it is the database of another program")
    if version > len(steps):
        raise NewerLayout(f"a newer version of the program wrote it (layout {version}, known is {len(steps)})")
    return int(version)


def migrate(connection: sqlite3.Connection, path: Path, steps: Steps = STEPS) -> None:
    """Brings a database to the newest layout, in one transaction; a copy of an older one is kept beside it.

    Raises:
        sqlite3.Error: it cannot be read or written; it is as it was then.
    """
    before = version_of(connection, steps)
    if before == len(steps):
        return
    if before:
        _copy(connection, path.with_name(f"{path.name}.layout-{before}"))
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in steps[version_of(connection, steps) :]:  # another process may have been quicker
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    copy = sqlite3.connect(path)
    try:
        connection.backup(copy)
    finally:
        copy.close()
