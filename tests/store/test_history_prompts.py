"""The prompts in the history: found by their words, each once, the newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.domain.conversations import Conversation, Turn
from codomyrmex_ollama_tui.store.history import HistoryStore
from codomyrmex_ollama_tui.store.history_prompts import find_prompts, prompt_text

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def store_with(folder: Path, *prompts: str) -> HistoryStore:
    """A history of conversations with one question each, asked one after the other."""
    store = HistoryStore(folder / "history.db", now=lambda: NOON, writer="one")
    for number, text in enumerate(prompts):
        conversation = Conversation(f"c{number}", "t", "m", created_at=NOON, changed_at=NOON)
        question = Turn(f"q{number}", "user", text, asked_at=NOON)
        answer = Turn(f"a{number}", "assistant", "the needle", model="m", asked_at=NOON, parent=question.id)
        conversation.add(question, answer)
        store.add(conversation, [question, answer])
    return store


def texts(store: HistoryStore, words: str = "", limit: int = 100) -> list[str]:
    return [prompt.text for prompt in find_prompts(store, words, limit)]


def test_the_newest_come_first_and_each_text_once(tmp_path: Path) -> None:
    store = store_with(tmp_path, "one", "two", "one", " ", "three")
    assert texts(store) == ["three", "one", "two"]
    assert texts(store, limit=2) == ["three", "one"]
    store.close()


def test_all_words_must_be_in_it_case_aside(tmp_path: Path) -> None:
    store = store_with(tmp_path, "Größe der Stadt", "die Stadt", "100% sure_thing")
    assert texts(store, "STADT größe") == ["Größe der Stadt"]
    assert texts(store, "%") == ["100% sure_thing"]
    assert texts(store, "needle") == [], "answers are no prompts"
    store.close()


def test_what_is_deleted_is_not_found(tmp_path: Path) -> None:
    store = store_with(tmp_path, "one", "two")
    store.delete("c1")
    assert texts(store) == ["one"]
    store.put_back("c1")
    assert texts(store) == ["two", "one"]
    store.close()


@pytest.mark.parametrize("text", ["x" * 300_000, "half a pair \ud800 " * 1000])
def test_a_long_prompt_is_seen_in_part_and_read_whole(text: str, tmp_path: Path) -> None:
    store = store_with(tmp_path, text)
    (prompt,) = find_prompts(store, "", 10)
    assert len(prompt.text) < len(text)
    assert prompt.text != prompt_text(store, prompt.id) == text
    with pytest.raises(KeyError):
        prompt_text(store, "no such turn")
    store.close()


def test_no_history_is_made_by_looking(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path / "history.db", now=lambda: NOON, writer="one")
    assert texts(store) == []
    assert not (tmp_path / "history.db").exists()
