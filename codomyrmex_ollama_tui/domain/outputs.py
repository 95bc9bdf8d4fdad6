"""What was answered and kept: records, what the index knows of them, marks, retention."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from codomyrmex_ollama_tui.domain.models import NOTHING, Extra

DEEPEST = 100
"""How deep values inside a record may lie in each other."""
MOST_DIGITS = 4000
"""Digits of a whole number inside a record; Python itself reads no more than 4,300."""


class Kind(StrEnum):
    """What a record is. `FOREIGN` is a file that is none of ours, `BROKEN` one of ours that cannot be read."""

    CHAT = "chat"
    CELL = "cell"
    OUTPUT = "output"
    RESULT = "result"
    BATCH = "batch"
    BENCHMARK = "benchmark"
    COMPARISON = "comparison"
    CONFIG = "config"
    FOREIGN = "foreign"
    BROKEN = "broken"


SAVED_KINDS = (Kind.OUTPUT, Kind.RESULT, Kind.BATCH, Kind.BENCHMARK, Kind.COMPARISON, Kind.CONFIG)
"""The kinds that are files in the outputs folder."""
UNREADABLE_KINDS = frozenset({Kind.FOREIGN, Kind.BROKEN})


class OutputError(OSError):
    """A file of the outputs folder, or the index, cannot be read or written.

    Attributes:
        path: the file or folder it is about.
        reason: why, without the path.
    """

    def __init__(self, doing: str, path: Path, reason: str) -> None:
        super().__init__(f"cannot {doing} {path}: {reason}")
        self.path = path
        self.reason = reason


class OutputNotSaved(OutputError):
    """It could not be written; what was there before is untouched."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__("write", path, reason)


class OutputNotFound(OutputError):
    """There is no such record."""

    def __init__(self, path: Path, reason: str = "there is no such file") -> None:
        super().__init__("find", path, reason)


class OutputUnreadable(OutputError):
    """The file is there, but it is half-written, foreign, or not allowed to be read."""

    def __init__(self, path: Path, reason: str, *, foreign: bool = False) -> None:
        super().__init__("read", path, reason)
        self.foreign = foreign


@dataclass(frozen=True, slots=True)
class Marks:
    """What a person put on a record.

    Attributes:
        rating: 1 to 5, or None.
        tags: in the order they were given; no two that differ in case alone.

    Raises:
        TypeError: the pin is no bool, a tag or the note is no text.
        ValueError: the rating is no whole number from 1 to 5, or a tag is blank, holds a line break or is there twice.
    """

    rating: int | None = None
    pinned: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.pinned, bool):
            raise TypeError(f"pinned: {type(self.pinned).__name__} is not true or false")
        for name, texts in (("tags", self.tags), ("note", (self.note,))):
            for text in texts:
                if not isinstance(text, str):
                    raise TypeError(f"{name}: {type(text).__name__} is not text")
        # 4.0 and True are in the range too, but would not be read again as a rating
        if self.rating is not None and (type(self.rating) is not int or self.rating not in range(1, 6)):
            raise ValueError(f"rating: {self.rating!r} is not a whole number from 1 to 5")
        for tag in self.tags:
            if not tag.strip() or tag != " ".join(tag.split()):
                raise ValueError(f"tags: {tag!r} is not one line of text without spare spaces")
        if len({tag.casefold() for tag in self.tags}) < len(self.tags):
            raise ValueError(f"tags: one of {', '.join(self.tags)} is there twice")


NO_MARKS = Marks()
Edit = Callable[[Marks], Marks]
"""How marks change, e.g. `lambda marks: replace(marks, rating=4)`; called while the record is held."""


@dataclass(frozen=True, slots=True)
class Record:
    """One saved record, whole. Texts are raw: clean them before drawing.

    Attributes:
        created_at: when it was saved, with a zone.
        model: "" where none or several are meant.
        metadata: as the caller gave it, None included; JSON values only.
        data: what belongs to the kind: a configuration, a report, `{"results": [...]}` of a batch.
        extra: fields of the file that this version does not know.
    """

    kind: Kind
    created_at: datetime
    model: str = ""
    prompt: str = ""
    response: str = ""
    metadata: Mapping[str, object] | None = None
    data: Mapping[str, object] = NOTHING
    marks: Marks = NO_MARKS
    extra: Extra = NOTHING


@dataclass(frozen=True, slots=True)
class Entry:
    """What a list shows of a record.

    Attributes:
        key: unique over all stores. Of a saved record its path in the outputs folder, with "/" between the parts.
        model: names are joined with ", " where there are several.
        preview: the beginning of the answer on one clean line.
        tokens: generated tokens; None where not known.
        size: bytes on disk; 0 where it shares a file with others.
        place: what it lies in: a folder, a conversation, a file of runs.
        stamp: changes whenever the record's file does; "" where its store tells of every change itself.
        words: what is wrong with it, "" when nothing is.
        position: where it stands in the index, higher is newer; 0 before it is indexed.
    """

    kind: Kind
    key: str
    model: str
    created_at: datetime
    title: str = ""
    preview: str = ""
    rating: int | None = None
    pinned: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""
    tokens: int | None = None
    size: int = 0
    place: str = ""
    stamp: str = ""
    words: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True)
class IndexEntry(Entry):
    """What the index is given of a record: what lists show, and the texts to search in."""

    prompt: str = ""
    answer: str = ""
    thinking: str = ""


