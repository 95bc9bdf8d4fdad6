"""The language that records are searched with: `model:qwen kind:chat since:7d rating:>3 "two words" -not`."""

from __future__ import annotations

import operator as comparisons
import re
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Literal

from codomyrmex_ollama_tui.domain.outputs import Kind

LONGEST = 2000
"""Characters of a query."""
MOST_WORDS = 64
"""Words of a query."""

Operator = Literal["<=", ">=", "<", ">", "="]
Role = Literal["word", "exact", "not", "filter"]

_OPERATORS: tuple[Operator, ...] = ("<=", ">=", "<", ">", "=")
_COMPARE = {
    "<=": comparisons.le,
    ">=": comparisons.ge,
    "<": comparisons.lt,
    ">": comparisons.gt,
    "=": comparisons.eq,
}
_DAY_NEEDED = "a day (2026-11-23), a moment (2026-11-23T18:00), today, yesterday or an age (24h, 7d, 2w, 3m, 1y)"
_NEEDED = {
    "model": "a name or a part of one",
    "kind": "one of " + ", ".join(Kind),
    "tag": "a tag",
    "since": _DAY_NEEDED,
    "until": _DAY_NEEDED,
    "rating": "a number from 1 to 5, as in rating:>3",
    "tokens": "a number, as in tokens>500",
    "is": "pinned or rated",
}
_NUMBERS = ("rating", "tokens")
_QUOTES = '"“”'
_PART = re.compile(
    r"(?P<minus>-(?=[^\s-]))?"
    rf"(?:(?P<field>(?i:{'|'.join(_NEEDED)}))(?P<sign>:?[<>]=?|:=|[:=])(?:[{_QUOTES}](?P<quoted>[^{_QUOTES}]*)[{_QUOTES}]?|(?P<bare>\S*))"
    rf"|[{_QUOTES}](?P<exact>[^{_QUOTES}]*)[{_QUOTES}]?"
    rf"|(?P<word>[^\s{_QUOTES}]+))"
)
_AGO = re.compile(r"(\d{1,6})([hdwmy])", re.IGNORECASE)
_UNITS = {
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "m": timedelta(days=30),
    "y": timedelta(days=365),
}
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", re.ASCII)


class QueryError(ValueError):
    """The text is no query.

    Attributes:
        words: what is wrong, one sentence.
        position, end: the characters it is about, from 0.
    """

    def __init__(self, words: str, position: int, end: int) -> None:
        super().__init__(f"{words} (at character {position + 1})")
        self.words = words
        self.position = position
        self.end = end


@dataclass(frozen=True, slots=True)
class Word:
    """Something to find: the beginning of a word, or, if exact, whole words in this order."""

    text: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """A comparison with a whole number."""

    operator: Operator
    value: int

    def holds(self, value: int) -> bool:
        """Whether `value` is on the right side of it."""
        return bool(_COMPARE[self.operator](value, self.value))


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the text, for colouring it as it is typed."""

    start: int
    end: int
    role: Role


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of the index. The empty query is every record.

    Attributes:
        words, without: all of these, none of those.
        models, without_models: parts of names, or globs ("qwen*"); any of these, none of those.
        model_names: whole names, any of these; for callers that know them.
        kinds, without_kinds: any of these (None is all), none of those.
        tags, without_tags: all of these, none of those; case aside.
        since, until: from this moment on, before that one; with a zone.
    """

    words: tuple[Word, ...] = ()
    without: tuple[Word, ...] = ()
    models: tuple[str, ...] = ()
    without_models: tuple[str, ...] = ()
    model_names: tuple[str, ...] | None = None
    kinds: frozenset[Kind] | None = None
    without_kinds: frozenset[Kind] = frozenset()
    tags: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    ratings: tuple[Bound, ...] = ()
    tokens: tuple[Bound, ...] = ()
    pinned: bool | None = None
    rated: bool | None = None
    parts: tuple[Part, ...] = field(default=(), compare=False)


def parse_query(text: str, now: datetime) -> Query:
    """Reads a query. Any text is one, or the error says what is wrong and where.

    Args:
        text: words (their beginnings are enough), "exact words", -not, and filters: `model:` `kind:` `tag:`
            `since:` `until:` (2026-11, 2026-11-23, 2026-11-23T18:00, today, yesterday, 24h, 7d, 2w, 3m, 1y)
            `rating:>3` `tokens>500` `is:pinned` `is:rated`. A closing quote may be missing.
        now: the time of day in the person's zone; days are days of that zone.

    Raises:
        QueryError: a filter without a value or with a bad one, nothing to look for, or too much.
    """
    if len(text) > LONGEST:
        raise QueryError(f"a query has at most {LONGEST:,} characters", LONGEST, len(text))
    query = Query(parts=query_parts(text))
    for match in _PART.finditer(text):
        query = _with_word(query, match) if match["field"] is None else _with_filter(query, _Filter(match), now)
    if len(query.words) + len(query.without) > MOST_WORDS:
        raise QueryError(f"a query has at most {MOST_WORDS} words", query.parts[MOST_WORDS].start, len(text))
    if text.strip() and query == Query():
        raise QueryError("there is no word or number in it to look for", 0, len(text))
    return query


