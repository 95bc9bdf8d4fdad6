"""What an answer has to be: assertions by the names that promptfoo gives them, checked without asking anybody."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from codomyrmex_ollama_tui.domain.text import one_line, shown, wrong

NEGATION = "not-"
MISSING_SCHEMA_CHECKER = "schemas are checked by fastjsonschema, which is not installed: install the extra `bench`"
"""What is said where an assertion has a schema and nothing can check it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What assertions look at.

    Attributes:
        text: the answer, raw.
        seconds: from sending to the last byte.
        done_reason: "stop", "length", …
    """

    text: str
    seconds: float = 0.0
    done_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Assertion:
    """One thing that an answer has to be.

    Attributes:
        kind: a name of `KINDS`, with "not-" before it where the opposite is asked for.
        value: what the kind compares with: a text, a list of texts, a number, `{min, max}`, a schema; None for none.
    """

    kind: str
    value: object = None

    @property
    def label(self) -> str:
        """One line that tells it apart, for the head of a column."""
        return self.kind if self.value is None else one_line(f"{self.kind} {_short(self.value)}", 60)

    def fields(self) -> dict[str, object]:
        """As a plan or a line of JSON has it; `assertion_of` reads it again."""
        return {"type": self.kind} if self.value is None else {"type": self.kind, "value": self.value}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether an answer is as it has to be; `why` says in one clean line why not."""

    assertion: Assertion
    passed: bool
    why: str = ""


def assertion_of(value: object, where: str) -> Assertion:
    """An assertion out of `{"type": …, "value": …}` (a number may be called `threshold`) or a bare name.

    Args:
        where: its place, for the message ("assert[2]").

    Raises:
        ValueError: names the field, its value and what is allowed.
    """
    if isinstance(value, str):
        value = {"type": value}
    if not isinstance(value, Mapping):
        raise ValueError(wrong(where, value, 'a name, or a table such as { type = "contains", value = "Paris" }'))
    for name in value:
        if name not in ("type", "value", "threshold"):
            raise ValueError(f"{where}: there is no field {shown(name)}; allowed are type, value and threshold")
    if "value" in value and "threshold" in value:
        raise ValueError(f"{where}: value and threshold are the same; give one of them")
    named = value.get("type")
    bare = named.removeprefix(NEGATION) if isinstance(named, str) else ""
    if not isinstance(named, str) or bare not in KINDS:
        raise ValueError(wrong(f"{where}.type", named, f'{", ".join(KINDS)}, each also with "not-" before it'))
    compared = value.get("value", value.get("threshold"))
    problem = KINDS[bare][0](compared)
    if problem:
        raise ValueError(wrong(f"{where}.value", compared, problem))
    return Assertion(named, compared)


def check(assertion: Assertion, answer: Answer) -> Outcome:
    """Whether the answer is as the assertion says. One that was cut at its length limit is not even whole: it fails."""
    bare = assertion.kind.removeprefix(NEGATION)
    negated = assertion.kind != bare
    if answer.done_reason == "length" and bare not in ("finish-reason", "latency"):
        return Outcome(assertion, False, "the answer was cut at its length limit")
    why = KINDS[bare][1](assertion.value, answer)
    if negated:
        return Outcome(assertion, bool(why), "" if why else f"it does what {bare} asks for")
    return Outcome(assertion, not why, one_line(why))


def filled(assertion: Assertion, fill: Callable[[str], str]) -> Assertion:
    """The assertion with the variables in its texts put in."""
    value = assertion.value
    if isinstance(value, str):
        return Assertion(assertion.kind, fill(value))
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return Assertion(assertion.kind, [fill(str(part)) for part in value])
    return assertion


# -- what a value may be: "" when it is fine, else what is allowed


def _a_text(value: object) -> str:
    return "" if isinstance(value, str) and value else "a text"


def _texts(value: object) -> str:
    fits = isinstance(value, list | tuple) and value and all(isinstance(part, str) and part for part in value)
    return "" if fits else "a list of texts"


def _pattern(value: object) -> str:
    if not isinstance(value, str) or not value:
        return "a regular expression"
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        return f"a regular expression ({error})"
    return ""


def _schema(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, Mapping):
        return "a JSON schema, or nothing"
    try:
        _checker(json.dumps(value, sort_keys=True, default=str))
    except ValueError as error:
        return f"a JSON schema ({error})"
    return ""


def _words(value: object) -> str:
    allowed = "a number of words, or a table with min, max or both"
    if isinstance(value, Mapping):
        whole = all(_is_count(count) for count in value.values())
        if not value or not whole or set(value) - {"min", "max"}:
            return allowed
        return "" if _least(value) <= _most(value) else "a min that is not above the max"
    return "" if _is_count(value) else allowed


