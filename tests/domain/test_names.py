"""Names against the vectors that Ollama's own code produced, and what must hold for any text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.names import (
    parse_name,
    parse_reference,
    problem_with_name,
    same_model,
)

VECTORS = Path(__file__).resolve().parent.parent / "wire" / "vectors" / "names.json"
ROWS: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["rows"]
NAMES = st.text(alphabet="aA0_-.:/ é\\@", max_size=30) | st.text(max_size=30)


def test_all_rows_are_here() -> None:
    assert len(ROWS) == 69


@pytest.mark.parametrize("row", ROWS, ids=lambda row: repr(row["input"][:30]))
def test_plain_grammar(row: dict[str, Any]) -> None:
    name = parse_name(row["input"])
    assert (name is not None) == row["valid_plain"]
    if name is not None:
        assert (name.short, name.full) == (row["display_plain"], row["full_plain"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: repr(row["input"][:30]))
def test_reference_grammar(row: dict[str, Any]) -> None:
    found = parse_reference(row["input"])
    assert (found is not None) == row.get("valid_ref", False)
    if found is None:
        return
    name = found.name
    assert name.short == row["display_ref"]
    assert (found.base, found.source, found.pull_name) == (row["ref_base"], row["source"], row["pull_name"])
    assert (found.source == "cloud") == row["pull_cloud"]
    parts = (name.scheme, name.host, name.namespace, name.model, name.tag)
    assert parts == tuple(row[key] for key in ("scheme", "host", "namespace", "model", "tag"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: repr(row["input"][:30]))
def test_a_problem_is_named_exactly_where_there_is_one(row: dict[str, Any]) -> None:
    assert (problem_with_name(row["input"]) == "") == row.get("valid_ref", False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a model name is needed"),
        ("x:", "the tag is missing"),
        ("x:cloud:local", 'use either :local or :cloud, not both: "x:cloud:local"'),
        ("localhost:5000/x", '"localhost:5000" looks like a host, and after a host two more parts are needed'),
        ("a/b/c/d", "there are too many slashes"),
        ("x@sha256:abc", "a digest"),
        ("my model", "may hold only letters"),
        ("-x", 'may not begin with "-"'),
        ("a" * 81, "longer than 80 characters"),
    ],
)
def test_the_problem_in_words(text: str, words: str) -> None:
    assert words in problem_with_name(text)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("llama3", "llama3:latest", True),
        ("LLAMA3", "library/llama3:Latest", True),
        ("registry.ollama.ai/library/llama3", " llama3 ", True),
        ("llama3:8b", "llama3", False),
        ("user/llama3", "llama3", False),
        ("hf.co/a/b", "a/b", False),
        ("not a name", "NOT A NAME ", True),
    ],
)
def test_same_model(first: str, second: str, same: bool) -> None:
    assert same_model(first, second) is same


@given(NAMES)
def test_what_is_shown_means_the_same_model(text: str) -> None:
    name = parse_name(text)
    if name is not None:
        for shown in (name.short, name.full):
            again = parse_name(shown)
            assert again is not None
            assert again.key == name.key
        assert same_model(text, name.short)


@given(NAMES)
def test_a_reference_can_be_read_exactly_when_no_problem_is_named(text: str) -> None:
    assert (parse_reference(text) is None) == bool(problem_with_name(text))
