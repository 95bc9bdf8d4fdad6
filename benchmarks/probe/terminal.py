"""Drive a terminal program in a pseudo-terminal and time what reaches its screen (pyte is the terminal). POSIX only."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import psutil
import pyte

KEYS: Final[Mapping[str, str]] = {
    "enter": "\r",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "esc": "\x1b",
    "space": " ",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "f1": "\x1bOP",
    "f2": "\x1bOQ",
    "f5": "\x1b[15~",
    "f6": "\x1b[17~",
    "f7": "\x1b[18~",
    "f8": "\x1b[19~",
    **{f"ctrl+{letter}": chr(ord(letter) & 0x1F) for letter in "abcdefgjklnopqrstuvwxyz"},
}

# What a terminal is asked at start, and what this one answers.
ANSWERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"\x1b[c", b"\x1b[?62;c"),
    (b"\x1b[6n", b"\x1b[1;1R"),
    (b"\x1b[?2026$p", b"\x1b[?2026;2$y"),
    (b"\x1b[16t", b"\x1b[6;20;10t"),
    (b"\x1b[14t", b"\x1b[4;800;1200t"),
    (b"\x1b]11;?", b"\x1b]11;rgb:0000/0000/0000\x1b\\"),
)
# Sequences pyte does not know: application strings, and CSI with a private marker other than "?".
_UNKNOWN: Final = re.compile(rb"\x1b[_P^].*?\x1b\\|\x1b\[[<=>][0-9;:]*[a-zA-Z~]", re.DOTALL)

Predicate = str | Callable[[str], bool]


class Terminal:
    """One program on a screen of `columns` × `lines` cells; `text()` is what a person would read.

    Args:
        argv: the program and its arguments.
        env: its whole environment; TERM, COLORTERM are added. None: this process's own.
        cwd: its working directory; None: this process's own.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        columns: int = 120,
        lines: int = 40,
        cwd: Path | None = None,
    ) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self._open = True
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        whole = {**(os.environ if env is None else env), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        for name in ("COLUMNS", "LINES"):
            whole.pop(name, None)
        self.started = self.last_update = time.monotonic()
        self.child = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=whole, cwd=cwd, start_new_session=True
        )
        os.close(slave)
        self._fd = master
        self.process = psutil.Process(self.child.pid)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        """Feed the screen until the program's side is closed; each change wakes whoever waits."""
        while True:
            try:
                select.select([self._fd], [], [])
                data = os.read(self._fd, 65536)
            except (OSError, ValueError):  # EIO when the program has gone, EBADF after close()
                data = b""
            if not data:
                break
            for ask, answer in ANSWERS:
                if ask in data:
                    self._write(answer)
            with self._changed:
                self._stream.feed(_UNKNOWN.sub(b"", data))
                self.last_update = time.monotonic()
                self._changed.notify_all()
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _write(self, data: bytes) -> None:
        try:
            os.write(self._fd, data)
        except OSError:  # the program has just ended
            return

    @property
    def alive(self) -> bool:
        """Whether the program still holds its terminal."""
        return self._open

    def text(self) -> str:
        """The screen, line by line, as a person would read it."""
        with self._changed:
            return "\n".join(self._screen.display)

    def send(self, *keys: str) -> None:
        """Press keys: names of KEYS, anything else is typed as it is."""
        for key in keys:
            self._write(KEYS.get(key, key).encode())

    def click(self, label: str) -> bool:
        """Left-click (SGR mouse report) the first place where `label` stands; False where it does not."""
        for row, line in enumerate(self.text().split("\n")):
            column = line.find(label)
            if column >= 0:
                at = f"{column + 1 + len(label) // 2};{row + 1}"
                self.send(f"\x1b[<0;{at}M", f"\x1b[<0;{at}m")
                return True
        return False

    def resize(self, columns: int, lines: int) -> None:
        """Make the window another size, as a person dragging its corner does."""
        with self._changed:
            self._screen.resize(lines, columns)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def wait(self, predicate: Predicate, timeout: float = 30.0) -> float | None:
        """Seconds until `predicate(text)` holds (a string: is on the screen); None when time or program end first."""

        def holds() -> bool:
            text = "\n".join(self._screen.display)
            return predicate in text if isinstance(predicate, str) else predicate(text)

        begun = time.monotonic()
        held = False

        def done() -> bool:
            nonlocal held
            held = holds()
            return held or not self._open

        with self._changed:
            self._changed.wait_for(done, timeout)
        return time.monotonic() - begun if held else None

    def settle(self, quiet: float = 0.5, timeout: float = 20.0) -> None:
        """Return when nothing has been drawn for `quiet` seconds from now on (or after `timeout`, or at the end)."""
        begun = time.monotonic()
        end = begun + timeout
        with self._changed:
            while self._open and (now := time.monotonic()) < end:
                left = max(self.last_update, begun) + quiet - now
                if left <= 0:
                    return
                self._changed.wait(min(left, end - now))

    def cost(self) -> tuple[float, float]:
        """CPU seconds and resident MiB of the program and its children."""
        cpu, resident = 0.0, 0
        for process in self.family():
            try:
                times = process.cpu_times()
                cpu += times.user + times.system
                resident += process.memory_info().rss
            except psutil.Error:
                continue
        return cpu, resident / 2**20

    def family(self) -> list[psutil.Process]:
        """The program and every process below it."""
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def wait_exit(self, timeout: float = 20.0) -> int:
        """The exit status, once the program has ended by itself. Raises `subprocess.TimeoutExpired`."""
        return self.child.wait(timeout)

    def close(self) -> None:
        """End the program if it still runs, and what it left below it."""
        left = self.family()
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(3.0)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self._reader.join(2.0)
        os.close(self._fd)
