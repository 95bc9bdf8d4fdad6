"""The composer: keys, growth, history, long pastes. Each test drives it through the real key and paste events."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot

from codomyrmex_ollama_tui.ui.commands import HasKeymap
from codomyrmex_ollama_tui.ui.themes import DARK_VARIABLES
from codomyrmex_ollama_tui.ui.widgets.composer import LONG_LINE, LONG_PASTE, SWAPPED_KEYS, Composer, Draft


class Host(HasKeymap, App[None]):
    """A screen with nothing but a composer."""

    def __init__(self, keymap: dict[str, str] | None = None) -> None:
        super().__init__()
        self.keymap_in_force = keymap or {}
        self.set_keymap(self.keymap_in_force)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DARK_VARIABLES)

    def compose(self) -> ComposeResult:
        yield Composer(model="smollm2:135m", colour=0, placeholder="Type a message")


class Heard:
    """What the composer posted."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def __call__(self, message: Message) -> None:
        posted = isinstance(message, Composer.Submitted | Composer.Held | Composer.Reached)
        if posted and not any(message is old for old in self.messages):  # it is heard again wherever it bubbles to
            self.messages.append(message)

    @property
    def prompts(self) -> list[str]:
        return [message.draft.prompt for message in self.messages if isinstance(message, Composer.Submitted)]


def composer_of(pilot: Pilot[None]) -> Composer:
    return pilot.app.query_one(Composer)


def first_row(app: Host) -> str:
    return app.screen._compositor.render_strips()[0].text


async def paste(pilot: Pilot[None], text: str) -> None:
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


async def test_enter_sends_and_empties() -> None:
    heard = Heard()
    async with Host().run_test(message_hook=heard) as pilot:
        await pilot.press(*"hi", "enter")
        await pilot.pause()
        assert heard.prompts == ["hi"]
        assert composer_of(pilot).text == ""


@pytest.mark.parametrize("key", ["ctrl+j", "shift+enter", "shift+\r"])
async def test_p12_new_line_keys(key: str) -> None:
    heard = Heard()
    async with Host().run_test(message_hook=heard) as pilot:
        await pilot.press("a", key, "b")
        await pilot.pause()
        assert composer_of(pilot).text == "a\nb"
        assert heard.prompts == []


async def test_p12_the_setting_swaps_send_and_new_line() -> None:
    heard = Heard()
    async with Host(dict(SWAPPED_KEYS)).run_test(message_hook=heard) as pilot:
        await pilot.press("a", "enter", "b")
        assert composer_of(pilot).text == "a\nb"
        await pilot.press("ctrl+j")
        await pilot.pause()
        assert heard.prompts == ["a\nb"]


async def test_nothing_is_sent_from_an_empty_or_blank_composer() -> None:
    heard = Heard()
    async with Host().run_test(message_hook=heard) as pilot:
        await pilot.press("enter", "space", "enter")
        await pilot.pause()
        assert heard.messages == []
        assert composer_of(pilot).text == " "


async def test_a_composer_that_is_not_ready_keeps_the_text_and_says_so() -> None:
    heard = Heard()
    async with Host().run_test(message_hook=heard) as pilot:
        composer_of(pilot).ready = False
        await pilot.press(*"hi", "enter")
        await pilot.pause()
        assert composer_of(pilot).text == "hi"
        assert [type(message) for message in heard.messages] == [Composer.Held]


async def test_letters_typed_behind_enter_stay() -> None:
    heard = Heard()
    app = Host()
    async with app.run_test(message_hook=heard) as pilot:
        for key, character in (("h", "h"), ("enter", "\r"), ("x", "x"), ("y", "y")):
            app.post_message(events.Key(key, character))
        await pilot.pause()
        assert heard.prompts == ["h"]
        assert composer_of(pilot).text == "xy"


@pytest.mark.parametrize(("rows", "most"), [(24, 7), (40, 13)])
async def test_it_grows_to_a_third_of_the_screen(rows: int, most: int) -> None:
    async with Host().run_test(size=(80, rows)) as pilot:
        composer = composer_of(pilot)
        await pilot.pause()
        assert composer.outer_size.height == 3
        await pilot.press("a", "ctrl+j", "b", "ctrl+j", "c")
        await pilot.pause()
        assert composer.outer_size.height == 5
        await paste(pilot, "line\n" * 60)
        assert composer.outer_size.height == most
        composer.put(Draft())
        await pilot.pause()
        assert composer.outer_size.height == 3


