"""Other models asked the same: one after the other, stopped together, also while another conversation is open."""

from __future__ import annotations

from pathlib import Path

from tests.support.server import Gate, LocalServer, Reply, Stream
from tests.ui.chat_talk import MODEL, SMALL, chat, composer, end, piece, say, texts
from tests.ui.stage import furnish, loaded
from tests.ui.versions_talk import GEMMA, QWEN, opened, pick


async def test_p24_marked_models_are_asked_one_after_the_other_and_what_follows_is_told(tmp_path: Path) -> None:
    async with LocalServer() as server:
        first, half, half_more = Gate(), Gate(), Gate()
        server.route(
            "POST",
            "/api/chat",
            [
                Stream(piece("First."), end()),
                Stream(first, piece("Second"), half, piece("."), end()),
                Stream(piece("Third"), half_more, piece("."), end()),
            ],
        )
        async with opened(server, tmp_path) as s:
            await say(s, "why")
            furnish(server, [SMALL, GEMMA, QWEN], [loaded(MODEL, 200_000_000)])
            await pick(s, "gem", "qwe")
            await first.reached()
            await s.until(lambda: len(chat(s).running_models) == 1)
            s.clock.go(3)
            chat(s).show_progress()
            await s.until(lambda: "not in memory yet: loading · then qwen3:0.6b" in s.text())
            first.open()
            await half.reached()
            await s.until(lambda: "Second" in s.text() and "then qwen3:0.6b" in s.text())
            assert "▌gemma3:270m ‹ 2 of 2 ›" in s.text()
            assert len(server.asked("/api/chat")) == 2
            half.open()
            await half_more.reached()
            await s.until(lambda: "▌qwen3:0.6b ‹ 3 of 3 ›" in s.text())
            assert "then" not in s.text()
            half_more.open()
            await s.until(lambda: composer(s).ready)
            asked = [request.json for request in server.asked("/api/chat")]
            assert [one["model"] for one in asked] == [MODEL, "gemma3:270m", "qwen3:0.6b"]
            assert all(one["messages"] == [{"role": "user", "content": "why"}] for one in asked)
            tree = chat(s).conversation.tree.values()
            assert [turn.text for turn in tree] == ["why", "First.", "Second.", "Third."]
            assert chat(s).conversation.model == MODEL


async def test_esc_stops_the_answer_and_asks_no_further_model(tmp_path: Path) -> None:
    async with LocalServer() as server:
        server.route("POST", "/api/chat", [Stream(piece("First."), end()), Stream(piece("Second"), Gate())])
        async with opened(server, tmp_path) as s:
            await say(s, "why")
            await pick(s, "gem", "qwe")
            await s.until(lambda: "Second" in s.text())
            await s.pilot.press("escape")
            await server.asked("/api/chat")[1].closed.wait()
            await s.until(lambda: composer(s).ready and "stopped" in s.text())
            await s.settle()
            assert len(server.asked("/api/chat")) == 2
            assert texts(chat(s).conversation) == ["why", "Second"]


async def test_a_model_that_fails_does_not_hold_up_those_that_follow(tmp_path: Path) -> None:
    async with LocalServer() as server:
        broken = Reply(json={"error": "no memory left"}, status=500)
        server.route("POST", "/api/chat", [Stream(piece("First."), end()), broken, Stream(piece("Third."), end())])
        async with opened(server, tmp_path) as s:
            await say(s, "why")
            await pick(s, "gem", "qwe")
            await s.until(lambda: "Third." in s.text() and composer(s).ready)
            assert "no memory left" in s.text()
            assert "▌qwen3:0.6b ‹ 2 of 2 ›" in s.text()


async def test_models_are_asked_on_while_another_conversation_is_open(tmp_path: Path) -> None:
    async with LocalServer() as server:
        half = Gate()
        server.route(
            "POST",
            "/api/chat",
            [
                Stream(piece("First."), end()),
                Stream(piece("Second"), half, piece("."), end()),
                Stream(piece("Third."), end()),
            ],
        )
        async with opened(server, tmp_path) as s:
            await say(s, "why")
            asked = chat(s).conversation
            await pick(s, "gem", "qwe")
            await half.reached()
            await s.pilot.press("ctrl+n")
            half.open()
            await s.until(lambda: texts(asked) == ["why", "Third."] and asked.turns[-1].status == "complete")
            assert chat(s).conversation is not asked
            assert not chat(s).conversation.turns
