"""Questions and answers against a real local server, with recorded answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.services.chat import (
    Asked,
    ChatEvent,
    ChatService,
    Conversation,
    Failed,
    Finished,
    Said,
    Thought,
    messages_of,
)
from codomyrmex_ollama_tui.services.server import ServerService
from tests.services.rooms import LIMIT, launcher, ollama, watching
from tests.support.recorded import answer, case
from tests.support.server import CUT, Gate, LocalServer, Raw, Reply, Stream

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class Bench:
    """A chat service at a real server, and one conversation."""

    real: LocalServer
    server: ServerService
    chat: ChatService
    conversation: Conversation

    async def ask(self, text: str = "hello") -> list[ChatEvent]:
        return [event async for event in self.chat.ask(self.conversation, text)]


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    async with ollama() as real, watching(real.url, launcher(folder), "flag") as (service, _):
        chat = ChatService(service, now=lambda: NOON)
        yield Bench(real, service, chat, chat.new_conversation("smollm2:135m"))


def piece(text: str = "", thinking: str = "") -> dict[str, object]:
    message = {"role": "assistant", "content": text, **({"thinking": thinking} if thinking else {})}
    return {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False}


END = {
    **piece(),
    "done": True,
    "done_reason": "stop",
    "total_duration": 2_000_000_000,
    "load_duration": 500_000_000,
    "prompt_eval_count": 30,
    "prompt_eval_duration": 100_000_000,
    "eval_count": 20,
    "eval_duration": 400_000_000,
}


async def test_an_answer_streams_and_brings_its_figures(tmp_path: Path) -> None:
    hold = Gate()
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/chat", Stream(piece("Hel"), hold, piece("lo"), END))
        async with aclosing(at.chat.ask(at.conversation, "say\nhello")) as events:
            asked = await anext(events)
            assert isinstance(asked, Asked)
            assert (asked.turn.role, asked.turn.text, asked.turn.asked_at) == ("user", "say\nhello", NOON)
            assert (asked.answer.role, asked.answer.model, asked.answer.status) == (
                "assistant",
                "smollm2:135m",
                "streaming",
            )
            assert at.real.asked("/api/chat") == []
            assert await anext(events) == Said("Hel")
            assert asked.answer.text == "Hel"
            with pytest.raises(ValueError, match="still being written"):
                await at.ask("again")
            hold.open()
            assert await anext(events) == Said("lo")
            assert await anext(events) == Finished(asked.answer)
        assert at.conversation.title == "say hello"
        assert at.conversation.turns == [asked.turn, asked.answer]
        facts = asked.answer.answer
        assert facts is not None
        assert (facts.tokens, facts.eval_rate, facts.load_s, facts.context_used) == (20, 50.0, 0.5, 50)
        assert facts.done_reason == "stop"
        assert facts.ttft is not None
        assert 0 <= facts.ttft <= facts.total
        sent = at.real.asked("/api/chat")[0].json
        assert (sent["truncate"], sent["shift"], sent["model"]) == (False, False, "smollm2:135m")
        assert sent["messages"] == [{"role": "user", "content": "say\nhello"}]


async def test_a_recorded_answer(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/chat", answer("chat_stream"))
        events = await at.ask()
        lines = [line["json"] for line in case("chat_stream")["response"]["lines"]]
        assert "".join(event.text for event in events if isinstance(event, Said)) == "".join(
            line["message"]["content"] for line in lines
        )
        last = events[-1]
        assert isinstance(last, Finished)
        assert last.turn.answer is not None
        assert last.turn.answer.tokens == lines[-1]["eval_count"]


async def test_thinking_is_kept_apart_and_never_sent_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/chat", Stream(piece(thinking="hm"), piece("Four."), END))
        events = await at.ask("2 + 2?")
        assert events[1:3] == [Thought("hm"), Said("Four.")]
        await at.ask("sure?")
        assert at.real.asked("/api/chat")[1].json["messages"] == [
            {"role": "user", "content": "2 + 2?"},
            {"role": "assistant", "content": "Four."},
            {"role": "user", "content": "sure?"},
        ]


async def test_closing_stops_the_model_and_keeps_the_partial(tmp_path: Path) -> None:
    hold = Gate()
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/chat", Stream(piece("Hel"), hold))
        async with aclosing(at.chat.ask(at.conversation, "hello")) as events:
            async for event in events:
                if isinstance(event, Said):
                    break
        turn = at.conversation.turns[-1]
        assert (turn.text, turn.status, turn.words) == ("Hel", "stopped", "")
        assert turn.answer is not None
        assert turn.answer.ttft is not None
        async with asyncio.timeout(LIMIT):
            await at.real.asked("/api/chat")[0].closed.wait()
        assert [message.content for message in messages_of(at.conversation)] == ["hello", "Hel"]


async def test_a_cancelled_reader_stops_the_model_before_its_first_byte(tmp_path: Path) -> None:
    hold = Gate()
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/chat", Reply(json=END, gate=hold))
        reading = asyncio.create_task(at.ask())
        request = await at.real.wait_for("/api/chat")
        reading.cancel()
        await asyncio.wait([reading])
        assert reading.cancelled()
        async with asyncio.timeout(LIMIT):
            await request.closed.wait()
        turn = at.conversation.turns[-1]
        assert (turn.text, turn.status) == ("", "stopped")
        assert turn.answer is not None
        assert turn.answer.ttft is None
        assert at.conversation.turns[0].text == "hello"
        assert messages_of(at.conversation) == ()


@pytest.mark.parametrize(
    ("script", "words", "text", "status"),
    [
        (Stream(piece("Hel"), CUT), "", "Hel", "failed"),
        (Stream(piece("Hel"), b'{"model":"m","mess', CUT), "", "Hel", "failed"),
        (Stream(piece("Hel"), {"error": "the runner has died \x1b[31m"}), "the runner has died", "Hel", "failed"),
        (Stream(piece("Hel")), "", "Hel", "unfinished"),
        (Raw(), "gave no answer", "", "failed"),
        (Reply(status=500, json={"error": "out of memory"}), "out of memory", "", "failed"),
        (Reply(status=404, json={"error": "model 'x' not found"}), "not found", "", "failed"),
        (
            Reply(status=400, json={"error": "the prompt is longer than the context length"}),
            "longer than",
            "",
            "failed",
        ),
        (Reply(body="<html>It works</html>", headers={"Content-Type": "text/html"}), "", "", "failed"),
        (Reply(status=301, body="<a>moved</a>", headers={"Location": "http://host.invalid/"}), "", "", "failed"),
    ],
)
async def test_every_failure_is_a_sentence_and_keeps_what_had_come(
    tmp_path: Path, script: Stream | Reply | Raw, words: str, text: str, status: str
) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/chat", script)
        events = await at.ask("a question")
        last = events[-1]
        assert isinstance(last, Failed)
        assert words in last.words
        assert last.words == last.turn.words != ""
        assert last.words.isprintable()
        assert (last.turn.text, last.turn.status) == (text, status)
        assert at.conversation.turns[0].text == "a question"
        at.real.route("POST", "/api/chat", Stream(piece("fine"), END))
        assert isinstance((await at.ask("a question"))[-1], Finished)
        sent = [message["content"] for message in at.real.asked("/api/chat")[-1].json["messages"]]
        assert sent == (["a question", text, "a question"] if text else ["a question"])


async def test_a_server_that_is_gone_is_told_and_the_question_stays(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        await at.server.settled()
        await at.real.stop()
        events = await at.ask("a question")
        last = events[-1]
        assert isinstance(last, Failed)
        assert "no server answers" in last.words
        assert [turn.text for turn in at.conversation.turns] == ["a question", ""]


@pytest.mark.parametrize("script", [Raw(), Stream(piece("Hel"), CUT)], ids=["before", "in the middle"])
async def test_a_server_that_hangs_up_is_looked_at_once(tmp_path: Path, script: Raw | Stream) -> None:
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag", check_every=60.0) as (service, _):
        await service.settled()
        real.route("POST", "/api/chat", script)
        chat = ChatService(service, now=lambda: NOON)
        events = [event async for event in chat.ask(chat.new_conversation("m"), "hello")]
        assert isinstance(events[-1], Failed)
        await real.wait_for("/api/version", 2)


@pytest.mark.parametrize("text", ["", " \n\t"])
async def test_a_blank_question_is_not_sent(tmp_path: Path, text: str) -> None:
    async with bench(tmp_path) as at:
        with pytest.raises(ValueError, match="blank"):
            await at.ask(text)
        assert at.conversation.turns == []
        assert at.real.asked("/api/chat") == []


async def test_conversations_are_kept_in_memory(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        second = at.chat.new_conversation("other")
        assert at.chat.conversations == (at.conversation, second)
        assert second.id != at.conversation.id