async def test_the_border_names_the_model_at_the_first_frame() -> None:
    app = Host()
    async with app.run_test(size=(120, 40)) as pilot:
        assert "▌smollm2:135m" in first_row(app)
        app.query_one(Composer).show_model("a\x1b[31m[b]b[/b]", None)
        await pilot.pause()
        assert "a␛[31m[b]b[/b]" in first_row(app)


async def test_paging_keys_are_for_the_conversation() -> None:
    heard = Heard()
    async with Host().run_test(message_hook=heard) as pilot:
        await pilot.press("pageup", "pagedown", "ctrl+home", "ctrl+end")
        await pilot.pause()
        assert [m.to for m in heard.messages if isinstance(m, Composer.Reached)] == [
            "page-up",
            "page-down",
            "top",
            "end",
        ]


async def test_home_and_end_stay_with_the_text() -> None:
    heard = Heard()
    async with Host().run_test(message_hook=heard) as pilot:
        await pilot.press(*"abc", "home", "x", "end", "y")
        assert composer_of(pilot).text == "xabcy"
        assert heard.messages == []


async def test_up_and_down_walk_the_prompts_and_the_new_one_is_kept() -> None:
    async with Host().run_test() as pilot:
        composer = composer_of(pilot)
        for word in ("one", "two"):
            await pilot.press(*word, "enter")
        await pilot.press(*"new", "up")
        assert composer.text == "two"
        assert composer.browsing
        await pilot.press("!", "up")
        assert composer.text == "one"
        await pilot.press("up", "down")
        assert composer.text == "two!"
        await pilot.press("down", "down")
        assert composer.text == "new"
        assert not composer.browsing
        await pilot.press("up", "up")
        composer.leave_history()
        assert composer.text == "new"


async def test_up_inside_a_text_of_several_rows_moves_the_cursor_first() -> None:
    async with Host().run_test() as pilot:
        composer = composer_of(pilot)
        await pilot.press(*"old", "enter", "a", "ctrl+j", "b", "up")
        assert composer.text == "a\nb"
        assert composer.cursor_location == (0, 1)
        await pilot.press("up")
        assert composer.text == "old"


async def test_a_paste_of_a_megabyte_does_not_hold_the_keyboard() -> None:
    heard = Heard()
    text = "".join(f"line {n}\twith words and a number {n * n}\r\n" for n in range(25_000))
    assert len(text) > 1_000_000
    async with Host().run_test(message_hook=heard) as pilot:
        composer = composer_of(pilot)
        await pilot.press(*"ab")
        before = time.thread_time()
        await paste(pilot, text)
        await pilot.press("c")
        spent = time.thread_time() - before
        assert composer.text.startswith("ab⟦pasted 1: ")
        assert composer.text.endswith("⟧c")
        assert spent < 0.5  # seconds of CPU; laid out, the same text takes several times that
        await pilot.press("enter")
        await pilot.pause()
        assert heard.prompts == ["ab" + text.replace("\r\n", "\n") + "c"]


async def test_a_long_line_is_kept_apart_too_and_a_short_paste_is_text() -> None:
    async with Host().run_test() as pilot:
        composer = composer_of(pilot)
        await paste(pilot, "x" * LONG_LINE)
        assert "⟦pasted 1: 10,000 characters, 1 line⟧" in composer.text
        await paste(pilot, "short\r\nand\rplain")
        assert composer.text.endswith("⟧short\nand\nplain")
        assert composer.draft.prompt == "x" * LONG_LINE + "short\nand\nplain"


@pytest.mark.parametrize(("keys", "left"), [(["backspace"], "ab"), (["home", "right", "right", "delete"], "ab")])
async def test_a_marker_is_deleted_as_one_character_and_undone(keys: list[str], left: str) -> None:
    async with Host().run_test() as pilot:
        composer = composer_of(pilot)
        await pilot.press(*"ab")
        await paste(pilot, "y" * LONG_PASTE)
        whole = composer.text
        await pilot.press(*keys)
        assert composer.text == left
        assert composer.draft.pasted == {}
        await pilot.press("ctrl+z")
        assert composer.text == whole
        assert composer.draft.prompt == "ab" + "y" * LONG_PASTE


async def test_letters_do_not_get_into_a_marker() -> None:
    async with Host().run_test() as pilot:
        composer = composer_of(pilot)
        await paste(pilot, "y" * LONG_PASTE)
        marker = composer.text
        await pilot.press("left", "left", "z")
        assert composer.text == marker + "z"
        composer.replace("Q", (0, 3), (0, len(marker) + 1), maintain_selection_offset=False)
        assert composer.text == "Q"


