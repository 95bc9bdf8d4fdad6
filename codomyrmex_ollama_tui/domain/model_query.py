"""The language that models are filtered with (`qwen size<5GB cap:vision quant:q4 -base`), and sorting by value."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary

LONGEST = 500
"""Characters of a filter; what stands behind them is not read."""

Role = Literal["word", "filter", "bad"]
Need = Literal["context", "capabilities"]


class Column(StrEnum):
    """What models can be sorted by."""

    NAME = "name"
    FAMILY = "family"
    PARAMETERS = "parameters"
    QUANTIZATION = "quantization"
    SIZE = "size"
    CONTEXT = "context"
    CAPABILITIES = "capabilities"
    MODIFIED = "modified"
    LOADED = "loaded"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of one model, as values that can be compared; None where it is not known (yet).

    Attributes:
        parameters: how many, from the server's "134.52M".
        quantization: the server's word, e.g. "Q4_K_M"; "" where it says none.
        size: bytes on disk.
        context: the longest context in tokens.
        capabilities: e.g. ("completion", "tools").
    """

    name: str
    family: str = ""
    parameters: float | None = None
    quantization: str = ""
    size: int | None = None
    context: int | None = None
    capabilities: tuple[str, ...] | None = None
    modified_at: datetime | None = None
    loaded: bool = False
    marked: bool = False

    @property
    def missing(self) -> frozenset[Need]:
        """What only the model's own details can tell."""
        needs: set[Need] = set()
        if self.context is None:
            needs.add("context")
        if self.capabilities is None:
            needs.add("capabilities")
        return frozenset(needs)


def facts_of(
    model: ModelSummary, info: ModelInfo | None = None, *, loaded: bool = False, marked: bool = False
) -> ModelFacts:
    """The facts of a listed model; `info` (its /api/show) fills what the list does not say."""
    details = model.details
    context, capabilities = details.context_length, model.capabilities
    if info is not None:
        context = context if context is not None else info.context_length
        capabilities = capabilities if capabilities is not None else info.capabilities
    return ModelFacts(
        name=model.name,
        family=details.family,
        parameters=parameter_count(details.parameter_size),
        quantization=details.quantization_level,
        size=None if model.remote_host else model.size,
        context=context,
        capabilities=capabilities,
        modified_at=model.modified_at,
        loaded=loaded,
        marked=marked,
    )


_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMBT]?)", re.IGNORECASE | re.ASCII)
_FACTORS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def parameter_count(text: str) -> float | None:
    """Parameters as a number from the server's words ("134.52M", "8.0B"), None where they hold none."""
    match = _COUNT.fullmatch(text.strip())
    return None if match is None else float(match[1]) * _FACTORS[match[2].upper()]


_QUANT = re.compile(r"(?:MXFP|NVFP|I?Q|[BT]?F|TQ|INT|FP)(\d+)(.*)", re.ASCII)
_FINER = ("", "0", "XXS", "XS", "K_S", "S", "NL", "K_M", "M", "K", "K_L", "L", "K_XL", "XL", "1")


def quantization_bits(text: str) -> float | None:
    """Bits of a weight as far as the name tells: "Q4_K_M" lies between "Q4_0" and "Q5_0", "F16" above "Q8_0"."""
    match = _QUANT.match(text.strip().upper())
    if match is None:
        return None
    finer = match[2].strip("_")
    place = _FINER.index(finer) if finer in _FINER else 0
    return float(match[1]) + place / 100


# -------------------------------------------------------------------------------------------------------- sorting


def sort_value(facts: ModelFacts, column: Column) -> tuple[float | str, ...] | None:
    """What is compared when models are sorted by a column; None where it is not known."""
    match column:
        case Column.NAME:
            return _natural(facts.name)
        case Column.FAMILY:
            return _natural(facts.family) if facts.family else None
        case Column.PARAMETERS:
            return None if facts.parameters is None else (facts.parameters,)
        case Column.QUANTIZATION:
            bits = quantization_bits(facts.quantization)
            return None if bits is None else (bits,)
        case Column.SIZE:
            return None if facts.size is None else (float(facts.size),)
        case Column.CONTEXT:
            return None if facts.context is None else (float(facts.context),)
        case Column.CAPABILITIES:
            able = facts.capabilities
            return None if able is None else (float(len(able)), " ".join(sorted(able)))
        case Column.MODIFIED:
            return None if facts.modified_at is None else (facts.modified_at.timestamp(),)
        case Column.LOADED:
            return (0.0 if facts.loaded else 1.0,)


