"""The program in a window of its own: what a person sees is waited for, what they type is typed."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from benchmarks.probe.terminal import Predicate, Terminal

PROGRAM = (sys.executable, "-m", "codomyrmex_ollama_tui")
ROOT = Path(__file__).parent.parent.parent
# what would make the program another one on another machine
_OTHERS = re.compile(
    r"OLLAMA_|CODOMYRMEX_|COTUI_|TEXTUAL|XDG_|(NO_COLOR|FORCE_COLOR|COLORTERM|COLUMNS|LINES|EDITOR|VISUAL)$"
)


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def bare_environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of somebody who has just come: an empty HOME, no Ollama on the PATH, nothing set.

    What a person's pip is set up with stays, for a model is fetched from their package index.
    """
    kept = {name: value for name, value in os.environ.items() if not _OTHERS.match(name)}
    settings = Path.home() / ".config" / "pip" / "pip.conf"
    if settings.is_file():
        kept.setdefault("PIP_CONFIG_FILE", str(settings))
    nothing = home / "bin"
    nothing.mkdir(parents=True, exist_ok=True)
    return {**kept, "HOME": str(home), "PATH": str(nothing), **more}


class Window(Terminal):
    """The program, started with empty folders; a test waits for what it expects to read."""

    def __init__(
        self, home: Path, *flags: str, env: Mapping[str, str] | None = None, columns: int = 120, lines: int = 40
    ) -> None:
        folders = ("--data-dir", str(home / "data"), "--config-dir", str(home / "config"))
        whole = bare_environment(home, **(env or {}))
        super().__init__([*PROGRAM, *folders, *flags], env=whole, columns=columns, lines=lines, cwd=ROOT)

    def __enter__(self) -> Window:
        return self

    def expect(self, what: Predicate, timeout: float = 30.0, *, why: str = "") -> str:
        """Wait until it can be read (or holds) and return the screen; else fail with the last screen."""
        if self.wait(what, timeout) is None:
            wanted = what if isinstance(what, str) else getattr(what, "__name__", "the condition")
            state = "is still there" if self.alive else f"ended with {self.child.poll()}"
            raise AssertionError(
                f"{why or repr(wanted)} was not seen within {timeout:.0f} s; the program {state}:\n{self.text()}"
            )
        return self.text()

    def press(self, key: str, what: Predicate, timeout: float = 30.0) -> str:
        """Press a key, and again as a person would, until what it does can be seen."""
        for _ in range(int(timeout)):
            self.send(key)
            if self.wait(what, 1.0) is not None:
                return self.text()
        return self.expect(what, 1.0, why=f"the effect of {key}")

    def quit(self, timeout: float = 15.0) -> None:
        """Leave by the key; the program ends well and nothing that it started is left."""
        family = self.family()
        self.send("ctrl+q")
        assert self.wait_exit(timeout) == 0
        _, left = psutil.wait_procs(family, timeout=timeout)
        assert left == [], "processes that outlived the program"
