"""The transcript as a widget: it streams, follows, keeps the reader's place, selects and copies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual import events
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.selection import Selection

from codomyrmex_ollama_tui.ui.widgets.transcript import Transcript, TurnView, warm
from codomyrmex_ollama_tui.ui.widgets.transcript.lexing import find_lexer, is_loaded
from tests.ui.transcript.host import Host, answer, person
from tests.ui.transcript.texts import HOSTILE, SAMPLE, chunkings, documents, pieces

LONG = "\n\n".join(f"paragraph {n} " + "with some words " * (n % 9) for n in range(80)) + "\n"


@pytest.fixture(autouse=True, scope="module")
def warmed() -> None:
    """Code in Python has its colours from the first drawing on."""
    warm()


def picture(transcript: Transcript) -> list[tuple[str, str]]:
    """What the rows of the view show, with their styles but not their links."""
    out = []
    for y in range(transcript.size.height):
        for segment in transcript.render_line(y):
            style = segment.style.without_color if segment.style else None
            out.append((segment.text.rstrip(), str(style and style.bold), str(segment.style and segment.style.color)))
    return [(text, bold + colour) for text, bold, colour in out if text]


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Let the app go on until something holds; fails when it does not come to."""
    for _ in range(1000):
        if holds():
            return
        await pilot.pause()
    raise AssertionError("it never came")


async def stream(transcript: Transcript, parts: list[str], view: TurnView | None = None) -> None:
    transcript.begin(view or answer(""))
    for part in parts:
        transcript.feed(part)
        transcript.flush()
    transcript.finish()


async def test_a_conversation_opens_at_its_end() -> None:
    app = Host()
    async with app.run_test(size=(60, 12)) as pilot:
        app.transcript.open([person("Why?"), answer(LONG), person("And?", 2), answer("Because **so**.", 2)])
        await pilot.pause()
        assert app.rows()[-4:] == ["And?", "", "▌smollm2:135m", "Because so."]
        assert app.transcript.following
        await pilot.press("ctrl+home")
        assert app.rows()[:4] == ["you · 10:42", "Why?", "", "▌smollm2:135m"]
        assert not app.transcript.following
        await pilot.press("G")
        assert app.rows()[-1] == "Because so."
        assert app.transcript.following


@pytest.mark.parametrize("size", [(40, 14), (90, 30)])
async def test_p6_streamed_text_looks_like_opened_text(size: tuple[int, int]) -> None:
    app = Host()
    async with app.run_test(size=size) as pilot:
        transcript = app.transcript
        await stream(transcript, pieces(SAMPLE, [3, 17, 1, 40]))
        await pilot.pause()
        streamed = [app.rows()]
        for _ in range(3):
            await pilot.press("pageup")
            streamed.append(app.rows())
        transcript.open([answer(SAMPLE)])
        await pilot.pause()
        opened = [app.rows()]
        for _ in range(3):
            await pilot.press("pageup")
            opened.append(app.rows())
        assert streamed == opened


async def test_following_shows_the_end_of_what_comes_with_a_cursor() -> None:
    app = Host()
    async with app.run_test(size=(40, 6)) as pilot:
        transcript = app.transcript
        transcript.begin(answer(""))
        await pilot.pause()
        assert app.rows()[:2] == ["▌smollm2:135m", "▍"]
        for n in range(30):
            transcript.feed(f"- item {n}\n")
            transcript.flush()
            assert app.rows()[min(n + 1, 5)] == f"• item {n}▍"
        transcript.finish(note="12 tokens/s")
        await pilot.pause()
        assert app.rows()[-3:] == ["• item 29", "", "12 tokens/s"]
        assert not transcript.streaming


async def test_text_is_drawn_by_the_clock_too() -> None:
    app = Host()
    async with app.run_test(size=(40, 6)) as pilot:
        app.transcript.begin(answer(""))
        app.transcript.feed("on its own")
        await until(pilot, lambda: "on its own▍" in app.rows())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(documents, min_size=2, max_size=4).map("".join), chunkings, st.integers(1, 12))
