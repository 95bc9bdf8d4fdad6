"""Standard output: a table for a person, tab-separated values for a program, one JSON value where asked for."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from codomyrmex_ollama_tui.cli.terms import OutputLost, is_terminal
from codomyrmex_ollama_tui.domain.text import clean, one_line

GAP = "  "
# what JSON lets through and a terminal obeys, or cannot encode
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]")


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: its head, in capitals by custom.
        right: figures stand on the right.
        spare: may be left out where the terminal is too narrow; the last spare one goes first.
    """

    title: str
    right: bool = False
    spare: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """One value in two forms: for a person, and for a program (bytes as a number, times in ISO 8601).

    Where the second is None, both are the same.
    """

    shown: str
    plain: str | None = None


def write(text: str) -> None:
    """Text on standard output, as it is.

    Raises:
        OutputLost: it cannot be written.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text)
    except OSError as error:
        raise OutputLost(error) from error


def flush() -> None:
    """Sends what was written on its way.

    Raises:
        OutputLost: it cannot be written.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        raise OutputLost(error) from error


def write_json(value: object) -> None:
    """One JSON value, indented, safe on a terminal too. Data classes become objects, times ISO 8601."""
    text = json.dumps(to_json(value), ensure_ascii=False, indent=2)
    write(_UNSAFE.sub(_escaped, text) + "\n")


def write_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]]) -> None:
    """A table with heads on a terminal; elsewhere a line for each row, the values apart by tabs, without heads."""
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    if not is_terminal(sys.stdout):
        for row in cells:
            write("\t".join(_plain(cell) for cell in row) + "\n")
        return
    shown = [[one_line(cell.shown, 400) for cell in row] for row in cells]
    for line in _aligned(columns, shown, shutil.get_terminal_size().columns):
        write(line + "\n")


def write_pairs(pairs: Sequence[tuple[str, Cell | str]]) -> None:
    """Names and values, one pair a line: aligned on a terminal, apart by a tab elsewhere."""
    wide = max((cells(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        cell = value if isinstance(value, Cell) else Cell(value)
        if is_terminal(sys.stdout):
            write(f"{pad(one_line(name), wide)}{GAP}{one_line(cell.shown, 1000)}\n")
        else:
            write(f"{one_line(name)}\t{_plain(cell)}\n")


def write_text(text: str) -> None:
    """Text of a model or a person: harmless on a terminal, as it is elsewhere; a line feed at its end."""
    written = clean(text) if is_terminal(sys.stdout) else text
    write(written if written.endswith("\n") else written + "\n")


def to_json(value: object) -> object:
    """A value as JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        if not fields.get("extra", True):  # what a server said beyond the protocol: nothing
            del fields["extra"]
        return fields
    if isinstance(value, Mapping):
        return {str(name): to_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(part) for part in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value) if isinstance(value, Path | os.PathLike) else repr(value)


def cells(text: str) -> int:
    """How many cells a terminal gives to a line."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def pad(text: str, width: int, *, right: bool = False) -> str:
    """The text and as many blanks as it takes to fill that many cells."""
    blanks = " " * max(0, width - cells(text))
    return blanks + text if right else text + blanks


def _aligned(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[str]:
    wide = [max([cells(column.title), *(cells(row[n]) for row in rows)]) for n, column in enumerate(columns)]
    kept = list(range(len(columns)))
    for n in reversed(range(len(columns))):
        if sum(wide[k] + len(GAP) for k in kept) - len(GAP) <= room:
            break
        if columns[n].spare:
            kept.remove(n)
    heads = [column.title for column in columns]
    return [
        GAP.join(pad(row[n], wide[n], right=columns[n].right) for n in kept).rstrip()
        for row in [heads, *map(list, rows)]
    ]


def _plain(cell: Cell) -> str:
    return one_line(cell.shown if cell.plain is None else cell.plain, 100_000)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
