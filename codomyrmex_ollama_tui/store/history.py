"""Every conversation in one SQLite database: nothing that was committed is lost when the program is killed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from codomyrmex_ollama_tui.domain.conversations import Conversation, Summary, Turn, Unsent
from codomyrmex_ollama_tui.domain.outputs import OutputNotFound
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.store import history_rows as rows
from codomyrmex_ollama_tui.store.history_file import HistoryFailed, HistoryFile, HistoryRefused
from codomyrmex_ollama_tui.store.history_writers import Writers

__all__ = ["HistoryFailed", "HistoryRefused", "HistoryStore"]

KEPT_AFTER_DELETION = timedelta(days=1)
"""How long a deleted conversation can be brought back, if the program that deleted it was killed."""
INTERRUPTED = "the program ended while this was being written"

_NEWEST_STATUS = "SELECT status FROM turn WHERE conversation = c.id AND role = 'assistant' ORDER BY number DESC LIMIT 1"


class HistoryStore:
    """Conversations, their turns, drafts and marks. Calls block; safe to use from several threads and processes.

    Every method raises HistoryFailed when the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime],
        writer: str,
        told: Callable[[str], None] = lambda words: None,
    ) -> None:
        """Reads and makes nothing yet.

        Args:
            writer: a name for this process that no other has, letters and digits.
            told: called, on the thread of whoever noticed, when a broken file was set aside.
        """
        self.path = path
        self.file = HistoryFile(path, told=told)
        self._now = now
        self._writers = Writers(path, writer)
        self._deleted: set[str] = set()

    @property
    def exists(self) -> bool:
        """Whether anything was ever kept."""
        return self.path.exists()

    # ------------------------------------------------------------ conversations

    def summaries(self) -> list[Summary]:
        """All conversations, newest first. Answers of programs that have ended are marked as interrupted before."""
        if not self.exists:
            return []
        self.settle()
        with self.file.reading() as connection:
            found = connection.execute(
                "SELECT id, title, model, changed, pinned, draft,"
                f" (SELECT count(*) FROM turn WHERE conversation = c.id), ({_NEWEST_STATUS})"
                " FROM conversation c WHERE deleted IS NULL ORDER BY changed DESC, rowid DESC"
            ).fetchall()
        return [
            Summary(
                id_,
                rows.told(title),
                rows.told(model),
                rows.moment(changed),
                pinned=bool(pinned),
                turns=count,
                status=status or "complete",
                draft=one_line(rows.told(draft), 60) if draft is not None else "",
            )
            for id_, title, model, changed, pinned, draft, count, status in found
        ]

    def load(self, conversation_id: str) -> Conversation:
        """A conversation with all its turns. Raises OutputNotFound."""
        if self.exists:
            self.settle()
            with self.file.reading() as connection:
                row = connection.execute(
                    f"SELECT {rows.CONVERSATION} FROM conversation WHERE id = ? AND deleted IS NULL", (conversation_id,)
                ).fetchone()
                if row is not None:
                    conversation = rows.conversation_of(row)
                    for turn in _turns(connection, conversation_id):
                        conversation.tree[turn.id] = turn
                    conversation.retrace()
                    return conversation
        raise OutputNotFound(self.path, f"there is no conversation {conversation_id}")

    def save(self, conversation: Conversation) -> None:
        """Keeps everything about a conversation but its turns; it may be new."""
        with self.file.writing() as connection:
            self._save(connection, conversation)
            _touch(connection, conversation.id)

    def delete(self, conversation_id: str) -> None:
        """Takes a conversation out of the list; it can be brought back until the store is closed."""
        with self.file.writing() as connection:
            connection.execute(
                "UPDATE conversation SET deleted = ? WHERE id = ?", (rows.microseconds(self._now()), conversation_id)
            )
            _touch(connection, conversation_id)
        self._deleted.add(conversation_id)

    def put_back(self, conversation_id: str) -> None:
        """Brings a deleted conversation back. Raises OutputNotFound if it is gone for good."""
        with self.file.writing() as connection:
            done = connection.execute("UPDATE conversation SET deleted = NULL WHERE id = ?", (conversation_id,))
            if not done.rowcount:
                raise OutputNotFound(self.path, f"there is no conversation {conversation_id}")
            _touch(connection, conversation_id)
        self._deleted.discard(conversation_id)

    def titled(self, text: str) -> set[str]:
        """The ids of conversations whose titles hold a text, case aside."""
        if not self.exists:
            return set()
        wanted = text.casefold()
        with self.file.reading() as connection:
            found = connection.execute("SELECT id, title FROM conversation WHERE deleted IS NULL").fetchall()
        return {id_ for id_, title in found if wanted in rows.told(title).casefold()}

    # ------------------------------------------------------------ turns

    def add(self, conversation: Conversation, turns: Sequence[Turn]) -> None:
        """Keeps new turns, and the conversation itself if it is new, in one transaction.

        A conversation that another program has deleted meanwhile is there again, with all its turns.

        Args:
            turns: parents first.
        """
        if any(turn.status == "streaming" for turn in turns):
            try:
                self._writers.sign_in()
            except OSError as error:
                raise HistoryFailed("use", self.path, (error.strerror or str(error)).lower()) from error
        with self.file.writing() as connection:
            self._save(connection, conversation)
            connection.execute("UPDATE conversation SET deleted = NULL WHERE id = ?", (conversation.id,))
            for turn in _unkept(connection, conversation, turns):
                _insert(connection, conversation.id, turn)
            for turn in turns:
                streaming = turn.status == "streaming"
                _insert(connection, conversation.id, turn)
                if streaming:
                    connection.execute("UPDATE turn SET writer = ? WHERE id = ?", (self._writers.name, turn.id))
            _touch(connection, *(turn.id for turn in turns if turn.status != "streaming"), by="turn")

    def sent(self, turn_id: str, request: Mapping[str, object]) -> None:
        """Keeps what an answer was asked for with: see `request_of`."""
        with self.file.writing() as connection:
            connection.execute("UPDATE turn SET request = ? WHERE id = ?", (rows.as_json(request), turn_id))

    def take_in(self, conversations: Iterable[Conversation]) -> tuple[str, ...]:
        """Keeps conversations from elsewhere in one transaction; gives the ids of those that were not there.

        One of which the id, or that of any turn, is there already is left out.
        """
        taken = []
        with self.file.writing() as connection:
            for conversation in conversations:
                turns = list(conversation.tree.values())
                here = connection.execute("SELECT 1 FROM conversation WHERE id = ?", (conversation.id,)).fetchone()
                known = "SELECT 1 FROM turn WHERE id = ?"
                if here is None and not any(connection.execute(known, (turn.id,)).fetchone() for turn in turns):
                    self._save(connection, conversation)
                    for turn in turns:
                        _insert(connection, conversation.id, turn)
                    _touch(connection, conversation.id)
                    taken.append(conversation.id)
        return tuple(taken)

    def append(self, turn_id: str, text: str, thinking: str) -> None:
        """Keeps what has come of an answer since the last time. An answer that is gone gets nothing."""
        with self.file.writing() as connection:
            connection.execute(
                "INSERT INTO piece (turn, text, thinking) SELECT id, ?, ? FROM turn WHERE id = ?",
                (rows.kept(text), rows.kept(thinking), turn_id),
            )

    def finish(self, turn: Turn) -> None:
        """Keeps how an answer ended, with its whole text."""
        with self.file.writing() as connection:
            connection.execute(
                "UPDATE turn SET text = ?, thinking = ?, status = ?, words = ?, thought_for = ?, facts = ?,"
                " tool_calls = ?, writer = NULL WHERE id = ?",
                (*rows.ending_values(turn), turn.id),
            )
            connection.execute("DELETE FROM piece WHERE turn = ?", (turn.id,))
            _touch(connection, turn.id, by="turn")

    def resume(self, turn: Turn) -> None:
        """An answer that had ended is on its way again: what comes is added to what it has."""
        try:
            self._writers.sign_in()
        except OSError as error:
            raise HistoryFailed("use", self.path, (error.strerror or str(error)).lower()) from error
        with self.file.writing() as connection:
            connection.execute(
                "UPDATE turn SET status = 'streaming', writer = ? WHERE id = ?", (self._writers.name, turn.id)
            )

    def choose(self, turns: Iterable[Turn]) -> None:
        """Keeps which of their siblings are shown."""
        with self.file.writing() as connection:
            connection.executemany(
                "UPDATE turn SET chosen = ? WHERE id = ?", [(turn.chosen, turn.id) for turn in turns]
            )

    def remove(self, turn_ids: Sequence[str]) -> None:
        """Deletes turns."""
        with self.file.writing() as connection:
            _touch(connection, *turn_ids, by="turn")
            connection.executemany("DELETE FROM turn WHERE id = ?", [(turn_id,) for turn_id in turn_ids])

    def request_of(self, turn_id: str) -> Mapping[str, Any] | None:
        """What was kept of an answer's request: the body without `messages`, of which `system` and `left_out` are.

        `messages` are the turns above the answer, without those whose ids are in `left_out`, after `system`.
        """
        with self.file.reading() as connection:
            row = connection.execute("SELECT request FROM turn WHERE id = ?", (turn_id,)).fetchone()
        if row is None or row[0] is None:
            return None
        request: Mapping[str, Any] = json.loads(row[0])
        return request

    def keep_draft(self, conversation: Conversation, draft: Unsent) -> None:
        """Keeps what stands in the composer of a conversation, which may be new; an empty one is not begun for it."""
        with self.file.writing() as connection:
            known = connection.execute("SELECT 1 FROM conversation WHERE id = ?", (conversation.id,)).fetchone()
            if known is None and draft.text:
                self._save(connection, conversation)
            connection.execute(
                "UPDATE conversation SET draft = ?, pasted = ? WHERE id = ?",
                (*rows.draft_values(draft), conversation.id),
            )
            # one that was never asked anything is nothing without its draft
            connection.execute(
                "DELETE FROM conversation WHERE id = ? AND draft IS NULL AND title = '' AND system = ''"
                " AND NOT EXISTS (SELECT 1 FROM turn WHERE conversation = conversation.id)",
                (conversation.id,),
            )

    # ------------------------------------------------------------ looking after it

    def settle(self) -> int:
        """Marks answers as interrupted whose program has ended, and deletes for good what was deleted long ago.

        Returns:
            how many answers were marked.
        """
        limit = rows.microseconds(self._now() - KEPT_AFTER_DELETION)
        with self.file.reading() as connection:
            writers = connection.execute(
                "SELECT DISTINCT writer FROM turn WHERE status = 'streaming' AND writer IS NOT ?",
                (self._writers.name,),
            ).fetchall()
            old = connection.execute("SELECT id FROM conversation WHERE deleted < ?", (limit,)).fetchall()
        gone = [name for (name,) in writers if name is None or self._writers.is_gone(name)]
        count = 0
        if gone or old:
            with self.file.writing() as connection:
                for name in gone:
                    count += _interrupt(connection, name)
                if old:
                    _purge(connection, [id_ for (id_,) in old])
        return count

    def close(self) -> None:
        """Deletes for good what was deleted here, signs out and lets go of the file; the next call opens it again."""
        try:
            if self._deleted and self.exists:
                with self.file.writing() as connection:
                    _purge(connection, sorted(self._deleted), only_deleted=True)
                self._deleted.clear()
        finally:
            self._writers.sign_out()
            self.file.close()

    def _save(self, connection: sqlite3.Connection, conversation: Conversation) -> None:
        columns = rows.CONVERSATION.split(", ")
        connection.execute(
            f"INSERT INTO conversation ({rows.CONVERSATION}) VALUES ({', '.join('?' * len(columns))})"
            f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in columns[1:])}",
            rows.conversation_values(conversation, self._now()),
        )


