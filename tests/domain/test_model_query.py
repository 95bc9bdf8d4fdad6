"""Filtering and sorting models by value."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.model_query import (
    Column,
    ModelFacts,
    facts_of,
    in_order,
    parameter_count,
    parse_query,
    quantization_bits,
    sort_value,
)
from codomyrmex_ollama_tui.domain.models import ModelDetails, ModelInfo, ModelSummary

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SMOLLM = ModelFacts(
    "smollm2:135m", "llama", 134.52e6, "Q4_1", 98_000_000, 8192, ("completion",), NOW - timedelta(minutes=2), True
)
LLAVA = ModelFacts(
    "llava:7b", "llama", 7.2e9, "Q4_0", 4_733_000_000, 32_768, ("completion", "vision"), NOW - timedelta(days=64)
)
NOMIC = ModelFacts("nomic-embed-text:latest", "nomic-bert", 137e6, "F16", 274_000_000, 2048, ("embedding",))
DARK = ModelFacts("mystery:latest")
ALL = (SMOLLM, LLAVA, NOMIC, DARK)


def kept(text: str, models: tuple[ModelFacts, ...] = ALL) -> list[str]:
    query = parse_query(text)
    return [facts.name.partition(":")[0] for facts in models if query.keeps(facts, NOW)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["smollm2", "llava", "nomic-embed-text", "mystery"]),
        ("LLA", ["smollm2", "llava"]),
        ("name:lla", ["llava"]),
        ("family:bert", ["nomic-embed-text"]),
        ("llama:7b", []),
        ("llava:7b", ["llava"]),
        ("size<2GB", ["smollm2", "nomic-embed-text"]),
        ("size<2", ["smollm2", "nomic-embed-text"]),
        ("size:>=98MB size<=98mb", ["smollm2"]),
        ("size=4.7GB", ["llava"]),
        ("size:4.7GB", ["llava"]),
        ("size<100MiB", ["smollm2"]),
        ("-size<2GB", ["llava"]),
        ("params>=7.2B", ["llava"]),
        ("params<200M", ["smollm2", "nomic-embed-text"]),
        ("params=7.2", ["llava"]),
        ("context>=32k", ["llava"]),
        ("ctx:<8192", ["nomic-embed-text"]),
        ("age<1h", ["smollm2"]),
        ("age>2mo", ["llava"]),
        ("age>60", ["llava"]),
        ("cap:vis", ["llava"]),
        ("can:chat", ["smollm2", "llava"]),
        ("cap:embed", ["nomic-embed-text"]),
        ("-cap:vision", ["smollm2", "nomic-embed-text"]),
        ("quant:q4 lla", ["smollm2", "llava"]),
        ("-quant:q4", ["nomic-embed-text", "mystery"]),
        ("is:loaded", ["smollm2"]),
        ("-is:loaded", ["llava", "nomic-embed-text", "mystery"]),
        ("-llama", ["nomic-embed-text", "mystery"]),
        ("colour:red", []),
    ],
)
def test_filters_are_by_value(text: str, names: list[str]) -> None:
    assert kept(text) == names
    assert parse_query(text).problems == ()


@pytest.mark.parametrize("text", ["size<", "size", "cap:", "quant:", "-", "age>", "is:", "params>="])
def test_a_term_that_is_not_finished_filters_nothing_or_is_a_word(text: str) -> None:
    assert parse_query(text).problems == ()
    if text != "size":
        assert len(kept(text)) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("size<fat", "fat is not a size, as in size<2GB"),
        ("params>1x", "1x is not a number, as in params<8B"),
        ("context<8q", "8q is not a number of tokens, as in context>=32k"),
        ("age<3q", "3q is not an age, as in age<7d"),
        ("is:red", "is:red: allowed is is:loaded or is:marked"),
    ],
)
def test_what_cannot_be_read_is_told_and_keeps_everything(text: str, words: str) -> None:
    query = parse_query(f"{text} lla")
    assert query.problems == (words,)
    assert [part.role for part in query.parts] == ["bad", "word"]
    assert kept(f"{text} lla") == ["smollm2", "llava"]


def test_what_has_to_be_known() -> None:
    assert parse_query("lla size<2GB").needs == frozenset()
    assert parse_query("cap:vision ctx>4k").needs == {"capabilities", "context"}
    assert parse_query("quant:q4 size<2GB").columns == {Column.QUANTIZATION, Column.SIZE}
    assert DARK.missing == {"capabilities", "context"}
    assert SMOLLM.missing == frozenset()


def test_parts_are_where_they_are_typed() -> None:
    text = "  gemma -size<2GB llama3:8b"
    assert [(text[part.start : part.end], part.role) for part in parse_query(text).parts] == [
        ("gemma", "word"),
        ("-size<2GB", "filter"),
        ("llama3:8b", "word"),
    ]


@given(st.text(max_size=60))
def test_any_text_is_a_filter(text: str) -> None:
    query = parse_query(text)
    for facts in ALL:
        assert query.keeps(facts, NOW) in (True, False)
    assert all(0 <= part.start < part.end <= len(text) for part in query.parts)


def test_sorting_is_by_value_both_ways_with_the_unknown_last() -> None:
    for column, best in (
        (Column.SIZE, ["llava", "nomic-embed-text", "smollm2"]),
        (Column.PARAMETERS, ["llava", "nomic-embed-text", "smollm2"]),
        (Column.CONTEXT, ["llava", "smollm2", "nomic-embed-text"]),
        (Column.QUANTIZATION, ["nomic-embed-text", "smollm2", "llava"]),
        (Column.MODIFIED, ["smollm2", "llava"]),
    ):
        names = [facts.name.partition(":")[0] for facts in in_order(ALL, column, down=True)]
        assert names[: len(best)] == best, column
        assert names[-1] in ("mystery", "nomic-embed-text")
        up = [facts.name.partition(":")[0] for facts in in_order(ALL, column, down=False)]
        assert up[: len(best)] == best[::-1]
    assert in_order(ALL, Column.LOADED, down=False)[0] is SMOLLM


def test_names_stand_as_people_order_them() -> None:
    made = [ModelFacts(name) for name in ("gemma3:12b", "Gemma3:4b", "alpha", "10x", "9x")]
    assert [facts.name for facts in in_order(made, Column.NAME, down=False)] == [
        "9x", "10x", "alpha", "Gemma3:4b", "gemma3:12b",
    ]  # fmt: skip


def test_equal_ones_stand_by_name_both_ways() -> None:
    made = [ModelFacts(name, size=1) for name in ("b", "c", "a")]
    for down in (True, False):
        assert [facts.name for facts in in_order(made, Column.SIZE, down=down)] == ["a", "b", "c"]


@settings(max_examples=50)
@given(st.lists(st.sampled_from(ALL), max_size=8), st.sampled_from(list(Column)), st.booleans(), st.randoms())
def test_the_order_does_not_depend_on_what_came_first(
    models: list[ModelFacts], column: Column, down: bool, chance: random.Random
) -> None:
    shuffled = models[:]
    chance.shuffle(shuffled)
    ordered = in_order(models, column, down=down)
    assert in_order(shuffled, column, down=down) == ordered
    values = [value for facts in ordered if (value := sort_value(facts, column)) is not None]
    assert values == sorted(values, reverse=down)


def test_quantizations_by_the_bits_they_keep() -> None:
    names = ["Q2_K", "IQ3_XXS", "Q3_K_M", "Q4_0", "Q4_K_S", "Q4_K_M", "Q4_1", "Q5_0", "Q5_K_M", "Q6_K", "Q8_0", "F16"]
    bits = [quantization_bits(name) for name in names]
    assert bits == sorted(bits, key=lambda value: value or 0.0)
    assert None not in bits
    assert quantization_bits("BF16") == quantization_bits("F16")
    assert quantization_bits("MXFP4") is not None
    for text in ("", "unknown", "[b]"):
        assert quantization_bits(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("134.52M", 134.52e6), ("7B", 7e9), ("1.5 k", 1500.0), ("", None), ("8x7B", None)],
)
def test_parameter_count(text: str, number: float | None) -> None:
    assert parameter_count(text) == (None if number is None else pytest.approx(number))


def test_facts_come_from_the_list_and_from_the_details() -> None:
    listed = ModelSummary("a:latest", size=7, details=ModelDetails(family="llama", parameter_size="1B"))
    info = ModelInfo(
        ModelDetails(), {"general.architecture": "llama", "llama.context_length": 8192}, capabilities=("completion",)
    )
    assert facts_of(listed).missing == {"context", "capabilities"}
    known = facts_of(listed, info, loaded=True, marked=True)
    assert (known.context, known.capabilities, known.size, known.parameters) == (8192, ("completion",), 7, 1e9)
    assert (known.loaded, known.marked) == (True, True)
    assert facts_of(replace(listed, remote_host="https://ollama.com")).size is None
    assert facts_of(replace(listed, capabilities=()), info).capabilities == ()
