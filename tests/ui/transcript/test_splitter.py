"""A growing text is cut into blocks: the same ones however it comes, and nothing of it is lost."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.ui.widgets.transcript.blocks import Block
from codomyrmex_ollama_tui.ui.widgets.transcript.splitter import WINDOW_CHARACTERS, Splitter
from codomyrmex_ollama_tui.ui.widgets.transcript.structure import leaves
from tests.ui.transcript.texts import SAMPLE, chunkings, documents, pieces

Windows = tuple[int, int, int]
ordinary: Windows = (4000, 48, 100)
windows = st.sampled_from([(17, 4, 2), (30, 5, 3), (60, 3, 4), (100, 2, 9)])


def split(parts: list[str], window: Windows = ordinary, look: bool = False) -> Splitter:
    splitter = Splitter(*window)
    for part in parts:
        splitter.feed(part)
        if look:
            splitter.live()
    splitter.close()
    return splitter


def seen(blocks: list[Block]) -> list[object]:
    """All that a block is made of, but for how often it is to be drawn."""
    return [
        (
            *(block.kind, block.source, block.gap, block.text, block.rows, block.level),
            *(block.part, block.midline, block.more, block.opened),
            tuple(astuple(container) for container in block.path),
            block.fence and block.fence.info,
            block.table and (block.table.head, block.table.alignments),
        )
        for block in blocks
    ]


@settings(max_examples=250, deadline=None)
@given(documents, chunkings, st.booleans(), st.booleans())
def test_streamed_in_pieces_is_the_same_as_whole(text: str, lengths: list[int], look: bool, cut_end: bool) -> None:
    text = text.rstrip("\n") if cut_end else text
    assert seen(split(pieces(text, lengths), look=look).blocks) == seen(split([text]).blocks)


@settings(max_examples=250, deadline=None)
@given(documents, chunkings, windows, st.booleans())
def test_blocks_longer_than_a_window_are_cut_at_the_same_places_however_they_come(
    text: str, lengths: list[int], window: Windows, look: bool
) -> None:
    streamed, whole = split(pieces(text, lengths), window, look), split([text], window)
    assert seen(streamed.blocks) == seen(whole.blocks)
    assert streamed.definitions == whole.definitions
    assert "".join(block.source for block in whole.blocks) == text


@settings(max_examples=250, deadline=None)
@given(documents)
def test_blocks_are_those_of_one_reading_of_the_whole_text(text: str) -> None:
    splitter = split(pieces(text, [7]))
    found = [
        (leaf.kind, leaf.text, leaf.rows, tuple((c.kind, c.number, c.checked) for c in leaf.path))
        for leaf in leaves(text)
    ]
    blocks = [
        (block.kind, block.text, block.rows, tuple((c.kind, c.number, c.checked) for c in block.path))
        for block in splitter.blocks
        if block.path or block.source.strip()
    ]
    assert blocks == found
    assert "".join(block.source for block in splitter.blocks) == text


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=" \t\n#>-*`~|:[]()x1.<!=\\é中", max_size=120), chunkings, windows)
def test_any_characters_come_out_as_they_went_in(text: str, lengths: list[int], window: Windows) -> None:
    streamed = split(pieces(text, lengths), window, look=True)
    assert "".join(block.source for block in streamed.blocks) == text
    assert seen(streamed.blocks) == seen(split([text], window).blocks)


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("", "a line of a paragraph without end\n"),
        ("", "word "),
        ("", "wordy"),
        ("", "終端機"),
        ("> ", "> a quoted line\n"),
        ("- outer\n", "  - nested\n"),
        ("- outer\n\n  ```python\n", "  value = compute()\n"),
        ("> - deep\n", ">   - deeper\n"),
        ("```\n", "code\n"),
        ("| a | b |\n|---|---|\n", "| 1 | 2 |\n"),
        ("<!--\n", "comment\n"),
        ("    ", "code without end "),
        ("# ", "a heading without end "),
        ("x\n", "[a]: /b\n"),
        ("", "[["),
    ],
)
def test_no_text_makes_the_unfinished_rest_or_a_block_grow_without_bound(head: str, line: str) -> None:
    splitter = Splitter()
    splitter.feed(head)
    for _ in range(400):
        splitter.feed(line * 30)
        assert len(splitter.tail) <= WINDOW_CHARACTERS + 30 * len(line)
    splitter.close()
    assert max(len(block.source) for block in splitter.blocks) <= WINDOW_CHARACTERS
    assert "".join(block.source for block in splitter.blocks) == head + line * 30 * 400


def test_a_paragraph_is_cut_after_the_last_blank_of_a_window() -> None:
    text = "some words " * 1000
    blocks = split([text]).blocks
    assert [block.part for block in blocks] == [0, 1, 2]
    assert all(block.source.endswith(" ") and len(block.source) > WINDOW_CHARACTERS - 12 for block in blocks[:-1])
    assert [block.gap for block in blocks] == [0, 0, 0]


def test_what_looks_like_a_block_after_a_cut_stays_text() -> None:
    text = "word " * 6 + "- # > 1. | x |"
    blocks = split([text], (31, 9, 9)).blocks
    assert {block.kind for block in blocks} == {"paragraph"}
    assert "".join(block.text + " " for block in blocks).split() == text.split()


def test_the_parts_of_code_in_an_item_hold_its_lines_without_their_indent() -> None:
    lines = [f"line {n}" + " " * (n % 3) + "\n" for n in range(200)]
    text = "1. outer\n\n   ~~~js\n" + "".join(f"   {line}" for line in lines) + "   ~~~\n2. next\n"
    blocks = split(pieces(text, [5, 60])).blocks
    code = [block for block in blocks if block.kind == "fence"]
    assert len(code) > 1
    assert "".join(block.text for block in code) == "".join(lines)
    assert {block.fence.info for block in code if block.fence} == {"js"}
    assert [block.more for block in code] == [*[True] * (len(code) - 1), False]
    assert blocks[-1].path[0].number == 2


def test_a_closed_fence_that_fills_its_window_has_no_further_part() -> None:
    blocks = split(["```\n" + "x\n" * 46 + "```\n" + "after\n"]).blocks
    assert [(block.kind, block.more) for block in blocks] == [("fence", False), ("paragraph", False)]


def test_items_of_a_list_keep_counting_through_quotes_and_code() -> None:
    text = "".join(f"{n}. item\n\n   > quote\n\n   ```\n   code\n   ```\n\n" for n in range(3, 10))
    blocks = split(pieces(text, [3])).blocks
    assert [block.path[0].number for block in blocks if block.kind == "fence"] == list(range(3, 10))


def test_a_definition_redraws_what_may_use_it() -> None:
    splitter = Splitter()
    splitter.feed("see [there]\n\nplain\n\n")
    splitter.feed("# x\n")
    before = [block.version for block in splitter.blocks]
    splitter.feed("[there]: /url 'title'\n\nend\n\n")
    splitter.close()
    assert splitter.definitions["THERE"].href == "/url"
    assert splitter.blocks[0].version > before[0]
    assert splitter.blocks[1].version == before[1]


def test_tight_lists_have_no_gaps_and_blank_lines_make_them() -> None:
    blocks = split(["- a\n- b\n  - c\n\n- d\n\ntext\n# head\n> - x\n> - y\n"]).blocks
    assert [(block.text, block.gap) for block in blocks] == [
        *(("a", 0), ("b", 0), ("c", 0), ("d", 1), ("text", 1), ("head", 1), ("x", 1), ("y", 0)),
    ]


def test_nothing_but_blank_lines() -> None:
    assert "".join(block.source for block in split(["\n", " \n\t\n"]).blocks) == "\n \n\t\n"
    assert split([]).blocks == []


def test_text_nested_deeper_than_the_parser_follows_is_not_lost() -> None:
    text = "> " * 60 + "deep words\n"
    assert "deep words" in "".join(block.text for block in split([text]).blocks)


def test_the_sample_has_every_kind() -> None:
    blocks = split(pieces(SAMPLE, [11])).blocks
    kinds = {"paragraph", "heading", "fence", "table", "rule", "html", "code"}
    assert {block.kind for block in blocks} == kinds
    assert "".join(block.source for block in blocks) == SAMPLE
