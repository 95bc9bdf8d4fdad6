"""The history: what is kept comes back, two programs at once do no harm, nothing committed is lost."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.chat import ToolCall
from codomyrmex_ollama_tui.domain.conversations import AnswerFacts, Conversation, Turn, Unsent
from codomyrmex_ollama_tui.domain.outputs import OutputNotFound
from codomyrmex_ollama_tui.store.history import HistoryStore

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 and modes of files")
TEXTS = st.text(st.characters(codec=None), max_size=30)


def store_in(folder: Path, writer: str = "one", told: list[str] | None = None, now: datetime = NOON) -> HistoryStore:
    say = (lambda words: None) if told is None else told.append
    return HistoryStore(folder / "history.db", now=lambda: now, writer=writer, told=say)


def talk(conversation_id: str = "c", question: str = "why?", answer: str = "so.") -> Conversation:
    """A conversation of one question and its answer."""
    conversation = Conversation(conversation_id, "Why", "m", created_at=NOON, changed_at=NOON)
    asked = Turn(f"{conversation_id}-q", "user", question, asked_at=NOON)
    told = Turn(f"{conversation_id}-a", "assistant", answer, model="m", asked_at=NOON, parent=asked.id)
    conversation.add(asked, told)
    return conversation


def kept(store: HistoryStore, conversation: Conversation) -> Conversation:
    """Keeps a conversation and reads it again."""
    store.add(conversation, list(conversation.tree.values()))
    return store.load(conversation.id)


def test_everything_about_a_conversation_comes_back(tmp_path: Path) -> None:
    conversation = talk()
    conversation.named = conversation.pinned = True
    conversation.system, conversation.options, conversation.think = "Be brief.", {"temperature": 0.2}, "high"
    conversation.draft = Unsent("half ⟦pasted⟧", {"⟦pasted⟧": "x" * 60_000})
    conversation.turns[0].images = ("aGVsbG8=", "d29ybGQ=")
    answer = conversation.turns[1]
    answer.thinking, answer.status, answer.words, answer.thought_for = "hm", "failed", "cut", 1.5
    answer.answer = AnswerFacts(20, 41.8, 0.3, 2.0, "stop", 0.1, 50, 30, 0.2)
    answer.tool_calls = (ToolCall("add", {"a": [1, {"b": None}]}, "call-1", 0),)
    store = store_in(tmp_path)
    assert kept(store, conversation) == conversation
    store.close()
    assert store_in(tmp_path).load("c") == conversation


@settings(max_examples=25, deadline=None)
@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_any_text_comes_back_as_it_was(question: str, answer: str, thinking: str, title: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        conversation = talk(question=question, answer=answer)
        conversation.title, conversation.system, conversation.draft = title, thinking, Unsent(question, {title: answer})
        conversation.turns[1].thinking = thinking
        store = store_in(Path(folder))
        found = kept(store, conversation)
        store.append("c-a", answer, thinking)
        store.finish(replace(conversation.turns[1], text=answer + thinking))
        assert found.turns == conversation.turns
        assert (found.title, found.system) == (title, thinking)
        assert found.draft == (conversation.draft if question else Unsent())
        assert store.load("c").turns[1].text == answer + thinking
        store.close()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "choose", "remove"]), st.integers(0, 1000)), max_size=25))
def test_a_tree_is_the_same_after_whatever_was_done_to_it(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = store_in(Path(folder))
        conversation = Conversation("c", "t", "m", created_at=NOON, changed_at=NOON)
        store.save(conversation)
        for number, (step, place) in enumerate(steps):
            turns = list(conversation.tree.values())
            at = turns[place % len(turns)] if turns else None
            if step == "add" or at is None:
                parent = None if at is None or place % 7 == 0 else at.id
                turn = Turn(f"t{number}", "user" if number % 2 else "assistant", str(number), parent=parent)
                conversation.add(turn)
                store.add(conversation, [turn])
                assert (turn in conversation.turns) is (parent is None or at in conversation.turns)
            elif step == "choose":
                store.choose(conversation.choose(at))
                assert at in conversation.turns
            else:
                gone = conversation.remove(at)
                store.remove([turn.id for turn in gone])
                assert at not in conversation.turns
            loaded = store.load("c")
            assert loaded.tree == conversation.tree
            assert [turn.id for turn in loaded.turns] == [turn.id for turn in conversation.turns]
        store.close()


def test_the_path_that_is_shown_is_the_one_chosen_last_at_every_fork() -> None:
    conversation = talk()
    first = conversation.turns[1]
    second = Turn("a2", "assistant", "or so.", parent="c-q")
    conversation.add(second)
    follow = Turn("q2", "user", "and?", parent="a2")
    conversation.add(follow)
    assert [turn.id for turn in conversation.turns] == ["c-q", "a2", "q2"]
    conversation.choose(first)
    assert [turn.id for turn in conversation.turns] == ["c-q", "c-a"]
    conversation.choose(second)
    assert [turn.id for turn in conversation.turns] == ["c-q", "a2", "q2"]
    assert conversation.siblings(second) == [first, second]
    assert [turn.id for turn in conversation.above(follow)] == ["c-q", "a2", "q2"]


def test_the_list_is_newest_first_and_tells_how_the_last_answer_ended(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert store.summaries() == []
    assert not store.exists
    old, new = talk("old"), talk("new")
    old.changed_at, new.turns[1].status, new.pinned = NOON - timedelta(days=1), "stopped", True
    kept(store, old)
    kept(store, new)
    store.keep_draft(new, Unsent("half\na line"))
    found = store.summaries()
    assert [(one.id, one.status, one.pinned, one.turns, one.draft) for one in found] == [
        ("new", "stopped", True, 2, "half a line"),
        ("old", "complete", False, 2, ""),
    ]


def test_a_conversation_of_nothing_but_a_draft_lives_as_long_as_the_draft(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    conversation = Conversation("c", "", "m", created_at=NOON)
    store.keep_draft(conversation, Unsent())
    assert store.summaries() == []
    store.keep_draft(conversation, Unsent("half"))
    assert store.load("c").draft == Unsent("half")
    store.keep_draft(conversation, Unsent())
    assert store.summaries() == []


def test_a_deleted_conversation_can_be_brought_back_until_the_store_is_closed(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    conversation = talk()
    conversation.turns[0].images = ("aGVsbG8=",)
    kept(store, conversation)
    store.delete("c")
    assert store.summaries() == []
    with pytest.raises(OutputNotFound):
        store.load("c")
    store.put_back("c")
    assert store.load("c") == conversation
    store.delete("c")
    store.close()
    with pytest.raises(OutputNotFound):
        store.put_back("c")
    with contextlib.closing(sqlite3.connect(store.path)) as raw:
        assert [raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("turn", "image")] == [0, 0]


def test_what_a_killed_program_had_deleted_goes_for_good_after_a_day(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    kept(store, talk())
    store.delete("c")
    assert store_in(tmp_path, "two", now=NOON + timedelta(hours=2)).summaries() == []
    store.put_back("c")
    store.delete("c")
    store_in(tmp_path, "two", now=NOON + timedelta(days=2)).summaries()
    with pytest.raises(OutputNotFound):
        store.put_back("c")


def test_what_is_said_in_a_conversation_that_was_deleted_elsewhere_is_not_lost(tmp_path: Path) -> None:
    here, there = store_in(tmp_path, "here"), store_in(tmp_path, "there")
    conversation = kept(here, talk())
    there.delete("c")
    there.close()
    question = Turn("q2", "user", "and?", parent="c-a", asked_at=NOON)
    conversation.add(question)
    here.add(conversation, [question])
    assert [turn.text for turn in there.load("c").turns] == ["why?", "so.", "and?"]


def test_titles_are_found_case_aside(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert store.titled("x") == set()
    conversation = talk()
    conversation.title = "Straße nach 100% _Rom_"
    kept(store, conversation)
    assert store.titled("STRASSE") == {"c"}
    assert store.titled("100% _r") == {"c"}
    assert store.titled("1000") == set()


def test_the_request_of_an_answer_is_kept(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    kept(store, talk())
    assert store.request_of("c-a") is None
    store.sent("c-a", {"model": "m", "options": {"seed": 7}, "left_out": ["x"]})
    assert store.request_of("c-a") == {"model": "m", "options": {"seed": 7}, "left_out": ["x"]}
    assert store.request_of("nothing") is None


# ------------------------------------------------------------ being killed

WRITE_AND_WAIT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from codomyrmex_ollama_tui.domain.conversations import Conversation, Turn
from codomyrmex_ollama_tui.store.history import HistoryStore

now = datetime(2026, 11, 24, 12, tzinfo=UTC)
store = HistoryStore(Path(sys.argv[1]), now=lambda: now, writer="other")
conversation = Conversation("k", "Killed", "m", created_at=now, changed_at=now)
conversation.add(Turn("q", "user", "why?", asked_at=now), Turn("a", "assistant", status="streaming", parent="q"))
store.add(conversation, list(conversation.tree.values()))
store.append("a", "One, ", "hm")
store.append("a", "two", "")
print("written", flush=True)
sys.stdin.read()
"""


