"""Two versions of a turn side by side: as they stream, scrolled together, word by word."""

from __future__ import annotations

from pathlib import Path

import pytest

from codomyrmex_ollama_tui.ui.screens.chat_compare import ChatCompare
from codomyrmex_ollama_tui.ui.screens.help import HelpScreen
from codomyrmex_ollama_tui.ui.widgets.answer_columns import AnswerColumn
from tests.support.server import Gate, LocalServer, Reply, Stream
from tests.ui.chat_talk import chat, composer, end, piece, say, texts
from tests.ui.stage import Stage
from tests.ui.versions_talk import opened, pick, serve

FIRST = "The sky is blue, since air scatters short waves."
SECOND = "The sky is blue because air scatters short waves most."


async def compare(s: Stage) -> ChatCompare:
    """Puts the versions side by side, by key."""
    chat(s).transcript.focus()
    await s.pilot.press("equals_sign")
    await s.until(lambda: isinstance(s.screen, ChatCompare))
    await s.pilot.pause()
    return compared(s)


def compared(s: Stage) -> ChatCompare:
    screen = s.screen
    assert isinstance(screen, ChatCompare)
    return screen


def column(s: Stage, number: int) -> AnswerColumn:
    return compared(s).columns.columns[number]


async def more_turns(s: Stage, before: int) -> None:
    await s.until(lambda: composer(s).ready and len(chat(s).conversation.tree) > before)


async def two_versions(s: Stage) -> ChatCompare:
    """Asks twice, and compares."""
    await say(s, "why is the sky blue?")
    await s.pilot.press("ctrl+r")
    await s.until(lambda: composer(s).ready and len(chat(s).conversation.tree) == 3)
    return await compare(s)


# ---------------------------------------------------------------- side by side


async def test_two_versions_stand_side_by_side_with_names_and_figures(tmp_path: Path) -> None:
    async with LocalServer() as server:
        serve(server, FIRST, SECOND)
        async with opened(server, tmp_path) as s:
            await say(s, "why is the sky blue?")
            assert chat(s).check_action("compare", ()) is False
            await pick(s, "gem")
            await s.until(lambda: composer(s).ready and len(chat(s).conversation.tree) == 3)
            screen = await compare(s)
            lines = s.text().splitlines()
            assert any("▌smollm2:135m 1 of 2" in line and "▌gemma3:270m 2 of 2" in line for line in lines)
            assert any("The sky is blue, since" in line and "The sky is blue because" in line for line in lines)
            assert any(line.count("41.8 tokens/s · first 0.00 s · 236 tokens · done") == 2 for line in lines)
            assert "why is the sky blue?" in s.text()
            assert "Compare  2 versions · scrolled together" in s.text()
            first, second = (column(s, number).view for number in (0, 1))
            assert first is not None
            assert second is not None
            assert first.turn.colour != second.turn.colour
            assert screen.columns.current == 1  # the one that is shown in the conversation
            await s.pilot.press("tab")
            assert column(s, 0).text.has_focus
            await s.pilot.press("enter")
            await s.until(lambda: texts(chat(s).conversation) == ["why is the sky blue?", FIRST])
            await s.pilot.pause()
            assert "▌smollm2:135m ‹ 1 of 2 ›" in s.text()


async def test_how_an_answer_ended_is_told_where_not_all_figures_have_room(tmp_path: Path) -> None:
    async with LocalServer() as server:
        cut = [Stream(piece("Half a"), end(reason="length", load=9.5)) for _ in range(2)]
        server.route("POST", "/api/chat", cut)
        async with opened(server, tmp_path, (108, 30)) as s:
            await two_versions(s)
            assert any(line.count("41.8 tokens/s") == 2 for line in s.text().splitlines())
            assert any(line.count("cut at the limit of its length") == 2 for line in s.text().splitlines())


async def test_a_narrow_terminal_shows_one_at_a_time_with_tabs(tmp_path: Path) -> None:
    async with LocalServer() as server:
        serve(server, "One answer.", "Other answer.")
        async with opened(server, tmp_path, (80, 24)) as s:
            await two_versions(s)
            assert "Other answer." in s.text()
            assert "One answer." not in s.text()
            assert "▸ smollm2:135m 2 of 2" in s.text()
            await s.pilot.press("tab")
            await s.until(lambda: "One answer." in s.text() and "Other answer." not in s.text())
            assert "▸ smollm2:135m 1 of 2" in s.text()
            await s.pilot.resize_terminal(120, 40)
            await s.until(lambda: "One answer." in s.text() and "Other answer." in s.text())


