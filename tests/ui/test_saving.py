"""Code saved as a file: the name a person agrees to, never out of its folder by a model's doing, nothing replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual import work
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from codomyrmex_ollama_tui.ui.saving import free_name, name_for, problem_with_file, save_code
from codomyrmex_ollama_tui.ui.themes import DARK_VARIABLES
from codomyrmex_ollama_tui.ui.widgets.transcript import Transcript
from tests.ui.transcript.host import answer

CODE = "print('hello')\n"


class Host(App[None]):
    """A transcript whose code can be saved in a folder."""

    def __init__(self, folder: Path, text: str) -> None:
        super().__init__()
        self.folder = folder
        self.shown = text
        self.saved: list[Path | None] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DARK_VARIABLES)

    def compose(self) -> ComposeResult:
        yield Transcript()

    def on_mount(self) -> None:
        self.query_one(Transcript).open([answer(self.shown)])

    @work
    async def on_transcript_save_asked(self, message: Transcript.SaveAsked) -> None:
        self.saved.append(await save_code(self, message.code, message.info, self.folder))


async def asked(pilot: Pilot[None]) -> Input:
    """Asks for the code to be saved; gives where the name is typed."""
    await pilot.pause()
    pilot.app.screen.query_one(Transcript).action_save_code()
    await pilot.pause()
    await pilot.pause()
    return pilot.app.screen.query_one(Input)


async def done(pilot: Pilot[None]) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


@pytest.mark.parametrize(
    ("info", "code", "name"),
    [
        ("python", CODE, "code.py"),
        ("", CODE, "code.txt"),
        ("no-such-language", CODE, "code.txt"),
        ("python app.py", CODE, "app.py"),
        ("ts:src/deep/view.ts", CODE, "view.ts"),
        ('python title="tools/run.py"', CODE, "run.py"),
        ("Dockerfile", CODE, "code.docker"),
        ("python", "# file: main.py\n" + CODE, "main.py"),
        ("javascript", "// src/index.js\nx\n", "index.js"),
        ("python", "#!/usr/bin/env python\n", "code.py"),
        ("python ../../.bashrc", CODE, "code.py"),
        ("python /etc/cron.d/x.sh", CODE, "x.sh"),
        ("sh ..\\..\\start.bat", CODE, "start.bat"),
    ],
)
def test_a_name_is_made_of_what_the_model_wrote(info: str, code: str, name: str) -> None:
    assert name_for(code, info) == name


@settings(max_examples=50, deadline=None)
@given(info=st.text(max_size=60) | st.from_regex(r"py [./\\a-z:~]{1,30}\.py"), code=st.text(max_size=60))
def test_no_name_made_from_model_text_leaves_its_folder(info: str, code: str) -> None:
    name = name_for(code, info)
    folder = Path("somewhere").absolute()
    assert (folder / name).resolve().parent == folder
    assert not name.startswith((".", "~", "-"))
    assert name.isprintable()


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("mine")
    assert free_name(tmp_path, "code.py") == "code-2.py"
    (tmp_path / "code-2.py").write_text("mine")
    assert free_name(tmp_path, "code.py") == "code-3.py"


@pytest.mark.parametrize("text", ["a\x00b", "no/such/folder/a.py", ".", "\x1b[2J", "x" * 5000])
def test_what_cannot_be_a_file_is_told(text: str, tmp_path: Path) -> None:
    assert problem_with_file(text, tmp_path)
    assert problem_with_file("fine.py", tmp_path) == ""


async def test_code_is_saved_under_the_suggested_name(tmp_path: Path) -> None:
    app = Host(tmp_path, f"Look:\n\n```python hello.py\n{CODE}```\n\nand that is all\n")
    async with app.run_test(size=(80, 24)) as pilot:
        field = await asked(pilot)
        assert field.value == "hello.py"
        await pilot.press("enter")
        await done(pilot)
        assert app.saved == [tmp_path / "hello.py"]
        assert (tmp_path / "hello.py").read_text() == CODE


async def test_a_file_that_is_there_is_replaced_only_after_a_yes(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("mine\n")
    app = Host(tmp_path, f"```python\n{CODE}```\n")
    async with app.run_test(size=(80, 24)) as pilot:
        for key, text in (("escape", "mine\n"), ("enter", CODE)):
            field = await asked(pilot)
            field.value = "mine.py"
            await pilot.press("enter")
            await pilot.pause()
            assert mine.read_text() == "mine\n"
            await pilot.press(key)
            await done(pilot)
            assert mine.read_text() == text
    assert app.saved == [None, mine]
    assert os.listdir(tmp_path) == ["mine.py"]


async def test_leaving_the_question_saves_nothing(tmp_path: Path) -> None:
    app = Host(tmp_path, f"```python\n{CODE}```\n")
    async with app.run_test(size=(80, 24)) as pilot:
        await asked(pilot)
        await pilot.press("escape")
        await done(pilot)
    assert os.listdir(tmp_path) == []


async def test_of_several_the_selected_code_is_meant_and_without_code_nothing(tmp_path: Path) -> None:
    app = Host(tmp_path, "```python\none\n```\n\ntext\n\n```python\ntwo\n```\n")
    async with app.run_test(size=(80, 24)) as pilot:
        transcript = app.query_one(Transcript)
        transcript.focus()
        field = await asked(pilot)
        field.value = "last.py"
        await pilot.press("enter")
        await done(pilot)
        await pilot.press("j")
        await asked(pilot)
        await pilot.press("enter")
        await done(pilot)
        await pilot.press("j")
        transcript.action_save_code()
        await done(pilot)
        assert len(app.screen_stack) == 1, "a paragraph is no code"
    assert (tmp_path / "last.py").read_text() == "two\n"
    assert (tmp_path / "code.py").read_text() == "one\n"
