"""Saving that fails, is overtaken or taken back; and the index that learns of what was saved."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from codomyrmex_ollama_tui.domain.outputs import Kind
from codomyrmex_ollama_tui.services.records import records_in
from tests.services.rooms import LIMIT
from tests.services.test_chat import NOON
from tests.services.test_chat_history import keeping, read, texts, whole


async def test_what_cannot_be_saved_is_told_once_and_saved_when_it_can_be(tmp_path: Path) -> None:
    in_the_way = tmp_path / "data"
    in_the_way.write_text("no folder")
    async with keeping(tmp_path / "data") as at:
        told: list[str] = []
        at.history.listen(told.append)
        at.real.route("POST", "/api/chat", whole("fine"))
        conversation = at.chat.new_conversation("m")
        await read(at.chat.ask(conversation, "why?"))
        await read(at.chat.ask(conversation, "and?"))
        assert texts(conversation) == ["why?", "fine", "and?", "fine"]
        await at.until(lambda: len(told) == 1)
        assert "cannot be saved" in told[0]
        in_the_way.unlink()
        await at.settled()
        assert at.disk().load(conversation.id) == conversation
        assert len(told) == 1


async def test_a_question_that_is_taken_back_before_it_is_on_disk_is_kept(tmp_path: Path) -> None:
    busy = threading.Event()
    async with keeping(tmp_path) as at:
        at.history.post(lambda store: busy.wait(LIMIT))
        conversation = at.chat.new_conversation("m")
        reading = asyncio.create_task(read(at.chat.ask(conversation, "why?")))
        await asyncio.sleep(0)  # it runs as far as to the disk
        assert conversation.turns
        reading.cancel()
        await asyncio.wait([reading])
        busy.set()
        await at.settled()
        found = at.disk().load(conversation.id)
        assert [(turn.text, turn.status) for turn in found.turns] == [("why?", "complete"), ("", "stopped")]


async def test_what_can_never_be_saved_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    async with keeping(tmp_path) as at:
        told: list[str] = []
        at.history.listen(told.append)
        at.real.route("POST", "/api/chat", whole("fine"))
        conversation = at.chat.new_conversation("m")
        await read(at.chat.ask(conversation, "why?"))
        twice = conversation.turns[0]
        at.history.post(lambda store: store.add(conversation, [twice]))
        await read(at.chat.ask(conversation, "and?"))
        await at.settled()
        assert at.disk().load(conversation.id) == conversation
        assert len(told) == 1
        assert "could not be saved" in told[0]


async def test_answers_are_found_through_the_index_also_after_they_have_changed(tmp_path: Path) -> None:
    async with keeping(tmp_path) as at:
        at.real.route("POST", "/api/chat", [whole("Rayleigh scattering"), whole("Mie scattering")])
        records = records_in(
            tmp_path / "outputs",
            now=lambda: NOON,
            token=lambda: "t",
            sources=(at.history.source(),),
            index=tmp_path / "i",
        )
        conversation = at.chat.new_conversation("m")

        async def found(text: str) -> list[str]:
            await at.settled()
            records.catch_up()
            return [entry.place for entry in records.search(records.query(text)).entries]

        assert await found("rayleigh") == []
        await read(at.chat.ask(conversation, "why blue?"))
        assert await found("rayleigh kind:chat") == [f"chat:{conversation.id}"]
        await read(at.chat.again(conversation, conversation.turns[-1]))
        assert await found("mie") == [f"chat:{conversation.id}"]
        assert len(await found("blue")) == 2
        records.delete(Kind.CHAT, f"chat:{conversation.turns[-1].id}")
        assert await found("mie") == []
        at.chat.delete(conversation.id)
        assert await found("blue") == []
        records.close()
