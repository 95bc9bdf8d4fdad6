"""One full-text index over all records of all stores. It holds nothing of its own: deleting it loses nothing."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from codomyrmex_ollama_tui.domain.output_query import Query
from codomyrmex_ollama_tui.domain.outputs import Entry, IndexEntry, Kind, KindTotal, Page, Source, Stats, Texts
from codomyrmex_ollama_tui.store import index_search
from codomyrmex_ollama_tui.store.index_file import IndexFile
from codomyrmex_ollama_tui.store.index_search import microseconds, moment, storable
from codomyrmex_ollama_tui.store.migrations import index as layout

Order = Literal["newest", "best"]
Body = tuple[str, str, str, str, str]
"""prompt, answer, thinking, note, facets: the columns of the full text."""

CHUNK = 250
"""Records of one transaction while rebuilding: others can write between two of them."""

# Jumps from place to place in the tree; DISTINCT would read all of it.
_PLACES = """WITH RECURSIVE found (place) AS (
    SELECT min(place) FROM entry
    UNION ALL
    SELECT (SELECT min(place) FROM entry WHERE place > found.place) FROM found WHERE found.place IS NOT NULL
) SELECT place FROM found WHERE place IS NOT NULL"""
_SEARCH_COLUMNS = "prompt, answer, thinking, note, facets"


class Index:
    """The index in one file. Opened when first needed; safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = IndexFile(path)

    def put(self, *entries: IndexEntry) -> None:
        """Takes in records, in one transaction; a key that it has already is replaced.

        Raises:
            IndexLost: the index was broken and has been set aside; it must be rebuilt.
            IndexFailed: it cannot be written. (The other methods raise the same.)
        """
        with self._file.writing() as connection:
            models = _Models(connection)
            for entry in entries:
                _put(connection, models, entry)

    def remove(self, *keys: str) -> None:
        """Forgets records; unknown keys are no error."""
        with self._file.writing() as connection:
            for key in keys:
                _remove(connection, key)

    def get(self, key: str) -> Entry | None:
        """One record, if it has it."""
        with self._file.reading() as connection:
            row = connection.execute(f"SELECT {index_search.COLUMNS} FROM entry e WHERE key = ?", (key,)).fetchone()
            return None if row is None else _entry(row, _names(connection))

    def ending(self, end: str, *, most: int = 20) -> tuple[str, ...]:
        """The keys that end so, sorted, at most so many."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT key FROM entry WHERE substr(key, -length(?1)) = ?1 ORDER BY key LIMIT ?2", (storable(end), most)
            ).fetchall()
        return tuple(key for (key,) in rows)

    def texts(self, key: str) -> Texts:
        """The texts of one record; empty ones if it does not have it."""
        with self._file.reading() as connection:
            row = connection.execute(
                "SELECT prompt, answer, thinking, body.note FROM body JOIN entry USING (id) WHERE key = ?", (key,)
            ).fetchone()
        return Texts() if row is None else Texts(*map(index_search.readable, row))

    def search(self, query: Query, *, limit: int = 50, after: int | None = None, order: Order = "newest") -> Page:
        """What matches a query.

        Args:
            limit: entries of one page, at least 1.
            after: `Page.after` of the page before.
            order: "best" puts the best of the newest 2,000 first; without words to look for it is "newest".
        """
        best = order == "best" and bool(query.words)
        with self._file.reading() as connection:
            models = _names(connection)
            found = index_search.select(query, models, None if best else after)
            complete = _meta(connection, "complete") == 1
            if found is None:
                return Page((), complete=complete)
            offset = (after or 0) if best else 0
            if best:
                rows = connection.execute(
                    f"SELECT {index_search.COLUMNS} FROM (SELECT e.id, bm25(search, 2, 1, 0.5, 1, 0) AS worth"
                    f" {found.sql} LIMIT {index_search.BEST_OF}) hit CROSS JOIN entry e ON e.id = hit.id"
                    " ORDER BY hit.worth, e.id DESC LIMIT ? OFFSET ?",
                    (*found.values, limit + 1, offset),
                ).fetchall()
            else:
                rows = connection.execute(
                    f"SELECT {index_search.COLUMNS} {found.sql} LIMIT ?", (*found.values, limit + 1)
                ).fetchall()
        entries = tuple(_entry(row, models) for row in rows[:limit])
        if len(rows) <= limit:
            return Page(entries, complete=complete)
        return Page(entries, offset + limit if best else entries[-1].position, complete)

    def count(self, query: Query, *, most: int = 10_000) -> int:
        """How many records match, counted up to `most`."""
        with self._file.reading() as connection:
            found = index_search.select(query, _names(connection))
            if found is None:
                return 0
            counted = connection.execute(
                f"SELECT count(*) FROM (SELECT 1 {found.sql} LIMIT ?)", (*found.values, most)
            ).fetchone()
        return int(counted[0])

    def models(self) -> tuple[str, ...]:
        """The names of all models that records are of, sorted."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT name FROM model WHERE name != '' AND id IN (SELECT model FROM entry) ORDER BY name"
            ).fetchall()
        return tuple(name for (name,) in rows)

    def stats(self) -> Stats:
        """Totals by kind and model, kinds in the order of `Kind`."""
        with self._file.reading() as connection:
            models = _names(connection)
            rows = connection.execute(
                "SELECT kind, model, count(*), sum(size), coalesce(sum(tokens), 0) FROM entry GROUP BY kind, model"
            ).fetchall()
            (oldest,) = connection.execute("SELECT created FROM entry ORDER BY id LIMIT 1").fetchone() or (None,)
            (newest,) = connection.execute("SELECT created FROM entry ORDER BY id DESC LIMIT 1").fetchone() or (None,)
        kinds = list(Kind)
        totals = [KindTotal(Kind(kind), models[model], *numbers) for kind, model, *numbers in rows]
        totals.sort(key=lambda total: (kinds.index(total.kind), total.model))
        return Stats(
            tuple(totals), None if oldest is None else moment(oldest), None if newest is None else moment(newest)
        )

    def revision(self) -> int:
        """A number that changes whenever anybody has changed the index."""
        with self._file.reading() as connection:
            return _meta(connection, "revision")

    @property
    def complete(self) -> bool:
        """Whether it has been built from the stores; False for one that is new or being rebuilt."""
        with self._file.reading() as connection:
            return _meta(connection, "complete") == 1

    def rebuild(
        self,
        sources: Iterable[Source],
        *,
        only_if_incomplete: bool = False,
        progress: Callable[[int], None] = lambda done: None,
    ) -> int:
        """Makes the index again out of the stores, and gives the number of records.

        Others can read what is there so far, and write, meanwhile. One rebuild at a time: a second one waits.

        Args:
            only_if_incomplete: gives 0 at once if somebody else has completed it in the meantime.
            progress: called with the number of records so far.
        """
        done = 0
        with self._file.locked():
            if only_if_incomplete and self.complete:
                return 0
            with self._file.writing() as connection:
                revision = _meta(connection, "revision")
                layout.lay_out(connection)
                connection.execute("UPDATE meta SET value = ? WHERE name = 'revision'", (revision,))
            merged = heapq.merge(*(source.entries() for source in sources), key=lambda entry: entry.created_at)
            while chunk := list(islice(merged, CHUNK)):
                self.put(*chunk)
                done += len(chunk)
                progress(done)
            with self._file.writing() as connection:
                connection.execute("UPDATE meta SET value = 1 WHERE name = 'complete'")
        return done

    def folders(self) -> dict[str, int]:
        """When each folder had been changed last (ns) as its files were taken in."""
        with self._file.reading() as connection:
            return dict(connection.execute("SELECT key, changed FROM folder").fetchall())

    def set_folder(self, folder: str, changed: int | None) -> None:
        """Remembers when a folder had been changed last (ns); None forgets it."""
        with self._file.writing() as connection:
            if changed is None:
                connection.execute("DELETE FROM folder WHERE key = ?", (folder,))
            else:
                connection.execute("INSERT OR REPLACE INTO folder VALUES (?, ?)", (folder, changed))

    def stamps(self, place: str) -> dict[str, str]:
        """The stamps of all records of one place, by key."""
        with self._file.reading() as connection:
            return dict(connection.execute("SELECT key, stamp FROM entry WHERE place = ?", (place,)).fetchall())

    def places(self) -> tuple[str, ...]:
        """All places that records lie in, sorted."""
        with self._file.reading() as connection:
            rows = connection.execute(_PLACES).fetchall()
        return tuple(place for (place,) in rows)

    def close(self) -> None:
        """Lets go of the file; the next call opens it again."""
        self._file.close()


