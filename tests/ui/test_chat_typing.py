"""The slash commands of the chat screen, files as context, code saved: what is offered works."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.ui.screens.chat_options import ChatOptions
from codomyrmex_ollama_tui.ui.screens.chat_slash import commands_of, files_at
from codomyrmex_ollama_tui.ui.widgets.find_bar import FindBar
from tests.support.server import LocalServer
from tests.ui.chat_talk import MODEL, SMALL, answers, chat, composer, say
from tests.ui.stage import Stage, furnish, model, stage

ANSWER = "Look:\n\n```python\nx = 1\n```\n"


@pytest.fixture
async def server() -> AsyncGenerator[LocalServer, None]:
    """A server with two models."""
    async with LocalServer() as server:
        furnish(server, [SMALL, model("qwen3:4b", 2_600_000_000, digest="b")])
        answers(server, ANSWER, ANSWER)
        yield server


@pytest.fixture
async def talk(server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Stage, None]:
    """A conversation of one question and its answer, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    async with stage(server.url, tmp_path / "app", screen="chat", model=MODEL, data=tmp_path / "data") as one:
        await one.ready()
        await say(one, "Why?")
        yield one


async def command(stage: Stage, text: str) -> None:
    """Types a command and waits until it is done."""
    composer(stage).insert(text)
    await stage.pilot.press("enter")
    await stage.pilot.pause()
    await stage.settle()


def write(name: str, content: bytes | None) -> None:
    """A file, or a folder for None, where the program runs."""
    if content is None:
        Path(name).mkdir()
    else:
        Path(name).write_bytes(content)


def read(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


def names(stage: Stage) -> set[str]:
    return {one.name for one in commands_of(chat(stage))}


def told(stage: Stage) -> str:
    """What the newest toast says."""
    return [note.message for note in stage.app._notifications][-1]


async def test_only_what_can_be_done_is_offered(server: LocalServer, tmp_path: Path) -> None:
    async with stage(server.url, tmp_path, screen="chat", model=MODEL) as one:
        await one.ready()
        offered = names(one)
        assert {"model", "system", "set", "preset", "file", "help", "new", "prompts"} <= offered
        assert not {"retry", "continue", "export", "find", "import", "another", "edit"} & offered


async def test_the_menu_stands_above_the_composer(talk: Stage) -> None:
    await talk.pilot.press("slash", "s", "e")
    await talk.pilot.pause()
    lines = [" ".join(line.split()) for line in talk.text().splitlines()]
    assert any(line.startswith("/search ") for line in lines)
    assert any(line.startswith("/set [OPTION VALUE]") for line in lines)


async def test_every_command_that_is_offered_is_one(talk: Stage) -> None:
    offered = commands_of(chat(talk))
    assert {"retry", "export", "find", "another", "rename", "delete", "pin"} <= {one.name for one in offered}
    assert len(names(talk)) == len(offered)
    for one in offered:
        assert one.help
        assert one.name.isalpha()


async def test_model_changes_the_model(talk: Stage) -> None:
    await command(talk, "/model qwen3:4b")
    assert chat(talk).conversation.model == "qwen3:4b"
    await command(talk, "/model gone")
    assert told(talk) == "this server has no model gone"
    assert composer(talk).text == "/model gone"


async def test_system_prompt_and_options_are_sent_with_the_next_question(talk: Stage, server: LocalServer) -> None:
    await command(talk, "/system Be brief.\nVery.")
    await command(talk, "/set temperature 0.2")
    await command(talk, "/set max_tokens 50")
    await command(talk, "/set seed 7")
    await command(talk, "/set seed default")
    await command(talk, "/set temperature hot")
    assert "temperature" in told(talk)
    composer(talk).clear()
    await command(talk, "/set temprature 1")
    assert "temperature" in told(talk), "the name that is near"
    composer(talk).clear()
    await command(talk, "/retry")
    body = server.asked("/api/chat")[-1].json
    assert body["messages"][0] == {"role": "system", "content": "Be brief.\nVery."}
    assert body["options"] == {"temperature": 0.2, "num_predict": 50}
    assert len(chat(talk).conversation.tree) == 3, "the old answer stays"


async def test_a_preset_sets_its_options(talk: Stage) -> None:
    await command(talk, "/preset precise")
    assert (chat(talk).conversation.preset, chat(talk).conversation.options) == ("precise", {})
    await command(talk, "/preset none such")
    assert told(talk).startswith("there is no preset none such; there are balanced")


async def test_a_file_becomes_part_of_the_prompt(talk: Stage, server: LocalServer) -> None:
    write("notes.md", b"# Notes\n")
    await command(talk, "/file notes.md")
    assert composer(talk).text.startswith("⟦notes.md 1: 7 characters, 1 line⟧")
    composer(talk).insert("What is this?")
    await talk.pilot.press("enter")
    await talk.settle()
    assert server.asked("/api/chat")[-1].json["messages"][-1]["content"] == (
        "notes.md:\n\n```md\n# Notes\n```\n\nWhat is this?"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00", "it is not UTF-8 text"),
        (b"a\0b", "it is not text"),
        (b" \n", "it is empty"),
        (None, "is a folder"),
    ],
)
async def test_a_file_that_cannot_be_sent_says_why(talk: Stage, content: bytes | None, said: str) -> None:
    write("odd", content)
    await command(talk, "/file odd")
    assert said in told(talk)