async def test_p4_a_reader_who_has_scrolled_up_sees_the_same_rows(text: str, lengths: list[int], up: int) -> None:
    app = Host()
    async with app.run_test(size=(50, 10)) as pilot:
        transcript = app.transcript
        transcript.open([answer(LONG, 2)])
        transcript.begin(answer(""))
        parts = pieces(text, lengths)
        for part in parts[: len(parts) // 2]:
            transcript.feed(part)
            transcript.flush()
        await pilot.pause()
        transcript.scroll_to(y=transcript.scroll_offset.y - up - 10)
        await pilot.pause()
        before = app.rows()
        assert not transcript.following
        for part in parts[len(parts) // 2 :]:
            transcript.feed(part)
            transcript.flush()
            assert app.rows() == before
        transcript.finish(note="done")
        assert app.rows() == before


async def test_a_reader_inside_the_growing_answer_keeps_the_rows_that_are_final() -> None:
    app = Host()
    async with app.run_test(size=(50, 10)) as pilot:
        transcript = app.transcript
        transcript.begin(answer(""))
        transcript.feed("```python\n" + "".join(f"x{n} = {n}\n" for n in range(40)))
        transcript.flush()
        await pilot.press("pageup")
        before = app.rows()
        for n in range(40, 300):
            transcript.feed(f"x{n} = {n}\n")
            transcript.flush()
            assert app.rows() == before


async def test_resizing_keeps_the_reader_at_the_same_words() -> None:
    app = Host()
    async with app.run_test(size=(90, 20)) as pilot:
        transcript = app.transcript
        transcript.open([person(LONG), answer(LONG + SAMPLE)])
        await pilot.pause()
        transcript.scroll_to(y=60)
        await pilot.pause()
        top = next(row for row in app.rows() if row.startswith("paragraph"))
        for width in (40, 120, 25, 90):
            await pilot.resize_terminal(width, 20)
            await pilot.pause()
            assert any(row and top.startswith(row[:12]) for row in app.rows()[:3])
        assert transcript.max_width == 100


async def test_drawn_again_after_a_resize_is_drawn_anew() -> None:
    app, fresh = Host(), Host()
    async with app.run_test(size=(90, 30)) as pilot:
        await stream(app.transcript, pieces(SAMPLE, [9]))
        await pilot.resize_terminal(47, 30)
        await pilot.pause()
        again, rows = picture(app.transcript), app.rows()
    async with fresh.run_test(size=(47, 30)) as pilot:
        fresh.transcript.open([answer(SAMPLE)])
        await pilot.pause()
        assert fresh.rows() == rows
        assert picture(fresh.transcript) == again


async def test_a_wider_view_of_text_as_wide_as_before_is_filled() -> None:
    app = Host(max_width=30)
    async with app.run_test(size=(50, 12)) as pilot:
        app.transcript.open([answer(SAMPLE)])
        await pilot.pause()
        await pilot.resize_terminal(90, 12)
        await pilot.pause()
        strips = app.transcript.render_lines(app.transcript.size.region)
        assert {strip.cell_length for strip in strips} == {app.transcript.size.width}


async def test_a_language_is_loaded_beside_the_drawing() -> None:
    app = Host()
    async with app.run_test(size=(60, 12)) as pilot:
        transcript = app.transcript
        transcript.open([answer("```brainfuck\n[+] comment\n```\n\n```no-such-language\nx\n```\n")])
        await until(pilot, lambda: is_loaded("brainfuck") and is_loaded("no-such-language"))
        await until(pilot, lambda: len({style for text, style in picture(transcript) if text.strip() in "[+]"}) > 1)
        assert find_lexer("no-such-language") is None
        assert app.rows()[2] == " [+] comment"


async def test_another_theme_draws_anew() -> None:
    app = Host()
    async with app.run_test(size=(60, 30)) as pilot:
        app.transcript.open([answer(SAMPLE)])
        await pilot.pause()
        rows, before = app.rows(), picture(app.transcript)
        app.theme = "textual-light"
        await pilot.pause()
        assert app.rows() == rows
        assert picture(app.transcript) != before


async def test_text_is_never_wider_than_its_limit() -> None:
    app = Host(max_width=50)
    async with app.run_test(size=(120, 20)) as pilot:
        app.transcript.open([answer(LONG)])
        await pilot.pause()
        assert max(map(len, app.rows())) <= 50
        app.transcript.max_width = 80
        await pilot.pause()
        assert 50 < max(map(len, app.rows())) <= 80


@pytest.mark.parametrize("width", [5, 20, 33, 80])
async def test_no_control_character_reaches_the_screen(width: int) -> None:
    app = Host()
    async with app.run_test(size=(width, 30)) as pilot:
        transcript = app.transcript
        for n, text in enumerate(HOSTILE):
            view = TurnView(f"t{n}", f"m\x1b[1m{text}", text, text, "assistant", n % 6, f"note {text}", suffix=text)
            transcript.open([view])
            transcript.action_thinking()
            await pilot.pause()
            strips = [transcript.render_line(y) for y in range(30)]
            assert all(strip.cell_length == transcript.size.width for strip in strips)
            assert "".join(strip.text for strip in strips).isprintable()


async def test_thinking_is_folded_until_asked_for() -> None:
    now = [0.0]
    app = Host(clock=lambda: now[0])
    async with app.run_test(size=(60, 14)) as pilot:
        transcript = app.transcript
        transcript.begin(answer(""))
        transcript.feed_thinking("I thi")
        transcript.flush()
        transcript.feed_thinking("nk\n\n- of ")
        transcript.flush()
        assert app.rows()[1] == "▸ thinking, 4 words"
        await pilot.press("t")
        assert app.rows()[1:5] == ["▾ thinking, 4 words", "I think", "", "• of"]
        transcript.feed_thinking("this")
        now[0] = 4.2
        transcript.feed("So.")
        transcript.finish(note="5 tokens/s")
        await pilot.pause()
        assert app.rows()[1:9] == [
            *("▾ thought for 4.2 s, 5 words", "I think", "", "• of this", "", "So.", "", "5 tokens/s"),
        ]
        await pilot.click(Transcript, offset=(3, 1))
        assert app.rows()[1:4] == ["▸ thought for 4.2 s, 5 words", "", "So."]


async def test_notes_and_states_of_turns() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        transcript = app.transcript
        await stream(transcript, ["one"], answer("", 1))
        transcript.begin(answer("", 2))
        transcript.set_note("a2", "waiting 3 s")
        await pilot.pause()
        assert app.rows()[3:7] == ["▌smollm2:135m", "▍", "", "waiting 3 s"]
        transcript.feed("two")
        transcript.finish(note="no such model", status="failed")
        transcript.set_note("a1", "", "stopped")
        transcript.set_note("nobody", "lost")
        await pilot.pause()
        assert [row for row in app.rows() if row] == [
            *("▌smollm2:135m", "one", "! stopped", "▌smollm2:135m", "two", "✕ no such model"),
        ]


async def test_sources_are_kept_and_clean() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)):
        transcript = app.transcript
        transcript.open([person("a\r\nb\x1b")])
        transcript.begin(answer(""))
        for piece in ("# x\r", "\ny\r", "z"):
            transcript.feed(piece)
            transcript.flush()
        transcript.finish()
        assert transcript.source_of("q1") == "a\nb␛"
        assert transcript.source_of("a1") == "# x\ny\nz"
        assert transcript.source_of("nobody") == ""
        assert app.rows()[1:7] == ["a b␛", "", "▌smollm2:135m", "x", "", "y z"]


