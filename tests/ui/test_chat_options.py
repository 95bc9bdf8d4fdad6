"""The form of what a conversation is asked with, the model of a new one, and answers of a given form."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.widgets import Input, Static

from codomyrmex_ollama_tui.ui.screens.chat_options import ChatOptions
from tests.support.server import LocalServer, Reply
from tests.ui.chat_talk import MODEL, SMALL, answers, chat, composer, disk, say
from tests.ui.stage import Stage, furnish, loaded, model, stage

CONFIG = """
[options]
temperature = 0.6

[models."smol*"]
num_ctx = 2048

[presets.mine]
temperature = 0.9
min_p = 0.05
"""
SHOWN = {
    "details": {},
    "capabilities": ["completion"],
    "parameters": 'stop                           "<|im_end|>"\ntop_p                          0.95',
}


@asynccontextmanager
async def options(
    server: LocalServer, folder: Path, size: tuple[int, int] = (80, 24), *, config: str = CONFIG
) -> AsyncGenerator[Stage, None]:
    """The App with the form open."""
    furnish(server, [SMALL])
    server.route("POST", "/api/show", Reply(json=SHOWN))
    data = folder / "data"
    async with stage(server.url, folder, screen="chat", model=MODEL, size=size, config=config, data=data) as s:
        await s.ready()
        await open_form(s)
        yield s


async def open_form(s: Stage) -> None:
    await s.pilot.press("f2")
    await s.until(lambda: isinstance(s.screen, ChatOptions) and s.screen.query_one(Input).has_focus)


def form(s: Stage) -> ChatOptions:
    assert isinstance(s.screen, ChatOptions)
    return s.screen


async def go_to(s: Stage, name: str) -> None:
    """The cursor on an option."""
    while form(s).field != name:
        before = form(s).field
        await s.pilot.press("down")
        assert form(s).field != before, s.text()


async def put(s: Stage, name: str, text: str) -> None:
    """A value for an option, as it is typed."""
    await go_to(s, name)
    form(s).query_one(Input).value = text
    await s.pilot.press("enter")
    await s.pilot.pause()


def line(s: Stage, name: str) -> str:
    """The line of an option on the screen; "" where it is not."""
    parts = [part.strip(" ●") for text in s.text().splitlines() for part in text.split("│")]
    return next((part for part in parts if part.startswith(name)), "")


def refusal(s: Stage) -> str:
    """What is said about a value that is not allowed."""
    return str(form(s).query_one(".problem", Static).content)


async def test_every_option_is_shown_with_its_value_and_its_layer(tmp_path: Path) -> None:
    async with LocalServer() as server, options(server, tmp_path, (120, 40)) as s:
        assert line(s, "temperature").split() == ["temperature", "0.6", "[options]"]
        assert line(s, "num_ctx").split() == ["num_ctx", "2048", '[models."smol*"]']
        assert line(s, "top_p").split() == ["top_p", "0.95", "Modelfile"]
        assert line(s, "stop").split() == ["stop", "<|im_end|>", "Modelfile"]
        assert line(s, "top_k").split() == ["top_k", "40", "server", "default"]
        await put(s, "preset", "precise")
        assert line(s, "temperature").split() == ["temperature", "0.1", "preset", "precise"]
        await put(s, "preset", "mine")
        assert line(s, "temperature").split() == ["temperature", "0.9", "preset", "mine"]
        await put(s, "temperature", "0.2")
        assert line(s, "temperature").split() == ["temperature", "0.2", "this", "chat"]


async def test_what_is_set_is_kept_and_sent_and_reset(tmp_path: Path) -> None:
    async with LocalServer() as server, options(server, tmp_path) as s:
        answers(server, "So.", "Also.")
        await put(s, "preset", "mine")
        await put(s, "think", "no")
        await put(s, "keep_alive", "5m")
        await put(s, "temperature", "0.2")
        await put(s, "stop", "END, ###")
        await s.pilot.press("ctrl+s")
        await s.until(lambda: composer(s).has_focus)
        await say(s, "why")
        sent = server.asked("/api/chat")[-1].json
        assert sent["options"] == {"temperature": 0.2, "num_ctx": 2048, "min_p": 0.05, "stop": ["END", "###"]}
        assert sent["keep_alive"] == "5m"
        await open_form(s)
        await go_to(s, "temperature")
        assert form(s).query_one(Input).value == "0.2"
        await s.pilot.press("ctrl+r")
        assert form(s).query_one(Input).value == ""
        assert "0.9, preset mine" in s.text(), "what holds now"
        await s.pilot.press("ctrl+s")
        await s.until(lambda: composer(s).has_focus)
        assert chat(s).conversation.options == {"stop": ["END", "###"]}
        await open_form(s)
        await s.pilot.press("f8", "ctrl+s")
        await s.until(lambda: composer(s).has_focus)
        await say(s, "and")
        assert server.asked("/api/chat")[-1].json["options"] == {"temperature": 0.6, "num_ctx": 2048}
    (summary,) = disk(tmp_path).summaries()
    kept = disk(tmp_path).load(summary.id)
    assert (kept.preset, kept.options, kept.keep_alive, kept.think) == ("", {}, None, None)


async def test_what_is_not_allowed_is_refused_with_what_is(tmp_path: Path) -> None:
    async with LocalServer() as server, options(server, tmp_path) as s:
        for name, text, said in (
            ("preset", "none such", "there are balanced"),
            ("think", "perhaps", '"low", "medium"'),
            ("format", "nowhere.json", "there is no file"),
            ("format", '{"type": 5}', "no schema that can be used"),
            ("keep_alive", "soon", '"10m"'),
            ("temperature", "7", "a number from 0 to 2"),
        ):
            await put(s, name, text)
            assert said in refusal(s), name
            await s.pilot.press("down", "ctrl+s")
            assert form(s).field == name, "neither left nor kept"
            form(s).query_one(Input).value = ""
            await s.pilot.press("enter")
        await s.pilot.press("escape")
        await s.until(lambda: composer(s).has_focus)
        assert chat(s).conversation.options == {}


async def test_esc_leaves_all_as_it_was(tmp_path: Path) -> None:
    async with LocalServer() as server, options(server, tmp_path) as s:
        await put(s, "temperature", "0.2")
        await s.pilot.press("escape")
        await s.until(lambda: composer(s).has_focus)
        assert chat(s).conversation.options == {}


async def test_the_system_prompt_is_written_from_the_form(tmp_path: Path) -> None:
    async with LocalServer() as server, options(server, tmp_path) as s:
        await go_to(s, "system")
        await s.pilot.press("enter")
        await s.until(lambda: "Sent before every question" in s.text())
        await s.pilot.press(*"Be brief.", "ctrl+s")
        await s.until(lambda: isinstance(s.screen, ChatOptions) and "Be brief." in line(s, "system"))
        await s.pilot.press("ctrl+s")
        await s.until(lambda: composer(s).has_focus)
        assert chat(s).conversation.system == "Be brief."


async def test_a_preset_that_is_gone_and_options_of_others_are_said(tmp_path: Path) -> None:
    async with LocalServer() as server, options(server, tmp_path) as s:
        await s.pilot.press("escape")
        await s.until(lambda: composer(s).has_focus)
        chat(s).conversation.preset, chat(s).conversation.options = "gone", {"temperature": 9, "bogus": 1, "seed": 3}
        await open_form(s)
        assert "bogus" in refusal(s)
        assert "temperature = 9" in refusal(s)
        await s.pilot.press("ctrl+r", "ctrl+s")
        await s.until(lambda: composer(s).has_focus)
        assert (chat(s).conversation.preset, chat(s).conversation.options) == ("", {"seed": 3})


async def test_a_new_chat_begins_with_the_model_used_last(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [model("gemma3:1b", 800_000_000), SMALL])
        for started_with, begun_with in ((MODEL, MODEL), (None, MODEL)):
            data = tmp_path / "data"
            async with stage(server.url, tmp_path, screen="chat", model=started_with, data=data) as s:
                await s.ready()
                await s.until(lambda: chat(s).conversation.model != "")
                assert chat(s).conversation.model == begun_with
                if started_with:
                    answers(server, "So.")
                    await say(s, "why")


async def test_a_new_chat_without_a_past_begins_with_the_newest_model(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [model("gemma3:1b", 800_000_000), SMALL])
        async with stage(server.url, tmp_path, screen="chat", data=tmp_path / "data") as s:
            await s.ready()
            await s.until(lambda: chat(s).conversation.model == "gemma3:1b")


async def test_a_letter_at_the_system_prompt_opens_its_box_with_it(tmp_path: Path) -> None:
    async with LocalServer() as server, options(server, tmp_path) as s:
        await go_to(s, "system")
        form(s).query_one(Input).value = "B"
        await s.until(lambda: "Sent before every question" in s.text())
        await s.pilot.press(*"e", "ctrl+s")
        await s.until(lambda: isinstance(s.screen, ChatOptions) and line(s, "system") != "")
        await s.pilot.press("ctrl+s")
        await s.until(lambda: composer(s).has_focus)
        assert chat(s).conversation.system == "Be"


async def test_p2_no_context_is_forced_and_the_one_in_force_is_shown(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL], [loaded(MODEL, 512_000_000, context=8192)])
        answers(server, "So.", "Also.")
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, size=(120, 40)) as s:
            await s.ready()
            await say(s, "why")
            assert "options" not in server.asked("/api/chat")[-1].json
            await s.until(lambda: "context 8,192" in s.text())
            furnish(server, [SMALL], [loaded(MODEL, 512_000_000, context=2048)])
            await open_form(s)
            await put(s, "num_ctx", "2048")
            await s.pilot.press("ctrl+s")
            await s.until(lambda: composer(s).has_focus)
            await say(s, "and")
            assert server.asked("/api/chat")[-1].json["options"] == {"num_ctx": 2048}
            await s.until(lambda: "context 2,048" in s.text())