async def test_keys_choose_which_versions_are_compared(tmp_path: Path) -> None:
    async with LocalServer() as server:
        serve(server, "Answer one.", "Answer two.", "Answer three.")
        async with opened(server, tmp_path) as s:
            await say(s, "why")
            for _ in range(2):
                before = len(chat(s).conversation.tree)
                await s.pilot.press("ctrl+r")
                await more_turns(s, before)
            await compare(s)
            assert "Answer two." in s.text()
            assert "Answer three." in s.text()
            await s.pilot.press("greater_than_sign")  # the one in the other column is left out
            await s.until(lambda: "Answer one." in s.text())
            assert "Answer two." in s.text()
            assert "Answer three." not in s.text()
            await s.pilot.press("less_than_sign")
            await s.until(lambda: "Answer three." in s.text())
            await s.pilot.press("escape")
            await s.until(lambda: s.screen is not None and not isinstance(s.screen, ChatCompare))
            assert texts(chat(s).conversation) == ["why", "Answer three."]


async def test_an_answer_on_its_way_is_shown_as_it_grows_and_esc_stops_it(tmp_path: Path) -> None:
    async with LocalServer() as server:
        half = Gate()
        server.route(
            "POST",
            "/api/chat",
            [Stream(piece(FIRST), end()), Stream(piece("The sky"), half, piece(" is red"), Gate())],
        )
        async with opened(server, tmp_path) as s:
            await say(s, "why")
            await s.pilot.press("ctrl+r")
            await half.reached()
            await compare(s)
            await s.until(lambda: "The sky▍" in s.text())
            assert s.text().count("▍") == 1
            assert "▶ smollm2:135m is answering" in s.text()
            await s.pilot.press("d")
            await s.until(lambda: "differences once both are whole" in s.text())
            half.open()
            await s.until(lambda: "The sky is red▍" in s.text())
            assert "esc stop" in s.text()
            await s.pilot.press("escape")
            await server.asked("/api/chat")[1].closed.wait()
            await s.until(lambda: "words differ" in s.text())
            assert "stopped" in s.text()
            await s.pilot.press("escape")
            await s.until(lambda: composer(s).ready)


async def test_an_answer_that_brings_nothing_leaves_the_comparison_with_those_there_are(tmp_path: Path) -> None:
    async with LocalServer() as server:
        fail = Gate()
        server.route(
            "POST",
            "/api/chat",
            [Stream(piece(FIRST), end()), Reply(json={"error": "no memory left"}, status=500, gate=fail)],
        )
        async with opened(server, tmp_path) as s:
            await say(s, "why")
            await s.pilot.press("ctrl+r")
            await fail.reached()
            await compare(s)
            fail.open()
            await s.until(lambda: not isinstance(s.screen, ChatCompare))
            await s.until(lambda: composer(s).ready and "no memory left" in s.text())
            assert texts(chat(s).conversation) == ["why", FIRST]


async def test_questions_in_other_words_are_compared_too(tmp_path: Path) -> None:
    async with LocalServer() as server:
        serve(server, "One.", "Two.")
        async with opened(server, tmp_path) as s:
            await say(s, "why is it blue")
            chat(s).transcript.focus()
            await s.pilot.press("e")
            composer(s).insert(" today")
            await s.pilot.press("enter")
            await s.until(lambda: composer(s).ready and len(chat(s).conversation.tree) == 4)
            await compare(s)
            assert any("why is it blue " in line and "why is it blue today" in line for line in s.text().splitlines())
            await s.pilot.press("d")
            await s.until(lambda: "≠ 1 word differs" in s.text())


# ---------------------------------------------------------------- scrolling


def long(count: int, word: str) -> str:
    return "\n\n".join(f"{word} {n}: " + f"{word} " * (20 if n % 2 else 60) for n in range(count))


async def test_columns_scroll_together_by_paragraph_until_they_are_let_go(tmp_path: Path) -> None:
    async with LocalServer() as server:
        serve(server, long(40, "alpha"), long(30, "beta"))
        async with opened(server, tmp_path) as s:
            await two_versions(s)
            left, right = column(s, 0).text, column(s, 1).text
            assert (left.scroll_offset.y, right.scroll_offset.y) == (0, 0)
            await s.pilot.press("pagedown", "pagedown")
            await s.until(lambda: left.scroll_offset.y > 0)
            assert left.paragraph[0] == right.paragraph[0] > 0
            await s.pilot.press("l")
            await s.until(lambda: "scrolled apart" in s.text())
            before = left.scroll_offset.y
            await s.pilot.press("pagedown")
            await s.pilot.pause()
            assert left.scroll_offset.y == before
            assert left.paragraph[0] < right.paragraph[0]
            await s.pilot.press("l")
            await s.until(lambda: left.paragraph[0] == right.paragraph[0])
            await s.pilot.press("G")
            await s.until(lambda: left.scroll_offset.y == left.max_scroll_y > 0)
            assert right.scroll_offset.y == right.max_scroll_y
            await s.pilot.press("g")
            await s.until(lambda: left.scroll_offset.y == 0)


