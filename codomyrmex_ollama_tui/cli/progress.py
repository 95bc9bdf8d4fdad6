"""Standard error while something goes on: lines drawn again in place on a terminal, one line each elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from textwrap import wrap
from types import TracebackType
from typing import TextIO

from codomyrmex_ollama_tui.cli.tables import cells
from codomyrmex_ollama_tui.cli.terms import is_terminal
from codomyrmex_ollama_tui.domain.text import clean

BAR_WIDTH = 24
"""Cells of a bar."""
EVERY = 0.1
"""Seconds between two drawings at least, but for lines that are finished."""


class Lines:
    """Some lines that change, in the order in which they were first put; a context manager.

    On a terminal all of them are drawn in place. Elsewhere a line is written once, when it is finished.
    """

    def __init__(self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._live = draws(self._stream)
        self._lines: dict[str, tuple[str, bool]] = {}
        self._settled: set[str] = set()
        self._drawn = 0
        self._drawn_at = float("-inf")
        self._stale = False

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def live(self) -> bool:
        """Whether lines are drawn while they change."""
        return self._live

    @property
    def room(self) -> int:
        """Cells of a line."""
        return max(20, _size(self._stream).columns - 1)

    def put(self, key: str, text: str, *, finished: bool = False) -> None:
        """Says what the line of `key` holds now; one that is finished does not change any more."""
        before = self._lines.get(key)
        if before == (text, finished) or key in self._settled:
            return
        self._lines[key] = (text, finished)
        self._stale = True
        if not self._live:
            if finished and (before is None or not before[1]):
                self._send(_harmless(text) + "\n")
        elif finished or self._clock() - self._drawn_at >= EVERY:
            self._draw()

    def clear(self) -> None:
        """Takes all lines away from the terminal again, as if nothing had been there."""
        if self._live and self._drawn:
            self._send(f"{self._back()}\x1b[J")
        self._lines.clear()
        self._drawn = 0
        self._stale = False

    def close(self) -> None:
        """Draws what has not been drawn; the lines stay where they are."""
        if self._live and self._stale:
            self._draw()
        self._drawn = 0
        self._lines.clear()

    def _draw(self) -> None:
        settled = self._settle()
        # More than the terminal has cannot be drawn again in place: what comes later is not shown yet.
        most = max(1, _size(self._stream).lines - 2)
        shown = [row for text, finished in self._lines.values() for row in self._rows(text, finished)][:most]
        self._send(self._back() + "".join(f"\x1b[2K{line}\n" for line in (*settled, *shown)) + "\x1b[J")
        self._drawn = len(shown)
        self._drawn_at = self._clock()
        self._stale = False

    def _settle(self) -> list[str]:
        """The rows of what is finished at the top: they are written a last time, and scroll away like any text."""
        rows: list[str] = []
        for key, (text, finished) in list(self._lines.items()):
            if not finished:
                break
            rows += self._rows(text, finished)
            self._settled.add(key)
            del self._lines[key]
        return rows

    def _rows(self, text: str, finished: bool) -> list[str]:
        """A line as it is drawn: cut while it changes, whole when it is finished."""
        text = _harmless(text)
        if not finished:
            return [cut(text, self.room)]
        return [cut(row, self.room) for row in wrap(text, self.room, subsequent_indent="    ")] or [""]

    def _back(self) -> str:
        return f"\x1b[{self._drawn}A\r" if self._drawn else "\r"

    def _send(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except UnicodeEncodeError:
            self._stream.write(text.encode("ascii", "replace").decode("ascii"))
        except OSError:  # nobody looks any more; the work goes on
            self._live, self._stream = False, None


def _harmless(text: str) -> str:
    """One line without control bytes; blanks that line things up stay."""
    return clean(text).replace("\n", " ").replace("\t", " ")


def draws(stream: object) -> bool:
    """Whether lines can be drawn again in place there: a terminal that knows how."""
    if not is_terminal(stream) or os.environ.get("TERM") == "dumb":
        return False
    # the console of older Windows shows escape sequences as they are
    return sys.platform != "win32" or any(name in os.environ for name in ("WT_SESSION", "ANSICON", "TERM"))


def bar(share: float, width: int, stream: object = None) -> str:
    """A bar of `width` cells, filled to `share` (0–1)."""
    full, empty = letters("━", "#", stream), letters("─", "-", stream)
    filled = min(width, max(0, int(share * width)))
    return full * filled + empty * (width - filled)


def cut(text: str, room: int) -> str:
    """The beginning of a line that fits into `room` cells."""
    while cells(text) > room:
        text = text[: max(0, len(text) - max(1, (cells(text) - room) // 2))]
    return text


def letters(wanted: str, instead: str, stream: object = None) -> str:
    """The first text where the stream (standard error) has its letters, else the second."""
    encoding = getattr(sys.stderr if stream is None else stream, "encoding", None) or "ascii"
    try:
        wanted.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return instead
    return wanted


def _size(stream: object) -> os.terminal_size:
    """The size of the terminal that is drawn on, which need not be that of standard output."""
    fileno = getattr(stream, "fileno", None)
    try:
        size = os.get_terminal_size(fileno()) if fileno is not None else None
    except (OSError, ValueError):
        size = None
    # some terminals say that they have no size at all
    return size if size is not None and size.columns > 0 and size.lines > 0 else shutil.get_terminal_size()
