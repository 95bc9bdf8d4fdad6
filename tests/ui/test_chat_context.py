"""The chat screen when a conversation no longer fits into the context: a question to the person, never silence."""

from __future__ import annotations

from pathlib import Path

from tests.support.server import LocalServer, Reply, Stream
from tests.ui.chat_talk import MODEL, SMALL, composer, end, kept, piece, say, send
from tests.ui.stage import Stage, furnish, loaded


def too_long() -> Reply:
    return Reply(json={"error": "the input length exceeds the context length"}, status=400)


def contents(server: LocalServer) -> list[str]:
    """What the last question was sent with."""
    return [message["content"] for message in server.asked("/api/chat")[-1].json["messages"]]


async def full(s: Stage, server: LocalServer, *then: Stream) -> None:
    """Two questions with answers, and a third for which there is no room."""
    server.route("POST", "/api/show", Reply(json={"details": {}, "model_info": INFO, "capabilities": ["completion"]}))
    said = [Stream(piece(text), end()) for text in ("One.", "Two.")]
    server.route("POST", "/api/chat", [*said, too_long(), *then])
    await say(s, "first")
    await say(s, "second")
    await send(s, "third")
    await s.until(lambda: "! the context is full · F9 makes room" in s.text())
    assert "exceeds the context length" in s.text()
    assert [request.json["truncate"] for request in server.asked("/api/chat")] == [False] * 3
    await s.pilot.press("f9")
    await s.until(lambda: "The context is full" in s.text())


INFO = {"general.architecture": "llama", "llama.context_length": 6000}


async def test_p1_a_full_context_is_a_question_and_a_larger_one_is_asked_for(tmp_path: Path) -> None:
    async with LocalServer() as server, kept(server, tmp_path) as s:
        await full(s, server, Stream(piece("Three."), end()))
        assert "a context of 6,000 tokens" in s.text()
        await s.pilot.press("1")
        await s.until(lambda: "Three." in s.text() and "done" in s.text())
        assert server.asked("/api/chat")[-1].json["options"] == {"num_ctx": 6000}
        assert contents(server) == ["first", "One.", "second", "Two.", "third"]
        assert composer(s).text == ""
        assert "is full" not in s.text()


async def test_p1_the_oldest_turns_are_left_out_when_the_person_says_so(tmp_path: Path) -> None:
    async with LocalServer() as server, kept(server, tmp_path) as s:
        await full(s, server, Stream(piece("Three."), end()), Stream(piece("Four."), end()))
        assert "leave out the oldest 2 turns" in s.text()
        await s.pilot.press("2")
        await s.until(lambda: "Three." in s.text() and "done" in s.text())
        assert contents(server) == ["second", "Two.", "third"]
        assert "first" in s.text()
        await say(s, "fourth")
        assert contents(server) == ["second", "Two.", "third", "Three.", "fourth"]


async def test_p1_the_oldest_turns_are_summarised_when_the_person_says_so(tmp_path: Path) -> None:
    async with LocalServer() as server, kept(server, tmp_path) as s:
        await full(s, server, Stream(piece("They said one."), end()), Stream(piece("Three."), end()))
        await s.pilot.press("3")
        await s.until(lambda: "Three." in s.text() and "done" in s.text())
        assert contents(server) == ["What was said before, in short:\nThey said one.", "second", "Two.", "third"]
        asked = [message["content"] for message in server.asked("/api/chat")[-2].json["messages"]]
        assert asked[:2] == ["first", "One."]
        assert "Summarise" in asked[2]


async def test_p1_an_answer_that_was_cut_because_the_window_is_full_goes_on(tmp_path: Path) -> None:
    async with LocalServer() as server, kept(server, tmp_path) as s:
        furnish(server, [SMALL], [loaded(MODEL, 200_000_000, context=4096)])
        cut = Stream(piece("One, two,"), end(prompt=4000, tokens=96, reason="length"))
        server.route("POST", "/api/chat", [cut, Stream(piece(" three."), end())])
        await send(s, "count")
        await s.until(lambda: "! the context is full" in s.text())
        assert "cut at the limit" in s.text()
        await s.pilot.press("f9")
        await s.until(lambda: "a context of 8,192 tokens" in s.text())
        assert "leave out" not in s.text()
        await s.pilot.press("1")
        await s.until(lambda: "One, two, three." in s.text() and "done" in s.text())
