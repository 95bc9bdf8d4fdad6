"""Closing the services, in the middle of things and cut short: nothing that was started stays behind."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from codomyrmex_ollama_tui.client.address import parse_address
from codomyrmex_ollama_tui.domain.errors import ServerUnreachable
from codomyrmex_ollama_tui.services.build import build_services
from tests.services.rooms import free_url, gone, launcher, process, watching
from tests.support import ollama_program

posix = pytest.mark.skipif(sys.platform == "win32", reason="a script cannot play ollama.exe")


async def test_closing_in_the_middle_of_a_start_leaves_nothing_behind(tmp_path: Path) -> None:
    starter = launcher(tmp_path, engine=True, environment={"ENGINE_MODE": "silent"})
    async with watching(await free_url(), starter) as (service, watched):
        await service.start()
        await watched.until(lambda state: state.words == "starting the embedded engine")
        waiting = asyncio.create_task(service.client())
        await asyncio.to_thread(_wait_for_file, tmp_path / "pid")
        child = process(tmp_path)
        closing = asyncio.create_task(service.aclose())
        await asyncio.wait([closing])
        with pytest.raises(ServerUnreachable):
            await waiting
    assert gone(child)


@posix
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 10, 50])
async def test_closing_that_is_cancelled_leaves_nothing_behind(tmp_path: Path, steps: int) -> None:
    """After one step of the loop it is still the watch that is ended, later the server that was started."""
    ollama_program.install(tmp_path)
    async with watching(await free_url(), launcher(tmp_path, search_path=str(tmp_path))) as (service, _):
        await service.settled()
        child = process(tmp_path)
        await asyncio.to_thread(_halt, child)  # deaf to SIGTERM: closing has to wait
        closing = asyncio.create_task(service.aclose())
        for _step in range(steps):
            await asyncio.sleep(0)
        assert not closing.done()
        closing.cancel()
        async with asyncio.timeout(4.0):  # less than what it would have to end by itself
            await asyncio.wait([closing])
        assert closing.cancelled()
    assert gone(child)


@posix
async def test_closing_everything_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    ollama_program.install(tmp_path)
    services = build_services(
        address=parse_address(await free_url()),
        origin="default",
        launcher=launcher(tmp_path, search_path=str(tmp_path)),
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert (await services.server.settled()).ours
    child = process(tmp_path)
    await asyncio.to_thread(_halt, child)  # the pull gets no answer
    services.models.pulls.add("a")
    await asyncio.sleep(0)  # it has begun
    closing = asyncio.create_task(services.aclose())
    await asyncio.sleep(0)  # waits for the pull to end
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert gone(child)


def _wait_for_file(path: Path) -> None:
    folder = psutil.Process()
    while not (path.exists() and path.read_text(encoding="utf-8")):
        psutil.wait_procs(folder.children(), timeout=0.02)


def _halt(child: psutil.Process) -> None:
    child.suspend()
    while child.status() != psutil.STATUS_STOPPED:
        psutil.wait_procs([child], timeout=0.01)
