"""The layouts of `history.db`, one after the other. What is here is never changed: a new layout is a new entry."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

APPLICATION = 0x636F7468
"""Stands in the file's header ("coth"), so that a database of someone else is never taken for the history."""

Migration = Sequence[str]

MIGRATIONS: tuple[Migration, ...] = (
    (
        # number: of the last change of an answer, so that an index can tell whether it knows it already
        "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        "INSERT OR IGNORE INTO counter VALUES ('change', 0)",
        # created, changed, deleted: microseconds since 1970
        """CREATE TABLE conversation (
            id TEXT PRIMARY KEY,
            title TEXT NOT NULL,
            named INTEGER NOT NULL DEFAULT 0,
            model TEXT NOT NULL,
            system TEXT NOT NULL DEFAULT '',
            options TEXT NOT NULL DEFAULT '{}',
            think TEXT NOT NULL DEFAULT 'null',
            pinned INTEGER NOT NULL DEFAULT 0,
            draft TEXT,
            pasted TEXT,
            created INTEGER NOT NULL,
            changed INTEGER NOT NULL,
            deleted INTEGER
        )""",
        "CREATE INDEX conversation_by_change ON conversation (changed)",
        # texts are BLOBs where they hold half a surrogate pair, which no TEXT can; writer: who streams into it;
        # gone: deleted, but others follow it
        """CREATE TABLE turn (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            conversation TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
            parent TEXT,
            chosen INTEGER NOT NULL,
            role TEXT NOT NULL,
            text NOT NULL,
            thinking NOT NULL DEFAULT '',
            model TEXT NOT NULL DEFAULT '',
            status TEXT NOT NULL,
            words TEXT NOT NULL DEFAULT '',
            asked INTEGER,
            thought_for REAL,
            facts TEXT,
            request TEXT,
            images TEXT,
            tool_calls TEXT,
            writer TEXT,
            rating INTEGER,
            pinned INTEGER NOT NULL DEFAULT 0,
            tags TEXT NOT NULL DEFAULT '[]',
            note TEXT NOT NULL DEFAULT '',
            gone INTEGER NOT NULL DEFAULT 0
        )""",
        "CREATE INDEX turn_by_conversation ON turn (conversation, number)",
        "CREATE INDEX turn_by_parent ON turn (parent)",
        "CREATE INDEX turn_streaming ON turn (writer) WHERE status = 'streaming'",
        # what has come of an answer that is still on its way
        """CREATE TABLE piece (
            number INTEGER PRIMARY KEY,
            turn TEXT NOT NULL REFERENCES turn (id) ON DELETE CASCADE,
            text NOT NULL,
            thinking NOT NULL
        )""",
        "CREATE INDEX piece_by_turn ON piece (turn, number)",
        "CREATE TABLE image (digest TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE unindexed (key TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
    ),
    ("ALTER TABLE conversation ADD COLUMN sent_from TEXT NOT NULL DEFAULT ''",),
    (
        "ALTER TABLE conversation ADD COLUMN preset TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE conversation ADD COLUMN keep_alive TEXT NOT NULL DEFAULT 'null'",
        "ALTER TABLE conversation ADD COLUMN format TEXT NOT NULL DEFAULT 'null'",
    ),
)
"""Statements from each layout to the next; the first makes an empty file the first layout."""


class TooNew(Exception):
    """The file has a layout that only a later version of the program knows."""


def version_of(connection: sqlite3.Connection) -> int:
    """The number of the layout; 0 for an empty file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether the database holds something that is no history."""
    connection.execute("BEGIN")  # both looks at the same moment: another process may just be laying it out
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        connection.execute("ROLLBACK")
    return bool(tables and application != APPLICATION)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Brings the database to the newest layout, in the transaction that is open. Nothing happens if it has it.

    Raises:
        TooNew: its layout is newer than all that are known.
    """
    version = version_of(connection)
    if version > len(migrations):
        raise TooNew(f"it has layout {version}, this version of the program knows {len(migrations)}")
    for statements in migrations[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(migrations)}")
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
