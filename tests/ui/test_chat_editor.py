"""The person's editor: a real program that changes a real file, and what happens when it cannot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from textual.app import App, SuspendNotSupported

from codomyrmex_ollama_tui.house import editor_of
from codomyrmex_ollama_tui.ui.editor import edit_text
from tests.support.server import LocalServer
from tests.ui.chat_talk import chat, composer
from tests.ui.stage import furnish, model, stage


class Lendable(App[object]):
    """An App whose terminal can be lent although the test has none."""

    def __init__(self) -> None:
        super().__init__()
        self.lent = 0

    @contextmanager
    def suspend(self) -> Iterator[None]:
        self.lent += 1
        yield


def editor(*, body: str) -> list[str]:
    """The command line of an editor that does this with `path`, whose name it got last."""
    program = f"import sys, pathlib; path = pathlib.Path(sys.argv[-1]); {body}"
    return [sys.executable, "-c", program]


def test_what_the_editor_leaves_is_the_text(tmp_path: Path) -> None:
    app = Lendable()
    note = tmp_path / "seen"
    command = editor(
        body=f"pathlib.Path({str(note)!r}).write_bytes(path.read_bytes()); path.write_text('two\\nlines ü\\n', 'utf-8')"
    )
    assert edit_text(app, command, "naïve\ntext") == "two\nlines ü"
    assert note.read_text("utf-8") == "naïve\ntext"
    assert app.lent == 1


def test_a_text_that_ends_with_a_line_feed_keeps_it() -> None:
    assert edit_text(Lendable(), editor(body="pass"), "text\n") == "text\n"


def test_the_file_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    note = tmp_path / "seen"
    body = f"pathlib.Path({str(note)!r}).write_text(str(path) + '|' + oct(path.stat().st_mode & 0o777))"
    edit_text(Lendable(), editor(body=body), "secret")
    name, mode = note.read_text().split("|")
    assert not Path(name).exists()
    assert sys.platform == "win32" or mode == "0o600"


def test_an_editor_that_fails_changes_nothing() -> None:
    with pytest.raises(ValueError, match="status 3"):
        edit_text(Lendable(), editor(body="path.write_text('lost'); sys.exit(3)"), "kept")


def test_an_editor_that_leaves_no_text_is_told() -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        edit_text(Lendable(), editor(body="path.write_bytes(b'\\xff')"), "kept")


def test_an_editor_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nosuch"):
        edit_text(Lendable(), [str(tmp_path / "nosuch")], "kept")


async def test_a_terminal_that_cannot_be_lent_raises() -> None:
    app: App[object] = App()
    async with app.run_test():
        with pytest.raises(SuspendNotSupported):
            edit_text(app, editor(body="pass"), "kept")


async def test_without_an_editor_there_is_no_such_command(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [model("m:latest", 1000)])
        async with stage(server.url, tmp_path, screen="chat", model="m") as s:
            await s.ready()
            assert chat(s).check_action("editor", ()) is False
            await s.pilot.press(*"ab", "ctrl+g")
            assert composer(s).text == "ab"


@pytest.mark.parametrize(
    ("environment", "command"),
    [
        ({}, ()),
        ({"EDITOR": "vi"}, ("vi",)),
        ({"EDITOR": "vi", "VISUAL": "code --wait"}, ("code", "--wait")),
        ({"VISUAL": "", "EDITOR": "nano"}, ("nano",)),
        ({"VISUAL": "'unclosed", "EDITOR": "nano"}, ("nano",)),
        ({"EDITOR": '"/a b/ed" -w'}, ("/a b/ed", "-w")),
    ],
)
def test_the_editor_is_the_one_of_the_environment(environment: dict[str, str], command: tuple[str, ...]) -> None:
    assert editor_of(environment) == command
