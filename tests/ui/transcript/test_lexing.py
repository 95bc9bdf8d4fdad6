"""Code is coloured part by part as it would be coloured whole."""

from __future__ import annotations

import pytest

from codomyrmex_ollama_tui.ui.widgets.transcript.blocks import Fence
from codomyrmex_ollama_tui.ui.widgets.transcript.lexing import LONGEST_LINE, Piece, colour, language_of

PYTHON = '''\
class Shape:
    """A shape."""

    text = \'\'\'
    more
    \'\'\'

    def area(self, r: float) -> float:
        text = f"{r!r} {"x"}"
        return 3.14 * r ** 2  # close enough
'''
SOURCES = {
    "python": PYTHON,
    "javascript": "const f = (a) => {\n  // comment\n  return `text ${a + 1} more`;\n}\n",
    "bash": "for f in *.txt; do\n  echo \"$f\" 'x' # c\ndone\n",
    "json": '{"a": [1, 2.5, null],\n "b": {"c": "d"}}\n',
    "rust": 'fn main() {\n    let x: i32 = 5; // five\n    println!("{}", x);\n}\n',
    "yaml": "a: 1\nb:\n  - c\n  - d: 'e'\n",
    "diff": "--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n",
    "sql": "SELECT a, 'b' FROM t -- c\nWHERE a > 1;\n",
}


def in_parts(info: str, lines: list[str], size: int) -> list[list[Piece]]:
    fence = Fence(info)
    fence.lines = [lines[at : at + size] for at in range(0, len(lines), size)]
    return [row for part, some in enumerate(fence.lines) for row in colour(fence, part, some)]


def merged(rows: list[list[Piece]]) -> list[list[Piece]]:
    """Neighbours of one style joined: where tokens are divided is not seen."""
    out: list[list[Piece]] = []
    for row in rows:
        joined: list[Piece] = []
        for style, text in row:
            if joined and joined[-1][0] == style:
                joined[-1] = (style, joined[-1][1] + text)
            else:
                joined.append((style, text))
        out.append(joined)
    return out


@pytest.mark.parametrize("language", SOURCES)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_parts_are_coloured_as_the_whole_is(language: str, size: int) -> None:
    lines = (SOURCES[language] * 4).splitlines()
    whole = in_parts(language, lines, len(lines))
    assert merged(in_parts(language, lines, size)) == merged(whole)
    assert ["".join(text for _, text in row) for row in whole] == lines
    assert {style for row in whole for style, _ in row} - {"code"}


def test_growing_code_is_coloured_as_final_code_is() -> None:
    lines = (PYTHON * 5).splitlines()
    final = Fence("python", lines=[lines])
    assert merged(colour(Fence("python"), 0, lines)) == merged(colour(final, 0, lines))


def test_a_later_part_may_be_drawn_first() -> None:
    lines = ["x = '''", *["text"] * 10, "'''", "y = 1"]
    fence = Fence("python", lines=[lines[:6], lines[6:]])
    assert colour(fence, 1, lines[6:])[0] == [("code-string", "text")]


def test_unknown_languages_and_endless_lines_are_left_alone() -> None:
    assert in_parts("no-such-language", ["a = 1", ""], 2) == [[("code", "a = 1")], []]
    assert in_parts("", ["a = 1"], 1) == [[("code", "a = 1")]]
    long = "x = 1; " * LONGEST_LINE
    assert in_parts("python", ["a = 1", long, "b = 2"], 3)[1] == [("code", long)]


def test_the_language_is_the_first_word_of_the_info_string() -> None:
    assert [language_of(info) for info in ("python title=x", "{.Rust}", "", "  ")] == ["python", "rust", "", ""]


def test_lexers_that_read_in_their_own_way_still_give_every_line() -> None:
    lines = [">>> a = 1", ">>> a", "1", "Traceback (most recent call last):", "  x"]
    assert ["".join(text for _, text in row) for row in in_parts("pycon", lines, 2)] == lines
