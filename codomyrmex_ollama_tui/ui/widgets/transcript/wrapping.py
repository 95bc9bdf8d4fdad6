"""Runs of styled text, and where they are broken into rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, chop_cells
from rich.style import Style

_WIDE = (
    "\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3"
    "\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6"
)
_CLOSING = "、。，．！？：；）」』】》〕〉”’…ー々"
_WORD = re.compile(rf"\s*(?:[{_WIDE}][{_CLOSING}]*|[^\s{_WIDE}]+)")


class Run(NamedTuple):
    """Text of one style; `mark` is where it begins in the block's plain text, −1 for ornaments."""

    text: str
    style: Style
    mark: int = -1


def width_of(runs: Iterable[Run]) -> int:
    """Cells that runs take."""
    return sum(len(text) if text.isascii() else cell_len(text) for text, *_ in runs)


def line_breaks(text: str, width: int) -> list[tuple[int, int]]:
    """(start, end) of each row of a text, broken at blanks, between wide characters, and inside words as a last resort.

    Args:
        width: cells of a row.
    """
    out: list[tuple[int, int]] = []
    at = 0
    for line in text.split("\n"):
        if len(line) <= width and (line.isascii() or cell_len(line) <= width):
            out.append((at, at + len(line)))
        else:
            out.extend((at + start, at + end) for start, end in _break(line, width))
        at += len(line) + 1
    return out


def _break(line: str, width: int) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    start, used, last = 0, 0, 0  # of the row: where it begins, its cells, where its last word ends
    ascii_only = line.isascii()
    for match in _WORD.finditer(line):
        begin, end = match.span()
        size = end - begin if ascii_only else cell_len(match[0])
        if used + size > width and used:
            out.append((start, last))
            word = match[0].lstrip()
            start, used = end - len(word), 0
            size = len(word) if ascii_only else cell_len(word)
        if size > width:
            for piece in _chop(line[start:end], width)[:-1]:
                out.append((start, start + len(piece)))
                start += len(piece)
            size = cell_len(line[start:end])
        used, last = used + size, end
    if last > start or not out:
        out.append((start, max(last, start)))
    return out


def _chop(text: str, width: int) -> list[str]:
    if text.isascii():
        return [text[at : at + width] for at in range(0, len(text), width)]
    return chop_cells(text, width)


def chop(text: str, width: int) -> list[tuple[int, int]]:
    """(start, end) of each row of a text that is folded at the width, blanks and all; one empty row for no text."""
    out, at = [], 0
    for piece in _chop(text, width) or [""]:
        out.append((at, at + len(piece)))
        at += len(piece)
    return out


def cut_runs(runs: Sequence[Run], breaks: Iterable[tuple[int, int]]) -> list[list[Run]]:
    """The runs of each row, for rows in ascending order."""
    out: list[list[Run]] = []
    n, at = 0, 0  # a run, and where it begins
    for start, end in breaks:
        row: list[Run] = []
        while n < len(runs):
            text, style, mark = runs[n]
            after = at + len(text)
            if after > start and at < end:
                low, high = max(start - at, 0), min(end - at, len(text))
                row.append(Run(text[low:high], style, mark + low))
            if after > end:
                break
            n, at = n + 1, after
        out.append(row)
    return out
