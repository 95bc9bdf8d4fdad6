"""The command line without a terminal: what it refuses, in which words, with which status."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

import codomyrmex_ollama_tui
from tests.e2e.terminal import PROGRAM, ROOT, Window, bare_environment, free_port
from tests.support import ollama_program


def run(home: Path, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *flags],
        env=bare_environment(home, **env),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_terminal_it_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, "--data-dir", str(tmp_path / "data"), "--config-dir", str(tmp_path / "config"))
    assert done.returncode == 2
    assert "terminal" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--hots", "127.0.0.1:1"), ("--hots", "--host")),
        (("--modle", "x"), ("--modle", "--model")),
        (("--screen", "bench"), ("not in this version",)),
        (("--screen", "outputs"), ("not in this version",)),
        (("--screen", "chta"), ("chta", "chat")),
    ],
)
def test_a_flag_that_cannot_be_is_refused_with_what_may_have_been_meant(
    tmp_path: Path, flags: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = run(tmp_path, *flags)
    assert done.returncode == 2
    assert [word for word in words if word not in done.stderr] == []
    assert "Traceback" not in done.stderr


def test_an_address_that_cannot_be_is_refused_in_a_terminal_too(tmp_path: Path) -> None:
    with Window(tmp_path, "--host", "someone:secret@example.org") as window:
        assert window.wait_exit() == 2
        window.settle(0.2, 2)
        assert "--host" in window.text()
        assert "Traceback" not in window.text()


def test_version_and_help_need_no_terminal(tmp_path: Path) -> None:
    assert codomyrmex_ollama_tui.__version__ in run(tmp_path, "--version").stdout
    told = run(tmp_path, "--help")
    assert told.returncode == 0
    for flag in ("--host", "--screen", "--model", "--data-dir", "--config-dir"):
        assert flag in told.stdout
    assert sorted(tmp_path.iterdir()) == [tmp_path / "bin"], "nothing is written for a question"


def test_a_server_started_for_a_verb_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    ollama_program.install(tmp_path / "bin")
    folders = ("--data-dir", str(tmp_path / "data"), "--config-dir", str(tmp_path / "config"))
    note, host = tmp_path / "pid", f"127.0.0.1:{free_port()}"
    unstarted = run(tmp_path, "models", "ps", "--no-start", *folders, OLLAMA_HOST=host, PID_FILE=str(note))
    assert (unstarted.returncode, note.exists()) == (3, False)
    done = run(tmp_path, "models", "ps", *folders, OLLAMA_HOST=host, PID_FILE=str(note))
    assert (done.returncode, done.stdout) == (1, ""), "it can say its version and nothing else"
    assert not psutil.pid_exists(int(note.read_text(encoding="utf-8")))


def test_a_part_that_is_broken_is_said_instead_of_waited_for(tmp_path: Path) -> None:
    (tmp_path / "httpx.py").write_text("raise ImportError('it is not whole')", encoding="utf-8")
    folders = ("--data-dir", str(tmp_path / "data"), "--config-dir", str(tmp_path / "config"))
    done = run(tmp_path, "models", "list", "--host", "127.0.0.1:1", *folders, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (3, "")
    assert "it is not whole" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_hang_up_is_passed_over_where_it_was_asked_for(tmp_path: Path) -> None:
    """As under nohup: a signal that is ignored stays ignored, and one that is not ends the program."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        command = [*PROGRAM, "models", "ps", "--host", host, "--data-dir", str(tmp_path), "--config-dir", str(tmp_path)]
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            ignoring = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env=bare_environment(tmp_path))
        finally:
            signal.signal(signal.SIGHUP, before)
        with ignoring:
            first, _ = listener.accept()
            assert first.recv(4096).startswith(b"GET /api/version ")
            ignoring.send_signal(signal.SIGHUP)
            body = b'{"version":"0.24.0"}'
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            first.sendall(head.encode() + body)
            second, _ = listener.accept()  # it goes on, by way of another client
            assert second.recv(4096).startswith(b"GET /api/ps ")
            ignoring.send_signal(signal.SIGTERM)
            assert ignoring.wait(60) == 130
            first.close()
            second.close()
