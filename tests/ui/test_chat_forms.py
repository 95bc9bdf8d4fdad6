"""Answers that are data: JSON that is checked, tool calls that are shown; and one that the server's loop guard ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from codomyrmex_ollama_tui.domain.assertions import format_words, problem_with_schema
from codomyrmex_ollama_tui.domain.chat import ToolCall
from codomyrmex_ollama_tui.services.chat import Turn
from codomyrmex_ollama_tui.ui import chat_words as words
from codomyrmex_ollama_tui.ui.screens.chat_options import ChatOptions
from tests.support.server import LocalServer, Stream
from tests.ui.chat_talk import answers, chat, composer, disk, end, kept, piece, say, send

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


@pytest.mark.parametrize(
    ("text", "format", "said"),
    [
        ('{"age": 4}', "json", "valid JSON"),
        ('{"age": 4', "json", "not valid JSON: "),
        ('{"age": 4}', SCHEMA, "valid JSON of the schema"),
        ('{"age": "four"}', SCHEMA, "valid JSON, but not of the schema: data.age must be integer"),
        ("[" * 100_000, SCHEMA, "not valid JSON: "),
        ("{}", {"type": 5}, "valid JSON, schema not checked: "),
    ],
)
def test_what_is_said_about_the_form_of_an_answer(text: str, format: str | dict[str, Any], said: str) -> None:
    found = format_words(text, format)
    assert found == said or (said.endswith(": ") and found.startswith(said))
    assert "\n" not in found


def test_a_schema_that_is_none_is_found_before_it_is_used() -> None:
    assert problem_with_schema(SCHEMA) == ""
    assert problem_with_schema({"type": 5}) != ""
    assert "nothing is fetched" in problem_with_schema({"$ref": "https://example.org/schema.json"})


def test_without_the_extra_the_schema_is_said_not_to_be_checked() -> None:
    program = (
        "import sys; sys.modules['fastjsonschema'] = None\n"  # as where it is not installed
        "from codomyrmex_ollama_tui.domain.assertions import format_words, problem_with_schema\n"
        "print(repr(problem_with_schema({'type': 5})), format_words('{}', {'type': 'object'}))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    missing = "schemas are checked by fastjsonschema, which is not installed: install the extra `bench`"
    assert said == f"'' valid JSON, schema not checked: {missing}"


async def test_an_answer_is_compared_with_the_schema_of_its_conversation(tmp_path: Path) -> None:
    file = tmp_path / "person.json"
    file.write_text(json.dumps(SCHEMA), encoding="utf-8")
    async with LocalServer() as server:
        answers(server, '{"age": 4}', '{"age": "four"}', "four")
        async with kept(server, tmp_path) as s:
            await send(s, "/format")
            await s.until(lambda: isinstance(s.screen, ChatOptions) and s.screen.query_one(Input).has_focus)
            s.screen.query_one(Input).value = str(file)
            await s.pilot.press("ctrl+s")
            await s.until(lambda: composer(s).has_focus)
            assert chat(s).conversation.format == SCHEMA
            await say(s, "how old?")
            assert server.asked("/api/chat")[-1].json["format"] == SCHEMA
            await s.until(lambda: "valid JSON of the schema" in s.text())
            await say(s, "again")
            await s.until(lambda: "must be integer" in s.text())
            chat(s).conversation.format = "json"
            await say(s, "plainly")
            await s.until(lambda: "not valid JSON" in s.text())
        (summary,) = disk(tmp_path).summaries()
        facts = disk(tmp_path).load(summary.id).turns[1].answer
        assert facts is not None
        assert facts.checked == "valid JSON of the schema"


async def test_the_end_of_a_loop_is_said_as_such(tmp_path: Path) -> None:
    async with LocalServer() as server:
        server.route("POST", "/api/chat", Stream(piece("Well,"), *[piece(" no")] * 31))
        async with kept(server, tmp_path) as s:
            await send(s, "Is it?")
            await s.until(
                lambda: composer(s).ready and "the same token more than 30 times" in " ".join(s.text().split())
            )
            turn = chat(s).conversation.turns[-1]
            assert turn.status == "unfinished"
            assert turn.text.startswith("Well, no no")
            assert words.can_go_on(turn)


async def test_another_end_without_a_last_line_is_no_loop(tmp_path: Path) -> None:
    async with LocalServer() as server:
        server.route("POST", "/api/chat", Stream(*[piece(" no")] * 29))
        async with kept(server, tmp_path) as s:
            await send(s, "Is it?")
            await s.until(lambda: composer(s).ready and "without its last line" in s.text())
            assert "the same token" not in s.text()


async def test_tool_calls_are_shown_as_data_and_sent_back(tmp_path: Path) -> None:
    call = {"function": {"name": "weather", "arguments": {"city": "[red]Ulm[/]", "why": "```\n# x"}}}
    line = piece() | {"message": {"role": "assistant", "content": "", "tool_calls": [call]}}
    async with LocalServer() as server:
        server.route("POST", "/api/chat", [Stream(line, end()), Stream(piece("Fine."), end())])
        async with kept(server, tmp_path) as s:
            await say(s, "the weather?")
            await s.until(lambda: '"name": "weather"' in s.text())
            assert '"city": "[red]Ulm[/]"' in s.text()
            assert '"```\\n# x"' in s.text()
            shown = s.text().count("Tool call, not carried out")
            chat(s).show_conversation()
            await s.settle()
            assert s.text().count("Tool call, not carried out") == shown == 1
            await say(s, "so?")
            sent = server.asked("/api/chat")[-1].json["messages"]
            assert [message["role"] for message in sent] == ["user", "assistant", "user"]
            assert sent[1]["tool_calls"][0]["function"]["name"] == "weather"


def test_an_answer_of_tool_calls_alone_is_not_empty() -> None:
    turn = Turn("a", "assistant", status="stopped", tool_calls=(ToolCall("weather", {}),))
    assert not words.is_empty(turn)