def _milliseconds(value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    return "" if number else "milliseconds above 0"


# -- whether an answer fits: "" when it does, else why not


def _equals(value: object, answer: Answer) -> str:
    return "" if answer.text.strip() == str(value).strip() else f"it is {_short(answer.text)}"


def _contains(value: object, answer: Answer) -> str:
    return "" if str(value) in answer.text else f"{_short(value)} is not in it"


def _contains_anyhow(value: object, answer: Answer) -> str:
    return "" if str(value).casefold() in answer.text.casefold() else f"{_short(value)} is not in it"


def _contains_any(value: object, answer: Answer) -> str:
    return "" if any(part in answer.text for part in _parts(value)) else "none of them is in it"


def _contains_all(value: object, answer: Answer) -> str:
    missing = [part for part in _parts(value) if part not in answer.text]
    return f"{_short(missing[0])} is not in it" if missing else ""


def _starts_with(value: object, answer: Answer) -> str:
    return "" if answer.text.lstrip().startswith(str(value)) else f"it begins with {_short(answer.text[:40])}"


def _matches(value: object, answer: Answer) -> str:
    return "" if re.search(str(value), answer.text) else "nothing in it matches"


def _is_json(value: object, answer: Answer) -> str:
    try:
        found = json.loads(answer.text)
    except (ValueError, RecursionError) as error:
        return f"it is no JSON: {error}"
    try:
        return "" if value is None else _checker(json.dumps(value, sort_keys=True, default=str))(found)
    except ValueError as error:  # a run that is gone on with where the extra is missing
        return str(error)


def _count(value: object, answer: Answer) -> str:
    count = len(answer.text.split())
    low, high = (_least(value), _most(value)) if isinstance(value, Mapping) else (value, value)
    fits = isinstance(low, int | float) and isinstance(high, int | float) and low <= count <= high
    return "" if fits else f"it has {count} words"


def _latency(value: object, answer: Answer) -> str:
    limit = value if isinstance(value, int | float) else 0
    return "" if answer.seconds * 1000 <= limit else f"it took {answer.seconds * 1000:.0f} ms"


def _finish(value: object, answer: Answer) -> str:
    return "" if answer.done_reason == value else f"it ended by {_short(answer.done_reason)}"


KINDS: Mapping[str, tuple[Callable[[object], str], Callable[[object, Answer], str]]] = {
    "equals": (_a_text, _equals),
    "contains": (_a_text, _contains),
    "icontains": (_a_text, _contains_anyhow),
    "contains-any": (_texts, _contains_any),
    "contains-all": (_texts, _contains_all),
    "starts-with": (_a_text, _starts_with),
    "regex": (_pattern, _matches),
    "is-json": (_schema, _is_json),
    "word-count": (_words, _count),
    "latency": (_milliseconds, _latency),
    "finish-reason": (_a_text, _finish),
}
"""Every kind: what its value may be, and what is wrong with an answer."""


@lru_cache(maxsize=256)
def _checker(schema: str) -> Callable[[object], str]:
    """What says how a value differs from a schema; "" when it does not. Nothing is fetched for a `$ref`.

    Raises:
        ValueError: the schema is none, or nothing here can check it.
    """
    try:
        import fastjsonschema  # an extra, and only for schemas
    except ImportError:
        raise ValueError(MISSING_SCHEMA_CHECKER) from None

    def refuse(uri: str) -> object:
        raise ValueError(f"it refers to {one_line(uri)}, and nothing is fetched")

    try:
        validate = fastjsonschema.compile(
            json.loads(schema),
            handlers={scheme: refuse for scheme in ("http", "https", "ftp", "file", "")},
            use_default=False,
            use_formats=False,
        )
    except Exception as error:  # whatever its compiler meets in a schema of a stranger
        raise ValueError(one_line(str(error))) from None

    def differs(value: object) -> str:
        try:
            validate(value)
        except fastjsonschema.JsonSchemaValueException as error:
            return str(error.message)
        except RecursionError:
            return "it is nested too deep"
        return ""

    return differs


def problem_with_schema(schema: Mapping[str, object]) -> str:
    """Why an answer cannot be compared with a schema; "" if it can, and also where nothing here checks schemas."""
    try:
        _checker(json.dumps(schema, sort_keys=True, default=str))
    except ValueError as error:
        return "" if str(error) == MISSING_SCHEMA_CHECKER else str(error)
    return ""


def format_words(text: str, format: str | Mapping[str, object]) -> str:
    """Whether an answer is what it was asked to be, in a few clean words.

    Args:
        format: "json", or a JSON schema.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        return one_line(f"not valid JSON: {error}", 120)
    if isinstance(format, str):
        return "valid JSON"
    try:
        differs = _checker(json.dumps(format, sort_keys=True, default=str))(found)
    except ValueError as error:
        return one_line(f"valid JSON, schema not checked: {error}", 160)
    return one_line(f"valid JSON, but not of the schema: {differs}", 160) if differs else "valid JSON of the schema"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _least(bounds: Mapping[object, object]) -> float:
    low = bounds.get("min", 0)
    return low if isinstance(low, int | float) else 0


def _most(bounds: Mapping[object, object]) -> float:
    high = bounds.get("max", math.inf)
    return high if isinstance(high, int | float) else math.inf


def _parts(value: object) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list | tuple) else []


def _short(value: object) -> str:
    if isinstance(value, str):
        return f'"{one_line(value, 40)}"'
    return one_line(json.dumps(value, ensure_ascii=False, default=str), 50)
