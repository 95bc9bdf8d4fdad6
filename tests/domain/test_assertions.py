"""Assertions: what passes, what does not and why, and what cannot be asserted."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.assertions import KINDS, Answer, Assertion, assertion_of, check, filled

PERSON = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"]}


@pytest.mark.parametrize(
    ("kind", "value", "text", "passes"),
    [
        ("equals", "Paris", " Paris\n", True),
        ("equals", "Paris", "paris", False),
        ("contains", "ari", "Paris", True),
        ("icontains", "PARIS", "in Paris.", True),
        ("icontains", "rome", "in Paris.", False),
        ("contains-any", ["Rome", "Paris"], "Paris", True),
        ("contains-any", ["Rome", "Oslo"], "Paris", False),
        ("contains-all", ["a", "b"], "ba", True),
        ("contains-all", ["a", "b"], "a", False),
        ("starts-with", "Yes", "\nYes, it is", True),
        ("starts-with", "Yes", "No", False),
        ("regex", r"^\d{3}$", "123", True),
        ("regex", r"^\d{3}$", "1234", False),
        ("is-json", None, "[1]", True),
        ("is-json", None, "```json\n[1]\n```", False),
        ("is-json", PERSON, '{"age": 3}', True),
        ("is-json", PERSON, '{"age": "3"}', False),
        ("is-json", PERSON, "{}", False),
        ("is-json", None, "[" * 100_000, False),
        ("word-count", 2, "two words", True),
        ("word-count", {"min": 2, "max": 3}, "one", False),
        ("word-count", {"max": 3}, "", True),
        ("latency", 1500, "x", True),
        ("latency", 1499, "x", False),
        ("finish-reason", "stop", "x", True),
    ],
)
def test_each_kind_and_its_opposite(kind: str, value: object, text: str, passes: bool) -> None:
    answer = Answer(text, seconds=1.5)
    for name, expected in ((kind, passes), (f"not-{kind}", not passes)):
        told = {"type": name} if value is None else {"type": name, "value": value}
        outcome = check(assertion_of(told, "assert[1]"), answer)
        assert outcome.passed is expected
        assert bool(outcome.why) is not expected


def test_a_cut_answer_passes_nothing_but_what_is_about_its_end() -> None:
    answer = Answer("Paris", 0.1, "length")
    assert not check(Assertion("contains", "Paris"), answer).passed
    assert not check(Assertion("not-contains", "Rome"), answer).passed
    assert check(Assertion("finish-reason", "length"), answer).passed
    assert check(Assertion("latency", 200), answer).passed


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("nearly", "allowed is equals, contains"),
        ({"type": "contains"}, "assert[1].value"),
        ({"type": "contains", "value": 3}, "allowed is a text"),
        ({"type": "regex", "value": "("}, "a regular expression"),
        ({"type": "contains-all", "value": []}, "a list of texts"),
        ({"type": "word-count", "value": {"min": 3, "max": 2}}, "min that is not above the max"),
        ({"type": "word-count", "value": {"least": 3}}, "a number of words"),
        ({"type": "latency", "threshold": 0}, "milliseconds above 0"),
        ({"type": "latency", "threshold": 1, "value": 1}, "give one of them"),
        ({"type": "is-json", "value": {"type": "person"}}, "a JSON schema"),
        ({"type": "is-json", "value": {"$ref": "http://127.0.0.1:9/x.json"}}, "nothing is fetched"),
        ({"type": "equals", "value": "x", "weight": 2}, "there is no field 'weight'"),
        (3, "a name, or a table"),
    ],
)
def test_what_cannot_be_asserted_is_named(value: object, words: str) -> None:
    with pytest.raises(ValueError, match=r"assert\[1\]") as raised:
        assertion_of(value, "assert[1]")
    assert words in str(raised.value)


def test_variables_are_put_into_texts_alone() -> None:
    def upper(text: str) -> str:
        return text.upper()

    assert filled(Assertion("contains", "a"), upper) == Assertion("contains", "A")
    assert filled(Assertion("contains-any", ["a", "b"]), upper) == Assertion("contains-any", ["A", "B"])
    assert filled(Assertion("latency", 5), upper) == Assertion("latency", 5)
    assert assertion_of(Assertion("latency", 5).fields(), "") == Assertion("latency", 5)


@settings(max_examples=50)
@given(
    st.text(), st.sampled_from([kind for kind in KINDS if kind not in ("regex", "is-json", "word-count", "latency")])
)
def test_an_assertion_and_its_opposite_are_never_both_right(text: str, kind: str) -> None:
    value: object = ["a", "b"] if kind.endswith(("any", "all")) else "a"
    answer = Answer(text)
    assert check(Assertion(kind, value), answer).passed is not check(Assertion(f"not-{kind}", value), answer).passed


def test_without_the_extra_a_schema_is_refused_in_words_and_the_rest_works() -> None:
    code = (
        "import sys; sys.modules['fastjsonschema'] = None\n"
        "from codomyrmex_ollama_tui.domain.assertions import Answer, Assertion, assertion_of, check\n"
        "print(check(assertion_of('is-json', 'a'), Answer('[]')).passed)\n"
        "print(check(Assertion('is-json', {}), Answer('[]')).why)\n"
        "try:\n    assertion_of({'type': 'is-json', 'value': {}}, 'a')\nexcept ValueError as error:\n    print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    first, second, third = said.stdout.splitlines()
    assert first == "True"
    assert "install the extra `bench`" in second
    assert "a.value" in third
    assert "install the extra `bench`" in third
