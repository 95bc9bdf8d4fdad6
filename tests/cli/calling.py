"""The command line called in this process, which is quick; as a process; on a terminal."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.cli import main
from tests.cli.talk import LIMIT, Said, folders
from tests.e2e.terminal import PROGRAM, ROOT, bare_environment


class Program:
    """`cotui` with folders of its own, data in "data" and configuration in "config"."""

    def __init__(self, folder: Path, captured: pytest.CaptureFixture[str]) -> None:
        self.home = folder
        self.data = folder / "data"
        self.config = folder / "config"
        self._captured = captured

    @property
    def flags(self) -> list[str]:
        """Where its folders are; nothing is started."""
        return [*folders(self.home), "--no-start"]

    def __call__(self, *arguments: str) -> Said:
        """Calls it in this process, its output going to no terminal."""
        self._captured.readouterr()
        try:
            code = main([*self.flags, *arguments])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        said = self._captured.readouterr()
        return Said(code, said.out, said.err)

    def process(self, *arguments: str, given: bytes = b"", **env: str) -> Said:
        """Calls it as a process with pipes."""
        done = subprocess.run(
            [*PROGRAM, *self.flags, *arguments],
            input=given,
            capture_output=True,
            check=False,
            cwd=ROOT,
            timeout=LIMIT,
            env=bare_environment(self.home, PYTHONUTF8="1", **env),
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    def on_terminal(self, *arguments: str, typed: str = "", columns: int = 80) -> Said:
        """Calls it on a pseudo-terminal; all that is drawn there is `out`."""
        import fcntl
        import pty
        import struct
        import termios

        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            [*PROGRAM, *self.flags, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env=bare_environment(self.home, TERM="dumb", PYTHONUTF8="1"),
        )
        os.close(theirs)
        os.write(ours, typed.encode())
        drawn = b""
        with contextlib.suppress(OSError):  # Linux says so when the other side has been closed
            while piece := os.read(ours, 65536):
                drawn += piece
        process.wait(LIMIT)
        os.close(ours)
        return Said(process.returncode, drawn.decode().replace("\r\n", "\n"), "")
