"""Names offered while one is typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.names import parse_name, problem_with_name
from codomyrmex_ollama_tui.services.suggestions import KNOWN, Suggestion, recommended, suggest
from tests.services.rooms import launcher, ollama, watching
from tests.support.recorded import answer


def test_every_well_known_name_can_be_pulled_and_stands_there_once() -> None:
    names = [known.name for known in KNOWN]
    assert len(set(names)) == len(names)
    for known in KNOWN:
        parsed = parse_name(known.name)
        assert parsed is not None
        assert parsed.short == known.name
        assert known.note


def test_names_pulled_before_come_first_then_what_the_server_recommends() -> None:
    found = suggest(
        "gem",
        pulled=("hf.co/some/gemma:q4", "gemma3:4b"),
        recommended=(Suggestion("gemma9:1b", "the newest"), Suggestion("gemma3:4b", "again")),
        installed=("gemma3:1b",),
    )
    names = [one.name for one in found]
    assert names[:2] == ["gemma3:4b", "gemma9:1b"]
    assert names[-2:] == ["hf.co/some/gemma:q4", "embeddinggemma:300m"], "what holds the letters elsewhere"
    assert names.count("gemma3:4b") == 1
    assert found[0].note == "pulled before · Gemma 3 · 4.3 B, vision"
    assert {one.name: one.note for one in found}["gemma3:1b"] == "here · Gemma 3 · 1.0 B"


def test_words_of_the_notes_are_found_too() -> None:
    assert "nomic-embed-text:latest" in [one.name for one in suggest("embedding")]


def test_without_letters_everything_is_offered_up_to_the_limit() -> None:
    assert len(suggest("", limit=7)) == 7
    assert suggest("no such name anywhere") == ()


@settings(max_examples=30)
@given(st.text(max_size=10), st.lists(st.text(max_size=10), max_size=5))
def test_any_letters_give_names_that_hold_them(text: str, pulled: list[str]) -> None:
    found = suggest(text, pulled=pulled)
    assert len({one.name.casefold() for one in found}) == len(found)
    for one in found:
        assert text.strip().casefold() in f"{one.name} {one.note}".casefold()
    assert problem_with_name("") != ""


async def test_what_the_server_recommends_is_offered_with_its_words(tmp_path: Path) -> None:
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag") as (service, _):
        real.route("GET", "/api/experimental/model-recommendations", answer("recommendations"))
        found = await recommended(service)
        assert found[1] == Suggestion("glm-5.1:cloud", "Reasoning and code generation")
        assert "gemma4" in [one.name for one in suggest("gemma", recommended=found)]


async def test_a_server_that_recommends_nothing_says_so(tmp_path: Path) -> None:
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag") as (service, _):
        with pytest.raises(OllamaError, match="404"):
            await recommended(service)
        assert real.asked("/api/experimental/model-recommendations")
