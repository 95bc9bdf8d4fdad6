"""Whatever is done in whatever order, the transcript's rows, heights and places agree with each other."""

from __future__ import annotations

from itertools import accumulate
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.pilot import Pilot

from codomyrmex_ollama_tui.ui.widgets.transcript import Transcript, TurnView, warm
from tests.ui.transcript.host import Host, answer, person
from tests.ui.transcript.texts import FRAGMENTS, HOSTILE

KEYS = ["j", "k", "J", "K", "g", "G", "y", "o", "pageup", "pagedown", "up", "down", "home", "end", "t", "r"]
KEYS += ["z", "Y", "w", "n", "N", "left_square_bracket", "right_square_bracket", "escape"]
STEPS = [
    *("open", "add", "begin", "feed", "feed", "feed", "think", "finish", "note", "resize", "scroll", "width"),
    *("key", "key", "key", "click", "clear", "flush", "flush", "find", "hit", "leave"),
]


@pytest.fixture(autouse=True, scope="module")
def warmed() -> None:
    warm()


def some(random: Random, most: int) -> str:
    return "".join(random.choice(FRAGMENTS + HOSTILE[:6]) for _ in range(random.randint(0, most)))


async def take(step: str, app: Host, pilot: Pilot[None], random: Random, number: int) -> None:
    transcript = app.transcript
    if step == "open":
        turns = range(random.randint(0, 20))
        transcript.open([TurnView(f"{number}.{n}", "m", some(random, 12), some(random, 1)) for n in turns])
    elif step == "add":
        transcript.add(person(some(random, random.choice([10, 80])), number))
    elif step == "begin":
        transcript.begin(answer(some(random, 1), number))
    elif step == "feed":
        transcript.feed(some(random, 10))
    elif step == "think":
        transcript.feed_thinking(some(random, 5))
    elif step == "finish":
        transcript.finish(note=random.choice(["", "a note"]), status=random.choice(["complete", "stopped", "failed"]))
    elif step == "note":
        transcript.set_note(f"a{random.randint(0, number)}", random.choice(["", "note " * 30]))
    elif step == "resize":
        await pilot.resize_terminal(random.randint(10, 130), random.randint(3, 40))
        await pilot.pause()
    elif step == "scroll":
        transcript.scroll_to(y=random.randint(0, max(0, transcript.virtual_size.height)))
    elif step == "width":
        transcript.max_width = random.choice([20, 60, 100])
    elif step == "key":
        await pilot.press(random.choice(KEYS))
    elif step == "click":
        await pilot.click(Transcript, offset=(random.randint(0, 8), random.randint(0, 2)), times=random.randint(1, 3))
    elif step == "clear":
        transcript.clear()
    elif step == "flush":
        transcript.flush()
    elif step == "find":
        transcript.find(random.choice(["a", "wor", "the", "nowhere", "*", ""]))
    elif step == "hit":
        transcript.go_to_hit(random.choice([1, -1]))
    elif step == "leave":
        transcript.leave_find(back=random.random() < 0.5)


def check(transcript: Transcript) -> None:
    column, top, size = transcript._column, transcript.scroll_offset.y, transcript.size
    assert column.tops == list(accumulate((item.height for item in column.items), initial=0))
    keys = [item.key for item in column.items]
    assert keys == sorted(set(keys))
    for item in column.items:
        if item.art is not None:
            assert item.height == (item.gap + len(item.art.rows) if item.art.rows else 0)
    assert 0 <= top <= max(0, column.height - size.height)
    if transcript.following:
        assert top == max(0, column.height - size.height)
    shown = transcript.render_lines(size.region)
    assert len(shown) == size.height
    for y, strip in enumerate(shown):
        assert strip.cell_length == size.width
        drawn = transcript.render_line(y).text
        if transcript.news_below and y == size.height - 1:  # which is told over the last row
            continue
        assert strip.text == drawn or not drawn.strip()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(STEPS), min_size=4, max_size=25), st.integers(0, 2**32 - 1))
async def test_rows_heights_and_places_agree(steps: list[str], seed: int) -> None:
    # not st.randoms(): how much is drawn from it may depend on what a timer has painted by then
    random = Random(seed)
    app = Host(random.choice([40, 100]))
    async with app.run_test(size=(random.randint(20, 110), random.randint(4, 30))) as pilot:
        for number, step in enumerate(steps):
            await take(step, app, pilot, random, number)
            if random.random() < 0.5:
                await pilot.pause()
            check(app.transcript)
