"""Two programs with server services on one embedded engine: the end of one does not end the other's engine."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from codomyrmex_ollama_tui.services.launch import Launcher
from codomyrmex_ollama_tui.services.server import ServerPhase
from tests.services.rooms import ROOT, free_url, gone, launcher, watching


def real(folder: Path) -> Launcher:
    """A launcher of the engine itself."""
    return replace(launcher(folder, engine=True), engine_module="codomyrmex_ollama_tui.embedded")


def engine_of(folder: Path) -> psutil.Process:
    """The engine that serves the models folder."""
    return psutil.Process(json.loads((folder / "models" / "engine.json").read_text(encoding="utf-8"))["pid"])


@pytest.mark.parametrize("cut_short", [False, True])
async def test_who_started_it_ends_at_once_and_leaves_it_to_the_other(tmp_path: Path, *, cut_short: bool) -> None:
    async with AsyncExitStack() as stack:
        first, _ = await stack.enter_async_context(watching(await free_url(), real(tmp_path)))
        assert (await first.settled()).ours
        engine = engine_of(tmp_path)
        async with watching(await free_url(), real(tmp_path)) as (second, _):
            state = await second.settled()
            assert (state.phase, state.kind, state.ours) == (ServerPhase.READY, "embedded", False)
            assert state.label == first.state.label
            client = await second.client()
            closing = asyncio.create_task(first.aclose())
            if cut_short:
                await asyncio.sleep(0)
                closing.cancel()
            await asyncio.wait([closing])
            assert (await client.version()).version == "0.24.0"
            assert engine.is_running()
        assert gone(engine)


async def test_an_engine_that_dies_is_replaced_by_one_for_both(tmp_path: Path) -> None:
    async with (
        watching(await free_url(), real(tmp_path)) as (first, one),
        watching(await free_url(), real(tmp_path)) as (second, two),
    ):
        await first.settled()
        await second.settled()
        engine_of(tmp_path).kill()
        await asyncio.gather(one.until_phase(ServerPhase.READY), two.until_phase(ServerPhase.READY))
        assert first.state.label == second.state.label
        assert [first.state.ours, second.state.ours].count(True) == 1
        engine = engine_of(tmp_path)
    assert gone(engine)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
async def test_it_ends_with_the_last_program_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tests.services.rooms import free_url, watching\n"
        "from tests.services.test_sharing import real\n"
        "async def main():\n"
        "    async with watching(await free_url(), real(Path(sys.argv[1]))) as (service, _):\n"
        "        print((await service.settled()).ours, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    programs = []
    for ours in (b"True\n", b"False\n"):
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        assert program.stdout is not None
        assert await program.stdout.readline() == ours
        programs.append(program)
    engine = engine_of(tmp_path)
    async with watching(await free_url(), real(tmp_path)) as (third, _):
        await third.settled()
        for program in programs:
            program.kill()
            await program.wait()
        assert (await (await third.client()).version()).version == "0.24.0"
        assert engine.is_running()
    assert gone(engine)
