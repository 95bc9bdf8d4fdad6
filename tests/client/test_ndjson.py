"""Lines come out whole, however the bytes came in."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codomyrmex_ollama_tui.client.ndjson import LineSplitter, LineTooLongError

LINES = st.lists(st.text(alphabet='a{"é🌍\\ ', max_size=12), max_size=12)


@given(LINES, st.lists(st.integers(0, 400), max_size=40), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_any_chunking_gives_the_same_lines(lines: list[str], places: list[int], ended: bool, end: str) -> None:
    data = (end.join(lines) + (end if ended else "")).encode()
    edges = [0, *sorted(place for place in places if place < len(data)), len(data)]
    splitter = LineSplitter()
    found: list[bytes] = []
    for begin, stop in pairwise(edges):
        found += splitter.feed(data[begin:stop])
    found.append(splitter.finish())
    assert [line.strip() for line in found if line] == [line.encode().strip() for line in lines if line.strip()]


@given(st.integers(1, 30), st.integers(1, 10))
def test_a_line_at_the_limit_passes_and_one_beyond_does_not(limit: int, step: int) -> None:
    splitter = LineSplitter(limit)
    line = b"x" * limit
    for at in range(0, limit, step):
        assert splitter.feed(line[at : at + step]) == []
    assert splitter.feed(b"\n") == [line]
    splitter.feed(line)
    with pytest.raises(LineTooLongError) as caught:
        splitter.feed(b"y")
    assert caught.value.begins == line + b"y"


def test_a_long_line_inside_one_chunk_is_too_long_too() -> None:
    with pytest.raises(LineTooLongError):
        LineSplitter(5).feed(b"a\n123456\nb")


def test_nothing_is_left_after_the_end() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"a\nb") == [b"a"]
    assert splitter.finish() == b"b"
    assert splitter.finish() == b""