async def test_pasted_control_bytes_are_made_visible() -> None:
    async with Host().run_test() as pilot:
        await paste(pilot, "a\x1b[2Jb\u202ec")
        assert composer_of(pilot).text == "a␛[2Jb<U+202E>c"


async def test_a_prompt_given_back_stands_above_what_was_typed_since() -> None:
    async with Host().run_test() as pilot:
        composer = composer_of(pilot)
        composer.give_back(Draft("first"))
        assert composer.text == "first"
        composer.put(Draft())
        await pilot.press(*"new")
        composer.give_back(Draft("first"))
        assert composer.text == "first\nnew"


async def test_a_long_prompt_put_from_outside_is_a_marker() -> None:
    async with Host().run_test() as pilot:
        composer = composer_of(pilot)
        composer.put_prompt("z" * LONG_PASTE)
        assert composer.text.startswith("⟦pasted")
        assert composer.draft.prompt == "z" * LONG_PASTE
        composer.put_prompt("short")
        assert composer.draft == Draft("short", {})


async def test_a_long_prompt_given_back_is_a_marker_too() -> None:
    async with Host().run_test() as pilot:
        composer = composer_of(pilot)
        await pilot.press(*"new")
        composer.give_back(Draft("z" * LONG_PASTE))
        assert composer.text.startswith("⟦pasted")
        assert composer.draft.prompt == "z" * LONG_PASTE + "\nnew"


@given(st.lists(st.text(alphabet="ab⟦⟧1: \n", max_size=8), max_size=6), st.data())
def test_a_draft_puts_every_paste_in_its_place(words: list[str], data: st.DataObject) -> None:
    pasted = {f"⟦pasted {n}: 1 characters, 1 lines⟧": data.draw(st.text(max_size=6)) for n in range(12)}
    text, whole = "", ""
    for word, marker in zip(words, pasted, strict=False):
        text += word + marker
        whole += word + pasted[marker]
    assert Draft(text, pasted).prompt == whole


async def test_a_prompt_of_before_is_taken_and_what_was_written_comes_back() -> None:
    async with Host().run_test() as pilot:
        composer = composer_of(pilot)
        await pilot.press(*"half")
        composer.recall("what was asked\nin two lines")
        assert composer.text == "what was asked\nin two lines"
        assert composer.browsing
        await pilot.press("down", "down")
        assert composer.text == "half"


async def test_the_up_key_goes_back_to_prompts_of_before() -> None:
    heard = Heard()
    async with Host().run_test(message_hook=heard) as pilot:
        composer = composer_of(pilot)
        await pilot.press("c", "enter")
        composer.learn(["a", "b", "c"])
        await pilot.press("up", "up", "up")
        assert composer.text == "a"
        await pilot.press("up", "down", "down")
        assert composer.text == "c"


@pytest.mark.parametrize(
    "text", ["plain\n", "no end", "a ``` fence\n", "`````\n", "# head\n\n- list\n", "\u202e\x1b[2J"]
)
async def test_a_file_is_one_marker_and_is_sent_whole(text: str) -> None:
    heard = Heard()
    async with Host().run_test(message_hook=heard) as pilot:
        composer = composer_of(pilot)
        composer.insert("Look at")
        composer.attach("no⟧tes⟦.md", text)
        composer.insert("What is it?")
        assert composer.text.split("\n")[1].startswith("⟦no)tes(.md 1: ")
        await pilot.press("enter")
        await pilot.pause()
        (prompt,) = heard.prompts
        assert text.removesuffix("\n") in prompt
        fence = prompt.split("\n")[3].removesuffix("md")
        assert set(fence) == {"`"}
        assert fence not in text
        assert prompt.endswith("What is it?")


async def test_two_files_of_one_name_are_two_markers() -> None:
    async with Host().run_test() as pilot:
        composer = composer_of(pilot)
        composer.attach("a.txt", "one\n")
        composer.attach("a.txt", "two\n")
        assert composer.draft.prompt.count("a.txt:") == 2
        assert "one" in composer.draft.prompt
        assert "two" in composer.draft.prompt


@pytest.mark.parametrize(("text", "cells"), [("終端機", 6), ("한국어 문장", 11), ("e\u0301é", 2)])
async def test_p14_the_cursor_of_the_terminal_stands_behind_what_an_input_method_has_put(text: str, cells: int) -> None:
    async with Host().run_test() as pilot:
        composer = composer_of(pilot)
        before = composer.cursor_screen_offset
        for letter in text:
            composer.post_message(events.Key(letter, letter))
        await pilot.pause()
        assert composer.text == text
        assert composer.cursor_screen_offset.x - before.x == cells
        assert composer.cursor_screen_offset.y == before.y
