"""The prompts in the history: every question of every conversation that has not been deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.conversations import Prompt
from codomyrmex_ollama_tui.store import history_rows as rows

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.store.history import HistoryStore

SEEN = 4000
"""Characters of a prompt that are read to find and show it."""
LOOKED_AT = 5000
"""Prompts that are looked at for one search, the newest."""


def find_prompts(store: HistoryStore, words: str, limit: int) -> list[Prompt]:
    """Prompts that hold all words, case aside; the newest first, each text once.

    Raises:
        HistoryFailed: the file cannot be used.
    """
    if not store.exists:
        return []
    wanted = words.casefold().split()
    found: dict[tuple[str, int], Prompt] = {}
    with store.file.reading() as connection:
        for id_, text, length, asked in connection.execute(
            "SELECT t.id, substr(t.text, 1, ?), length(t.text), t.asked FROM turn t"
            " JOIN conversation c ON c.id = t.conversation"
            " WHERE t.role = 'user' AND NOT t.gone AND c.deleted IS NULL ORDER BY t.number DESC LIMIT ?",
            (SEEN, LOOKED_AT),
        ):
            beginning = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
            if beginning.strip() and all(word in beginning.casefold() for word in wanted):
                asked_at = rows.moment(asked) if asked is not None else None
                found.setdefault((beginning, length), Prompt(id_, beginning, length, asked_at))
                if len(found) == limit:
                    break
    return list(found.values())


def prompt_text(store: HistoryStore, turn_id: str) -> str:
    """The whole text of a prompt. Raises KeyError if it is not there any more, HistoryFailed as above."""
    with store.file.reading() as connection:
        row = connection.execute("SELECT text FROM turn WHERE id = ?", (turn_id,)).fetchone()
    if row is None:
        raise KeyError(turn_id)
    return rows.told(row[0])