@dataclass(frozen=True, slots=True)
class Texts:
    """The searched texts of one record, as the index has them (Unicode NFC)."""

    prompt: str = ""
    answer: str = ""
    thinking: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a longer list.

    Attributes:
        after: what to ask the next page with; None when this is the last.
        complete: False while the index is being built, so that more may come.
    """

    entries: tuple[Entry, ...]
    after: int | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class KindTotal:
    """How many records of one kind and model there are, and what they take.

    Attributes:
        size: bytes on disk.
        tokens: generated tokens, of those records where the number is known.
    """

    kind: Kind
    model: str
    count: int
    size: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Totals over all records."""

    totals: tuple[KindTotal, ...] = ()
    oldest: datetime | None = None
    newest: datetime | None = None

    @property
    def count(self) -> int:
        """Records of all kinds."""
        return sum(total.count for total in self.totals)

    @property
    def size(self) -> int:
        """Bytes on disk of all kinds."""
        return sum(total.size for total in self.totals)


class Source(Protocol):
    """A store whose records the index knows. It owns them: marks and deletions go through it."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of its records."""
        ...

    def entries(self) -> Iterator[IndexEntry]:
        """All records, oldest first where that is cheap (it makes the rebuild quicker)."""
        ...

    def mark(self, key: str, edit: Edit) -> IndexEntry:
        """Changes the marks of a record in the store and gives its new entry."""
        ...

    def delete(self, key: str) -> None:
        """Deletes a record; nothing happens if it is gone already."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """What is not to be kept.

    Attributes:
        kinds: which kinds it is about; None is all but configurations. Unreadable files are never touched.
        older_than: goes when older than this.
        larger_than: bytes; the oldest go until the rest of these kinds fits.
        keep_pinned, keep_rated: these stay whatever their age (but their bytes count).

    Raises:
        ValueError: neither limit is given, or one is negative.
    """

    kinds: frozenset[Kind] | None = None
    older_than: timedelta | None = None
    larger_than: int | None = None
    keep_pinned: bool = True
    keep_rated: bool = True

    def __post_init__(self) -> None:
        if self.older_than is None and self.larger_than is None:
            raise ValueError("a rule needs an age or a size")
        if self.older_than is not None and self.older_than < timedelta(0):
            raise ValueError(f"older_than: {self.older_than} is negative")
        if self.larger_than is not None and self.larger_than < 0:
            raise ValueError(f"larger_than: {self.larger_than} is negative")

    def covers(self, kind: Kind) -> bool:
        """Whether the rule is about that kind."""
        if kind in UNREADABLE_KINDS:
            return False
        return kind is not Kind.CONFIG if self.kinds is None else kind in self.kinds


@dataclass(frozen=True, slots=True)
class Removal:
    """One record that goes, and why ("older than 30 days")."""

    entry: Entry
    why: str


@dataclass(frozen=True, slots=True)
class CleanPlan:
    """What a set of rules would remove, oldest first.

    Attributes:
        kept: how many would go but for their pin or rating.
    """

    removals: tuple[Removal, ...] = ()
    kept: int = 0

    @property
    def freed(self) -> int:
        """Bytes that it frees."""
        return sum(removal.entry.size for removal in self.removals)


@dataclass(slots=True)
class _Applied:
    removals: dict[str, Removal] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)


def plan_removal(entries: Iterable[Entry], rules: Iterable[Rule], now: datetime) -> CleanPlan:
    """What the rules remove.

    Args:
        entries: newest first.
        now: with a zone. A record from the future (the clock jumped back) has no age.
    """
    listed = list(entries)
    done = _Applied()
    for rule in rules:
        _apply(rule, listed, now, done)
    removals = tuple(done.removals[entry.key] for entry in reversed(listed) if entry.key in done.removals)
    return CleanPlan(removals, len(done.kept - done.removals.keys()))


def _apply(rule: Rule, entries: list[Entry], now: datetime, done: _Applied) -> None:
    kept_size = 0
    for entry in entries:
        if not rule.covers(entry.kind) or entry.key in done.removals:
            continue
        why = ""
        if rule.older_than is not None and now - entry.created_at > rule.older_than:
            why = f"older than {_days(rule.older_than)}"
        elif rule.larger_than is not None and kept_size + entry.size > rule.larger_than:
            why = f"over {rule.larger_than:,} bytes"
        if why and not (rule.keep_pinned and entry.pinned) and not (rule.keep_rated and entry.rating is not None):
            done.removals[entry.key] = Removal(entry, why)
            continue
        kept_size += entry.size
        if why:
            done.kept.add(entry.key)


def _days(age: timedelta) -> str:
    days = age / timedelta(days=1)
    return f"{days:g} day" + ("" if math.isclose(days, 1) else "s")


def check_json(value: object, where: str, depth: int = 0) -> None:
    """Whether JSON can hold the value and give it back.

    Raises:
        TypeError: something in it is not JSON, or a key is not text; names the place ("metadata.when").
        ValueError: it is nested deeper than 100, or in itself, or a whole number has more than 4,000 digits.
    """
    if depth > DEEPEST:
        raise ValueError(f"{where}: nested deeper than {DEEPEST}")
    if isinstance(value, int) and value.bit_length() > MOST_DIGITS * math.log2(10):
        raise ValueError(f"{where}: a number of more than {MOST_DIGITS:,} digits")
    if value is None or isinstance(value, str | bool | int | float):
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where}: the key {key!r} is not text")
            check_json(inner, f"{where}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            check_json(inner, f"{where}[{number}]", depth + 1)
    else:
        raise TypeError(f"{where}: {type(value).__name__} is not a JSON value")
