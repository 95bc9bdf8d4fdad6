"""The program in a terminal, with a real server: a question, its answer as it comes, and another one stopped."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.e2e.terminal import Window
from tests.real.server import LIMIT, RealServer

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX"),
]
RATE = re.compile(r"\d+(?:\.\d+)? tok/s")


def test_ask_read_and_stop(server: RealServer, model: str, tmp_path: Path) -> None:
    with Window(tmp_path, "--host", server.url, "--model", model) as window:
        window.expect(f"{server.version}")
        window.expect("enter send")
        window.send("Say OK.", "enter")
        print(window.expect("tok/s", LIMIT))
        window.send("Write a very long story about the sea.", "enter")
        window.expect("esc", LIMIT)
        window.send("esc")
        window.expect("stopped", 30)
        window.quit()
