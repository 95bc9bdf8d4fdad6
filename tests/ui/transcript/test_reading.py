"""The transcript as something to read in: from turn to turn, folds, news below the view, whole turns copied."""

from __future__ import annotations

import pytest

from codomyrmex_ollama_tui.ui.widgets.transcript import Transcript, TurnView
from tests.ui.transcript.host import Host, answer, person

PARAGRAPHS = "\n\n".join(f"paragraph {n} of it" for n in range(12)) + "\n"
PASTED = "".join(f"- line {n} of what was pasted\n" for n in range(300))


def talk(turns: int) -> list[TurnView]:
    """Questions and answers in turn; each answer is longer than the view."""
    return [view for n in range(turns) for view in (person(f"question {n}", n), answer(PARAGRAPHS, n))]


def shown(app: Host) -> list[str]:
    """What is really on the screen, with what lies over the text."""
    strips = app.screen._compositor.render_strips()
    return [strip.text[: app.size.width - 1].rstrip() for strip in strips]  # without the scrollbar


async def test_the_keys_go_from_turn_to_turn() -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        app.transcript.open(talk(3))
        await pilot.press("left_square_bracket")
        assert app.rows()[0] == "▌smollm2:135m", "first to the beginning of the turn that is read"
        await pilot.press("left_square_bracket")
        assert app.rows()[:2] == ["you · 10:42", "question 2"]
        assert not app.transcript.following
        await pilot.press("g", "right_square_bracket")
        assert app.rows()[0] == "▌smollm2:135m"
        await pilot.press("ctrl+down")
        assert app.rows()[:2] == ["you · 10:42", "question 1"]
        await pilot.press("pagedown", "ctrl+up")
        assert app.rows()[0] == "▌smollm2:135m", "the answer that the page had come into"
        for _ in range(4):
            await pilot.press("right_square_bracket")
        assert app.transcript.following, "after the last turn comes the end"


async def test_going_before_the_first_turn_or_in_an_empty_transcript_does_nothing() -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.press("left_square_bracket", "right_square_bracket", "Y", "z", "n")
        app.transcript.open(talk(1))
        await pilot.press("g", "left_square_bracket", "left_square_bracket")
        assert app.rows()[:2] == ["you · 10:42", "question 0"]
        assert list(app.copied()) == []


async def test_a_long_question_is_folded_and_unfolds_in_its_place() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        app.transcript.open([person(PASTED), answer("So it is.")])
        await pilot.pause()
        rest = PASTED[PASTED.index("- line 6 ") :]
        assert app.rows()[:9] == [
            "you · 10:42",
            *(f"• line {n} of what was pasted" for n in range(6)),
            f"▸ {len(rest):,} more characters in 294 lines",
            "",
        ]
        await pilot.press("g", "z")
        assert app.rows()[6:9] == [f"• line {n} of what was pasted" for n in (5, 6, 7)]
        await pilot.press("pagedown", "pagedown", "z")
        assert app.rows()[:2] == ["you · 10:42", "• line 0 of what was pasted"], (
            "its beginning, not what comes below it"
        )


async def test_a_long_answer_folds_by_key_and_a_short_one_does_not() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        app.transcript.open([person("And?", 2), answer("So.", 2)])
        await pilot.press("z")
        assert app.rows()[:4] == ["you · 10:42", "And?", "", "▌smollm2:135m"]
        app.transcript.open([person("Why?"), answer(PASTED), person("And?", 2), answer("So.", 2)])
        await pilot.press("z")
        assert any("more characters in 294 lines" in row for row in app.rows())
        assert app.transcript.following


async def test_folding_is_a_click_too() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        app.transcript.open([person(PASTED), answer("So it is.")])
        await pilot.pause()
        await pilot.click(Transcript, offset=(4, 7))
        assert app.rows()[6:8] == ["• line 5 of what was pasted", "• line 6 of what was pasted"]


@pytest.mark.parametrize("text", [PASTED, "word " * 3000, "x" * 9000, "# head\n\n" + "a | b\n" * 900, "\r\n" * 100])
async def test_a_folded_turn_is_copied_whole(text: str) -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        app.transcript.open([person(text)])
        await pilot.pause()
        assert any("more characters" in row for row in app.rows())
        await pilot.press("ctrl+a", "y")
        await pilot.pause()
        assert list(app.copied()) == [app.transcript.source_of("q1")]


async def test_y_copies_the_whole_turn() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        app.transcript.open([person("**Why**?"), answer(PARAGRAPHS)])
        await pilot.press("Y")
        await pilot.press("g", "j", "Y")
        await pilot.pause()
        assert list(app.copied()) == [PARAGRAPHS, "**Why**?"]


async def test_p4_new_text_below_is_told_and_moves_nothing() -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        transcript = app.transcript
        transcript.open(talk(2))
        transcript.begin(answer("", 9))
        transcript.feed("It begins.\n\n")
        transcript.flush()
        await pilot.press("pageup", "pageup")
        before = shown(app)
        assert not any("new text" in row for row in before)
        transcript.feed("And goes on.\n\n")
        transcript.flush()
        await pilot.pause()
        assert shown(app)[-1].endswith("↓ new text · ^end")
        assert shown(app)[:-1] == before[:-1]
        assert shown(app)[-1].startswith(before[-1])
        await pilot.press("ctrl+end")
        assert transcript.following
        assert not transcript.news_below
        assert not any("new text" in row for row in shown(app))


async def test_the_hint_goes_to_the_new_text_by_mouse_and_vanishes_when_the_reader_gets_there() -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        transcript = app.transcript
        transcript.open(talk(2))
        await pilot.press("pageup")
        transcript.add(person("One more?", 8))
        await pilot.pause()
        assert transcript.news_below
        await pilot.press("pagedown", "pagedown")
        assert not transcript.news_below
        await pilot.press("g")
        transcript.add(answer("Another one.", 9))
        await pilot.pause()
        await pilot.click(Transcript, offset=(52, 9))
        assert transcript.following
        assert app.rows()[-1] == "Another one."


async def test_p4_the_end_of_thinking_moves_nothing_under_a_reader() -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        transcript = app.transcript
        transcript.open(talk(2))
        transcript.begin(answer("", 9))
        transcript.action_thinking()
        transcript.feed_thinking("first this, then that\n\n" * 10)
        transcript.flush()
        await pilot.press("pageup")
        before = shown(app)[:-1]
        transcript.feed("So it is.\n\n" * 10)
        transcript.flush()
        await pilot.pause()
        assert shown(app)[:-1] == before
        transcript.finish(note="done")
        await pilot.pause()
        assert shown(app)[:-1] == before
        assert not transcript.following
