"""What a conversation is asked with: its system prompt, and whether its model thinks."""

from __future__ import annotations

from pathlib import Path

from tests.support.server import LocalServer, Reply, Stream
from tests.ui.chat_talk import answers, chat, composer, disk, end, kept, piece, say


async def test_p15_a_model_that_can_think_is_told_to(tmp_path: Path) -> None:
    async with LocalServer() as server:
        server.route("POST", "/api/show", Reply(json={"details": {}, "capabilities": ["completion", "thinking"]}))
        server.route("POST", "/api/chat", Stream(piece(thinking="Let me see."), piece("So."), end()))
        async with kept(server, tmp_path) as s:
            await say(s, "why")
            assert server.asked("/api/chat")[0].json["think"] is True
        (summary,) = disk(tmp_path).summaries()
        answer = disk(tmp_path).load(summary.id).turns[-1]
        assert (answer.text, answer.thinking) == ("So.", "Let me see.")


async def test_system_prompt_and_thinking_are_settings_of_a_conversation(tmp_path: Path) -> None:
    async with LocalServer() as server:
        server.route("POST", "/api/show", Reply(json={"details": {}, "capabilities": ["completion", "thinking"]}))
        answers(server, "So.", "Also.", "Too.")
        async with kept(server, tmp_path) as s:
            chat(s).action_system_prompt()
            await s.until(lambda: "System prompt of this conversation" in s.text())
            await s.pilot.press(*"Be brief.", "ctrl+s")
            await s.until(lambda: composer(s).has_focus)
            chat(s).action_think(False)
            await s.until(lambda: "asked not to think" in s.text())
            await say(s, "why")
            sent = server.asked("/api/chat")[0].json
            assert sent["think"] is False
            assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
            await s.pilot.press("ctrl+n")
            await say(s, "and")
            sent = server.asked("/api/chat")[1].json
            assert sent["think"] is True
            assert [message["role"] for message in sent["messages"]] == ["user"]
        async with kept(server, tmp_path) as s:
            await s.until(lambda: len(s.services.chat.listed) == 2)
            chat(s).open_conversation(next(one.id for one in s.services.chat.listed if one.title == "why"))
            await s.until(lambda: "So." in s.text())
            assert (chat(s).conversation.system, chat(s).conversation.think) == ("Be brief.", False)
