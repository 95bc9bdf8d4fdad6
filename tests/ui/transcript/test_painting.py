"""Only the cells that differ are painted again, and all of them."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from codomyrmex_ollama_tui.ui.widgets.transcript.painting import FEW_ROWS, changed_columns, dirty_regions
from tests.ui.transcript.host import Host, answer

WIDTH = 24
STYLES = [Style(color="red"), Style(color="red", bold=True), Style(bgcolor="blue")]
texts = st.lists(st.tuples(st.text(alphabet="ab  終é😀", max_size=6), st.sampled_from(STYLES)), max_size=4)


def row(parts: list[tuple[str, Style]]) -> Strip:
    strip = Strip([Segment(text, style) for text, style in parts if text]).crop(0, WIDTH)
    return (
        Strip([*strip, Segment(" " * (WIDTH - strip.cell_length), STYLES[0])]) if strip.cell_length < WIDTH else strip
    )


def cells(strip: Strip) -> list[tuple[str, Style | None]]:
    """(character, style) by column; the second column of a wide character is empty."""
    out: list[tuple[str, Style | None]] = []
    for segment in strip:
        for character in segment.text:
            out += [(character, segment.style), ("", segment.style)][: Segment(character).cell_length]
    return out


@settings(max_examples=300, deadline=None)
@given(texts, texts, st.booleans())
@example([("ab", STYLES[0])], [("abb", STYLES[0])], False)
def test_painting_the_columns_that_changed_gives_the_new_row(
    old: list[tuple[str, Style]], new: list[tuple[str, Style]], grown: bool
) -> None:
    before, now = row(old), row([*old, *new] if grown else new)
    start, end = changed_columns(before, now, WIDTH)
    painted = cells(before)
    painted[start:end] = cells(now)[start:end]
    assert painted == cells(now)


def test_a_word_at_the_end_of_a_row_costs_its_own_cells() -> None:
    before, now = row([("some text", STYLES[0])]), row([("some text more", STYLES[0])])
    assert changed_columns(before, now, WIDTH) == (9, 14)
    assert changed_columns(now, now, WIDTH) == (0, 0)


def test_many_rows_are_painted_whole_and_together() -> None:
    before = [row([(f"a{n}", STYLES[0])]) for n in range(10)]
    now = [row([(f"b{n}", STYLES[0])]) for n in range(10)]
    assert dirty_regions(before, now, WIDTH) == [Region(0, 0, WIDTH, 10)]
    some = [*before[:2], now[2], *before[3:]]
    assert dirty_regions(before, some, WIDTH) == [Region(0, 2, 2, 1)]
    assert dirty_regions(before, before, WIDTH) == []
    assert FEW_ROWS < 10


@pytest.mark.parametrize("width", [24, 61, 90])
async def test_no_character_of_an_answer_lies_under_the_scrollbar(width: int) -> None:
    app = Host()
    async with app.run_test(size=(width, 30)) as pilot:
        text = "\n\n".join("x" * (width - extra) + " end" for extra in range(4, 9))
        app.transcript.open([answer(text)])
        await pilot.pause()
        screen = "".join("".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips())
        assert screen.count("x") == text.count("x")
        assert screen.count("end") == 5
