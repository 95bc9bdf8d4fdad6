"""The program as a process beside the test: what it is given, what it says, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.terminal import PROGRAM, ROOT, bare_environment
from tests.support.server import LocalServer, Reply

LIMIT = 60.0
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and pseudo-terminals")

VERSION = Reply(json={"version": "0.24.0"})


@dataclass(frozen=True)
class Said:
    """What came of one call."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on standard output."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """Standard output as tab-separated values."""
        return [line.split("\t") for line in self.out.splitlines()]


def folders(home: Path) -> tuple[str, ...]:
    """The flags that keep everything inside `home`."""
    return ("--data-dir", str(home / "data"), "--config-dir", str(home / "config"))


@contextlib.asynccontextmanager
async def begun(
    home: Path, *arguments: str, host: str = "", given: bytes | None = None, out: int = PIPE
) -> AsyncGenerator[Process, None]:
    """The program while it runs; its standard input is empty, or a pipe that already holds what was given.

    `out` is the handle of its standard output, where that is not a pipe to the test.
    """
    environment = bare_environment(home, OLLAMA_HOST=host)
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *folders(home),
        *arguments,
        stdin=DEVNULL if given is None else PIPE,
        stdout=out,
        stderr=PIPE,
        env=environment,
        cwd=ROOT,
    )
    try:
        if given is not None:
            assert process.stdin is not None
            process.stdin.write(given)
            process.stdin.close()
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def ended(process: Process) -> Said:
    """What it said from here on, and its exit code."""
    async with asyncio.timeout(LIMIT):
        out, err = await process.communicate()
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return Said(process.returncode, (out or b"").decode(), err.decode())


async def say(home: Path, *arguments: str, host: str = "", given: bytes | None = None) -> Said:
    """One call from its beginning to its end."""
    async with begun(home, *arguments, host=host, given=given) as process:
        return await ended(process)


@contextlib.asynccontextmanager
async def serving() -> AsyncGenerator[LocalServer, None]:
    """A server that says that it is Ollama, and nothing else yet."""
    async with LocalServer() as server:
        server.route("GET", "/api/version", VERSION)
        yield server


def listing(*names: str) -> Reply:
    """What `/api/tags` answers; each model has weights of its own."""
    models = [
        {
            "name": name,
            "model": name,
            "modified_at": "2026-01-02T03:04:05.678Z",
            "size": 1_000_000 * (number + 1),
            "digest": f"{number + 1:064x}",
            "details": {"family": "llama", "format": "gguf", "parameter_size": "134.52M", "quantization_level": "Q4_1"},
        }
        for number, name in enumerate(names)
    ]
    return Reply(json={"models": models})
