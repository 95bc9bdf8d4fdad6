"""The answers of the history as records that the index knows: one for each answer, with the question it answers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from codomyrmex_ollama_tui.domain.outputs import Edit, IndexEntry, Kind, Marks, OutputNotFound
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.store import history_rows as rows
from codomyrmex_ollama_tui.store.history import HistoryStore

PREFIX = "chat:"
"""Before the id of an answer in its key, and before the id of its conversation in its place."""
_CHUNK = 250
_ENTRY = (
    "SELECT a.number, a.id, a.model, coalesce(a.asked, c.created), c.title, q.text, a.text, a.thinking, a.facts,"
    " a.rating, a.pinned, a.tags, a.note, c.id FROM turn a JOIN conversation c ON c.id = a.conversation"
    " LEFT JOIN turn q ON q.id = a.parent WHERE a.role = 'assistant' AND a.status != 'streaming' AND NOT a.gone"
    " AND c.deleted IS NULL"
)


class HistorySource:
    """A `Source` of the index that tells what has changed."""

    kinds = frozenset({Kind.CHAT})

    def __init__(self, store: HistoryStore) -> None:
        self._store = store

    @property
    def exists(self) -> bool:
        """Whether anything was ever kept."""
        return self._store.exists

    def entries(self) -> Iterator[IndexEntry]:
        """Every answer that is not on its way, oldest first."""
        last = 0
        while self._store.exists:
            with self._store.file.reading() as connection:
                found = connection.execute(
                    f"{_ENTRY} AND a.number > ? ORDER BY a.number LIMIT ?", (last, _CHUNK)
                ).fetchall()
            yield from map(_entry, found)
            if len(found) < _CHUNK:
                return
            last = found[-1][0]

    def changes(self) -> Iterator[tuple[str, int, IndexEntry | None]]:
        """What the index may not know yet: key, number of the change, and the entry; None for what is gone.

        Raises:
            HistoryFailed: the file cannot be used.
        """
        if not self._store.exists:
            return
        with self._store.file.reading() as connection:
            found = connection.execute("SELECT key, number FROM unindexed ORDER BY number").fetchall()
        for id_, number in found:
            with self._store.file.reading() as connection:
                row = connection.execute(f"{_ENTRY} AND a.id = ?", (id_,)).fetchone()
            yield f"{PREFIX}{id_}", number, None if row is None else _entry(row)

    def taken_in(self, changes: Iterable[tuple[str, int]]) -> None:
        """The index knows these changes now, as (key, number)."""
        with self._store.file.writing() as connection:
            connection.executemany(
                "DELETE FROM unindexed WHERE key = ? AND number = ?",
                [(key.removeprefix(PREFIX), number) for key, number in changes],
            )

    def mark(self, key: str, edit: Edit) -> IndexEntry:
        """Changes the marks of an answer and gives its new entry. Raises OutputNotFound, ValueError."""
        id_ = key.removeprefix(PREFIX)
        with self._store.file.writing() as connection:
            row = connection.execute("SELECT rating, pinned, tags, note FROM turn WHERE id = ?", (id_,)).fetchone()
            if row is None:
                raise self._missing(key)
            rating, pinned, tags, note = row
            marks = edit(Marks(rating, bool(pinned), tuple(json.loads(tags)), rows.told(note)))
            connection.execute(
                "UPDATE turn SET rating = ?, pinned = ?, tags = ?, note = ? WHERE id = ?",
                (marks.rating, marks.pinned, rows.as_json(list(marks.tags)), rows.kept(marks.note), id_),
            )
            entry = connection.execute(f"{_ENTRY} AND a.id = ?", (id_,)).fetchone()
        if entry is None:
            raise self._missing(key)
        return _entry(entry)

    def delete(self, key: str) -> None:
        """Deletes an answer, and its question if nothing else answers that.

        Where the conversation goes on below it, both stay as empty places; a conversation of nothing else goes too.
        """
        id_ = key.removeprefix(PREFIX)
        with self._store.file.writing() as connection:
            row = connection.execute("SELECT conversation, parent FROM turn WHERE id = ?", (id_,)).fetchone()
            if row is None:
                return
            conversation, parent = row
            _empty(connection, id_)
            others = "SELECT 1 FROM turn WHERE parent = ? AND NOT gone"
            if parent is not None and connection.execute(others, (parent,)).fetchone() is None:
                _empty(connection, parent)
            connection.execute("DELETE FROM unindexed WHERE key = ?", (id_,))
            _prune(connection, conversation)

    def _missing(self, key: str) -> OutputNotFound:
        return OutputNotFound(self._store.path, f"there is no answer {key}")


def _empty(connection: sqlite3.Connection, turn_id: str) -> None:
    connection.execute(
        "UPDATE turn SET text = '', thinking = '', request = NULL, images = NULL, tool_calls = NULL, note = '',"
        " tags = '[]', pinned = 0, rating = NULL, words = 'deleted', gone = 1 WHERE id = ?",
        (turn_id,),
    )


def _prune(connection: sqlite3.Connection, conversation: str) -> None:
    """Removes empty places at the ends of the tree, and a conversation in which nothing is left."""
    while connection.execute(
        "DELETE FROM turn WHERE conversation = ? AND gone"
        " AND NOT EXISTS (SELECT 1 FROM turn below WHERE below.parent = turn.id)",
        (conversation,),
    ).rowcount:
        pass
    connection.execute(
        "DELETE FROM conversation WHERE id = ? AND draft IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM turn WHERE conversation = conversation.id)",
        (conversation,),
    )


def _entry(row: tuple[Any, ...]) -> IndexEntry:
    (_, id_, model, asked, title, prompt, answer, thinking, facts, rating, pinned, tags, note, conversation) = row
    said = rows.told(answer)
    return IndexEntry(
        Kind.CHAT,
        f"{PREFIX}{id_}",
        rows.told(model),
        rows.moment(asked),
        title=rows.told(title),
        preview=one_line(said, 160),
        rating=rating,
        pinned=bool(pinned),
        tags=tuple(json.loads(tags)),
        note=rows.told(note),
        tokens=None if facts is None else rows.facts_of(json.loads(facts)).tokens,
        place=f"{PREFIX}{conversation}",
        prompt="" if prompt is None else rows.told(prompt),
        answer=said,
        thinking=rows.told(thinking),
    )