@POSIX
def test_an_answer_of_a_living_program_streams_and_of_a_killed_one_is_interrupted(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    script = [sys.executable, "-c", WRITE_AND_WAIT, str(store.path)]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "written\n"
        assert [one.status for one in store.summaries()] == ["streaming"]
        assert store.load("k").turns[1].text == "One, two"
        other.kill()
        other.wait()
        assert [one.status for one in store.summaries()] == ["interrupted"]
        answer = store.load("k").turns[1]
        assert (answer.text, answer.thinking, answer.status) == ("One, two", "hm", "interrupted")
        assert "ended while" in answer.words
        assert store.settle() == 0
        assert list(tmp_path.glob("*writer*")) == []


def test_an_answer_that_goes_on_keeps_what_it_had(tmp_path: Path) -> None:
    conversation = talk(answer="One, ")
    store = store_in(tmp_path)
    kept(store, conversation)
    store.resume(conversation.turns[1])
    store.append("c-a", "two", "")
    assert store_in(tmp_path, "two").load("c").turns[1].text == "One, two"
    store._writers.sign_out()
    assert store_in(tmp_path, "three").load("c").turns[1].status == "interrupted"
    assert store.load("c").turns[1].text == "One, two"


def test_threads_and_stores_write_at_once(tmp_path: Path) -> None:
    def write(name: str) -> None:
        store = store_in(tmp_path, name)
        for number in range(5):
            kept(store, talk(f"{name}{number}"))
        store.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store_in(tmp_path).summaries()) == 20