async def test_more_than_one_drawing_can_take_comes_in_several() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        transcript = app.transcript
        transcript.begin(answer(""))
        transcript.feed("word " * 20_000)
        transcript.finish(note="the end")
        assert transcript.streaming
        transcript.add(person("next"))
        assert not transcript.streaming
        await pilot.pause()
        assert app.rows()[-4:] == ["the end", "", "you · 10:42", "next"]


@settings(max_examples=40, deadline=None)
@given(documents)
async def test_p6_whole_blocks_are_copied_as_their_source(text: str) -> None:
    app = Host()
    async with app.run_test(size=(50, 20)):
        transcript = app.transcript
        transcript.open([answer(text)])
        transcript.action_select_all()
        chosen = transcript.get_selection(Selection(None, None))
        assert (chosen[0] if chosen else "") == text
        transcript.action_scroll_home()
        chosen = transcript.get_selection(Selection(None, None))
        assert (chosen[0] if chosen else "") == text


async def test_blocks_are_selected_by_key_and_copied() -> None:
    app = Host()
    text = "# Head\n\npara *one*\n\n```python\nx = 1\n\ty = 2\n```\n\n> - in a quote\n\nend\n"
    async with app.run_test(size=(60, 30)) as pilot:
        transcript = app.transcript
        transcript.open([person("question"), answer(text)])
        await pilot.pause()
        await pilot.press("j", "y")
        await pilot.press("j", "j", "y")
        await pilot.press("J", "y")
        await pilot.press("j", "y")
        await pilot.press("k", "k", "K", "y")
        assert list(app.copied()) == [
            "question",
            "para *one*\n\n",
            "para *one*\n\n```python\nx = 1\n\ty = 2\n```\n\n",
            "> - in a quote\n\n",
            "# Head\n\npara *one*\n\n",
        ]
        await pilot.press("j", "j", "y")
        assert [message.what for message in app.asked if isinstance(message, Transcript.CopyAsked)][-1] == "code"


