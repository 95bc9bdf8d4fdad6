"""The index: any text can be asked, and it can always be made again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.output_query import QueryError, parse_query
from codomyrmex_ollama_tui.domain.outputs import IndexEntry, Kind
from codomyrmex_ollama_tui.store.index import Index

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    held = Index(tmp_path_factory.mktemp("index") / "index.db")
    held.put(
        IndexEntry(Kind.CHAT, "chat:1", "llama3:latest", NOW - timedelta(days=9), prompt="naïve sky", answer="blue"),
        IndexEntry(Kind.CELL, "run:1:1", "qwen3:8b", NOW, prompt="你好世界", rating=4, tokens=600, tags=("Good",)),
    )
    yield held
    held.close()


@given(st.text(max_size=60) | st.text(alphabet='ab"-: *()^{}\0<>=1', max_size=40))
def test_any_text_is_a_query_or_says_where_it_is_not(index: Index, text: str) -> None:
    try:
        query = parse_query(text, NOW)
    except QueryError as error:
        place = error.position
        query = parse_query("", NOW)
    else:
        place = 0
    assert 0 <= place <= len(text)
    index.search(query)
    index.search(query, order="best")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", ["run:1:1", "chat:1"]),
        ("naive", ["chat:1"]),
        ("sk", ["chat:1"]),
        ('"sk"', []),
        ("好世", ["run:1:1"]),
        ("-sky", ["run:1:1"]),
        ("model:qwen*", ["run:1:1"]),
        ("kind:chat", ["chat:1"]),
        ("rating:>3", ["run:1:1"]),
        ("tokens>500 tag:good", ["run:1:1"]),
        ("since:7d", ["run:1:1"]),
        ("until:2026-11-20", ["chat:1"]),
        ('"naïve sky" -blue', []),
    ],
)
def test_a_query_finds(index: Index, text: str, keys: list[str]) -> None:
    assert [entry.key for entry in index.search(parse_query(text, NOW)).entries] == keys
