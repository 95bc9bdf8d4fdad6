"""Requests that are held open: a stream that has begun, requests that stand in line, clients that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.embedded.harness import LIMIT, MODEL

Json = dict[str, Any]
LONG = 3000  # tokens: no answer of this length comes to its end while a test runs
ROUNDS = 3


def request(prompt: str = "Tell a long story.", *, tokens: int = 20, model: str = MODEL, **fields: Any) -> Json:
    """A generate request with a small context, so that it is loaded quickly."""
    options = {"num_predict": tokens, "temperature": 0, "seed": 1, **fields.pop("options", {})}
    return {"model": model, "prompt": prompt, "options": options, **fields}


def open_client(url: str) -> httpx.AsyncClient:
    """A client of its own; without TLS, whose certificates take long to read."""
    return httpx.AsyncClient(base_url=url, timeout=LIMIT, trust_env=False, verify=False)


class Stream:
    """An answer that is being read."""

    def __init__(self, reply: httpx.Response) -> None:
        self.reply = reply
        self._lines = reply.aiter_lines()

    async def line(self) -> Json:
        """The next line."""
        async with asyncio.timeout(LIMIT):
            read: Json = json.loads(await anext(self._lines))
        return read

    async def rest(self) -> list[Json]:
        """All lines to the end."""
        async with asyncio.timeout(LIMIT):
            return [json.loads(line) async for line in self._lines]


@asynccontextmanager
async def stream(url: str, body: Json) -> AsyncIterator[Stream]:
    """A generate stream on a connection of its own, of which the first line has come; left, it hangs up."""
    async with (
        open_client(url) as client,
        client.stream("POST", "/api/generate", json=body) as reply,
    ):
        begun = Stream(reply)
        await begun.line()
        yield begun


async def ask(url: str, body: Json, endpoint: str = "/api/generate") -> Json:
    """The whole answer of a request without streaming, with its status as "status"."""
    async with open_client(url) as client:
        reply = await client.post(endpoint, json={**body, "stream": False})
        return {**reply.json(), "status": reply.status_code}


@asynccontextmanager
async def waiting(url: str, body: Json) -> AsyncIterator[asyncio.Task[Json]]:
    """A request that the engine has received and not answered; the client leaves if it still waits at the end."""
    task = asyncio.ensure_future(ask(url, body))
    await received(url)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def received(url: str) -> None:
    """Wait until the engine has read what was sent before.

    Its front is one thread that reads connections in turn: an answer to a later request comes after the earlier ones
    were taken in.
    """
    async with open_client(url) as client:
        for _ in range(ROUNDS):
            await client.get("/api/version")


async def running(url: str) -> list[Json]:
    """The models in memory."""
    async with open_client(url) as client:
        models: list[Json] = (await client.get("/api/ps")).json()["models"]
    return models


async def unload(url: str, model: str = MODEL) -> Json:
    """Let go of a model."""
    return await ask(url, {"model": model, "keep_alive": 0})
