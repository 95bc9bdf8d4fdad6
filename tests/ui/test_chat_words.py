"""What the chat screen says: figures, waits, troubles, titles, colours; and the meter and list that show them."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from codomyrmex_ollama_tui.domain.models import ModelSummary, RunningModel
from codomyrmex_ollama_tui.services.chat import AnswerFacts, Conversation, Turn, TurnStatus
from codomyrmex_ollama_tui.services.pulls import PullPhase, PullState
from codomyrmex_ollama_tui.services.server import ServerPhase
from codomyrmex_ollama_tui.ui import chat_words as words
from codomyrmex_ollama_tui.ui.answers import Answering
from codomyrmex_ollama_tui.ui.links import is_web_address
from codomyrmex_ollama_tui.ui.widgets.composer import Draft
from codomyrmex_ollama_tui.ui.widgets.context_meter import context_part
from codomyrmex_ollama_tui.ui.widgets.conversation_list import Entry, day_of, drawn

NOW = datetime(2026, 11, 23, 10, 42, tzinfo=UTC)
KEYS = {"pull_key": "F4", "picker_key": "F3", "models_key": "F5"}


def answer(status: TurnStatus = "complete", facts: AnswerFacts | None = None, text: str = "x", said: str = "") -> Turn:
    return Turn("t2", "assistant", text, model="m", status=status, answer=facts, words=said)


FACTS = AnswerFacts(tokens=1236, eval_rate=41.84, ttft=0.312, total=6.0, done_reason="stop", load_s=0.1)


@pytest.mark.parametrize(
    ("turn", "note"),
    [
        (answer(facts=FACTS), "41.8 tokens/s · first 0.31 s · 1,236 tokens · done"),
        (answer(facts=AnswerFacts(tokens=1, done_reason="length")), "1 token · cut at the limit of its length"),
        (answer(facts=AnswerFacts(ttft=4.0, load_s=3.5)), "first 4.00 s (3.50 s loading) · done"),
        (answer(facts=AnswerFacts(done_reason="new\x1bword")), "new␛word"),
        (answer("stopped", AnswerFacts(ttft=0.5, total=2.0)), "first 0.50 s · stopped"),
        (answer("failed", AnswerFacts(ttft=0.5), said="the connection broke"), "the connection broke · first 0.50 s"),
        (answer("failed"), "no answer"),
        (answer("streaming"), ""),
    ],
)
def test_the_line_under_an_answer(turn: Turn, note: str) -> None:
    assert words.note_of(turn) == note


def test_nothing_that_was_not_measured_is_shown_as_a_number() -> None:
    assert words.note_of(answer(facts=AnswerFacts())) == "done"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.0, "0 s"), (12.9, "12 s"), (99.0, "99 s"), (125.0, "2:05"), (3700.0, "1:01:40")]
)
def test_seconds_that_run(seconds: float, shown: str) -> None:
    assert words.elapsed(seconds) == shown


@pytest.mark.parametrize(
    ("phase", "running", "why"),
    [
        (ServerPhase.STARTING, None, "the server is starting"),
        (ServerPhase.RESTARTING, (), "the server is restarting"),
        (ServerPhase.LOST, (), "the server does not answer"),
        (ServerPhase.ABSENT, (), "the server does not answer"),
        (ServerPhase.READY, None, ""),
        (ServerPhase.READY, (), "not in memory yet: loading"),
        (ServerPhase.READY, (RunningModel("M:latest"),), "in memory: queued or reading the prompt"),
        (ServerPhase.READY, (RunningModel("other"),), "not in memory yet: loading"),
    ],
)
def test_why_nothing_has_come_yet(phase: ServerPhase, running: tuple[RunningModel, ...] | None, why: str) -> None:
    assert words.waiting_for("m", phase, running) == why


def test_the_speed_of_an_answer_on_its_way_is_only_about_right_and_needs_a_second() -> None:
    answering = Answering(Conversation("c", "", "m"), Draft("?"), None, asked_at=100.0)
    assert words.progress(answering, 103.0, ServerPhase.READY, None) == "waiting 3 s"
    answering.first_at, answering.pieces = 103.0, 1
    assert words.progress(answering, 103.5, ServerPhase.READY, None) == "3 s"
    answering.pieces = 41
    assert words.progress(answering, 105.0, ServerPhase.READY, None) == "5 s · ≈ 20.0 tokens/s"


MODELS = (ModelSummary("smollm2:135m"), ModelSummary("gemma3:270m"))


@pytest.mark.parametrize(
    ("model", "models", "missing"),
    [
        ("smollm2:135m", MODELS, False),
        ("SmolLM2:135m", MODELS, False),
        ("smollm2", MODELS, True),
        ("gone:1b", MODELS, True),
        ("gone:1b", None, False),
        ("", MODELS, False),
        ("gpt-oss:20b-cloud", MODELS, False),
    ],
)
def test_a_model_is_missing_only_when_it_is_known_to_be(
    model: str, models: tuple[ModelSummary, ...] | None, missing: bool
) -> None:
    assert words.is_missing(model, models) is missing


@pytest.mark.parametrize(
    ("model", "models", "pull", "what", "help"),
    [
        ("smollm2:135m", MODELS, None, "", ""),
        ("", (), None, "no model on this server yet", "F5 goes to the models screen, which pulls one"),
        ("zzz", MODELS, None, "zzz is not on this server", "F4 pulls it · F3 chooses another"),
        (
            "smolm2:135m",
            MODELS,
            None,
            "smolm2:135m is not on this server · did you mean smollm2:135m?",
            "F4 pulls it · F3 chooses another",
        ),
        ("zzz", (), PullState("zzz:latest", PullPhase.DOWNLOADING), "↓ zzz is being pulled", "it can be asked"),
        (
            "zzz",
            (),
            PullState("zzz:latest", PullPhase.FAILED, error="file does not exist"),
            "✕ zzz could not be pulled: file does not exist",
            "F4 tries again",
        ),
        ("zzz", (), PullState("zzz:latest", PullPhase.CANCELLED), "zzz is not on this server", "F4 pulls it"),
    ],
)
def test_trouble_with_a_model(
    model: str, models: tuple[ModelSummary, ...], pull: PullState | None, what: str, help: str
) -> None:
    found = words.trouble_with_model(model, models, pull, **KEYS)
    assert found[0] == what
    assert found[1].startswith(help)
    assert bool(found[1]) is bool(what)


def test_a_conversation_without_a_model_gets_the_first_that_writes() -> None:
    embed = ModelSummary("embed", capabilities=("embedding",))
    assert words.first_choice((embed, *MODELS)) == "smollm2:135m"
    assert words.first_choice((embed,)) == "embed"
    assert words.first_choice(()) == ""


def test_models_keep_the_colours_in_which_they_entered_a_conversation() -> None:
    conversation = Conversation("c", "", "b")
    assert words.colours(conversation) == {"b": 0}
    conversation.turns = [Turn("1", "user", "?"), Turn("2", "assistant", model="a"), Turn("3", "assistant", model="b")]
    assert words.colours(conversation) == {"a": 0, "b": 1}
    conversation.model = "c"
    assert words.colours(conversation) == {"a": 0, "b": 1, "c": 2}


def test_a_model_keeps_its_colour_whichever_version_is_shown() -> None:
    conversation = Conversation("c", "", "a")
    question = Turn("1", "user", "?")
    first, second = (Turn(name, "assistant", model=name, parent="1") for name in "ab")
    conversation.add(question, first, second)
    assert conversation.turns == [question, second]
    assert words.colours(conversation) == {"a": 0, "b": 1}


def test_the_context_in_use_is_that_of_the_last_answer_that_counted_it() -> None:
    conversation = Conversation("c", "", "m")
    assert words.context_used(conversation) == (None, False)
    conversation.turns = [answer(facts=AnswerFacts(context_used=256)), answer("stopped", AnswerFacts())]
    assert words.context_used(conversation) == (256, False)
    conversation.turns[0].thinking = "hm"
    assert words.context_used(conversation) == (256, True)


@pytest.mark.parametrize(
    ("used", "limit", "about", "shown"),
    [
        (1204, 4096, False, " 1,204 / 4,096"),
        (1204, 4096, True, " ≈ 1,204 / 4,096"),
        (3200, 4096, False, " 3,200 / 4,096 filling up"),
        (4000, 4096, False, " 4,000 / 4,096 nearly full"),
        (1204, None, False, "1,204 tokens"),
    ],
)
def test_the_context_meter(used: int, limit: int | None, about: bool, shown: str) -> None:
    part = context_part(used, limit, about=about)
    assert part is not None
    assert part.wide.plain.startswith("context ")
    assert part.wide.plain.endswith(shown)
    assert part.narrow.plain.endswith(shown)
    assert part.narrow.cell_length <= part.wide.cell_length


def test_the_meter_is_empty_before_anything_was_counted() -> None:
    assert context_part(None, 4096) is None


def test_conversations_are_grouped_by_day() -> None:
    assert [day_of(NOW - timedelta(days=days), NOW) for days in (0, 1, 3, 9)] == [
        "Today",
        "Yesterday",
        "This week",
        "Earlier",
    ]
    assert day_of(None, NOW) == "Today"
    assert day_of(NOW - timedelta(hours=11), NOW) == "Yesterday"


@given(st.text(max_size=60), st.text(max_size=60), st.integers(10, 40), st.booleans())
def test_an_entry_is_two_lines_no_wider_than_the_list_and_without_control_bytes(
    title: str, model: str, width: int, answering: bool
) -> None:
    lines = drawn(Entry("c", title, model, at=NOW, answering=answering), True, NOW, width).plain.split("\n")
    assert len(lines) == 2
    assert all(cell_len(line) <= width for line in lines)
    assert not any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for line in lines for letter in line)


def test_an_entry_says_what_goes_on() -> None:
    assert "▶ m is answering" in drawn(Entry("c", "t", "m", answering=True), False, NOW, 28).plain
    assert "stopped · m" in drawn(Entry("c", "t", "m", trouble="stopped"), False, NOW, 28).plain
    at = NOW - timedelta(minutes=2)
    assert "m · 2 min" in drawn(Entry("c", "t", "m", at=at), False, NOW, 28).plain


@pytest.mark.parametrize(
    ("href", "web"),
    [
        ("https://example.org/a?b=c#d", True),
        ("HTTP://EXAMPLE.ORG", True),
        ("http://127.0.0.1:11434", True),
        ("javascript:alert(1)", False),
        ("file:///etc/passwd", False),
        ("ftp://example.org", False),
        ("//example.org", False),
        ("https://", False),
        ("http://[", False),
        ("https://example.org/\x1b[2J", False),
        ("https://example.org/a b", True),
        (" https://example.org", False),
        ("https://example.org/\u202e", False),
        ("", False),
    ],
)
def test_only_web_addresses_are_opened(href: str, web: bool) -> None:
    assert is_web_address(href) is web
