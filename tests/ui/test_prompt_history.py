"""Prompts sent before, from the chat screen: searched, taken, remembered by the next program."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input, OptionList

from codomyrmex_ollama_tui.ui.screens.prompt_history import PromptHistory
from tests.support.server import LocalServer
from tests.ui.chat_talk import MODEL, SMALL, answers, chat, composer, kept, say
from tests.ui.stage import Stage, furnish, stage


async def opened(stage: Stage) -> PromptHistory:
    await stage.pilot.press("ctrl+l")
    await stage.until(lambda: isinstance(stage.screen, PromptHistory))
    await stage.pilot.pause()
    screen = stage.screen
    assert isinstance(screen, PromptHistory)
    await stage.until(lambda: bool(screen._found) or "nothing has been asked" in stage.text())
    return screen


def listed(screen: PromptHistory) -> list[str]:
    options = screen.query_one(OptionList)
    return [str(options.get_option_at_index(n).prompt).split("  ")[-1] for n in range(options.option_count)]


async def test_a_prompt_of_before_is_searched_and_taken(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "So.", "So.", "So.")
        async with kept(server, tmp_path) as s:
            for prompt in ("What is a cell?", "Name a [b]colour[/b]", "What is a row?"):
                await say(s, prompt)
            composer(s).insert("half written")
            screen = await opened(s)
            assert listed(screen) == ["What is a row?", "Name a [b]colour[/b]", "What is a cell?"]
            await s.pilot.press(*"what")
            await s.until(lambda: len(screen._found) == 2)
            await s.pilot.press("down", "enter")
            await s.until(lambda: composer(s).text == "What is a cell?")
            await s.pilot.press("escape")
            assert composer(s).text == "half written"


async def test_p17_prompts_are_remembered_by_the_next_program(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "So.", "So.")
        async with kept(server, tmp_path) as s:
            await say(s, "What is a cell?")
            await say(s, "What is a row?")
        async with kept(server, tmp_path) as s:
            await s.pilot.press("up", "up")
            assert composer(s).text == "What is a cell?"
            await s.pilot.press("down", "down")
            assert listed(await opened(s)) == ["What is a row?", "What is a cell?"]
            await s.pilot.press("escape")
            assert composer(s).text == ""


async def test_without_a_history_those_of_this_session_are_found(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        answers(server, "So.", "So.")
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            screen = await opened(s)
            await s.pilot.press("enter")
            assert s.screen is screen, "there is nothing to take"
            await s.pilot.press("escape")
            await say(s, "one")
            await say(s, "two")
            assert listed(await opened(s)) == ["two", "one"]
            s.screen.query_one(Input).value = "haystack"
            await s.until(lambda: "no prompt holds these words" in s.text())


async def test_a_long_prompt_is_seen_in_part_and_taken_whole(tmp_path: Path) -> None:
    long = "".join(f"line {n}\n" for n in range(30_000))
    async with LocalServer() as server:
        answers(server, "So.")
        async with kept(server, tmp_path) as s:
            composer(s).put_prompt(long)
            await s.pilot.press("enter")
            await s.until(lambda: "So." in s.text())
            assert chat(s).conversation.turns[0].text == long
            await opened(s)
            await s.until(lambda: f"{len(long):,} characters" in s.text())
            await s.pilot.press("enter")
            await s.until(lambda: composer(s).draft.prompt == long)