class _Models:
    """The numbers of models in the index, given as names come."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        known = self._numbers.get(name)
        if known is None:
            self._connection.execute("INSERT OR IGNORE INTO model (name) VALUES (?)", (name,))
            (known,) = self._connection.execute("SELECT id FROM model WHERE name = ?", (name,)).fetchone()
            self._numbers[name] = known
        return known


def _meta(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])


def _names(connection: sqlite3.Connection) -> dict[int, str]:
    return dict(connection.execute("SELECT id, name FROM model").fetchall())


def _put(connection: sqlite3.Connection, models: _Models, entry: IndexEntry) -> None:
    model = models.number(storable(entry.model))
    body: Body = (
        index_search.indexed(entry.prompt),
        index_search.indexed(entry.answer),
        index_search.indexed(entry.thinking),
        index_search.indexed(entry.note),
        index_search.facets_of(entry, model),
    )
    created = microseconds(entry.created_at)
    place, has_body = _cleared(connection, entry.key, created, body)
    if place is None:
        place = _free_place(connection, max(1, created))
    connection.execute(
        "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            place,
            entry.key,
            entry.kind.value,
            model,
            created,
            entry.rating,
            entry.pinned,
            entry.tokens,
            entry.size,
            json.dumps(entry.tags),
            entry.place,
            entry.stamp,
            storable(entry.title),
            storable(entry.preview),
            storable(entry.note),
            storable(entry.words),
        ),
    )
    if not has_body:
        connection.execute("INSERT INTO body VALUES (?, ?, ?, ?, ?, ?)", (place, *body))
        connection.execute(f"INSERT INTO search (rowid, {_SEARCH_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", (place, *body))


def _cleared(connection: sqlite3.Connection, key: str, created: int, body: Body) -> tuple[int | None, bool]:
    """Makes room for a record: the place that it can keep, and whether its texts are there already."""
    row = connection.execute("SELECT id, created FROM entry WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None, False
    place, created_before = row
    if created_before != created:
        _remove(connection, key)
        return None, False
    if connection.execute(f"SELECT {_SEARCH_COLUMNS} FROM body WHERE id = ?", (place,)).fetchone() == body:
        return place, True
    _forget_texts(connection, place)
    return place, False


def _remove(connection: sqlite3.Connection, key: str) -> None:
    row = connection.execute("SELECT id FROM entry WHERE key = ?", (key,)).fetchone()
    if row is not None:
        _forget_texts(connection, row[0])
        connection.execute("DELETE FROM entry WHERE id = ?", row)


def _forget_texts(connection: sqlite3.Connection, place: int) -> None:
    # the full text keeps no texts itself: it must be told what it is to forget
    body = connection.execute(f"SELECT {_SEARCH_COLUMNS} FROM body WHERE id = ?", (place,)).fetchone()
    connection.execute(
        f"INSERT INTO search (search, rowid, {_SEARCH_COLUMNS}) VALUES ('delete', ?, ?, ?, ?, ?, ?)", (place, *body)
    )
    connection.execute("DELETE FROM body WHERE id = ?", (place,))


def _free_place(connection: sqlite3.Connection, wanted: int) -> int:
    """The first number from `wanted` on that no record has."""
    while True:
        taken = connection.execute("SELECT id FROM entry WHERE id >= ? ORDER BY id LIMIT 256", (wanted,)).fetchall()
        for (number,) in taken:
            if number != wanted:
                return wanted
            wanted += 1
        if len(taken) < 256:
            return wanted


def _entry(row: tuple[Any, ...], models: Mapping[int, str]) -> Entry:
    number, key, kind, model, created, rating, pinned, tokens, size, tags, place, stamp, title, preview, note, words = (
        row
    )
    return Entry(
        Kind(kind),
        key,
        models[model],
        moment(created),
        title=title,
        preview=preview,
        note=note,
        rating=rating,
        pinned=bool(pinned),
        tags=tuple(json.loads(tags)),
        tokens=tokens,
        size=size,
        place=place,
        stamp=stamp,
        words=words,
        position=number,
    )
