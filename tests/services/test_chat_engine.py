"""Two conversations asked at once on the embedded engine, which answers one after the other."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.services.chat import ChatEvent, ChatService, Conversation, Finished, Said
from codomyrmex_ollama_tui.services.history import History
from tests.embedded.harness import EngineProcess
from tests.services.rooms import launcher, watching
from tests.services.test_chat import NOON


@pytest.mark.engine
async def test_the_second_conversation_waits_for_the_first_and_both_are_kept(
    model_engine: EngineProcess, tmp_path: Path
) -> None:
    tokens = iter(range(10_000, 20_000))
    history = History(tmp_path / "history.db", now=lambda: NOON, token=lambda: str(next(tokens)))
    order: list[str] = []

    async def read(conversation: Conversation) -> list[ChatEvent]:
        events = []
        async for event in chat.ask(conversation, "Count from one to ten.", options={"num_predict": 12}):
            events.append(event)
            if isinstance(event, Said):
                order.append(conversation.id)
        return events

    async with watching(model_engine.url, launcher(tmp_path), "flag") as (server, _):
        chat = ChatService(server, now=lambda: NOON, history=history)
        both = chat.new_conversation("smollm2:135m"), chat.new_conversation("smollm2:135m")
        for events in await asyncio.gather(*map(read, both)):
            assert isinstance(events[-1], Finished)
        changes = sum(one != other for one, other in pairwise(order))
        assert changes <= 1, "the answers did not come one after the other"
        texts = {one.id: one.turns[-1].text for one in both}
        await history.aclose()
        await chat.load()
        assert {one.id: (await chat.open(one.id)).turns[-1].text for one in chat.listed} == texts
        for one in both:
            assert one.turns[-1].answer is not None
            assert one.turns[-1].answer.tokens is not None
        await history.aclose()