def in_order(models: Iterable[ModelFacts], column: Column, *, down: bool) -> list[ModelFacts]:
    """Sorted by value; unknown values are last both ways, equal ones stand by name both ways."""
    by_name = sorted(models, key=lambda facts: _natural(facts.name))
    known = [(value, facts) for facts in by_name if (value := sort_value(facts, column)) is not None]
    unknown = [facts for facts in by_name if sort_value(facts, column) is None]
    known.sort(key=lambda pair: pair[0], reverse=down)
    return [facts for _, facts in known] + unknown


def _natural(text: str) -> tuple[float | str, ...]:
    """Text as people order it: "gemma3:4b" before "gemma3:12b". Texts and numbers alternate, so any two compare."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return tuple(float(part) if number % 2 else part for number, part in enumerate(parts))


# -------------------------------------------------------------------------------------------------------- filter


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the filter, for colouring it."""

    start: int
    end: int
    role: Role


@dataclass(frozen=True, slots=True)
class Term:
    """One condition.

    Attributes:
        holds: True, False, or None where the model's value is not known.
        need: what has to be known of a model before it can be told.
    """

    holds: Callable[[ModelFacts, datetime], bool | None]
    need: Need | None = None
    negated: bool = False

    def keeps(self, facts: ModelFacts, now: datetime) -> bool:
        """Whether the model stays; with an unknown value it does not, negated or not."""
        found = self.holds(facts, now)
        return found is not None and found is not self.negated


@dataclass(frozen=True, slots=True)
class ModelQuery:
    """A filter that was read. All terms must hold; the empty one keeps every model.

    Attributes:
        parts: the stretches of the text that say something.
        problems: one sentence for each term that cannot be read; such terms keep every model.
        columns: the columns that the filter speaks of.
    """

    terms: tuple[Term, ...] = ()
    parts: tuple[Part, ...] = ()
    problems: tuple[str, ...] = ()
    columns: frozenset[Column] = frozenset()

    @property
    def needs(self) -> frozenset[Need]:
        """What has to be known of the models."""
        return frozenset(term.need for term in self.terms if term.need is not None)

    def keeps(self, facts: ModelFacts, now: datetime) -> bool:
        """Whether a model stays. `now` has its zone."""
        return all(term.keeps(facts, now) for term in self.terms)

    def may_keep(self, facts: ModelFacts, now: datetime) -> bool:
        """Whether a model could stay once all is known of it."""
        return all(term.holds(facts, now) is None or term.keeps(facts, now) for term in self.terms)


_OPERATORS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "=": operator.eq}
_SIZES = {"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_AGES = {"min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "mo": 30 * 86400.0, "y": 365 * 86400.0}
_WORDS = {"chat": "completion", "embed": "embedding"}
_FIELDS: dict[str, Column] = {
    "name": Column.NAME,
    "family": Column.FAMILY,
    "quant": Column.QUANTIZATION,
    "cap": Column.CAPABILITIES,
    "can": Column.CAPABILITIES,
    "size": Column.SIZE,
    "params": Column.PARAMETERS,
    "param": Column.PARAMETERS,
    "context": Column.CONTEXT,
    "ctx": Column.CONTEXT,
    "age": Column.MODIFIED,
    "is": Column.LOADED,
}
_Bound = tuple[float, float, float]
_NUMBERS = {Column.SIZE, Column.PARAMETERS, Column.CONTEXT, Column.MODIFIED}
_EXAMPLES = {
    Column.SIZE: "a size, as in size<2GB",
    Column.PARAMETERS: "a number, as in params<8B",
    Column.CONTEXT: "a number of tokens, as in context>=32k",
    Column.MODIFIED: "an age, as in age<7d",
    Column.LOADED: "is:loaded or is:marked",
}
_TERM = re.compile(r"(?P<minus>-)?(?:(?P<field>[a-z]+)(?P<sign><=|>=|:<=|:>=|:<|:>|:=|<|>|=|:))?(?P<value>\S*)", re.I)
_NUMBER = re.compile(r"(\d+(?:[.,]\d+)?|[.,]\d+)\s*([a-z]*)", re.IGNORECASE | re.ASCII)


def parse_query(text: str) -> ModelQuery:
    """Reads a filter as it is being typed. Never raises: what is not finished (`size<`) does nothing yet.

    Words are looked for in name and family. `name: family: quant: cap:` hold letters, `size params context age` are
    compared, `is:loaded`, `is:marked`; a minus before a term turns it round. A field nobody knows is part of a name
    (`llama3:8b`).
    """
    terms: list[Term] = []
    parts: list[Part] = []
    problems: list[str] = []
    columns: set[Column] = set()
    for found in re.finditer(r"\S+", text[:LONGEST]):
        match = _TERM.fullmatch(found[0])
        column = _FIELDS.get((match["field"] or "").lower()) if match else None
        sign = (match["sign"] or "").removeprefix(":") if match else ""
        if match is None or column is None or (sign and column not in _NUMBERS):
            term = _word(found[0])
            role: Role = "word"
        else:
            value = match["value"]
            columns.add(column)
            role = "filter"
            try:
                term = _filter(column, sign, value, negated=bool(match["minus"])) if value else None
            except ValueError as error:
                problems.append(str(error))
                term, role = None, "bad"
        if term is not None:
            terms.append(term)
        parts.append(Part(found.start(), found.end(), role))
    return ModelQuery(tuple(terms), tuple(parts), tuple(problems), frozenset(columns))


