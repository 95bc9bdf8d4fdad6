"""The command line: what it says, and how it ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from codomyrmex_ollama_tui import __version__
from codomyrmex_ollama_tui.cli import main
from codomyrmex_ollama_tui.cli.verbs import VERBS
from tests.support import ollama_program

ROOT = Path(__file__).parent.parent
LIMIT = 30.0
posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program with its input and output redirected."""
    command = [sys.executable, "-m", "codomyrmex_ollama_tui", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hots", "x"], "unknown flag '--hots'; did you mean --host?"),
        (["--screens=chat"], "unknown flag '--screens'; did you mean --screen?"),
        (["--mod", "x"], "unknown flag '--mod'; did you mean --model?"),
        (["--nostart"], "unknown flag '--nostart'; did you mean --no-start?"),
        (["-Q"], "unknown flag '-Q'; see cotui --help"),
        (["chat"], "unexpected argument 'chat'; see cotui --help"),
        (["--\x1b[31m"], r"unknown flag '--\x1b[31m'; see cotui --help"),
        (["--host"], "argument --host: expected one argument"),
        (["http://me:se =cret@host"], "unexpected argument 'http://***@host'; see cotui --help"),
        (["me:secret@host"], "unexpected argument '***@host'; see cotui --help"),
        (["--screen", "http://me:secret@host"], "--screen 'http://***@host': allowed are models and chat"),
        (["--no-start=http://me:secret@h"], "argument --no-start: ignored explicit argument 'http://***@h'"),
        (["--hots=http://me:secret@host"], "unknown flag '--hots'; did you mean --host?"),
        (["--screen", "bench"], "--screen bench: not in this version"),
        (["--screen", "outputs"], "--screen outputs: not in this version"),
        (["--screen", "\x1bchats"], r"--screen '\x1bchats': allowed are models and chat"),
        ([], "a terminal is needed: standard input and output must not be redirected"),
        (["--model", "x"], "a terminal is needed: standard input and output must not be redirected"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"cotui: {words}\n")


def test_the_program_itself_ends_with_these_codes() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "cotui: a terminal is needed: standard input and output must not be redirected\n"
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"cotui {__version__}\n")


def test_help_names_every_flag_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for word in ("--host", "--server", "--screen", "--model", "--theme", "--no-start", "--data-dir", "--config-dir"):
        assert word in text
    for code in ("  0  ", "  1  ", "  2  ", "  3  ", "  4  ", "  130"):
        assert code in text
    for verb in VERBS:
        assert f"\n  {verb} " in text
    assert "bench" not in text


@contextlib.contextmanager
def in_a_terminal(
    folder: Path, *arguments: str, path: str = "", host: str = ""
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The program in a pseudo-terminal with a home of its own; what it draws is read from the handle."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {
        "PATH": f"{path}{os.pathsep}{os.defpath}",
        "HOME": str(folder),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "PID_FILE": str(folder / "pid"),
        "OLLAMA_HOST": host,
    }
    # The first terminal that the leader of a session opens becomes its own: closing it is a hang-up then.
    take = "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", take, sys.executable, "-m", "codomyrmex_ollama_tui", *arguments]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment, start_new_session=True
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        with contextlib.suppress(OSError):  # a test has closed it
            os.close(ours)


def read_until(handle: int, wanted: bytes) -> bytes:
    """What was drawn up to and with the wanted bytes; fails when they do not come."""
    seen = b""
    end = time.monotonic() + LIMIT
    while wanted not in seen:
        ready, _, _ = select.select([handle], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"{wanted!r} did not come: {seen[-2000:]!r}"
        seen += os.read(handle, 65536)
    return seen


def drain(handle: int, process: subprocess.Popen[bytes]) -> bytes:
    """Everything that is drawn until the program ends."""
    seen = b""
    end = time.monotonic() + LIMIT
    while True:
        ready, _, _ = select.select([handle], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"it does not end: {seen[-2000:]!r}"
        try:
            piece = os.read(handle, 65536)
        except OSError:  # Linux says so of a terminal whose other side has been closed
            piece = b""
        if not piece:
            process.wait(LIMIT)
            return seen
        seen += piece


@posix
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--host", "http://me:secret@host"], 2, b"cotui: --host cannot be used: a server address cannot hold"),
        (["--data-dir", "{folder}/file/x"], 3, b"cotui: {folder}/file/x: Not a directory"),
    ],
)
def test_what_cannot_be_is_said_before_the_screen_is_taken(
    tmp_path: Path, arguments: list[str], code: int, words: bytes
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    folder = str(tmp_path)
    with in_a_terminal(tmp_path, *[argument.replace("{folder}", folder) for argument in arguments]) as (
        process,
        handle,
    ):
        said = drain(handle, process)
        assert process.returncode == code
    assert said.startswith(words.replace(b"{folder}", folder.encode()))
    assert said.count(b"\n") == 1
    assert b"secret" not in said


def free_host() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


@posix
@pytest.mark.parametrize(("leave", "code"), [("key", 0), ("SIGTERM", 130), ("SIGHUP", 130)])
def test_a_server_started_here_ends_with_the_program_however_that_ends(tmp_path: Path, leave: str, code: int) -> None:
    ollama_program.install(tmp_path)
    host = free_host()
    with in_a_terminal(tmp_path, path=str(tmp_path), host=host) as (process, handle):
        read_until(handle, "●".encode())  # before the name of a server that is ready
        child = psutil.Process(int((tmp_path / "pid").read_text(encoding="utf-8")))
        assert child.is_running()
        if leave == "key":
            os.write(handle, b"\x11")
        else:
            process.send_signal(getattr(signal, leave))
        drain(handle, process)
        assert process.returncode == code
    _, alive = psutil.wait_procs([child], timeout=LIMIT)
    assert alive == []


@posix
def test_a_server_started_here_ends_when_the_terminal_is_closed(tmp_path: Path) -> None:
    ollama_program.install(tmp_path)
    with in_a_terminal(tmp_path, path=str(tmp_path), host=free_host()) as (process, handle):
        read_until(handle, "●".encode())
        child = psutil.Process(int((tmp_path / "pid").read_text(encoding="utf-8")))
        os.close(handle)
        process.wait(LIMIT)
    _, alive = psutil.wait_procs([child], timeout=LIMIT)
    assert alive == []


@posix
def test_no_start_starts_nothing(tmp_path: Path) -> None:
    ollama_program.install(tmp_path)
    with in_a_terminal(tmp_path, "--no-start", path=str(tmp_path), host=free_host()) as (process, handle):
        read_until(handle, b"no server answers")
        os.write(handle, b"\x11")
        drain(handle, process)
        assert process.returncode == 0
    assert not (tmp_path / "pid").exists()


@posix
def test_the_program_ends_when_its_terminal_is_gone_and_nobody_says_so(tmp_path: Path) -> None:
    """Without a hang-up signal, as under `setsid` or `nohup`: what can no longer be drawn ends it."""
    import pty

    ours, theirs = pty.openpty()
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    process = subprocess.Popen(
        [sys.executable, "-m", "codomyrmex_ollama_tui", "--host", free_host()],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        read_until(ours, b"retrying in")  # from here on it draws the seconds
        os.close(ours)
        process.wait(LIMIT)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