async def test_copying_a_long_fence_gives_all_its_code() -> None:
    app = Host()
    code = "".join(f"value_{n} = {n}\n" for n in range(300))
    async with app.run_test(size=(60, 20)) as pilot:
        app.transcript.open(
            [answer(f"- item\n\n  ```python\n{''.join('  ' + c for c in code.splitlines(True))}  ```\n")]
        )
        await pilot.press("ctrl+home", "j", "j", "y")
        assert list(app.copied()) == [code]


async def test_a_click_on_the_hint_of_code_copies_it() -> None:
    app = Host()
    async with app.run_test(size=(60, 20)) as pilot:
        app.transcript.open([answer("text\n\n```sh\nls\n```\n")])
        await pilot.pause()
        row = next(y for y, text in enumerate(app.rows()) if text.endswith("y copy"))
        await pilot.click(Transcript, offset=(len(app.rows()[row]) - 2, row))
        await pilot.pause()
        assert list(app.copied()) == ["ls\n"]


async def test_copying_without_a_selection_gives_the_last_answer() -> None:
    app = Host()
    async with app.run_test(size=(60, 20)) as pilot:
        app.transcript.open([answer("*first*"), person("more"), answer("**second**", 2)])
        await pilot.press("y")
        assert list(app.copied()) == ["**second**"]


async def test_a_selection_inside_a_block_gives_the_visible_text() -> None:
    app = Host()
    async with app.run_test(size=(60, 20)) as pilot:
        transcript = app.transcript
        transcript.open([answer("some **bold** and `code`\n\nnext *one*\n")])
        await pilot.pause()
        first, second = (item for item in transcript._column.items if item.block)
        chosen = transcript.get_selection(Selection(Offset(5, first.key), Offset(4, second.key)))
        assert chosen is not None
        assert chosen[0] == "bold and code\nnext"


async def test_text_is_selected_by_mouse() -> None:
    app = Host()
    async with app.run_test(size=(60, 20)) as pilot:
        app.transcript.open([answer("some **bold** words\n\nnext\n")])
        await pilot.pause()
        await pilot.mouse_down(Transcript, offset=(5, 1))
        await pilot.hover(Transcript, offset=(8, 1))
        await pilot.mouse_up(Transcript, offset=(8, 1))
        await pilot.pause()
        assert app.screen.get_selected_text() == "bold"
        await pilot.click(Transcript, offset=(2, 1), times=2)
        await pilot.press("y")
        await pilot.click(Transcript, offset=(2, 3), times=3)
        assert app.screen.get_selected_text() == "some **bold** words\n\nnext"
        await pilot.mouse_down(Transcript, offset=(0, 3))
        await pilot.hover(Transcript, offset=(2, 3))
        await pilot.mouse_up(Transcript, offset=(2, 3))
        await pilot.press("y")
        assert list(app.copied()) == ["some **bold** words\n\n", "nex"]


