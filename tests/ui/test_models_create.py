"""The form from which a model is made, and the same as TOML in a real editor."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from textual.app import App
from textual.widgets import Input, TextArea

from codomyrmex_ollama_tui.domain.chat import CreateRequest
from codomyrmex_ollama_tui.domain.models import ModelDetails, ModelInfo, ModelSummary
from codomyrmex_ollama_tui.ui.screens.models_create import CreateScreen
from codomyrmex_ollama_tui.ui.themes import DARK_VARIABLES

INFO = ModelInfo(ModelDetails(), {}, system="Be \x1b[31mbrief.", template="{{ .Prompt }}", parameters="temperature 0.2")


class FormApp(App[None]):
    """A terminal that can be lent, and the form in it."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.made: list[CreateRequest | None] = []
        program = f"import sys, pathlib; path = pathlib.Path(sys.argv[-1]); text = path.read_text('utf-8'); {body}"
        self.form = CreateScreen(ModelSummary("a:latest"), INFO, editor=(sys.executable, "-c", program))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DARK_VARIABLES)

    def on_mount(self) -> None:
        self.push_screen(self.form, self.made.append)

    @contextmanager
    def suspend(self) -> Iterator[None]:
        yield

    def text(self) -> str:
        return "\n".join(strip.text.rstrip() for strip in self.screen._compositor.render_strips())


async def test_what_the_editor_leaves_stands_in_the_form() -> None:
    body = (
        "assert 'from = ' in text and '[parameters]' in text; "
        "path.write_text(text.replace('name = \"\"', 'name = \"mine:1\"').replace('0.2', '0.9') + 'top_k = 5', 'utf-8')"
    )
    app = FormApp(body)
    async with app.run_test(size=(100, 50)) as pilot:
        assert "␛" in app.form.query_one("#system", TextArea).text, "what cannot be shown is made visible"
        await pilot.press("ctrl+g")
        await pilot.pause()
        assert app.form.query_one("#name", Input).value == "mine:1"
        await pilot.press("ctrl+s")
        await pilot.pause()
    # the system prompt was not touched, so it stays as the server had it
    assert app.made == [CreateRequest("mine:1", from_model="a:latest", parameters={"temperature": 0.9, "top_k": 5})]


async def test_what_the_editor_leaves_that_cannot_be_read_changes_nothing() -> None:
    app = FormApp("path.write_text('nmae = 3', 'utf-8')")
    async with app.run_test(size=(100, 50)) as pilot:
        await pilot.press("ctrl+g")
        await pilot.pause()
        assert "✕ 'nmae' is no field of a recipe" in app.text()
        await pilot.press("escape")
        await pilot.pause()
    assert app.made == [None]


async def test_an_editor_that_fails_is_told() -> None:
    app = FormApp("sys.exit(3)")
    async with app.run_test(size=(100, 50)) as pilot:
        await pilot.press("ctrl+g")
        await pilot.pause()
        assert "✕ the editor ended with status 3" in app.text()
