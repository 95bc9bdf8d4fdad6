"""Queries as SQL and full-text expressions. Every word is quoted, so no text of a person is ever syntax."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from codomyrmex_ollama_tui.domain.output_hits import UNSPACED
from codomyrmex_ollama_tui.domain.output_query import Query, Word
from codomyrmex_ollama_tui.domain.outputs import Entry, Kind

BEST_OF = 2000
"""'Best match' orders the newest hits, this many."""

COLUMNS = (
    "e.id, e.key, e.kind, e.model, e.created, e.rating, e.pinned, e.tokens, e.size, e.tags, e.place, e.stamp, e.title,"
    " e.preview, e.note, e.words"
)

_TEXTS = "{prompt answer thinking note}"
_RATINGS = range(1, 6)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BETWEEN = "\u200b"
"""Stands around each character of a script without spaces: a word boundary for the index, nothing for the eye."""
_EVERY = "every"
"""The facet that all entries have: what is left of them is found without reading all that is taken away."""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a statement after `SELECT …`: what is read, in which order; and the values for its `?`."""

    sql: str
    values: tuple[object, ...]
    has_words: bool


def microseconds(moment: datetime) -> int:
    """Since 1970, rounded down."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(value: int) -> datetime:
    """The UTC time of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)


def storable(text: str) -> str:
    """The text without what SQLite cannot hold."""
    return _UNSTORABLE.sub("\ufffd", text)


def indexed(text: str) -> str:
    """The text as the index holds it: composed, and with a boundary around each character that is a word by itself."""
    text = storable(text)
    if text.isascii():
        return text
    return UNSPACED.sub(rf"{_BETWEEN}\g<0>{_BETWEEN}", unicodedata.normalize("NFC", text))


def readable(text: str) -> str:
    """What `indexed` was made from, but for the composing."""
    return text.replace(_BETWEEN, "")


def facets_of(entry: Entry, model: int) -> str:
    """The filters that an entry answers to, as words."""
    facets = [_EVERY, f"k{entry.kind}", f"m{model}", *(_tag(tag) for tag in entry.tags)]
    if entry.rating is not None:
        facets.append(f"r{entry.rating}")
    if entry.pinned:
        facets.append("pinned")
    return " ".join(facets)


def select(query: Query, models: Mapping[int, str], before: int | None = None) -> Selection | None:
    """What a query reads, newest first; None when nothing can match.

    Args:
        models: the names of all models by their number in the index.
        before: the position of the last entry seen.
    """
    found = _facets(query, models)
    if found is None:
        return None
    wanted, unwanted = found
    if query.words:
        wanted.insert(0, f"{_TEXTS} : ({' AND '.join(map(_word, query.words))})")
    if query.without:
        unwanted.append(f"{_TEXTS} : ({' OR '.join(map(_word, query.without))})")

    if unwanted and not wanted:
        wanted.append(_any([_EVERY]))

    values: list[object] = []
    if wanted:
        source, place = "search CROSS JOIN entry e ON e.id = search.rowid", "search.rowid"
        expression = f"({' AND '.join(wanted)})" + (f" NOT ({' OR '.join(unwanted)})" if unwanted else "")
        conditions = ["search MATCH ?"]
        values.append(expression)
    else:
        source, place, conditions = "entry e", "e.id", ["1"]
    for operator, edge in (("<", before), (">=", _edge(query.since)), ("<", _edge(query.until))):
        if edge is not None:
            conditions.append(f"{place} {operator} ?")
            values.append(edge)
    for bound in query.tokens:
        conditions.append(f"+e.tokens {bound.operator} ?")
        values.append(bound.value)
    return Selection(
        f"FROM {source} WHERE {' AND '.join(conditions)} ORDER BY {place} DESC", tuple(values), bool(query.words)
    )


def _edge(at: datetime | None) -> int | None:
    return None if at is None else max(1, microseconds(at))


def _facets(query: Query, models: Mapping[int, str]) -> tuple[list[str], list[str]] | None:
    """The filters as full-text expressions (wanted, unwanted); None when nothing can match."""
    groups: list[Iterable[str]] = []
    unwanted: list[str] = []
    if query.kinds is not None:
        groups.append([f"k{kind}" for kind in Kind if kind in query.kinds - query.without_kinds])
    else:
        unwanted.extend(f"k{kind}" for kind in Kind if kind in query.without_kinds)
    if query.models:
        groups.append([f"m{number}" for number, name in models.items() if _is_like(name, query.models)])
    if query.model_names is not None:
        groups.append([f"m{number}" for number, name in models.items() if name in query.model_names])
    if query.without_models:
        unwanted.extend(f"m{number}" for number, name in models.items() if _is_like(name, query.without_models))
    if query.ratings:
        groups.append([f"r{rating}" for rating in _RATINGS if all(bound.holds(rating) for bound in query.ratings)])
    if query.rated is not None:
        ratings = [f"r{rating}" for rating in _RATINGS]
        groups.append(ratings) if query.rated else unwanted.extend(ratings)
    if query.pinned is not None:
        groups.append(["pinned"]) if query.pinned else unwanted.append("pinned")
    groups.extend([_tag(tag)] for tag in query.tags)
    unwanted.extend(_tag(tag) for tag in query.without_tags)

    listed = [list(group) for group in groups]
    if not all(listed):
        return None
    return [_any(group) for group in listed], [_any(unwanted)] if unwanted else []


def _any(facets: list[str]) -> str:
    quoted = [f'"{facet}"' for facet in facets]
    return f"facets : ({' OR '.join(quoted)})"


def _tag(tag: str) -> str:
    return "t" + hashlib.blake2b(storable(tag).casefold().encode(), digest_size=8).hexdigest()


def _is_like(name: str, patterns: Iterable[str]) -> bool:
    name = name.casefold()
    return any(
        fnmatchcase(name, pattern) if "*" in pattern or "?" in pattern else pattern in name
        for pattern in map(str.casefold, patterns)
    )


def _word(word: Word) -> str:
    """A full-text string; with a star where it is the beginning of a word, from two letters on."""
    text = indexed(word.text)
    quoted = '"' + text.replace('"', '""') + '"'
    is_beginning = not word.exact and len(word.text) > 1 and not text.endswith(_BETWEEN)
    return f"{quoted} *" if is_beginning else quoted