async def test_selecting_by_mouse_scrolls_at_the_edge() -> None:
    app = Host()
    async with app.run_test(size=(60, 12)) as pilot:
        transcript = app.transcript
        transcript.open([answer(LONG)])
        await pilot.press("ctrl+home")
        await pilot.mouse_down(Transcript, offset=(0, 1))
        await pilot.hover(Transcript, offset=(3, 6))
        # a pilot's pointer does not say how far it has moved, and only a downward move starts the scrolling
        app.post_message(events.MouseMove(None, 3, 11, 0, 5, 1, False, False, False, 3, 11))
        await until(pilot, lambda: transcript.scroll_offset.y >= 20)
        await pilot.mouse_up(Transcript, offset=(3, 5))
        chosen = app.screen.get_selected_text()
        assert chosen is not None
        assert chosen.startswith("paragraph 0")
        assert "paragraph 8" in chosen


async def test_links_are_asked_for_by_click_and_by_key() -> None:
    app = Host()
    text = "[one](https://example.org/1) and <https://example.org/2>\n"
    async with app.run_test(size=(70, 20)) as pilot:
        app.transcript.open([answer(text)])
        await pilot.pause()
        await pilot.click(Transcript, offset=(1, 1))
        await pilot.press("j", "o", "o", "o")
        await pilot.pause()
        hrefs = [message.href for message in app.asked if isinstance(message, Transcript.LinkChosen)]
        assert hrefs == [f"https://example.org/{n}" for n in (1, 1, 2, 1)]


async def test_the_raw_view_shows_the_source() -> None:
    app = Host()
    async with app.run_test(size=(60, 20)) as pilot:
        app.transcript.open([answer("# Head\n\n- a **b**\n\n[x]: /url\n")])
        await pilot.pause()
        drawn = app.rows()
        await pilot.press("r")
        assert app.rows()[1:6] == ["# Head", "", "- a **b**", "", "[x]: /url"]
        app.transcript.begin(answer("", 2))
        app.transcript.feed("- *c*\n\n\n- d")
        app.transcript.flush()
        assert app.rows()[8:12] == ["- *c*", "", "", "- d▍"]
        app.transcript.open([answer("# Head\n\n- a **b**\n\n[x]: /url\n")])
        await pilot.press("r")
        assert app.rows() == drawn


async def test_p5_only_what_is_seen_of_a_long_conversation_is_read() -> None:
    app = Host()
    turns = [person(SAMPLE, n) if n % 2 else answer(SAMPLE, n) for n in range(2000)]
    async with app.run_test(size=(100, 40)) as pilot:
        app.transcript.open(turns)
        await pilot.pause()
        read = [turn for turn in app.transcript._turns if turn.answer is not None]
        assert 0 < len(read) < 5
        await pilot.press("ctrl+home")
        assert app.rows()[0] == "▌smollm2:135m"
        for _ in range(3):
            await pilot.press("pagedown")
        read = [turn for turn in app.transcript._turns if turn.answer is not None]
        assert len(read) < 15


async def test_p5_rows_far_from_the_view_are_forgotten() -> None:
    app = Host()
    async with app.run_test(size=(60, 20)):
        transcript = app.transcript
        transcript.begin(answer(""))
        for n in range(60):
            transcript.feed("".join(f"- item {n} {m}\n" for m in range(150)))
            transcript.flush()
        drawn = sum(item.height for item in transcript._column.items if item.art)
        assert transcript.virtual_size.height > 9000
        assert drawn < 2500


async def test_emptied_and_opened_again() -> None:
    app = Host()
    async with app.run_test(size=(60, 8)) as pilot:
        transcript = app.transcript
        transcript.begin(answer("", 7))
        transcript.feed("lost")
        transcript.clear()
        await pilot.pause()
        assert not any(app.rows())
        transcript.finish()
        transcript.feed("nothing")
        transcript.open([person("x"), TurnView("s", "model", "going ", status="streaming", colour=1)])
        transcript.feed("on")
        transcript.flush()
        await pilot.pause()
        assert [row for row in app.rows() if row] == ["you · 10:42", "x", "▌model", "going on▍"]


def test_importing_it_imports_no_parser_and_no_lexer() -> None:
    heavy = ("markdown_it", "linkify_it", "pygments", "httpx")
    code = (
        "import sys, codomyrmex_ollama_tui.ui.widgets.transcript as t\n"
        f"found = [name for name in {heavy!r} if name in sys.modules]\n"
        "t.warm()\n"
        f"print(found, all(name in sys.modules for name in {heavy[:3]!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True"
