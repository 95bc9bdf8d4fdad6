"""Blocks are drawn inside the view, without anything that could move the terminal, and can be selected."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from codomyrmex_ollama_tui.domain.text import clean
from codomyrmex_ollama_tui.ui.widgets.transcript.drawing import Art, Artist
from codomyrmex_ollama_tui.ui.widgets.transcript.splitter import Splitter
from codomyrmex_ollama_tui.ui.widgets.transcript.styles import NAMES
from codomyrmex_ollama_tui.ui.widgets.transcript.wrapping import Run, cut_runs, line_breaks
from tests.ui.transcript.texts import HOSTILE, SAMPLE, chunkings, documents, pieces

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
STYLES = {"text": Style(color="white"), **{name: Style(color=f"color({n})") for n, name in enumerate(NAMES, 20)}}


def draw(parts: list[str], width: int, raw: bool = False) -> list[Art]:
    splitter = Splitter()
    for part in parts:
        splitter.feed(clean(part))
    splitter.close()
    artist = Artist(width, STYLES, {}, raw=raw)
    return [artist.draw(block, splitter.definitions) for block in splitter.blocks]


def picture(arts: list[Art]) -> list[tuple[str, object]]:
    return [(segment.text, segment.style) for art in arts for row in art.rows for segment in row.segments]


def check(arts: list[Art], width: int) -> None:
    """Rows fit, are full, hold no control character; every visible character of a block stands in one place."""
    for art in arts:
        plain = "".join(art.plain)
        places: list[int] = []
        assert len(plain) == art.size
        for row in art.rows:
            text = "".join(segment.text for segment in row.segments)
            assert sum(segment.cell_length for segment in row.segments) == width, text
            assert not CONTROLS.search(text)
            for segment, mark in zip(row.segments, row.marks, strict=True):
                if mark >= 0:
                    assert segment.text == plain[mark : mark + len(segment.text)]
                    places.extend(range(mark, mark + len(segment.text)))
        assert len(places) == len(set(places))
        left = set(range(len(plain))) - set(places)
        assert not "".join(plain[place] for place in sorted(left)).strip()


@pytest.mark.parametrize("raw", [False, True])
def test_no_row_is_wider_than_the_view(raw: bool) -> None:
    for width in range(20, 201):
        check(draw([SAMPLE], width, raw), width)


@pytest.mark.parametrize("width", [16, 20, 41, 100])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_control_character_reaches_a_row(text: str, width: int) -> None:
    for raw in (False, True):
        check(draw([f"before {text} after\n\n{text}\n"], width, raw), width)


@settings(max_examples=150, deadline=None)
@given(documents, chunkings, st.integers(16, 130))
@example("| a | b | c | d | e | f | g |\n|-|-|-|-|-|-|-|\n| 終 | 1 | 2 | 3 | 4 | 5 | 6 |\n", [3], 44)
def test_streamed_in_pieces_looks_like_the_whole(text: str, lengths: list[int], width: int) -> None:
    whole = draw([text], width)
    check(whole, width)
    assert picture(draw(pieces(text, lengths), width)) == picture(whole)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab \t\n終日。、😀👍🏽\u200d\u0301é*`[]()|<&", max_size=200), st.integers(16, 60))
def test_any_text_fits(text: str, width: int) -> None:
    check(draw([text], width), width)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abc  \n終端。、😀é", max_size=120), st.integers(2, 40))
def test_rows_are_broken_without_losing_a_letter(text: str, width: int) -> None:
    breaks = line_breaks(text, width)
    assert all(cell_len(text[start:end].rstrip()) <= width for start, end in breaks)
    assert all(a[1] <= b[0] for a, b in pairwise(breaks))
    assert "".join("".join(text[start:end].split()) for start, end in breaks) == "".join(text.split())


def test_closing_punctuation_stays_with_its_letter() -> None:
    text = "終端。終端。"
    assert [text[start:end] for start, end in line_breaks(text, 5)] == ["終", "端。", "終", "端。"]


def test_runs_are_cut_where_rows_are() -> None:
    red, blue = Style(color="red"), Style(color="blue")
    runs = [Run("ab", red, 0), Run("cd ef", blue, 2)]
    assert cut_runs(runs, [(0, 3), (5, 7)]) == [[Run("ab", red, 0), Run("c", blue, 2)], [Run("ef", blue, 5)]]


def test_links_show_their_target_and_carry_a_number() -> None:
    artist_links: dict[str, int] = {}
    splitter = Splitter()
    splitter.feed("[text](https://example.org/a) https://example.org/b\n")
    splitter.close()
    art = Artist(80, STYLES, artist_links).draw(splitter.blocks[0], {})
    text = "".join(segment.text for segment in art.rows[0].segments)
    assert text.rstrip() == "text (https://example.org/a) https://example.org/b"
    assert list(artist_links) == ["https://example.org/a", "https://example.org/b"]
    clicks = [segment.style.meta.get("@click") for segment in art.rows[0].segments if segment.style]
    assert ("choose_link", (0,)) in clicks


def test_code_has_its_language_and_the_key_that_copies_it() -> None:
    (art,) = draw(["```python\nx = 1\n```\n"], 40)
    rows = ["".join(segment.text for segment in row.segments) for row in art.rows]
    assert rows[0].split() == ["python", "y", "copy"]
    assert rows[0].endswith("y copy ")
    assert rows[1].rstrip() == " x = 1"


def test_a_long_table_keeps_the_widths_of_its_first_part_at_least() -> None:
    rows = "".join(f"| {'wide cell' if n == 1 else n} | x |\n" for n in range(200))
    arts = draw(["| a | b |\n|--:|---|\n" + rows], 60)
    assert len(arts) > 1
    texts = ["".join(segment.text for segment in row.segments).rstrip() for art in arts for row in art.rows]
    assert {len(text) for text in texts} == {len("│ wide cell │ x   │")}
    assert [text[0] for text in texts].count("└") == 1
    assert len(texts) == 204


def test_tasks_have_boxes_and_lists_bullets() -> None:
    arts = draw(["- [x] done\n- [ ] open\n- plain\n\n3. three\n   > quoted\n"], 30)
    texts = ["".join(segment.text for segment in row.segments).rstrip() for art in arts for row in art.rows]
    assert texts == ["☑ done", "☐ open", "• plain", "3. three", "   ▎ quoted"]
