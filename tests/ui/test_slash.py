"""Commands typed into the composer: offered, completed, run; and what is no command is sent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from textual.app import App, ComposeResult

from codomyrmex_ollama_tui.ui.commands import HasKeymap
from codomyrmex_ollama_tui.ui.themes import DARK_VARIABLES
from codomyrmex_ollama_tui.ui.widgets.composer import Composer
from codomyrmex_ollama_tui.ui.widgets.slash_menu import SlashCommand, SlashMenu

MODELS = ("smollm2:135m", "qwen3:4b", "qwen3:8b")


class Host(HasKeymap, App[None]):
    """A composer with three commands, and what became of them."""

    def __init__(self) -> None:
        super().__init__()
        self.keymap_in_force = {}
        self.done: list[str] = []
        self.sent: list[str] = []
        self.retries = True

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DARK_VARIABLES)

    def compose(self) -> ComposeResult:
        yield Composer(model="smollm2:135m", colour=0)

    def on_mount(self) -> None:
        self.query_one(Composer).offer(self.commands)

    def commands(self) -> Sequence[SlashCommand]:
        def model(name: str) -> None:
            if name not in MODELS:
                raise ValueError(f"there is no model {name}")
            self.done.append(f"model {name}")

        def models(typed: str) -> Sequence[str]:
            return [name for name in MODELS if typed in name]

        out = [
            SlashCommand("model", "ask another model", model, "NAME", models),
            SlashCommand("export", "save it", lambda text: self.done.append(f"export {text}"), "[FORMAT]"),
        ]
        if self.retries:
            out.append(SlashCommand("retry", "ask again", lambda text: self.done.append("retry")))
        return out

    def on_composer_submitted(self, message: Composer.Submitted) -> None:
        self.sent.append(message.draft.prompt)

    @property
    def composer(self) -> Composer:
        return self.query_one(Composer)

    def offered(self) -> list[str]:
        """The lines above the composer."""
        menus = self.query(SlashMenu)
        return (
            [str(menus.first().get_option_at_index(n).prompt) for n in range(menus.first().option_count)]
            if menus
            else []
        )


async def test_a_slash_lists_what_can_be_done_now() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.offered() == []
        await pilot.press("slash")
        await pilot.pause()
        assert [" ".join(line.split()) for line in app.offered()] == [
            "/export [FORMAT] save it",
            "/model NAME ask another model",
            "/retry ask again",
        ]
        await pilot.press("r")
        await pilot.pause()
        assert len(app.offered()) == 1
        await pilot.press("backspace", "backspace")
        await pilot.pause()
        assert app.offered() == []
        app.retries = False
        await pilot.press("slash")
        await pilot.pause()
        assert len(app.offered()) == 2, "what cannot be done now is not offered"


async def test_tab_completes_name_and_argument_and_enter_runs() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash", "m", "tab")
        await pilot.pause()
        assert app.composer.text == "/model "
        assert app.offered() == list(MODELS)
        await pilot.press("q", "down", "tab")
        await pilot.pause()
        assert app.composer.text == "/model qwen3:8b"
        assert app.offered() == []
        await pilot.press("enter")
        await pilot.pause()
        assert app.done == ["model qwen3:8b"]
        assert app.composer.text == ""
        assert app.sent == []


async def test_keys_typed_at_once_do_what_they_say() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        app.composer.insert("/retry")
        await pilot.press("enter")
        await pilot.pause()
        assert app.done == ["retry"]


async def test_enter_takes_the_command_under_the_cursor() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash")
        await pilot.pause()
        await pilot.press("down", "enter")
        await pilot.pause()
        assert app.composer.text == "/model ", "it needs a name, which is asked for"
        await pilot.press("escape")
        app.composer.clear()
        await pilot.press("slash")
        await pilot.pause()
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert app.done == ["retry"]


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("//retry", "/retry"),
        ("/etc/hosts is a file", "/etc/hosts is a file"),
        ("/retry\nin two lines", "/retry\nin two lines"),
        (" /retry", " /retry"),
        ("/Retry", "/Retry"),
        ("what is /retry", "what is /retry"),
    ],
)
async def test_what_is_no_command_is_sent(text: str, sent: str) -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        app.composer.insert(text)
        await pilot.press("enter")
        await pilot.pause()
        assert app.sent == [sent]
        assert app.done == []


async def test_an_unknown_command_is_not_sent_to_the_model() -> None:
    app = Host()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.composer.insert("/sytem be brief")
        await pilot.press("enter")
        await pilot.pause()
        assert app.sent == []
        assert app.composer.text == "/sytem be brief"
        assert [note.message for note in app._notifications] == [
            "There is no command /sytem now. / lists them; a second / before it sends it as text."
        ]


async def test_a_command_that_cannot_be_done_says_why_and_stays() -> None:
    app = Host()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.composer.insert("/model gone")
        await pilot.press("enter")
        await pilot.pause()
        assert app.composer.text == "/model gone"
        assert [note.message for note in app._notifications] == ["there is no model gone"]


async def test_esc_closes_the_list_until_something_else_is_typed() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert app.offered() == []
        assert app.composer.text == "/"
        await pilot.press("r")
        await pilot.pause()
        assert len(app.offered()) == 1


async def test_a_command_with_an_argument_that_may_be_left_out() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        for text in ("/export", "/export json"):
            app.composer.insert(text)
            await pilot.press("enter")
            await pilot.pause()
        assert app.done == ["export ", "export json"]


@pytest.mark.parametrize("prompt", ["/retry", "//", "/model qwen3:4b", "/etc/hosts is a file", "/retry\nthis"])
async def test_a_prompt_that_comes_back_is_sent_and_not_done(prompt: str) -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        for way in (app.composer.put_prompt, app.composer.recall):
            way(prompt)
            await pilot.press("enter")
            await pilot.pause()
        await pilot.press("up", "enter")
        await pilot.pause()
        assert app.sent == [prompt] * 3
        assert app.done == []
