"""Conversations that are kept: on disk before they are sent, whole after a restart, branched, found again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from codomyrmex_ollama_tui.domain.conversations import Conversation, Summary, Unsent
from codomyrmex_ollama_tui.services.chat import Asked, ChatEvent, ChatService, Failed, Finished, Said
from codomyrmex_ollama_tui.services.history import History
from codomyrmex_ollama_tui.services.server import ServerService
from codomyrmex_ollama_tui.store.history import HistoryStore
from tests.services.rooms import LIMIT, launcher, ollama, watching
from tests.services.test_chat import END, NOON, piece
from tests.support.server import CUT, Gate, LocalServer, Reply, Stream

TOKENS = count(100)


@dataclass
class Kept:
    """A chat service at a real server, and the history that it writes to."""

    real: LocalServer
    server: ServerService
    chat: ChatService
    history: History
    folder: Path

    def disk(self) -> HistoryStore:
        """What another program would see."""
        return HistoryStore(self.folder / "history.db", now=lambda: NOON, writer="reader")

    async def settled(self) -> None:
        """Waits until everything that was posted has been written."""
        await self.history.run(lambda store: None)

    async def restarted(self) -> ChatService:
        """The service of the next start, its list read."""
        await self.history.aclose()
        self.chat = ChatService(self.server, now=lambda: NOON, history=self.history)
        await self.chat.load()
        return self.chat

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT):
            while not true():
                await self.settled()
                await asyncio.sleep(0)


@asynccontextmanager
async def keeping(folder: Path, at_once: int = 4) -> AsyncIterator[Kept]:
    history = History(folder / "history.db", now=lambda: NOON, token=lambda: f"{next(TOKENS)}")
    async with ollama() as real, watching(real.url, launcher(folder), "flag") as (server, _):
        chat = ChatService(server, now=lambda: NOON, history=history, at_once=at_once)
        try:
            yield Kept(real, server, chat, history, folder)
        finally:
            await history.aclose()


async def read(events: AsyncGenerator[ChatEvent, None]) -> list[ChatEvent]:
    return [event async for event in events]


def texts(conversation: Conversation) -> list[str]:
    return [turn.text for turn in conversation.turns]


def whole(*words: str) -> Stream:
    return Stream(*(piece(word) for word in words), END)


async def test_the_question_is_on_disk_before_it_is_sent(tmp_path: Path) -> None:
    async with keeping(tmp_path) as at:
        at.real.route("POST", "/api/chat", whole("fine"))
        conversation = at.chat.new_conversation("m")
        async with aclosing(at.chat.ask(conversation, "why?")) as events:
            assert isinstance(await anext(events), Asked)
            assert at.real.asked("/api/chat") == []
            found = at.disk().load(conversation.id)
            assert [(turn.text, turn.status) for turn in found.turns] == [("why?", "complete"), ("", "streaming")]
            assert found.title == "why?"


async def test_an_answer_is_on_disk_while_it_comes_and_whole_at_the_end(tmp_path: Path) -> None:
    hold = Gate()
    async with keeping(tmp_path) as at:
        at.real.route("POST", "/api/chat", Stream(piece(thinking="hm"), piece("One"), hold, piece(" two"), END))
        conversation = at.chat.new_conversation("m")
        reading = asyncio.create_task(read(at.chat.ask(conversation, "why?", options={"seed": 7})))
        await hold.reached()
        await at.until(lambda: bool(conversation.turns[-1].text))
        await at.until(lambda: at.disk().load(conversation.id).turns[-1].text == "One")
        hold.open()
        await reading
        await at.settled()
        answer = at.disk().load(conversation.id).turns[-1]
        assert (answer.text, answer.thinking, answer.status) == ("One two", "hm", "complete")
        assert answer == conversation.turns[-1]
        assert answer.answer is not None
        assert answer.answer.tokens == 20
        assert at.disk().request_of(answer.id) == {
            "model": "m",
            "options": {"seed": 7},
            "truncate": False,
            "shift": False,
        }


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async with keeping(tmp_path) as at:
        at.real.route("POST", "/api/chat", whole("fine"))
        conversation = at.chat.new_conversation("m")
        await read(at.chat.ask(conversation, "why?"))
        at.chat.keep_draft(conversation, Unsent("and"))
        chat = await at.restarted()
        assert [(one.id, one.title, one.turns) for one in chat.listed] == [(conversation.id, "why?", 2)]
        again = await chat.open(conversation.id)
        assert again == conversation
        assert await chat.open(conversation.id) is again
        await read(chat.ask(again, "and?"))
        assert [message["content"] for message in at.real.asked("/api/chat")[-1].json["messages"]] == [
            "why?",
            "fine",
            "and?",
        ]


async def test_what_another_program_said_is_seen_when_the_conversation_is_opened_again(tmp_path: Path) -> None:
    async with keeping(tmp_path) as at:
        at.real.route("POST", "/api/chat", whole("fine"))
        conversation = at.chat.new_conversation("m")
        await read(at.chat.ask(conversation, "why?"))
        await at.settled()
        other_history = History(tmp_path / "history.db", now=lambda: NOON, token=lambda: f"{next(TOKENS)}")
        other = ChatService(at.server, now=lambda: NOON, history=other_history)
        await read(other.ask(await other.open(conversation.id), "and?"))
        await other_history.aclose()
        await at.chat.load()
        assert texts(await at.chat.open(conversation.id)) == ["why?", "fine", "and?", "fine"]
        with pytest.raises(KeyError):
            await at.chat.open("nothing")


async def test_asking_again_and_asking_otherwise_make_siblings(tmp_path: Path) -> None:
    async with keeping(tmp_path) as at:
        at.real.route("POST", "/api/chat", [whole("one"), whole("two"), whole("three"), whole("four")])
        conversation = at.chat.new_conversation("m")
        await read(at.chat.ask(conversation, "why?"))
        question, first = conversation.turns
        await read(at.chat.again(conversation, first, model="other"))
        second = conversation.turns[-1]
        assert (texts(conversation), second.model) == (["why?", "two"], "other")
        assert [turn.text for turn in conversation.siblings(second)] == ["one", "two"]
        assert [request.json["messages"] for request in at.real.asked("/api/chat")] == [
            [{"role": "user", "content": "why?"}]
        ] * 2
        await read(at.chat.ask(conversation, "and?"))
        at.chat.choose(conversation, first)
        assert texts(conversation) == ["why?", "one"]
        await read(at.chat.edit(conversation, question, "how?"))
        assert texts(conversation) == ["how?", "four"]
        assert at.real.asked("/api/chat")[-1].json["messages"] == [{"role": "user", "content": "how?"}]
        at.chat.choose(conversation, conversation.tree[second.id])
        assert texts(conversation) == ["why?", "two", "and?", "three"]
        await at.settled()
        assert at.disk().load(conversation.id) == conversation
        at.chat.drop(conversation, conversation.turns[2])
        assert texts(conversation) == ["why?", "two"]
        await at.settled()
        assert texts(at.disk().load(conversation.id)) == ["why?", "two"]


async def test_a_stopped_answer_goes_on_where_it_was(tmp_path: Path) -> None:
    hold = Gate()
    async with keeping(tmp_path) as at:
        at.real.route("POST", "/api/chat", [Stream(piece("The sky is"), hold), whole(" blue", " today.")])
        conversation = at.chat.new_conversation("m")
        async with aclosing(at.chat.ask(conversation, "why?")) as events:
            async for event in events:
                if isinstance(event, Said):
                    break
        answer = conversation.turns[-1]
        assert answer.status == "stopped"
        events_of = await read(at.chat.go_on(conversation, answer))
        assert events_of[0] == Asked(conversation.turns[0], answer)
        assert events_of[-1] == Finished(answer)
        assert (texts(conversation), answer.status) == (["why?", "The sky is blue today."], "complete")
        assert at.real.asked("/api/chat")[1].json["messages"] == [
            {"role": "user", "content": "why?"},
            {"role": "assistant", "content": "The sky is"},
        ]
        await at.settled()
        assert at.disk().load(conversation.id) == conversation


async def test_a_reply_that_begins_anew_stands_beside_the_one_it_was_to_go_on_with(tmp_path: Path) -> None:
    async with keeping(tmp_path) as at:
        begun = Stream(piece("The sky is blue because"), CUT)
        at.real.route("POST", "/api/chat", [begun, whole("The ", "sky is", " blue because of the air.")])
        conversation = at.chat.new_conversation("m")
        assert isinstance((await read(at.chat.ask(conversation, "why?")))[-1], Failed)
        old = conversation.turns[-1]
        words = old.words
        events = await read(at.chat.go_on(conversation, old))
        new = conversation.turns[-1]
        assert new is not old
        assert Asked(conversation.turns[0], new) in events
        assert (old.text, old.status, old.words) == ("The sky is blue because", "failed", words)
        assert (new.text, new.status) == ("The sky is blue because of the air.", "complete")
        assert conversation.siblings(new) == [old, new]
        await at.settled()
        assert at.disk().load(conversation.id) == conversation


@pytest.mark.parametrize(
    ("capabilities", "wish", "sent"),
    [
        (["completion", "thinking"], None, True),
        (["completion", "thinking"], False, False),
        (["completion", "thinking"], "low", "low"),
        (["completion"], None, None),
        (["completion"], True, None),
        (None, None, None),
        (None, True, True),
    ],
)
async def test_a_model_that_can_think_is_always_told_whether_to(
    tmp_path: Path, capabilities: list[str] | None, wish: Any, sent: object
) -> None:
    async with keeping(tmp_path) as at:
        at.real.route("POST", "/api/chat", whole("fine"))
        at.real.route(
            "POST", "/api/show", Reply(json={"details": {}} | ({"capabilities": capabilities} if capabilities else {}))
        )
        conversation = at.chat.new_conversation("m")
        conversation.think = wish
        await read(at.chat.ask(conversation, "why?"))
        await read(at.chat.ask(conversation, "and?"))
        assert [request.json.get("think") for request in at.real.asked("/api/chat")] == [sent, sent]
        if capabilities is not None:
            assert len(at.real.asked("/api/show")) == 1


async def test_options_and_system_prompt_of_a_conversation_are_sent_and_kept(tmp_path: Path) -> None:
    async with keeping(tmp_path) as at:
        at.real.route("POST", "/api/chat", whole("fine"))
        conversation = at.chat.new_conversation("m")
        conversation.system, conversation.options = "Be brief.", {"temperature": 0.2}
        await read(at.chat.ask(conversation, "why?"))
        conversation.system = "Be long."
        at.chat.keep(conversation)
        sent = at.real.asked("/api/chat")[0].json
        assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
        assert sent["options"] == {"temperature": 0.2}
        await at.settled()
        found = at.disk().load(conversation.id)
        assert (found.system, found.options) == ("Be long.", {"temperature": 0.2})


async def test_only_so_many_answers_stream_at_once(tmp_path: Path) -> None:
    gates = [Gate(), Gate()]
    async with keeping(tmp_path, at_once=1) as at:
        at.real.route("POST", "/api/chat", [Stream(piece("one"), gates[0], END), Stream(piece("two"), gates[1], END)])
        first, second = at.chat.new_conversation("m"), at.chat.new_conversation("m")
        tasks = [asyncio.create_task(read(at.chat.ask(first, "a")))]
        await gates[0].reached()
        tasks.append(asyncio.create_task(read(at.chat.ask(second, "b"))))
        await at.until(lambda: at.chat.is_queued(second))
        assert len(at.real.asked("/api/chat")) == 1
        gates[0].open()
        await gates[1].reached()
        assert not at.chat.is_queued(second)
        gates[1].open()
        await asyncio.gather(*tasks)
        assert texts(second) == ["b", "two"]


async def test_a_conversation_is_renamed_pinned_deleted_and_brought_back(tmp_path: Path) -> None:
    async with keeping(tmp_path) as at:
        at.real.route("POST", "/api/chat", whole("fine"))
        conversation = at.chat.new_conversation("m")
        await read(at.chat.ask(conversation, "why?"))
        chat = await at.restarted()
        await chat.rename(conversation.id, "The sky\nabove")
        await chat.pin(conversation.id, True)
        with pytest.raises(ValueError, match="blank"):
            await chat.rename(conversation.id, " ")

        def listed() -> list[Summary]:
            return list(chat.listed)

        assert [(one.title, one.pinned) for one in listed()] == [("The sky above", True)]
        await at.settled()
        assert at.disk().load(conversation.id).named
        chat.delete(conversation.id)
        assert listed() == []
        await chat.load()
        assert listed() == []
        chat.put_back(conversation.id)
        assert [one.title for one in listed()] == ["The sky above"]
        await at.settled()
        assert at.disk().load(conversation.id).title == "The sky above"
        chat.delete(conversation.id)
        chat = await at.restarted()
        assert listed() == []


async def test_a_conversation_that_is_answering_cannot_be_deleted(tmp_path: Path) -> None:
    async with keeping(tmp_path) as at:
        at.real.route("POST", "/api/chat", Stream(piece("One"), Gate()))
        conversation = at.chat.new_conversation("m")
        async with aclosing(at.chat.ask(conversation, "why?")) as events:
            await anext(events)
            with pytest.raises(ValueError, match="still being written"):
                at.chat.delete(conversation.id)
