"""Words that differ between two texts."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.word_diff import Part, WordDiff, count_words, tokens, word_diff

SMALL = settings(max_examples=50, deadline=None)
FEW_WORDS = st.lists(st.sampled_from(["a", "b", "cat", "it's", ",", "。", "雪", "\n\n"]), max_size=30).map(" ".join)


def sides(diff: WordDiff) -> tuple[str, str]:
    return "".join(part.left for part in diff.parts), "".join(part.right for part in diff.parts)


def marked(diff: WordDiff) -> str:
    return "".join(part.right if part.same else f"[{part.left}|{part.right}]" for part in diff.parts)


@SMALL
@given(st.text() | FEW_WORDS, st.text() | FEW_WORDS)
def test_joining_gives_both_texts_back(left: str, right: str) -> None:
    assert sides(word_diff(left, right)) == (left, right)


@SMALL
@given(FEW_WORDS, FEW_WORDS, st.integers(0, 60))
def test_joining_gives_both_texts_back_when_the_steps_run_out(left: str, right: str, steps: int) -> None:
    assert sides(word_diff(left, right, steps=steps)) == (left, right)


@SMALL
@given(FEW_WORDS, FEW_WORDS)
def test_what_is_told_as_the_same_has_the_same_words(left: str, right: str) -> None:
    diff = word_diff(left, right)
    for part in diff.parts:
        assert part.left or part.right
        if part.same:
            assert [token.strip() for token in tokens(part.left)] == [token.strip() for token in tokens(part.right)]
    assert all(one.same != other.same for one, other in pairwise(diff.parts))
    assert diff.left_words + diff.same_words == count_words(left)
    assert diff.right_words + diff.same_words == count_words(right)


@SMALL
@given(FEW_WORDS)
def test_a_text_differs_in_nothing_from_itself(text: str) -> None:
    diff = word_diff(text, text)
    assert all(part.same for part in diff.parts)
    assert (diff.left_words, diff.right_words, diff.share, diff.rough) == (0, 0, 1.0, False)


@SMALL
@given(st.lists(st.sampled_from("xyz"), max_size=25), st.lists(st.sampled_from("xyz"), max_size=25))
def test_between_anchors_the_shortest_edit_is_found(left: list[str], right: list[str]) -> None:
    # every word twice or more in front: then no word is unique, and what is found is the longest common subsequence
    head = ["x", "y", "z"] * 2
    diff = word_diff(" ".join([*head, "x", *left]), " ".join(["y", *head, *right]))
    longest = _longest([*head, "x", *left], ["y", *head, *right])
    assert diff.same_words == longest
    assert diff.same_words >= sum(
        block.size for block in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    )


def _longest(a: list[str], b: list[str]) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        before, row = row, [0] * (len(b) + 1)
        for n, y in enumerate(b, 1):
            row[n] = before[n - 1] + 1 if x == y else max(before[n], row[n - 1])
    return row[-1]


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        ("The sky is blue.", "The sky is red.", "The sky is [blue|red]."),
        ("one two", "one  two\n", "one  two\n"),
        ("It's a well-known cat", "It is a well-known cat", "[It's |It is ]a well-known cat"),
        ("", "new words", "[|new words]"),
        ("wild, grey cats run", "calm, black cats run", "[wild, grey |calm, black ]cats run"),
        ("雪が降る", "雨が降る", "[雪|雨]が降る"),
        ("cafe\u0301 au lait", "cafe au lait", "[cafe\u0301 |cafe ]au lait"),
    ],
    ids=["word", "blanks", "apostrophe", "nothing", "mark-between", "no-blanks", "accent"],
)
def test_what_differs_is_words(left: str, right: str, wanted: str) -> None:
    assert marked(word_diff(left, right)) == wanted


def test_figures_count_words_and_not_marks() -> None:
    diff = word_diff("The sky, they say, is blue.", "The sky is red!")
    assert (diff.left_words, diff.right_words, diff.same_words) == (3, 1, 3)
    assert diff.share == pytest.approx(6 / 10)


def test_a_megabyte_that_has_hardly_changed_is_compared_to_the_end() -> None:
    left = " ".join(f"word{n}" for n in range(110_000))
    right = left.replace("word5000 ", "other ").replace("word90000 ", "")
    diff = word_diff(left, right)
    assert len(left) > 1_000_000
    assert not diff.rough
    assert [part for part in diff.parts if not part.same] == [
        Part(False, "word5000 ", "other "),
        Part(False, "word90000 ", ""),
    ]


def test_a_megabyte_without_a_word_that_stands_once_is_given_up_and_said_to_be() -> None:
    left = "a b c c b a b " * 70_000
    right = "b a c a b c a " * 70_000
    diff = word_diff(left, right, steps=20_000)
    assert diff.rough
    assert sides(diff) == (left, right)