def _word(text: str) -> Term | None:
    negated = text.startswith("-")
    letters = text[negated:].casefold()
    if not letters:
        return None
    return Term(
        lambda facts, _: letters in facts.name.casefold() or letters in facts.family.casefold(), negated=negated
    )


def _filter(column: Column, sign: str, value: str, *, negated: bool) -> Term:
    letters = value.casefold()
    match column:
        case Column.NAME:
            return Term(lambda facts, _: letters in facts.name.casefold(), negated=negated)
        case Column.FAMILY:
            return Term(lambda facts, _: letters in facts.family.casefold(), negated=negated)
        case Column.QUANTIZATION:
            return Term(lambda facts, _: letters in facts.quantization.casefold(), negated=negated)
        case Column.CAPABILITIES:
            return Term(lambda facts, _: _able(facts.capabilities, letters), "capabilities", negated)
        case Column.LOADED:
            return _state(letters, value, negated=negated)
        case Column.PARAMETERS:
            return _compared(lambda facts, _: facts.parameters, sign, _quantity(column, value), negated=negated)
        case Column.CONTEXT:
            term = _compared(lambda facts, _: facts.context, sign, _quantity(column, value), negated=negated)
            return Term(term.holds, "context", negated)
        case Column.MODIFIED:
            return _compared(_age, sign, _quantity(column, value), negated=negated)
        case Column.SIZE:
            return _compared(lambda facts, _: facts.size, sign, _quantity(column, value), negated=negated)


def _able(capabilities: Sequence[str] | None, letters: str) -> bool | None:
    """Also while it is being typed: "vis" finds "vision"; what people see as "chat" is Ollama's "completion"."""
    if capabilities is None:
        return None
    meant = [word for seen, word in _WORDS.items() if seen.startswith(letters)]
    return any(word.casefold().startswith(letters) or word in meant for word in capabilities)


def _state(letters: str, value: str, *, negated: bool) -> Term:
    if "loaded".startswith(letters):
        return Term(lambda facts, _: facts.loaded, negated=negated)
    if "marked".startswith(letters):
        return Term(lambda facts, _: facts.marked, negated=negated)
    raise ValueError(f"is:{value[:40]}: allowed is {_EXAMPLES[Column.LOADED]}")


def _age(facts: ModelFacts, now: datetime) -> float | None:
    return None if facts.modified_at is None else (now - facts.modified_at) / timedelta(seconds=1)


def _compared(
    value_of: Callable[[ModelFacts, datetime], float | None], sign: str, bound: _Bound, *, negated: bool
) -> Term:
    low, exact, high = bound

    def holds(facts: ModelFacts, now: datetime) -> bool | None:
        value = value_of(facts, now)
        if value is None:
            return None
        if sign in ("", "="):  # what is written with few digits means what would be shown so
            return low <= value < high
        return bool(_OPERATORS[sign](value, exact))

    return Term(holds, negated=negated)


def _quantity(column: Column, text: str) -> _Bound:
    """The number that is meant, between the ends of what would be rounded to it.

    Without a unit sizes are gigabytes, parameters billions, contexts tokens, ages days.
    """
    match = _NUMBER.fullmatch(text)
    factor = None if match is None else _factor(column, match[2].lower())
    if match is None or factor is None:
        raise ValueError(f"{text[:40]} is not {_EXAMPLES[column]}")
    digits = match[1].replace(",", ".")
    half = 0.5 * 10.0 ** -len(digits.partition(".")[2])
    number = float(digits)
    return (number - half) * factor, number * factor, (number + half) * factor


def _factor(column: Column, unit: str) -> float | None:
    match column:
        case Column.SIZE:
            if unit == "b":
                return 1.0
            return 1e9 if not unit else _SIZES.get(unit.removesuffix("b"))
        case Column.PARAMETERS:
            return 1e9 if not unit else _FACTORS.get(unit.upper())
        case Column.CONTEXT:
            return {"": 1.0, "k": 1024.0, "m": 1024.0**2}.get(unit)
        case _:
            return 86400.0 if not unit else _AGES.get({"m": "mo"}.get(unit, unit))
