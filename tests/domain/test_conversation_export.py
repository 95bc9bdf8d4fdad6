"""Conversations as text, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.chat import ToolCall
from codomyrmex_ollama_tui.domain.conversation_export import ExportFormat, NotImportable, exported, imported
from codomyrmex_ollama_tui.domain.conversations import AnswerFacts, Conversation, Turn

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def talk(id: str = "c", text: str = "Some **bold** words.") -> Conversation:
    """A question with two answers, the first of which is shown."""
    conversation = Conversation(id, "Why", "m", created_at=NOON, changed_at=NOON, pinned=True, think="low")
    conversation.system, conversation.options = "Be brief.", {"temperature": 0.2}
    question = Turn(f"{id}1", "user", "why?", asked_at=NOON, images=("aGk=",))
    first = Turn(f"{id}2", "assistant", text, "hm", model="m", asked_at=NOON, parent=question.id, thought_for=1.5)
    first.answer = AnswerFacts(20, 41.8, 0.3, 2.0, "stop", 0.1, 50)
    first.tool_calls = (ToolCall("add", {"a": 1}, "x", 0),)
    second = Turn(f"{id}3", "assistant", "So.", model="n", asked_at=NOON, parent=question.id, status="failed")
    second.words = "cut"
    conversation.add(question, first, second)
    conversation.choose(first)
    return conversation


def test_markdown_is_what_is_shown() -> None:
    conversation = talk(text="Evil \x1b[31m text")
    conversation.turns[1].status, conversation.turns[1].words = "failed", "cut"
    assert exported([conversation], "markdown") == (
        "# Why\n\n## system\n\nBe brief.\n\n## you · 2026-11-24 12:00 UTC\n\n*1 image*\n\nwhy?\n\n"
        "## m · 2026-11-24 12:00 UTC\n\n> hm\n\nEvil ␛[31m text\n\n*failed: cut*\n"
    )


@pytest.mark.parametrize("format", ["json", "jsonl"])
@pytest.mark.parametrize("count", [1, 3])
def test_json_brings_everything_back(format: Any, count: int) -> None:
    conversations = [talk(f"c{number}") for number in range(count)]
    text = exported(conversations, format)
    assert imported(text) == conversations
    assert imported("\ufeff" + text) == conversations
    if format == "jsonl":
        assert text.count("\n") == count


@settings(max_examples=50)
@given(st.text(st.characters(codec=None), max_size=40))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    formats: tuple[ExportFormat, ...] = ("json", "jsonl")
    for format in formats:
        (found,) = imported(exported([talk(text=text)], format))
        assert found.tree["c2"].text == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


VALUES: dict[str, Any] = json.loads(exported([talk()], "json"))


@settings(max_examples=50)
@given(st.text(max_size=40) | st.text('[]{}":,1e\n', max_size=30))
@example("[]")
def test_any_other_text_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(NotImportable):
        imported(text)


@settings(max_examples=50)
@given(st.sampled_from(sorted(VALUES)), st.sampled_from(sorted(VALUES["turns"][0])), JSON, JSON)
def test_an_export_that_was_changed_is_taken_in_or_refused(field: str, turn_field: str, value: Any, other: Any) -> None:
    values: dict[str, Any] = json.loads(exported([talk()], "json"))
    values["turns"][1][turn_field] = other
    for changed in (values, values | {field: value}):
        try:
            found = imported(json.dumps(changed))
        except NotImportable:
            continue
        assert imported(exported(found, "json")) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("hello", "no JSON"),
        ('{"format": "other"}', "no conversation"),
        ('{"format": "cotui conversation", "version": 9}', "later version"),
        ('{"format": "cotui conversation", "version": 1, "id": "a"}\nno', "line 2"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(NotImportable, match=words):
        imported(text)


def test_an_answer_that_was_on_its_way_comes_back_as_interrupted() -> None:
    conversation = talk()
    conversation.turns[1].status = "streaming"
    (found,) = imported(exported([conversation], "json"))
    assert found.turns[1].status == "interrupted"