def _turns(connection: sqlite3.Connection, conversation_id: str) -> list[Turn]:
    found = connection.execute(
        f"SELECT {rows.TURN} FROM turn WHERE conversation = ? ORDER BY number", (conversation_id,)
    ).fetchall()
    images = rows.images_of(connection, found)
    turns = [rows.turn_of(row, images) for row in found]
    for turn in turns:
        if turn.status == "streaming":  # of another program that is alive
            text, thinking = _pieces(connection, turn.id)
            turn.text += text
            turn.thinking += thinking
    return turns


def _unkept(connection: sqlite3.Connection, conversation: Conversation, new: Sequence[Turn]) -> list[Turn]:
    """Turns that ought to be there before the new ones, but are not: deleted elsewhere, or there was no room."""
    parent = new[0].parent if new else None
    if parent is None or connection.execute("SELECT 1 FROM turn WHERE id = ?", (parent,)).fetchone() is not None:
        return []
    found = connection.execute("SELECT id FROM turn WHERE conversation = ?", (conversation.id,)).fetchall()
    known = {id_ for (id_,) in found} | {turn.id for turn in new}
    return [turn for turn in conversation.tree.values() if turn.id not in known]


def _pieces(connection: sqlite3.Connection, turn_id: str) -> tuple[str, str]:
    found = connection.execute("SELECT text, thinking FROM piece WHERE turn = ? ORDER BY number", (turn_id,)).fetchall()
    return "".join(rows.told(text) for text, _ in found), "".join(rows.told(thinking) for _, thinking in found)


