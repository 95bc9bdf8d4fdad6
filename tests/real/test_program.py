"""The program in a terminal, with a real server: a question, its answer as it comes, and another one stopped."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.stopping import stop_one
from tests.e2e.terminal import Window
from tests.real.server import LIMIT, PREFIX, RealServer

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX"),
]
SHORT = f"{PREFIX}short:latest"


def is_answered(screen: str) -> bool:
    """The line under the answer says how it went."""
    return "· stopped" not in screen and re.search(r"first [\d.]+ ", screen) is not None


def test_ask_and_read(server: RealServer, raw: httpx.Client, model: str, tmp_path: Path) -> None:
    """With a model whose answers are short."""
    made = {"model": SHORT, "from": model, "parameters": {"num_predict": 8}, "stream": False}
    assert raw.post("/api/create", json=made).status_code == 200
    with Window(tmp_path, "--host", server.url, "--model", SHORT) as window:
        window.expect(server.version[:3])
        window.expect("enter send")
        window.send("Say OK.", "enter")
        window.expect("esc stop")
        window.expect(is_answered, LIMIT)
        window.quit()


def test_stop(server: RealServer, model: str, tmp_path: Path) -> None:
    with Window(tmp_path, "--host", server.url, "--model", model) as window:
        window.expect("enter send")
        stop_one(window, model, LIMIT)
        window.quit()
