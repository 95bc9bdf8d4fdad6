"""Files of prompts: what is read, and that what is malformed is named with its line and column."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.prompts import (
    Misplaced,
    Prompt,
    PromptFormat,
    fill,
    prompt_of,
    read_prompts,
    variables_in,
)


def test_json_lines_have_everything_that_a_prompt_can_have() -> None:
    lines = [
        {"prompt": "one"},
        {"id": "two", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]},
        {
            "id": 7,
            "prompt": "{{a}}",
            "system": "short",
            "category": "x",
            "variables": {"a": 1},
            "options": {"temperature": 0},
            "assert": ["is-json", {"type": "contains", "value": "{{a}}"}],
        },
    ]
    text = "\n\n".join(map(json.dumps, lines)) + "\n"
    one, two, three = read_prompts(text, "jsonl")
    assert (one.id, one.text) == ("1", "one")
    assert two.messages == (("system", "s"), ("user", "u"))
    assert (three.id, three.variables, three.options) == ("7", {"a": "1"}, {"temperature": 0})
    assert [assertion.kind for assertion in three.assertions] == ["is-json", "contains"]
    assert [prompt_of(prompt.fields(), 1) for prompt in (one, two, three)] == [one, two, three]


def test_csv_columns_are_variables() -> None:
    text = 'id,prompt,expected\r\na,"Capital of {{country}},\r\nplease",Rome\r\n\r\nb,x,Paris\r\n'
    first, second = read_prompts(text, "csv")
    assert (first.id, first.text, first.variables) == (
        "a",
        "Capital of {{country}},\r\nplease",
        {"expected": "Rome"},
    )
    assert second.variables == {"expected": "Paris"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\nstill one\n\n\ntwo\n", ["one\nstill one", "two"]),
        ("one\n\nstill one\n---\ntwo", ["one\n\nstill one", "two"]),
        ("---\n\none\n-----\n", ["one"]),
    ],
)
def test_plain_text_is_parted_by_marks_or_blank_lines(text: str, expected: list[str]) -> None:
    assert [prompt.text for prompt in read_prompts(text, "txt")] == expected


def test_a_prompt_of_plain_text_is_called_by_its_line() -> None:
    assert [prompt.id for prompt in read_prompts("\n\none\n\ntwo\nmore\n\nthree", "txt")] == ["3", "5", "8"]


@pytest.mark.parametrize(
    ("kind", "text", "line", "column", "words"),
    [
        ("jsonl", '{"prompt": "a"}\n{"prompt": }', 2, 12, "no JSON"),
        ("jsonl", '{"prompt": "a"}\n{"prompt": "b", "optoins": {}}', 2, 17, "optoins: there is no such field"),
        ("jsonl", '{"prompt": "a", "options": {"temprature": 1}}', 1, 17, "temperature"),
        ("jsonl", '{"prompt": ""}', 1, 2, "allowed is a text that is not blank"),
        ("jsonl", '{"prompt": "a", "messages": []}', 1, 1, "one of prompt and messages"),
        ("jsonl", '{"messages": [{"role": "user"}]}', 1, 2, "messages[1].content"),
        ("jsonl", '{"id": "a", "prompt": "x"}\n{"id": "a", "prompt": "y"}', 2, 0, "that of line 1 too"),
        ("jsonl", "[" * 100_000, 1, 1, "no JSON"),
        ("jsonl", "\n \n", 0, 0, "there is no prompt"),
        ("csv", "question\nx\n", 1, 1, "no column is called prompt; there are: question"),
        ("csv", "prompt,a,a\n", 1, 3, "'a' is there twice"),
        ("csv", "prompt,a\nx,1\n\ny\n", 4, 2, "1 columns where the head has 2"),
        ("csv", "a,prompt\nx,1\ny, \n", 3, 2, "the prompt is empty"),
        ("csv", 'prompt\n"x\n', 2, 1, "no CSV"),
    ],
)
def test_what_is_malformed_is_named_with_its_place(
    kind: PromptFormat, text: str, line: int, column: int, words: str
) -> None:
    with pytest.raises(Misplaced) as raised:
        read_prompts(text, kind, "prompts")
    assert (raised.value.line, raised.value.column) == (line, column)
    assert words in raised.value.reason
    assert str(raised.value).startswith("prompts")


def test_what_is_put_into_a_template_is_no_template_again() -> None:
    assert fill("{{ a }} and {{b}} {c}", {"a": "{{b}}", "b": "x"}) == "{{b}} and x {c}"
    assert variables_in("{{b}} {{ a }} {{b}}") == ("b", "a")
    with pytest.raises(ValueError, match=r"variable 'c'; there are: a, b"):
        fill("{{c}}", {"a": "", "b": ""})


@settings(max_examples=50)
@given(st.text(), st.sampled_from(["jsonl", "csv", "txt"]))
def test_any_text_is_read_or_named(text: str, kind: PromptFormat) -> None:
    try:
        prompts = read_prompts(text, kind)
    except Misplaced:
        return
    assert all(isinstance(prompt, Prompt) and prompt.id for prompt in prompts)
    assert len({prompt.id for prompt in prompts}) == len(prompts)
