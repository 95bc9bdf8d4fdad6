"""The answers of the history as records: found, marked, deleted, and never out of step with the index."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.domain.conversations import AnswerFacts, Conversation, Turn, Unsent
from codomyrmex_ollama_tui.domain.outputs import Kind, OutputNotFound, Source
from codomyrmex_ollama_tui.store.history import HistoryStore
from codomyrmex_ollama_tui.store.history_source import HistorySource
from tests.store.test_history import NOON, kept, store_in, talk


def source_of(store: HistoryStore) -> HistorySource:
    source = HistorySource(store)
    as_source: Source = source
    assert as_source.kinds == {Kind.CHAT}
    return source


def taken(source: HistorySource) -> dict[str, str | None]:
    """Everything that has changed, by key with the answer's text; the index knows it from now on."""
    changes = list(source.changes())
    source.taken_in((key, number) for key, number, _ in changes)
    return {key: None if entry is None else entry.answer for key, _, entry in changes}


def test_an_answer_is_a_record_with_its_question(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    source = source_of(store)
    assert list(source.entries()) == []
    assert list(source.changes()) == []
    conversation = talk()
    conversation.turns[1].answer = AnswerFacts(tokens=20)
    conversation.turns[1].thinking = "hm"
    kept(store, conversation)
    (entry,) = source.entries()
    assert (entry.kind, entry.key, entry.place, entry.title) == (Kind.CHAT, "chat:c-a", "chat:c", "Why")
    assert (entry.prompt, entry.answer, entry.thinking, entry.preview) == ("why?", "so.", "hm", "so.")
    assert (entry.model, entry.tokens, entry.created_at) == ("m", 20, NOON)


def test_many_answers_come_oldest_first(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    conversation = Conversation("c", "t", "m", created_at=NOON, changed_at=NOON)
    turns = [
        Turn(str(number), "assistant", str(number), asked_at=NOON + timedelta(seconds=number)) for number in range(600)
    ]
    conversation.tree = {turn.id: turn for turn in turns}
    store.add(conversation, turns)
    assert [entry.key for entry in source_of(store).entries()] == [f"chat:{number}" for number in range(600)]


def test_changes_are_told_until_the_index_knows_them(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    source = source_of(store)
    conversation = kept(store, talk())
    assert taken(source) == {"chat:c-a": "so."}
    assert taken(source) == {}
    streaming = Turn("a2", "assistant", status="streaming", parent="c-q", asked_at=NOON)
    conversation.add(streaming)
    store.add(conversation, [streaming])
    store.append("a2", "half", "")
    assert taken(source) == {}
    store.finish(replace(streaming, text="whole", status="complete"))
    ((key, number, _),) = source.changes()
    store.finish(replace(streaming, text="whole again", status="complete"))
    source.taken_in([(key, number)])  # a change that came in between is not forgotten
    assert taken(source) == {"chat:a2": "whole again"}
    conversation.title = "Other"
    store.save(conversation)
    assert set(taken(source)) == {"chat:c-a", "chat:a2"}
    store.delete("c")
    assert taken(source) == {"chat:c-a": None, "chat:a2": None}
    store.put_back("c")
    assert taken(source) == {"chat:c-a": "so.", "chat:a2": "whole again"}
    store.remove(["a2"])
    assert taken(source) == {"chat:a2": None}
    store.delete("c")
    store.close()
    assert taken(source) == {"chat:c-a": None}


def test_marks_stay_with_an_answer(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    source = source_of(store)
    kept(store, talk())
    entry = source.mark("chat:c-a", lambda marks: replace(marks, rating=4, pinned=True, tags=("good",), note="keep"))
    assert (entry.rating, entry.pinned, entry.tags, entry.note) == (4, True, ("good",), "keep")
    again = source.mark("chat:c-a", lambda marks: replace(marks, rating=None))
    assert (again.rating, again.pinned, again.tags) == (None, True, ("good",))
    with pytest.raises(ValueError, match="rating"):
        source.mark("chat:c-a", lambda marks: replace(marks, rating=6))
    assert next(source.entries()).pinned
    with pytest.raises(OutputNotFound):
        source.mark("chat:none", lambda marks: marks)


def test_deleting_an_answer_leaves_what_follows_it(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    source = source_of(store)
    conversation = talk()
    more = Turn("q2", "user", "and?", parent="c-a"), Turn("a2", "assistant", "also.", parent="q2", asked_at=NOON)
    conversation.add(*more)
    kept(store, conversation)
    source.delete("chat:c-a")
    assert [turn.text for turn in store.load("c").turns] == ["", "", "and?", "also."]
    assert [entry.key for entry in source.entries()] == ["chat:a2"]
    source.delete("chat:a2")
    with pytest.raises(OutputNotFound):
        store.load("c")
    source.delete("chat:a2")


def test_deleting_one_of_two_answers_leaves_the_question_and_the_other(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    source = source_of(store)
    conversation = talk()
    conversation.add(Turn("a2", "assistant", "or so.", parent="c-q", asked_at=NOON))
    kept(store, conversation)
    store.keep_draft(conversation, Unsent("half"))
    source.delete("chat:a2")
    assert [turn.text for turn in store.load("c").turns] == ["why?", "so."]
    source.delete("chat:c-a")
    assert store.load("c").turns == []
    assert store.load("c").draft.text == "half"