def test_paths_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Notes").mkdir()
    for name in ("notes.md", ".hidden", "Notes/a.txt", "Notes/b.txt"):
        (tmp_path / name).write_text("x")
    assert files_at("") == ["Notes/", "notes.md"]
    assert files_at("no") == ["Notes/", "notes.md"]
    assert files_at("Notes/") == ["Notes/a.txt", "Notes/b.txt"]
    assert files_at(".h") == [".hidden"]
    assert files_at("none/such/") == []
    assert files_at("\0") == []


async def test_find_and_export_and_help(talk: Stage, tmp_path: Path) -> None:
    await command(talk, "/find Look")
    await talk.until(lambda: bool(talk.screen.query(FindBar)) and "1 of 1" in talk.text())
    await talk.pilot.press("escape")
    composer(talk).focus()
    await command(talk, "/export json")
    await talk.until(lambda: ".json" in told(talk))
    composer(talk).focus()
    await command(talk, "/export docx")
    assert told(talk) == "it is saved as markdown, json or jsonl"


async def test_find_from_the_composer_comes_back_to_it(talk: Stage) -> None:
    composer(talk).insert("half")
    await talk.pilot.press("ctrl+f", *"look")
    await talk.until(lambda: "1 of 1" in talk.text())
    await talk.pilot.press("escape")
    await talk.until(lambda: not talk.screen.query(FindBar))
    assert composer(talk).has_focus
    assert composer(talk).text == "half"
    await talk.pilot.press("ctrl+f")
    await talk.until(lambda: bool(talk.screen.query(FindBar)))
    await talk.pilot.press("ctrl+n")
    await talk.until(lambda: not talk.screen.query(FindBar))
    assert composer(talk).has_focus
    await talk.pilot.press("ctrl+f", "x")
    assert composer(talk).text == "x", "in an empty conversation there is nothing to find"


async def test_options_opens_the_form(talk: Stage) -> None:
    await talk.pilot.press(*"/optio", "tab", "enter")
    await talk.until(lambda: isinstance(talk.screen, ChatOptions))
    await talk.pilot.press("escape")
    await talk.until(lambda: talk.screen is not None and not isinstance(talk.screen, ChatOptions))


async def test_code_is_saved_from_the_transcript(talk: Stage) -> None:
    chat(talk).transcript.focus()
    await talk.pilot.press("w")
    await talk.until(lambda: "Save code" in talk.text())
    await talk.pilot.press("enter")
    await talk.until(lambda: "Saved" in [note.title for note in talk.app._notifications])
    assert read("code.py") == "x = 1\n"
