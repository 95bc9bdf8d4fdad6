"""Throughput of a batch beside bare httpx: `python -m benchmarks.batch [PROMPTS]`.

A server of its own process answers without any delay, in 1, 5 and 20 lines, as Ollama streams them. Both sides send
the same requests with the same concurrency and read every line as JSON; the batch also checks an assertion and writes
each cell to its run. They take turns (ABBA); a figure is the median of the rounds. Exits with 1 if the batch has less
than 0.9 of the throughput of bare httpx in the median of all rounds.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from codomyrmex_ollama_tui.client.address import parse_address
from codomyrmex_ollama_tui.domain.plans import plan_of
from codomyrmex_ollama_tui.domain.prompts import Prompt
from codomyrmex_ollama_tui.domain.statistics import median
from codomyrmex_ollama_tui.services.batch import Batches
from codomyrmex_ollama_tui.services.execution import ExecutionService
from codomyrmex_ollama_tui.services.launch import Launcher
from codomyrmex_ollama_tui.services.server import ServerService
from codomyrmex_ollama_tui.store.runs import RunsStore

PROMPTS = 1000
CONCURRENCY = 8
LENGTHS = (1, 5, 20)
"""Lines of an answer, besides its last one."""
ROUNDS = 5
LEAST = 0.9
MODEL = "m:1"

SERVER = f"""
import asyncio, json, sys

LINES = int(sys.argv[1])

def chunked(*lines):
    return b"".join(b"%x\\r\\n%s\\r\\n" % (len(line), line) for line in lines) + b"0\\r\\n\\r\\n"

def line(**fields):
    told = dict(model={MODEL!r}, created_at="2026-01-01T00:00:00.123456789Z", response="", done=False)
    return json.dumps(dict(told, **fields)).encode() + b"\\n"

END = dict(done=True, done_reason="stop", total_duration=2000000, load_duration=50000, prompt_eval_count=10,
    prompt_eval_duration=100000, eval_count=LINES, eval_duration=900000)
ANSWER = (b"HTTP/1.1 200 OK\\r\\nContent-Type: application/x-ndjson\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
    + chunked(*[line(response=" word") for _ in range(LINES)], line(**END)))

def whole(value):
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body

VERSION = whole(dict(version="0.24.0"))
TAGS = whole(dict(models=[dict(name={MODEL!r}, model={MODEL!r}, digest="ab" * 32, size=5)]))

async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).lower()
            found = head.find(b"content-length:")
            if found >= 0:
                await reader.readexactly(int(head[found + 15 :].split(b"\\r\\n")[0]))
            writer.write(VERSION if b"/version" in head else TAGS if b"/tags" in head else ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@contextmanager
def serving(lines: int) -> Iterator[str]:
    """The address of a server that answers in so many lines."""
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(lines)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


async def bare(url: str, prompts: int) -> float:
    """Requests per second of httpx alone."""
    waiting = iter(range(prompts))

    async def work(client: httpx.AsyncClient) -> None:
        for number in waiting:
            body = {"model": MODEL, "prompt": f"say {number}", "stream": True, "truncate": False, "shift": False}
            async with client.stream("POST", "/api/generate", json=body) as response:
                text = "".join([json.loads(line)["response"] async for line in response.aiter_lines()])
            assert text.startswith(" word")

    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        start = time.perf_counter()
        await asyncio.gather(*(work(client) for _ in range(CONCURRENCY)))
        return prompts / (time.perf_counter() - start)


async def batch(url: str, prompts: int, folder: Path) -> float:
    """Cells per second of a batch, from the first request to the closed file."""
    launcher = Launcher(False, sys.executable, {}, folder, folder, folder)
    server = ServerService(parse_address(url), "flag", launcher)
    try:
        execution = ExecutionService(server, now=lambda: datetime.now(UTC))
        runs = RunsStore(folder / "runs", token=lambda: "b")
        batches = Batches(runs, lambda name: execution, now=lambda: datetime.now(UTC))
        asked = tuple(Prompt(str(number), f"say {number}") for number in range(prompts))
        table = {"models": [MODEL], "concurrency": CONCURRENCY, "assert": [{"type": "contains", "value": "word"}]}
        begun = await batches.begin(plan_of(table, asked))
        start = time.perf_counter()
        async with aclosing(begun.events()) as events:
            async for _ in events:
                pass
        seconds = time.perf_counter() - start
        assert (begun.tally.passed, begun.tally.done) == (prompts, prompts)
        return prompts / seconds
    finally:
        await server.aclose()


def main() -> int:
    """Prints both throughputs and their ratio."""
    prompts = int(sys.argv[1]) if len(sys.argv) > 1 else PROMPTS
    ratios: list[float] = []
    for lines in LENGTHS:
        with serving(lines) as url, tempfile.TemporaryDirectory() as folder:
            found = measure(url, prompts, Path(folder))
        ratio = median([ours / theirs for theirs, ours in found])
        plain, ours = (median(side) for side in zip(*found, strict=True))
        print(f"answers of {lines:2} lines: bare httpx {plain:5.0f}/s, batch {ours:5.0f}/s, median ratio {ratio:.2f}")
        ratios += [ours / theirs for theirs, ours in found]
    ratio = median(ratios)
    print(f"median ratio of all {ratio:.2f} (at least {LEAST}), {prompts} prompts, {CONCURRENCY} at a time")
    return 0 if ratio >= LEAST else 1


def measure(url: str, prompts: int, folder: Path) -> list[tuple[float, float]]:
    """(bare, batch) of each round, in requests per second."""
    found = []
    asyncio.run(bare(url, prompts // 10))
    asyncio.run(batch(url, prompts // 10, folder))
    for number in range(ROUNDS):
        plain = asyncio.run(bare(url, prompts)) if number % 2 else 0.0
        ours = asyncio.run(batch(url, prompts, folder))
        found.append((plain or asyncio.run(bare(url, prompts)), ours))
    return found


if __name__ == "__main__":
    raise SystemExit(main())
