"""Finding words in a conversation: counted, marked, gone to, and left without having lost the place."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.pilot import Pilot

from codomyrmex_ollama_tui.ui.widgets.find_bar import FindBar
from codomyrmex_ollama_tui.ui.widgets.transcript import Transcript, TurnView
from tests.ui.transcript.host import Host, answer, person

FILLING = "\n\n".join(f"some other words {n}" for n in range(20)) + "\n\n"


async def searched(pilot: Pilot[None]) -> None:
    """Lets the search come to its end, and what it says be drawn."""
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    await pilot.pause()


async def look_for(pilot: Pilot[None], words: str) -> None:
    await pilot.press("slash")
    await pilot.press(*("space" if letter == " " else letter for letter in words))
    await searched(pilot)


def bar(app: Host) -> str:
    """What the line under the transcript says, its blanks folded."""
    strips = app.screen._compositor.render_strips()
    return " ".join(strips[app.size.height - 1].text.split())


def marked(transcript: Transcript) -> list[tuple[str, bool]]:
    """The text of the marked parts of the view, and whether it is the hit that is gone to."""
    hit, now = (transcript._styles[name].bgcolor for name in ("hit", "hit-now"))
    return [
        (segment.text, segment.style.bgcolor == now)
        for strip in transcript._shown
        for segment in strip
        if segment.style and segment.style.bgcolor in (hit, now)
    ]


def conversation() -> list[TurnView]:
    return [
        person("Where is the needle?"),
        answer(FILLING + "a **needle** in `code`\n\n```python\nneedle = 1\n```\n\n" + FILLING),
        person("Needless to say", 2),
        answer(FILLING + "the last nee*dle*", 2),
    ]


async def test_hits_are_counted_marked_and_gone_to() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        app.transcript.open(conversation())
        await pilot.press("g")
        await look_for(pilot, "needle")
        assert bar(app) == "/ needle 1 of 5"
        assert marked(app.transcript) == [("needle", True)]
        await pilot.press("enter", "n")
        await searched(pilot)
        assert bar(app).endswith("2 of 5")
        assert ("needle", True) in marked(app.transcript)
        assert any("a needle in code" in row for row in app.rows())
        await pilot.press("n", "n", "n")
        await searched(pilot)
        assert bar(app).endswith("5 of 5")
        assert marked(app.transcript) == [("nee", True), ("dle", True)]
        await pilot.press("n")
        await searched(pilot)
        assert bar(app).endswith("1 of 5"), "after the last one comes the first"
        await pilot.press("N")
        await searched(pilot)
        assert bar(app).endswith("5 of 5")
        await pilot.press("escape")
        await pilot.pause()
        assert marked(app.transcript) == []
        assert not app.query(FindBar)
        assert app.focused is app.transcript


async def test_esc_while_typing_goes_back_to_where_the_reader_was() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        transcript = app.transcript
        transcript.open(conversation())
        await pilot.press("g", "pagedown", "down", "down")
        before = app.rows()
        await look_for(pilot, "Needless")
        assert app.rows() != before
        await pilot.press("escape")
        await pilot.pause()
        assert app.rows() == before
        await pilot.press("G")
        await look_for(pilot, "where")
        assert not transcript.following
        await pilot.press("escape")
        await pilot.pause()
        assert transcript.following


async def test_enter_stays_at_the_hit() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        app.transcript.open(conversation())
        await look_for(pilot, "code")
        await pilot.press("enter")
        here = app.rows()
        await pilot.press("escape")
        await pilot.pause()
        assert [row for row in app.rows() if row][:5] == [row for row in here if row][:5]


async def test_a_search_that_finds_nothing_moves_nothing() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        app.transcript.open(conversation())
        await pilot.press("pageup")
        top = app.rows()[0]
        await look_for(pilot, "haystack")
        assert bar(app) == "/ haystack nothing found"
        assert app.rows()[0] == top
        await pilot.press("down", "up")
        assert app.rows()[0] == top


async def test_capital_letters_count_only_when_typed() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        app.transcript.open(conversation())
        await look_for(pilot, "Need")
        assert bar(app).endswith("1 of 1")


async def test_what_is_folded_is_found_and_unfolds() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        pasted = "".join(f"line {n}\n\n" for n in range(200)) + "the needle\n"
        thinker = answer("I know.")
        thinker.thinking = "hm\n\n" * 30 + "a thimble\n"
        app.transcript.open([person(pasted), thinker])
        await look_for(pilot, "needle")
        assert bar(app).endswith("1 of 1")
        assert "the needle" in app.rows()
        await pilot.press("escape")
        assert any("more characters" in row for row in app.rows()), "as it was before"
        assert "I know." in app.rows()
        await look_for(pilot, "thimble")
        assert "a thimble" in app.rows()


async def test_a_conversation_that_grows_is_searched_on() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        transcript = app.transcript
        transcript.open(conversation())
        await look_for(pilot, "needle")
        await pilot.press("enter")
        top = app.rows()[0]
        transcript.begin(answer("", 3))
        transcript.feed("one more needle")
        transcript.finish()
        await searched(pilot)
        assert bar(app).endswith("of 6")
        assert app.rows()[0] == top, "what comes moves nothing"


async def test_another_conversation_is_searched_for_the_same() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        app.transcript.open(conversation())
        await look_for(pilot, "needle")
        app.transcript.open([person("a needle")])
        await searched(pilot)
        assert bar(app).endswith("1")
        app.transcript.clear()
        await searched(pilot)
        assert bar(app) == "/ needle nothing found"


async def test_the_source_is_searched_in_the_raw_view() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        app.transcript.open([answer("a **needle**")])
        await look_for(pilot, "**")
        assert bar(app) == "/ ** nothing found"
        await pilot.press("escape", "r")
        await look_for(pilot, "**")
        assert bar(app).endswith("1 of 2")


async def test_a_search_through_two_thousand_turns_lets_keys_in_between() -> None:
    app = Host()
    async with app.run_test(size=(60, 14)):
        app.transcript.open([answer(FILLING, n) for n in range(2000)])
        app.transcript.find("words")
        slices = 0
        while any(not worker.is_finished for worker in app.workers):
            slices += 1
            await asyncio.sleep(0)
        assert slices > 20, "the loop has been given back often"


@pytest.mark.parametrize("words", ["[", "(a", "\\", "*", "a.b", "+", "<b>", "\u202e", "é"])
async def test_words_are_words_and_no_pattern(words: str) -> None:
    app = Host()
    async with app.run_test(size=(60, 14)) as pilot:
        app.transcript.open([answer(f"```\nx {words} y\n```\n")])
        app.transcript.find(words)
        await searched(pilot)
        assert len(marked(app.transcript)) == 1


WORDS = st.lists(
    st.sampled_from(["needle", "**bold**", "`co de`", "x_y", "&amp;", "A", "\n", "> q", "- i"]), min_size=1
)


@settings(max_examples=25, deadline=None)
@given(words=WORDS)
def test_every_visible_place_is_found(words: list[str]) -> None:
    async def go() -> None:
        app = Host()
        async with app.run_test(size=(70, 30)) as pilot:
            app.transcript.open([answer(" ".join(words))])
            await pilot.pause()
            visible = "\n".join(app.rows()[1:])
            app.transcript.find("e")
            await searched(pilot)
            assert len(app.transcript._hits) == len(re.findall("e", visible, re.IGNORECASE))

    asyncio.run(go())