def query_parts(text: str) -> tuple[Part, ...]:
    """How to colour a text, also one that is no query (yet)."""
    return tuple(Part(match.start(), match.end(), _role(match)) for match in _PART.finditer(text[:LONGEST]))


def _role(match: re.Match[str]) -> Role:
    if match["field"] is not None:
        return "filter"
    if match["minus"] is not None:
        return "not"
    return "word" if match["exact"] is None else "exact"


def is_searchable(character: str) -> bool:
    """Whether a character can be found: letters, digits, marks and private characters of any script."""
    category = unicodedata.category(character)
    return category[0] in "LN" or category in ("Mn", "Mc", "Co")


def _with_word(query: Query, match: re.Match[str]) -> Query:
    exact = match["exact"] is not None
    text = re.sub("[\0\ud800-\udfff]", " ", match["exact"] if exact else match["word"]).strip()
    if not any(map(is_searchable, text)):  # "->" or "!!" between words that can be found
        return query
    word = Word(text, exact)
    if match["minus"] is None:
        return replace(query, words=(*query.words, word))
    return replace(query, without=(*query.without, word))


class _Filter:
    """One filter of the text, in its pieces."""

    def __init__(self, match: re.Match[str]) -> None:
        self.start, self.end = match.span()
        self.name = match["field"].lower()
        self.negative = match["minus"] is not None
        self.sign = match["sign"].removeprefix(":")
        self.value = (match["bare"] if match["quoted"] is None else match["quoted"]).strip()
        if not self.value:
            raise self.error(f"{self.name} needs {_NEEDED[self.name]}")
        if self.sign and self.name not in _NUMBERS:
            raise self.error(f"{self.name} is asked with a colon: {self.name}:{self.value}")
        if self.negative and self.name in (*_NUMBERS, "since", "until"):
            raise self.error(f"{self.name} cannot be asked with a minus; turn the comparison round")

    def error(self, words: str) -> QueryError:
        return QueryError(words, self.start, self.end)

    def bad(self) -> QueryError:
        return self.error(f"{self.name} needs {_NEEDED[self.name]}, not {self.value!r}")


def _with_filter(query: Query, part: _Filter, now: datetime) -> Query:
    match part.name, part.negative:
        case "model", False:
            return replace(query, models=(*query.models, part.value))
        case "model", True:
            return replace(query, without_models=(*query.without_models, part.value))
        case "tag", False:
            return replace(query, tags=(*query.tags, part.value))
        case "tag", True:
            return replace(query, without_tags=(*query.without_tags, part.value))
        case "kind", False:
            return replace(query, kinds=(query.kinds or frozenset()) | _kinds(part))
        case "kind", True:
            return replace(query, without_kinds=query.without_kinds | _kinds(part))
        case "rating", _:
            return replace(query, ratings=(*query.ratings, _bound(part, 5)))
        case "tokens", _:
            return replace(query, tokens=(*query.tokens, _bound(part, 10**15)))
        case "since", _:
            moment = _moment(part, now, end_of_day=False)
            return replace(query, since=moment if query.since is None else max(moment, query.since))
        case "until", _:
            moment = _moment(part, now, end_of_day=True)
            return replace(query, until=moment if query.until is None else min(moment, query.until))
    if part.value.lower() == "pinned":
        return replace(query, pinned=not part.negative)
    if part.value.lower() == "rated":
        return replace(query, rated=not part.negative)
    raise part.bad()


def _kinds(part: _Filter) -> frozenset[Kind]:
    named = set()
    for name in part.value.lower().split(","):
        kind = next((kind for kind in Kind if name in (kind, f"{kind}s", f"{kind}es")), None)
        if kind is None:
            raise part.bad()
        named.add(kind)
    return frozenset(named)


def _bound(part: _Filter, most: int) -> Bound:
    text = part.sign + part.value
    operator: Operator = next((known for known in _OPERATORS if text.startswith(known)), "=")
    digits = text.removeprefix(operator).strip().replace(",", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15 and int(digits) <= most):
        raise part.bad()
    return Bound(operator, int(digits))


def _moment(part: _Filter, now: datetime, *, end_of_day: bool) -> datetime:
    """The first moment of what is named, or, for a stretch of days, the first one after it."""
    text = part.value.lower()
    try:
        if ago := _AGO.fullmatch(text):
            return now - int(ago[1]) * _UNITS[ago[2]]
        if text in ("today", "yesterday"):
            first = datetime.combine(now.date() - timedelta(days=text == "yesterday"), time(), now.tzinfo)
            return first + timedelta(days=1) if end_of_day else first
        if dated := _DATE.fullmatch(text):
            year, month, day = int(dated[1]), int(dated[2] or 1), int(dated[3] or 1)
            first = datetime(year, month, day, tzinfo=now.tzinfo)
            if not end_of_day:
                return first
            if dated[3]:
                return first + timedelta(days=1)
            if dated[2] and month < 12:
                return first.replace(month=month + 1)
            return first.replace(year=year + 1, month=1)
        moment = datetime.fromisoformat(part.value.upper())
        return moment.replace(tzinfo=now.tzinfo) if moment.tzinfo is None else moment
    except (ValueError, OverflowError) as error:
        raise part.bad() from error
