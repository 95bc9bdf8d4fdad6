"""Measure the program beside the reference programs, in one run: start-up, memory, cost of streaming, key echo.

Run it from the root of the repository with its own environment:

    python -m benchmarks.probe.measure startup            first usable frame and resident memory, against `bare`
    python -m benchmarks.probe.measure stream 400 50      400 tokens at 50 tokens/s, against `stream`
    CONTENT=quote python -m benchmarks.probe.measure stream 2500 250    another text: see synthetic_ollama.py

The program is *usable* when the model's name is on its screen and typed letters show up. PRODUCT names another command
line to measure in its place; PAIRS is the number of alternating pairs (startup 5, stream 3). Start-up and memory are
the least of the runs, streaming the median. Ratios are program/reference: lower is better.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.probe.reference_apps import READY as REFERENCE_READY
from benchmarks.probe.terminal import Terminal

HERE = Path(__file__).parent
MODEL = "probe:latest"
REFERENCE = (sys.executable, str(HERE / "reference_apps.py"))
END = "PROBE_END"
# no key of this word is a command anywhere, and it stands in no text of the server
LETTERS = "qzwxkvj"


class StartUp(NamedTuple):
    """Seconds from the start of the process to the first usable frame; MiB resident when nothing moves any more."""

    seconds: float
    resident: float


class Streaming(NamedTuple):
    """What one streamed answer cost; `end_lag_s` is None where its end never reached the screen."""

    cpu_s: float
    rss_growth_mib: float
    echo_p50_ms: float
    echo_p95_ms: float
    end_lag_s: float | None


def product(url: str, home: Path) -> list[str]:
    """The command line that is measured, with empty folders of its own."""
    command = shlex.split(os.environ.get("PRODUCT", "")) or [sys.executable, "-m", "codomyrmex_ollama_tui"]
    folders = ["--data-dir", str(home / "data"), "--config-dir", str(home / "config")]
    return [*command, "--host", url, "--screen", "chat", "--model", MODEL, *folders]


def state(url: str) -> dict[str, float | None]:
    """What the synthetic server tells of its last answer."""
    with urllib.request.urlopen(f"{url}/state", timeout=5) as reply:
        told: dict[str, float | None] = json.load(reply)
    return told


def surely(seconds: float | None, terminal: Terminal, what: str) -> float:
    """The seconds that were waited; or the end of the measurement, with the last screen."""
    if seconds is None:
        raise SystemExit(f"{terminal.text()}\n{what}: the last screen stands above")
    return seconds


def start_up(argv: Sequence[str], url: str, ready: str) -> StartUp:
    """Start a program and wait until it can be used."""
    with Terminal(argv, env={**os.environ, "OLLAMA_HOST": url}) as terminal:
        surely(terminal.wait(ready, 60), terminal, "it never became ready")
        if ready == MODEL:  # usable: a typed letter is on the screen
            terminal.send(LETTERS)
            surely(terminal.wait(LETTERS, 20), terminal, "typed letters never showed up")
        usable = time.monotonic() - terminal.started
        terminal.settle(0.7, 10)
        return StartUp(usable, terminal.cost()[1])


def stream(argv: Sequence[str], url: str, ready: str) -> Streaming:
    """Ask once, type all the while, and see what it cost."""
    with Terminal(argv, env={**os.environ, "OLLAMA_HOST": url}) as terminal:
        surely(terminal.wait(ready, 60), terminal, "it never became ready")
        terminal.settle(1.0, 10)
        cpu, resident = terminal.cost()
        terminal.send("go")
        terminal.settle(0.3, 2)
        terminal.send("enter")
        begun = time.monotonic()
        while (state(url)["first_at"] or 0.0) < begun:
            if time.monotonic() - begun > 30:
                surely(None, terminal, "nothing was asked of the server")
            time.sleep(0.02)
        echoes: list[float] = []
        typed = ""
        ended: float | None = None
        while time.monotonic() - begun < 150:
            if len(typed) >= 24:  # keep the composer's line short
                terminal.send(*["backspace"] * 24)
                typed = ""
            typed += LETTERS[len(typed) % len(LETTERS)]
            terminal.send(typed[-1])
            echo = terminal.wait(typed[-12:], 5)
            echoes.append(5.0 if echo is None else echo)
            if terminal.wait(END, 0.2) is not None:
                ended = terminal.last_update
                break
            if (sent := state(url)["sent_at"] or 0.0) > begun and time.monotonic() - sent > 30:
                break
        sent = state(url)["sent_at"] or 0.0
        terminal.settle(0.7, 20)
        cpu_after, resident_after = terminal.cost()
    echoes.sort()
    return Streaming(
        cpu_after - cpu,
        resident_after - resident,
        1e3 * statistics.median(echoes),
        1e3 * echoes[min(len(echoes) - 1, int(0.95 * len(echoes)))],
        None if ended is None or sent < begun else ended - sent,
    )


def middle(values: Sequence[float | None]) -> str:
    """The median; where any run had none, none: a text that never came is worse than any number."""
    there = [value for value in values if value is not None]
    return "never" if len(there) < len(values) else f"{statistics.median(there):.3f}"


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def report_start_up(url: str, home: Path, pairs: int) -> None:
    """Alternate the program and the bare app, and print the least of each."""
    ours, bare = [], []
    for run in range(pairs):
        ours.append(start_up(product(url, home / str(run)), url, MODEL))
        bare.append(start_up([*REFERENCE, "bare"], url, REFERENCE_READY))
    one = StartUp(min(run.seconds for run in ours), min(run.resident for run in ours))
    two = StartUp(min(run.seconds for run in bare), min(run.resident for run in bare))
    print(f"program:      usable after {one.seconds:.2f} s, {one.resident:.0f} MiB")
    print(f"bare Textual: usable after {two.seconds:.2f} s, {two.resident:.0f} MiB")
    print(f"start-up ratio {one.seconds / two.seconds:.2f}  memory ratio {one.resident / two.resident:.2f}")


def report_stream(url: str, home: Path, pairs: int) -> None:
    """Alternate the program and Textual's Markdown, and print medians and the ratio of CPU seconds."""
    ours, theirs = [], []
    for run in range(pairs):
        ours.append(stream(product(url, home / str(run)), url, MODEL))
        theirs.append(stream([*REFERENCE, "stream", url], url, REFERENCE_READY))
    for index, name in enumerate(Streaming._fields):
        print(f"{name:15} program {middle([run[index] for run in ours]):>10}", end="   ")
        print(f"reference {middle([run[index] for run in theirs]):>10}")
    ratios = [one.cpu_s / two.cpu_s for one, two in zip(ours, theirs, strict=True)]
    print(f"streaming CPU ratio {statistics.median(ratios):.2f}  of {' '.join(f'{ratio:.2f}' for ratio in ratios)}")


def main(argv: Sequence[str]) -> None:
    """Start the synthetic server and measure what the command line asks for."""
    kind, *rest = argv or [""]
    if kind not in ("startup", "stream"):
        raise SystemExit(__doc__)
    tokens, rate = (rest + ["400", "50"][len(rest) :])[:2] if kind == "stream" else ("50", "50")
    pairs = int(os.environ.get("PAIRS", "5" if kind == "startup" else "3"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="probe-", ignore_cleanup_errors=True)))
        server = subprocess.Popen([sys.executable, str(HERE / "synthetic_ollama.py"), str(port), tokens, rate])
        stack.callback(server.wait)
        stack.callback(server.terminate)
        for _ in range(100):
            try:
                state(url)
                break
            except OSError:
                time.sleep(0.1)
        report = report_start_up if kind == "startup" else report_stream
        report(url, home, pairs)


if __name__ == "__main__":
    main(sys.argv[1:])
