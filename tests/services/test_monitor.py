"""What a run costs, seen on real processes: our own stands for the server, as it listens for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from codomyrmex_ollama_tui.services.monitor import Monitor, listener, model_in, own_listener
from tests.services.asking import DIGEST, bench, in_memory, on_disk
from tests.services.rooms import launcher, ollama, watching
from tests.support.server import LocalServer, Reply

BURN = """
import sys, time
while time.process_time() < 0.3:
    pass
print("done", flush=True)
sys.stdin.read()
"""
LISTEN = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    sys.stdin.read()
"""


async def test_the_process_that_listens_is_found(tmp_path: Path) -> None:
    async with LocalServer() as server:
        for look in (listener, own_listener):
            found = look(server.port)
            assert found is not None
            assert found.pid == os.getpid()
    assert own_listener(server.port) is None


async def test_time_and_memory_of_the_server_are_counted(tmp_path: Path) -> None:
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag") as (server, _):
        monitor = Monitor(server, every=0.01)
        await server.client()
        own = psutil.Process().memory_info().rss
        async with monitor.watch() as watch:
            until = time.process_time() + 0.2
            while time.process_time() < until:
                pass
            assert watch.use is None
        use = watch.use
        assert use is not None
        assert (use.pid, use.name) == (os.getpid(), psutil.Process().name())
        assert use.cpu_seconds >= 0.1  # the system counts in hundredths
        assert use.cpu_percent is not None
        assert use.cpu_percent == pytest.approx(100 * use.cpu_seconds / use.seconds)
        assert use.rss_peak >= use.rss > own / 2


def busy_child() -> subprocess.Popen[str]:
    """A process of ours that has been busy for 0.3 s."""
    child = subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "done\n"
    return child


async def test_a_process_that_the_server_starts_meanwhile_is_counted_whole(tmp_path: Path) -> None:
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag") as (server, _):
        await server.client()
        async with Monitor(server).watch() as watch:
            child = busy_child()
        child.communicate()
        assert watch.use is not None
        assert watch.use.processes >= 2
        assert watch.use.cpu_seconds >= 0.25


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a link does not name the process")
def test_a_tunnel_to_another_machine_is_no_server(tmp_path: Path) -> None:
    link = tmp_path / "ssh"
    link.symlink_to(Path(sys.executable).resolve())
    tunnel = subprocess.Popen([str(link), "-S", "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert tunnel.stdout is not None
    port = int(tunnel.stdout.readline())
    try:
        assert psutil.Process(tunnel.pid).name() == "ssh"
        assert listener(port) is None
    finally:
        tunnel.communicate()


async def test_a_server_elsewhere_has_no_processes_to_see(tmp_path: Path) -> None:
    addresses = [
        address.address
        for name in psutil.net_if_addrs().values()
        for address in name
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]
    if not addresses:
        pytest.skip("this machine has no address but loopback")
    # at the same port of this machine listens another one, which must not be taken for it
    async with LocalServer(addresses[0]) as real, LocalServer(port=real.port):
        real.route("GET", "/api/version", Reply(json={"version": "0.24.0"}))
        async with watching(real.url, launcher(tmp_path), "flag") as (server, _):
            await server.client()
            async with Monitor(server).watch() as watch:
                pass
            assert watch.use is None


async def test_nobody_there_is_nothing_to_watch(tmp_path: Path) -> None:
    async with ollama() as real:
        url = real.url
    async with watching(url, launcher(tmp_path, allowed=False), "flag") as (server, _):
        monitor = Monitor(server)
        async with monitor.watch() as watch:
            pass
        assert watch.use is None
        assert await monitor.in_memory() == ()
        assert await monitor.digest("m:1") == ""


async def test_models_in_memory_and_on_disk(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        monitor = at.execution.monitor
        assert await monitor.in_memory() == ()  # a server that does not know the question
        at.real.route("GET", "/api/ps", in_memory("m:1", "other:2", vram=250))
        at.real.route("GET", "/api/tags", on_disk("M:1"))
        running = await monitor.in_memory()
        entry = model_in(running, "m:1")
        assert entry is not None
        assert entry.gpu_share == 0.25
        assert model_in(running, "third:3") is None
        assert await monitor.digest("m:1") == DIGEST
        assert await monitor.digest("third:3") == ""
