"""Letting go: the server knows the moment nobody listens any more, and connections are used again."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from codomyrmex_ollama_tui.client.ollama import OllamaClient
from codomyrmex_ollama_tui.domain.chat import AnswerEnd, GenerateRequest
from codomyrmex_ollama_tui.domain.errors import OllamaError
from tests.client.asking import ASK, END, LINES, PIECE, all_of, held
from tests.client.server import Script, WireServer


@pytest.mark.parametrize("kind", ["chat", "generate", "pull"])
async def test_the_response_is_closed_the_moment_the_consumer_stops(kind: str) -> None:
    first = {"status": "pulling manifest"} if kind == "pull" else PIECE
    async with (
        WireServer(held(first, END, gate=asyncio.Event())) as server,
        OllamaClient(server.address) as client,
    ):
        calls = {
            "chat": client.chat(ASK),
            "generate": client.generate(GenerateRequest("m", "x")),
            "pull": client.pull("m"),
        }
        async with aclosing(calls[kind]) as items:
            await anext(items)
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_the_response_is_closed_when_the_task_is_cancelled() -> None:
    async with (
        WireServer(held(PIECE, END, gate=asyncio.Event())) as server,
        OllamaClient(server.address) as client,
    ):
        seen = asyncio.Event()

        async def read() -> None:
            async with aclosing(client.chat(ASK)) as items:
                async for _ in items:
                    seen.set()

        task = asyncio.ensure_future(read())
        await asyncio.wait_for(seen.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_a_request_that_waits_for_its_first_byte_can_be_cancelled() -> None:
    async with (
        WireServer(Script([b""], gates={0: asyncio.Event()})) as server,
        OllamaClient(server.address) as client,
    ):
        task = asyncio.ensure_future(client.load("m"))
        await asyncio.wait_for(server.asked.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_one_connection_serves_one_answer_after_the_other() -> None:
    async with WireServer(LINES) as server, OllamaClient(server.address) as client:
        for _ in range(3):
            await all_of(client)
        with pytest.raises(OllamaError):
            await client.version()
        assert server.connections == 1


async def test_many_answers_at_once() -> None:
    async with WireServer(LINES) as server, OllamaClient(server.address) as client:
        answers = await asyncio.gather(*(all_of(client) for _ in range(30)))
        assert all(isinstance(answer[-1], AnswerEnd) for answer in answers)
