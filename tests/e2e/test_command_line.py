"""The command line without a terminal: what it refuses, in which words, with which status."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import codomyrmex_ollama_tui
from tests.e2e.terminal import PROGRAM, ROOT, Window, bare_environment


def run(home: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *flags],
        env=bare_environment(home),
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
