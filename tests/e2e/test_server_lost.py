"""A server that is not there, or goes away in the middle: said, retried, nothing lost, and never replaced unasked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.terminal import ROOT, Window, free_port

SERVER = ROOT / "benchmarks" / "probe" / "synthetic_ollama.py"
MODEL = "probe:latest"


@contextmanager
def synthetic_server(port: int, tokens: int, rate: int) -> Iterator[subprocess.Popen[bytes]]:
    """A real server on that port, of fixed text; ended on leaving."""
    process = subprocess.Popen([sys.executable, str(SERVER), str(port), str(tokens), str(rate)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_named_host_that_does_not_answer_is_lost_and_the_app_alive(tmp_path: Path) -> None:
    port = free_port()
    with Window(tmp_path, "--host", f"127.0.0.1:{port}", "--model", MODEL) as window:
        window.expect("lost")
        window.expect("retrying")
        assert "embedded engine" not in window.text()
        window.send("still here")
        window.expect("still here")
        assert len(window.family()) == 1, "nothing was started in its place"
        # it comes up: found by itself
        with synthetic_server(port, 20, 100):
            window.expect(f"● Ollama 127.0.0.1:{port} 0.24.0")
            window.expect("still here")
            window.send("enter")
            window.expect("PROBE_END", 20)
        window.quit()


def test_a_server_that_dies_in_the_middle_of_an_answer_costs_nothing_that_had_come(tmp_path: Path) -> None:
    port = free_port()
    with Window(tmp_path, "--host", f"127.0.0.1:{port}", "--model", MODEL, columns=80, lines=24) as window:
        with synthetic_server(port, 400, 20) as server:
            window.expect("enter send")
            window.send("draw cells", "enter")
            window.expect("first item", 20)
            server.kill()
            window.expect("✕", 10)
            window.expect("lost", 10)
        assert "first item" in window.text(), "what had come stays"
        window.send("next words")
        window.expect("next words")
        with synthetic_server(port, 20, 100):
            window.expect(f"● 127.0.0.1:{port}")
            window.send("enter")
            window.expect("PROBE_END", 20)
        window.quit()