def _insert(connection: sqlite3.Connection, conversation_id: str, turn: Turn) -> None:
    text, thinking, status, words, thought_for, facts, tool_calls = rows.ending_values(turn)
    connection.execute(
        "INSERT INTO turn (id, conversation, parent, chosen, role, text, thinking, model, status, words, asked,"
        " thought_for, facts, images, tool_calls) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            turn.id,
            conversation_id,
            turn.parent,
            turn.chosen,
            turn.role,
            text,
            thinking,
            rows.kept(turn.model),
            status,
            words,
            None if turn.asked_at is None else rows.microseconds(turn.asked_at),
            thought_for,
            facts,
            rows.put_images(connection, turn.images),
            tool_calls,
        ),
    )


def _interrupt(connection: sqlite3.Connection, writer: str | None) -> int:
    """Puts the pieces of a dead program's answers together."""
    found = connection.execute(
        "SELECT id, text, thinking FROM turn WHERE status = 'streaming' AND writer IS ?", (writer,)
    ).fetchall()
    for turn_id, text, thinking in found:
        more, thoughts = _pieces(connection, turn_id)
        connection.execute(
            "UPDATE turn SET text = ?, thinking = ?, status = 'interrupted', words = ?, writer = NULL WHERE id = ?",
            (rows.kept(rows.told(text) + more), rows.kept(rows.told(thinking) + thoughts), INTERRUPTED, turn_id),
        )
        connection.execute("DELETE FROM piece WHERE turn = ?", (turn_id,))
        _touch(connection, turn_id, by="turn")
    return len(found)


def _purge(connection: sqlite3.Connection, conversation_ids: Iterable[str], *, only_deleted: bool = False) -> None:
    for id_ in conversation_ids:
        _touch(connection, id_)
        connection.execute(
            "DELETE FROM conversation WHERE id = ?" + (" AND deleted IS NOT NULL" if only_deleted else ""), (id_,)
        )
    connection.execute(  # shared by turns, so no turn takes them along
        "DELETE FROM image WHERE digest NOT IN"
        " (SELECT value FROM turn, json_each(turn.images) WHERE images IS NOT NULL)"
    )


def _touch(connection: sqlite3.Connection, *ids: str, by: str = "conversation") -> None:
    """Notes that an index has to look at these answers again: of a conversation, or single ones."""
    if not ids:
        return
    connection.execute("UPDATE counter SET value = value + 1 WHERE name = 'change'")
    column = "conversation" if by == "conversation" else "id"
    for id_ in ids:
        connection.execute(
            "INSERT OR REPLACE INTO unindexed SELECT id, (SELECT value FROM counter WHERE name = 'change') FROM turn"
            f" WHERE {column} = ? AND role = 'assistant'",
            (id_,),
        )
