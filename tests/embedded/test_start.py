"""The engine as a program: how it starts, what it says, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.embedded.harness import LIMIT, ROOT, EngineProcess, run_engine, start_engine


def test_it_says_where_it_listens_and_what_it_is(tmp_path: Path) -> None:
    with start_engine(tmp_path / "models") as engine, engine.client() as client:
        assert engine.line == {"address": engine.url, "pid": engine.process.pid, "shared": False}
        version = client.get("/api/version").json()
        assert version["version"] == "0.24.0"
        assert version["engine"].startswith("embedded xllamacpp ")
        assert client.get("/").text == "Ollama is running"
    assert engine.process.returncode == 0


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    with start_engine(tmp_path / "models") as engine:
        listening = [
            connection.laddr.ip
            for connection in psutil.Process(engine.process.pid).net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_what_it_keeps_is_for_its_owner_alone(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir(mode=0o700)
    with start_engine(models):
        kept = [models, *models.rglob("*")]
        assert [path for path in kept if path.stat().st_mode & 0o077] == []


def test_what_takes_long_is_not_imported_before_it_listens() -> None:
    """httpx, psutil and the native library come with the first model, not with the program."""
    modules = "codomyrmex_ollama_tui.embedded.__main__, codomyrmex_ollama_tui.embedded.server, uvicorn"
    script = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    slow = {"httpx", "psutil", "xllamacpp", "numpy", "pip", "pydantic", "textual", "importlib.metadata"}
    assert slow & set(done.stdout.split()) == set()


def test_a_second_one_for_the_same_folder_names_the_first(tmp_path: Path) -> None:
    models = tmp_path / "models"
    with start_engine(models) as first:
        code, line = run_engine("--port", "0", "--models", str(models))
        assert (code, line) == (0, {"address": first.url, "pid": first.process.pid, "shared": True})
        code, line = run_engine("--port", str(_free_port()), "--models", str(models))
        assert code == 3
        assert first.url in line["error"]
    with start_engine(models) as again:
        assert again.line["shared"] is False


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_one_leaves_the_folder_free(tmp_path: Path) -> None:
    models = tmp_path / "models"
    first = start_engine(models)
    first.process.kill()
    first.stop()
    with start_engine(models) as second:
        assert second.line["shared"] is False


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_in_order(tmp_path: Path, how: signal.Signals) -> None:
    engine = start_engine(tmp_path / "models")
    engine.process.send_signal(how)
    engine.process.wait(LIMIT)
    engine.stop()
    assert not (tmp_path / "models" / "engine.json").exists()


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, line = run_engine("--port", str(port), "--models", str(tmp_path / "models"))
    assert code == 3
    assert line["reason"] == "port"
    assert str(port) in line["error"]


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    code, line = run_engine("--port", "0", "--models", str(file / "models"))
    assert code == 3
    assert line["reason"] == "other"
    assert str(file) in line["error"]


def test_check_says_what_runs_here() -> None:
    code, line = run_engine("--check")
    assert code == 0
    assert line["engine"].startswith("embedded xllamacpp ")


BROKEN = {
    "libgomp": "raise ImportError('libgomp.so.1: cannot open shared object file: No such file or directory')",
    "processor": "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
    "no-wheel": "raise ModuleNotFoundError(\"No module named 'xllamacpp.native'\")",
    "other": "raise ImportError('undefined symbol: some_function')",
}
WORDS = {
    "libgomp": "libgomp1",
    "processor": "AVX2",
    "no-wheel": "xllamacpp",
    "other": "undefined symbol",
}


def _broken_library(folder: Path, reason: str) -> dict[str, str]:
    """An environment in which the native library is there but cannot be imported."""
    (folder / "xllamacpp").mkdir(parents=True)
    (folder / "xllamacpp" / "__init__.py").write_text(BROKEN[reason] + "\n", encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_machine_that_cannot_run_models_is_told_why(tmp_path: Path, reason: str) -> None:
    environment = _broken_library(tmp_path / "site", reason)
    code, line = run_engine("--check", environment=environment)
    assert code == 3
    assert line["reason"] == reason
    assert WORDS[reason] in line["error"]
    # the front starts at once and says it where it matters: before a download
    with start_engine(tmp_path / "models", environment=environment) as engine, engine.client() as client:
        lines = [json.loads(one) for one in client.post("/api/pull", json={"model": "smollm2:135m"}).iter_lines()]
        assert lines == [{"status": "pulling manifest"}, {"error": line["error"]}]


def test_unknown_flags_are_refused() -> None:
    code, line = run_engine("--prot", "0")
    assert (code, line) == (2, {})


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_the_helper_stops_what_it_starts(tmp_path: Path) -> None:
    engine: EngineProcess = start_engine(tmp_path / "models")
    assert engine.stop() == 0
    assert not psutil.pid_exists(engine.process.pid)
