"""How long the longest drawing of a streaming answer takes, for texts that grow in every awkward way.

    python benchmarks/transcript_drawing.py [--pieces 2500] [--runs 3] [--size 120x40] [KIND ...]

Each kind is fed to a transcript in a headless app, as many pieces for one drawing as arrive at 250 pieces a second and
15 drawings a second. `drawing` is the CPU time of the program's own thread (`time.thread_time`) for reading, cutting
and drawing what has come; `painted` is that and everything the app then does until the screen is up to date. The
garbage collector runs between drawings, outside the figures. Longest: the median over the runs of each run's longest.
Exits 1 if a longest drawing takes more than the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Callable

from textual.app import App, ComposeResult

from codomyrmex_ollama_tui.ui.widgets.transcript import Transcript, TurnView, warm

LIMIT_MS = 20.0
PIECES_A_DRAWING = 17
_MIXED = (
    "Terminals draw **cells**, and a list of `items` follows:\n\n- first item with some words in it\n"
    "- second item, a little longer than the first\n\n```python\ndef area(r: float) -> float:\n"
    "    return 3.14159 * r * r\n```\n\n| model | rate |\n|---|---|\n| one | 12.5 |\n| two | 80.1 |\n\n"
)
_WIDE = "Terminals 終端機 に 日本語 の 文章 と 絵文字 🎉👩‍👩‍👧‍👦🇫🇷 を 流す。 한국어 문장도 있다. "
_VARIABLES = {
    "muted": "#7f889b",
    "faint": "#4b5468",
    **{
        f"model-{n}": colour
        for n, colour in enumerate(("#4fc4cf", "#f08a6b", "#b5cf6b", "#d78fc9", "#e6d36f", "#a99bf0"), 1)
    },
}


def _words(text: str, pieces: int) -> list[str]:
    words = [word + " " for word in text.split(" ") if word]
    return [words[n % len(words)] for n in range(pieces)]


def _lines(head: str, line: Callable[[int], str], pieces: int) -> list[str]:
    return [head, *(line(n) for n in range(pieces - 1))]


KINDS: dict[str, Callable[[int], list[str]]] = {
    "mixed": lambda n: _words(_MIXED, n),
    "quote": lambda n: _lines(
        "Terminals\n\n> begins\n", lambda _: "> a quoted line with **bold** and `code` in it\n", n
    ),
    "nested list": lambda n: _lines("Terminals\n\n- outer\n", lambda i: f"  - nested item {i} with *words*\n", n),
    "fence in item": lambda n: _lines(
        "Terminals\n\n- outer\n\n  ```python\n", lambda i: f"  value_{i} = compute({i})  # line\n", n
    ),
    "one line": lambda n: _lines("Terminals ", lambda _: "word ", n),
    "huge word": lambda n: _lines("Terminals ", lambda _: "wordy", n),
    "cjk": lambda n: _words(_WIDE, n),
    "table": lambda n: _lines(
        "Terminals\n\n| a | b | c |\n|---|---|---|\n", lambda i: f"| row {i} | {i * 3} | some words {i} |\n", n
    ),
    "fence": lambda n: _lines(
        "Terminals\n\n```python\n", lambda i: f"value_{i} = compute({i}, 'text {i}')  # line {i}\n", n
    ),
    "deep quote": lambda n: _lines("> > begins\n", lambda i: f"> > - item {i} [a link](https://example.org/{i})\n", n),
    "links": lambda n: _lines("Terminals ", lambda i: f"https://example.org/{i} [x]({i}) ", n),
    "brackets": lambda n: _lines("Terminals ", lambda _: "[[**`", n),
    "short lines": lambda n: _lines("Terminals\n", lambda _: "a\n", n),
    "one code line": lambda n: _lines("```python\n", lambda i: f"f({i}), ", n),
    "html": lambda n: _lines("<div>\n", lambda i: f"<p>paragraph {i}</p>\n", n),
    "definitions": lambda n: _lines("Terminals [a1]\n\n", lambda i: f"[a{i}]: https://example.org/{i}\n", n),
    "console": lambda n: _lines("```pycon\n", lambda i: f">>> value_{i} = {i}\n", n),
}


class _Host(App[None]):
    def get_theme_variable_defaults(self) -> dict[str, str]:
        return _VARIABLES

    def compose(self) -> ComposeResult:
        yield Transcript()


async def _stream(pieces: list[str], size: tuple[int, int]) -> tuple[list[float], list[float]]:
    """Milliseconds of each drawing, and of each drawing with its painting."""
    app = _Host()
    drawings: list[float] = []
    painted: list[float] = []
    async with app.run_test(size=size) as pilot:
        transcript = app.query_one(Transcript)
        transcript.begin(TurnView("answer", "probe:latest", colour=0))
        await pilot.pause()
        for at in range(0, len(pieces), PIECES_A_DRAWING):
            for piece in pieces[at : at + PIECES_A_DRAWING]:
                transcript.feed(piece)
            gc.collect(0)
            gc.disable()
            begun = time.thread_time()
            transcript.flush()
            drawn = time.thread_time()
            await pilot.pause(0)
            drawings.append(1e3 * (drawn - begun))
            painted.append(1e3 * (time.thread_time() - begun))
            gc.enable()
        transcript.finish()
    return drawings, painted


async def _open(turns: int, size: tuple[int, int]) -> tuple[float, float]:
    """Seconds until a conversation has been opened, and until its end is on the screen."""
    app = _Host()
    async with app.run_test(size=size) as pilot:
        text = "".join(_words(_MIXED, 200))
        views = [TurnView(str(n), "probe:latest", text, colour=n % 2 or None) for n in range(turns)]
        transcript = app.query_one(Transcript)
        begun = time.perf_counter()
        transcript.open(views)
        opened = time.perf_counter()
        await pilot.pause(0)
        return opened - begun, time.perf_counter() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"any of: {', '.join(KINDS)}")
    parser.add_argument("--pieces", type=int, default=2500)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", default="120x40")
    options = parser.parse_args()
    columns, lines = (int(part) for part in options.size.split("x"))
    warm()
    print(f"{'kind':14} {'longest drawing':>16} {'median':>8} {'longest painted':>16}   milliseconds of CPU")
    worst = 0.0
    for kind in options.kinds or KINDS:
        runs = [asyncio.run(_stream(KINDS[kind](options.pieces), (columns, lines))) for _ in range(options.runs)]
        longest = statistics.median(max(drawings) for drawings, _ in runs)
        middle = statistics.median(statistics.median(drawings) for drawings, _ in runs)
        painted = statistics.median(max(both) for _, both in runs)
        print(f"{kind:14} {longest:16.1f} {middle:8.1f} {painted:16.1f}", flush=True)
        worst = max(worst, longest)
    if not options.kinds:
        opened = [asyncio.run(_open(2000, (columns, lines))) for _ in range(options.runs)]
        called, shown = (statistics.median(seconds) for seconds in zip(*opened, strict=True))
        print(f"open 2,000 turns: call {called:.3f} s, painted {shown:.3f} s")
    print(f"longest of all {worst:.1f} ms, limit {LIMIT_MS:.0f} ms")
    return int(worst > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
