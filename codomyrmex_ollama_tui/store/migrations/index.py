"""The layout of `index.db`. It can be made again from the stores, so another version of it is dropped, not migrated."""

from __future__ import annotations

import sqlite3

VERSION = 1
APPLICATION = 0x636F7475
"""Stands in the file's header ("cotu"), so that a database of someone else is never taken for the index."""

SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta VALUES ('complete', 0), ('revision', 0)",
    "CREATE TABLE model (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    # id: the time in microseconds since 1970 (the next free number where two agree), so that the newest are last in
    # every tree, also in the full text's own lists: newest first needs no sorting.
    """CREATE TABLE entry (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        model INTEGER NOT NULL REFERENCES model (id),
        created INTEGER NOT NULL,
        rating INTEGER,
        pinned INTEGER NOT NULL,
        tokens INTEGER,
        size INTEGER NOT NULL,
        tags TEXT NOT NULL,
        place TEXT NOT NULL,
        stamp TEXT NOT NULL,
        title TEXT NOT NULL,
        preview TEXT NOT NULL,
        note TEXT NOT NULL,
        words TEXT NOT NULL
    )""",
    "CREATE INDEX entry_by_place ON entry (place, key, stamp)",
    "CREATE INDEX entry_by_total ON entry (kind, model, size, tokens)",
    "CREATE TABLE body (id INTEGER PRIMARY KEY, prompt TEXT, answer TEXT, thinking TEXT, note TEXT, facets TEXT)",
    # facets: words like `kchat` and `m7`, so that filters are cut with the words inside the full text
    """CREATE VIRTUAL TABLE search USING fts5 (
        prompt, answer, thinking, note, facets,
        content = 'body', content_rowid = 'id', prefix = '2 3',
        tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
    )""",
    "CREATE TABLE folder (key TEXT PRIMARY KEY, changed INTEGER NOT NULL) WITHOUT ROWID",
    f"PRAGMA user_version = {VERSION}",
    f"PRAGMA application_id = {APPLICATION}",
)


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the database has this layout."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return bool(version == VERSION)


def is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether the database holds something that is no index."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(tables and application != APPLICATION)


def lay_out(connection: sqlite3.Connection) -> None:
    """Empties the database, an index of another version, and gives it this layout, in the transaction that is open.

    Raises:
        sqlite3.Error: it cannot be written, or this SQLite has no FTS5.
    """
    (has_search,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'search'").fetchone()
    if has_search:
        connection.execute("DROP TABLE search")  # takes its shadow tables with it
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    for (name,) in names:
        connection.execute('DROP TABLE "{}"'.format(name.replace('"', '""')))
    for statement in SCHEMA:
        connection.execute(statement)