async def test_a_version_that_comes_meanwhile_moves_nothing_and_is_counted(tmp_path: Path) -> None:
    async with LocalServer() as server:
        half = Gate()
        server.route(
            "POST",
            "/api/chat",
            [
                Stream(piece(long(40, "alpha")), end()),
                Stream(piece(long(30, "beta")), half, end()),
                Stream(piece("Third."), end()),
            ],
        )
        async with opened(server, tmp_path) as s:
            await say(s, "why")
            conversation = chat(s).conversation
            await pick(s, "gem", "qwe")
            await half.reached()
            await compare(s)
            await s.pilot.press("tab", "pagedown")
            left = column(s, 0).text
            await s.until(lambda: left.scroll_offset.y > 0)
            before = left.scroll_offset.y
            half.open()
            await s.until(lambda: conversation.turns[-1].text == "Third." and "answering" not in s.text())
            assert left.scroll_offset.y == before
            assert "Compare  3 versions" in s.text()
            assert "gemma3:270m 2 of 3" in s.text()
            await s.pilot.press("escape")
            await s.until(lambda: not isinstance(s.screen, ChatCompare))
            serve(server, "Fourth.")
            await s.pilot.press("ctrl+r")
            await s.until(lambda: "Fourth." in s.text() and composer(s).ready)
            await compare(s)
            assert "Compare  4 versions" in s.text()


async def test_a_diff_scrolls_together_word_by_word(tmp_path: Path) -> None:
    async with LocalServer() as server:
        same = "\n".join(f"line {n}" for n in range(200))
        serve(server, same, "Much more at first.\n" * 50 + same)
        async with opened(server, tmp_path) as s:
            await two_versions(s)
            await s.pilot.press("d")
            await s.until(lambda: "words differ" in s.text())
            left, right = column(s, 0).diff, column(s, 1).diff
            assert right.has_focus
            right.scroll_to(y=100, animate=False, immediate=True)
            await s.until(lambda: left.scroll_offset.y == 50)
            assert any(line.count("line 51") == 2 for line in s.text().splitlines())


# ---------------------------------------------------------------- word diff


async def test_words_that_differ_are_marked_by_colour_line_and_sign(tmp_path: Path) -> None:
    async with LocalServer() as server:
        serve(server, f"{FIRST}\n\nThe end.", f"{SECOND}\n\nThe end.")
        async with opened(server, tmp_path) as s:
            await two_versions(s)
            await s.pilot.press("d")
            await s.until(lambda: "≠ 3 words differ · 87% the same" in s.text())
            lines = s.text().splitlines()
            assert any(line.count("≠ ") == 2 and line.count("The sky is blue") == 2 for line in lines)
            assert sum("The end." in line for line in lines) == 2  # one has a row more above it
            assert not any("≠ " in line for line in lines if "The end." in line)
            strip = column(s, 0).diff.render_line(0)
            marked = [segment.text for segment in strip if segment.style is not None and segment.style.underline]
            assert marked == [", since", "‸"]  # and where the other one has a word more
            await s.pilot.press("d")
            await s.until(lambda: "≠" not in s.text())
            assert column(s, 1).text.has_focus


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=["wide", "narrow"])
async def test_hostile_text_is_drawn_as_text_in_a_diff(tmp_path: Path, size: tuple[int, int]) -> None:
    async with LocalServer() as server:
        serve(server, "[b]x[/b] \x1b[31mred\u202e", "[b]y[/b] " + "w" * 5000)
        async with opened(server, tmp_path, size) as s:
            await two_versions(s)
            await s.pilot.press("d")
            await s.until(lambda: "differ" in s.text() and "[b]y[/b]" in s.text())
            await s.pilot.press("tab")
            await s.until(lambda: "[b]x[/b] ␛[31mred<U+202E>" in s.text())


async def test_other_screens_are_reached_and_left_from_a_comparison(tmp_path: Path) -> None:
    async with LocalServer() as server:
        serve(server, "One.", "Two.")
        async with opened(server, tmp_path) as s:
            await two_versions(s)
            await s.pilot.press("f1")
            await s.until(lambda: isinstance(s.screen, HelpScreen))
            await s.pilot.press("end")
            await s.until(lambda: "Word diff" in s.text() and "Scroll together" in s.text())
            await s.pilot.press("escape")
            await s.until(lambda: isinstance(s.screen, ChatCompare))
            await s.pilot.press("f6")
            await s.until(lambda: not isinstance(s.screen, ChatCompare))
            assert composer(s).ready
