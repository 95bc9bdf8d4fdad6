"""Options of a model: every rule of Ollama's own, ranges, near names, what goes beside them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.options import (
    ALIASES,
    OPTION_RULES,
    REQUEST_FIELDS,
    check_options,
    split_options,
    wire_format,
)

RUNNER = {"num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread"}
SAMPLING = {
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_last_n",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "num_predict",
    "num_keep",
    "stop",
}


def test_every_option_of_ollama_has_a_rule() -> None:
    assert set(OPTION_RULES) == RUNNER | SAMPLING | {"draft_num_predict"}
    assert {name for name, rule in OPTION_RULES.items() if rule.reloads} == RUNNER
    assert all(rule.meaning.endswith(".") for rule in OPTION_RULES.values())


@pytest.mark.parametrize(
    ("name", "lowest", "below"),
    [
        ("temperature", 0, -0.01),
        ("top_p", 0, -0.01),
        ("top_k", 0, -1),
        ("num_predict", -2, -3),
        ("num_ctx", 1, 0),
        ("repeat_penalty", 0.01, 0),
        ("repeat_last_n", -1, -2),
    ],
)
def test_the_lower_end_of_a_range(name: str, lowest: float, below: float) -> None:
    assert check_options({name: lowest}) == {name: lowest}
    with pytest.raises(ValueError, match=f"options.{name} = {below}: allowed is"):
        check_options({name: below})


@pytest.mark.parametrize(("name", "highest", "above"), [("temperature", 2, 2.01), ("top_p", 1, 1.01)])
def test_the_upper_end_of_a_range(name: str, highest: float, above: float) -> None:
    assert check_options({name: highest}) == {name: highest}
    with pytest.raises(ValueError, match=f"options.{name} = {above}: allowed is a number from 0 to {highest}"):
        check_options({name: above})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temprature": 1}, "there is no option 'temprature'; 'temperature' is near"),
        ({"max_tokens": 1}, "'num_predict' is meant"),
        ({"seed": True}, "options.seed = True: allowed is a whole number"),
        ({"top_k": 2.5}, "options.top_k = 2.5: allowed is a whole number of tokens, at least 0"),
        ({"top_p": "0.5"}, "options.top_p = '0.5': allowed is a number from 0 to 1"),
        ({"top_p": math.nan}, "allowed is a number from 0 to 1"),
        ({"top_p": math.inf}, "allowed is a number from 0 to 1"),
        ({"stop": "END"}, "options.stop = 'END': allowed is a list of texts"),
        ({"stop": ["a", ""]}, "none of them empty"),
        ({"use_mmap": 1}, "allowed is true or false"),
        ({"num_ctx": 10**5000}, "too long to show: allowed is"),
        ({"a\x1b[31m": 1}, r"there is no option 'a\\x1b"),
    ],
)
def test_what_is_not_allowed_is_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_options(options)


def test_a_whole_float_is_a_whole_number_and_none_is_not_given() -> None:
    given_options = {"num_ctx": 4096.0, "seed": None, "stop": ("a",)}
    assert check_options(given_options) == {"num_ctx": 4096, "stop": ["a"]}
    assert isinstance(check_options(given_options)["num_ctx"], int)
    assert given_options == {"num_ctx": 4096.0, "seed": None, "stop": ("a",)}


def test_defaults_by_version() -> None:
    penalty = OPTION_RULES["repeat_penalty"]
    assert [penalty.default(version) for version in ("", "0.24.0", "0.32.9", "0.32.10", "0.33.0-rc2")] == [
        1.1,
        1.1,
        1.1,
        1.0,
        1.0,
    ]
    assert OPTION_RULES["num_ctx"].default("0.24.0") is None
    assert "OLLAMA_CONTEXT_LENGTH" in OPTION_RULES["num_ctx"].default_words


def test_options_and_fields_of_the_request_are_parted() -> None:
    options, fields = split_options(
        {
            "temperature": 0.3,
            "max_tokens": 20,
            "context_window": 4096,
            "system": "be brief",
            "format": '{"type": "object"}',
            "keep_alive": "10m",
            "think": "high",
            "images": ["aGk="],
            "raw": False,
            "template": "{{ .Prompt }}",
            "seed": None,
        }
    )
    assert options == {"temperature": 0.3, "num_predict": 20, "num_ctx": 4096}
    assert fields == {
        "system": "be brief",
        "format": {"type": "object"},
        "keep_alive": "10m",
        "think": "high",
        "images": ("aGk=",),
        "raw": False,
        "template": "{{ .Prompt }}",
    }
    assert split_options(None) == ({}, {})
    assert split_options({"format": "text", "system": None}) == ({}, {})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_tokens": 5, "num_predict": 6}, "num_predict is given twice, also as max_tokens"),
        ({"max_tokens": -9}, "options.max_tokens = -9: allowed is"),
        ({"sytem": "x"}, "'system' is near"),
        ({"system": 3}, "options.system = 3: allowed is a text"),
        ({"format": "xml"}, "options.format = 'xml': allowed is"),
        ({"keep_alive": "5 minutes"}, "options.keep_alive = '5 minutes': allowed is seconds"),
        ({"keep_alive": True}, "allowed is seconds"),
        ({"think": "very"}, 'allowed is true, false, "low"'),
        ({"images": "aGk="}, "allowed is a list of base64 texts"),
        ({"raw": 1}, "options.raw = 1: allowed is true or false"),
    ],
)
def test_what_cannot_be_parted_is_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        split_options(options)


@pytest.mark.parametrize("value", ["5m", "1h30m", "-1", "0", "-1s", "1.5h", 0, -1, 3.5])
def test_a_keep_alive_that_ollama_takes(value: object) -> None:
    if value == "-1":  # a text without a unit is no duration to Ollama; only "0" is
        with pytest.raises(ValueError, match="keep_alive"):
            split_options({"keep_alive": value})
    else:
        assert split_options({"keep_alive": value}) == ({}, {"keep_alive": value})


def test_formats() -> None:
    schema = {"type": "object", "properties": {}}
    assert [wire_format(value) for value in (None, "", "text", "json", schema)] == [None, None, None, "json", schema]
    assert wire_format(schema) is not schema
    for value in ("{", "[1]", 5, ["json"]):
        with pytest.raises(ValueError, match="allowed is"):
            wire_format(value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from([*OPTION_RULES, *ALIASES, *REQUEST_FIELDS, "other"]), anything, max_size=4))
def test_whatever_is_passed_is_taken_or_named(options: dict[str, object]) -> None:
    refusal = ""
    try:
        found, fields = split_options(options)
    except ValueError as error:
        refusal = str(error)
    if refusal:
        assert refusal.isprintable()
        assert any(name in refusal for name in (*options, *ALIASES.values()))
        return
    assert check_options(found) == found
    assert set(fields) <= set(REQUEST_FIELDS)
    assert None not in (*found.values(), *fields.values())


@given(st.sampled_from(sorted(OPTION_RULES)), st.text(max_size=12))
@settings(max_examples=50)
def test_typed_text_becomes_a_value_or_stays_text(name: str, text: str) -> None:
    OPTION_RULES[name].read(OPTION_RULES[name].from_text(text))


def test_typed_text_by_the_type_of_the_option() -> None:
    def typed(name: str, text: str) -> object:
        return OPTION_RULES[name].read(OPTION_RULES[name].from_text(text))

    assert typed("temperature", " 0.5 ") == 0.5
    assert typed("num_ctx", "8192") == 8192
    assert typed("num_ctx", "many") is None
    assert typed("stop", "a, b") == ["a", "b"]
    assert typed("stop", '["a, b"]') == ["a, b"]
