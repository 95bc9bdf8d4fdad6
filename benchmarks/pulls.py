"""What a running pull costs: CPU at the rate of a real server, key echo and memory at 10,000 lines a second.

    python -m benchmarks.pulls

The program runs in a pseudo-terminal of 120×40 with the models screen; a server of our own sends the lines of a pull
of four layers. *Real* is a line every 60 ms for each layer, as Ollama 0.24 writes them; CPU seconds of the program over
20 s of it. *Flood* is 10,000 lines a second; letters are typed into the filter for 15 s and timed until they stand on
the screen. Exits 1 where a limit is missed. POSIX only.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from benchmarks.probe.measure import LETTERS, free_port, surely
from benchmarks.probe.synthetic_ollama import Server
from benchmarks.probe.terminal import Terminal

LAYERS, SIZE, PIECE = 4, 40_000_000_000, 4096
REAL, FLOOD = LAYERS / 0.06, 10_000.0  # lines a second
MODEL = "big:latest"
CORE_LIMIT, ECHO_LIMIT, GROWTH_LIMIT = 0.1, 100.0, 15.0  # share of a core, ms, MiB


class Pulling(Server):
    """The synthetic server with a pull that does not end while it is measured."""

    async def pull(self, request: Request) -> Response:
        """`/api/pull`: lines of all layers in turn."""
        await request.json()

        async def lines() -> AsyncGenerator[str, None]:
            yield json.dumps({"status": "pulling manifest"}) + "\n"
            begun, sent = time.monotonic(), 0
            while True:
                due = int((time.monotonic() - begun) * self.rate)
                packet = []
                for number in range(sent, due):
                    digest = "sha256:" + f"{number % LAYERS:x}" * 64
                    done = number // LAYERS * PIECE
                    line = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": SIZE, "completed": done}
                    packet.append(json.dumps(line) + "\n")
                sent = max(sent, due)
                yield "".join(packet)
                await asyncio.sleep(min(0.05, max(0.002, 1 / self.rate)))

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    def app(self) -> Starlette:
        """With the pull."""
        app = super().app()
        app.routes.append(Route("/api/pull", self.pull, methods=["POST"]))
        return app


def begun(url: str, home: Path) -> Terminal:
    """The program with its models screen, and a pull that has begun."""
    folders = ["--data-dir", str(home / "data"), "--config-dir", str(home / "config")]
    argv = [sys.executable, "-m", "codomyrmex_ollama_tui", "--host", url, "--screen", "models", *folders]
    terminal = Terminal(argv, env={**os.environ})
    surely(terminal.wait("probe", 60), terminal, "the models never came")
    terminal.settle(1.0, 10)
    terminal.send("p")
    terminal.settle(0.5, 5)
    terminal.send(MODEL)
    terminal.settle(0.5, 5)
    terminal.send("enter")
    surely(terminal.wait("40.0 GB", 30), terminal, "the pull never began")
    return terminal


def measure(rate: float, home: Path) -> tuple[float, float, float]:
    """Share of a core, p95 of the key echo (ms), growth (MiB)."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "benchmarks.pulls", str(port), str(rate)])
    try:
        url = f"http://127.0.0.1:{port}"
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 1):
                    break
            except OSError:
                time.sleep(0.05)
        with begun(url, home) as terminal:
            time.sleep(3)  # it has settled into its rate
            cpu, resident = terminal.cost()
            start = time.monotonic()
            echoes: list[float] = []
            if rate == FLOOD:
                terminal.send("/")
                terminal.settle(0.3, 2)
                typed = ""
                while time.monotonic() - start < 15:
                    if len(typed) >= 16:
                        terminal.send(*["backspace"] * 16)
                        typed = ""
                    typed += LETTERS[len(typed) % len(LETTERS)]
                    terminal.send(typed[-1])
                    echo = terminal.wait(typed[-10:], 5)
                    echoes.append(5.0 if echo is None else echo)
                    time.sleep(0.1)
            else:
                time.sleep(20)
            seconds = time.monotonic() - start
            after, resident_after = terminal.cost()
    finally:
        server.terminate()
        server.wait()
    echoes.sort()
    p95 = 1e3 * echoes[min(len(echoes) - 1, int(0.95 * len(echoes)))] if echoes else 0.0
    if echoes:
        print(f"  {len(echoes)} letters, median {1e3 * statistics.median(echoes):.0f} ms")
    return (after - cpu) / seconds, p95, resident_after - resident


def main() -> int:
    """Measure both rates and say what missed its limit."""
    with tempfile.TemporaryDirectory(prefix="pulls-", ignore_cleanup_errors=True) as folder:
        real = measure(REAL, Path(folder) / "real")
        flood = measure(FLOOD, Path(folder) / "flood")
    print(f"real rate ({REAL:.0f} lines/s): {real[0]:.3f} of a core (limit {CORE_LIMIT})")
    print(f"flood ({FLOOD:.0f} lines/s): key echo p95 {flood[1]:.0f} ms (limit {ECHO_LIMIT:.0f}), ", end="")
    print(f"growth {flood[2]:.1f} MiB (limit {GROWTH_LIMIT:.0f}), {flood[0]:.2f} of a core")
    fine = real[0] <= CORE_LIMIT and flood[1] <= ECHO_LIMIT and flood[2] <= GROWTH_LIMIT
    return 0 if fine else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvicorn.run(Pulling([], float(sys.argv[2])).app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
    else:
        sys.exit(main())
