"""What the verbs of `cotui outputs` share: filters, ids of records, work on a thread."""

from __future__ import annotations

import argparse
import asyncio
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from codomyrmex_ollama_tui.cli.progress import Lines
from codomyrmex_ollama_tui.cli.terms import USAGE_ERROR, Failure
from codomyrmex_ollama_tui.domain.output_query import Query, QueryError
from codomyrmex_ollama_tui.domain.outputs import UNREADABLE_KINDS, Kind
from codomyrmex_ollama_tui.ui import formats

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.outputs import CleanPlan, Rule
    from codomyrmex_ollama_tui.services.records import Records

T = TypeVar("T")

NEWEST = "last"
READABLE = tuple(kind for kind in Kind if kind not in UNREADABLE_KINDS)
"""The kinds that have something to show: what was saved, and answers of chats and runs."""
_ID = re.compile(r".*Z-([0-9A-Za-z]+(?:-\d+)?)\.json")
_AGE = re.compile(r"(\d{1,6})([hdwmy]?)", re.ASCII)
_DAYS = {"": 1.0, "h": 1 / 24, "d": 1.0, "w": 7.0, "m": 30.0, "y": 365.0}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?)(i?)b?", re.ASCII | re.IGNORECASE)


def add_filters(parser: argparse.ArgumentParser) -> None:
    """--model and --kind."""
    parser.add_argument("--model", metavar="NAME", help="only records of this model")
    parser.add_argument("--kind", metavar="KIND", type=kinds, help=f"only these kinds: {', '.join(READABLE)}")


def kinds(text: str) -> frozenset[Kind]:
    """Kinds of records, with commas between them."""
    named = text.lower().split(",")
    unknown = [name for name in named if name not in READABLE]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}: allowed are {', '.join(READABLE)}")
    return frozenset(map(Kind, named))


def at_least_one(text: str) -> int:
    """A whole number from 1 on."""
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 9 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r}: allowed is a whole number from 1 to 999999999")
    return int(text)


def age(text: str) -> timedelta:
    """An age: 12h, 30d or 30, 2w, 3m, 1y."""
    found = _AGE.fullmatch(text.lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed is an age such as 12h, 30d, 2w, 3m or 1y")
    return timedelta(days=int(found[1]) * _DAYS[found[2]])


def size(text: str) -> int:
    """Bytes: 500MB, 2GB, 1.5GiB, or a number of bytes."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise argparse.ArgumentTypeError(f"{text!r}: allowed is a size such as 500MB, 2GB or 1.5GiB")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** " kmgt".index(found[2].lower() or " "))


def query_of(records: Records, given: argparse.Namespace) -> Query:
    """What the words and filters ask for.

    Raises:
        Failure: the words are no query.
    """
    try:
        query = records.query(" ".join(given.words))
    except QueryError as error:
        raise Failure(f"QUERY: {error}", USAGE_ERROR) from None
    if given.kind is not None:
        query = replace(query, kinds=given.kind if query.kinds is None else query.kinds & given.kind)
    if given.model is not None:
        if not given.model.strip():
            raise Failure("--model is empty", USAGE_ERROR)
        query = replace(query, model_names=records.names_of(given.model))
    return query


def short_id(key: str) -> str:
    """What tells a record apart for a person: the random end of its file's name; else all of the key."""
    found = _ID.fullmatch(key)
    return found[1] if found else key


def found_key(records: Records, text: str) -> str:
    """The key of the record that a person means: "last", an id, a file name or its end, a key or a path.

    Raises:
        Failure: there is none, or several are meant.
    """
    if text == NEWEST:
        newest = next(records.all(Query(kinds=frozenset(READABLE)), 1), None)
        if newest is None:
            raise Failure("nothing has been saved yet")
        return newest.key
    if not text or "\0" in text:
        raise Failure("RECORD is empty", USAGE_ERROR)
    for path_of in (Path, records.path_of):
        try:
            path = path_of(text)
            if path.is_file():
                return records.key_of(path)
        except (OSError, ValueError):  # too long for a name, or outside the folder
            continue
    stem = text.removesuffix(".json")
    keys = records.ending(f"-{stem}.json") or records.ending(f"{stem}.json") or records.ending(text)
    if not keys:
        raise Failure(f"{text!r}: there is no such record; `cotui outputs list` has the ids")
    if len(keys) > 1:
        raise Failure(f"{text!r} may be several records: {', '.join(keys[:5])}{' …' if len(keys) > 5 else ''}")
    return keys[0]


async def on_thread(work: Callable[[], T]) -> T:
    """Runs what blocks on a thread, so that ctrl+c and signals are heard."""
    return await asyncio.to_thread(work)


async def caught_up(records: Records) -> None:
    """Takes in what changed by hand; where the index has to be made first, says how far it is."""
    with _told("making the search index: {} records …") as progress:
        await on_thread(lambda: records.catch_up(progress=progress))


async def indexed_again(records: Records) -> int:
    """Makes the index again and gives the number of records."""
    with _told("making the search index: {} records …") as progress:
        return await on_thread(lambda: records.reindex(progress))


async def cleaned(records: Records, rules: Sequence[Rule]) -> CleanPlan:
    """Removes what the rules say, and gives what went; ctrl+c stops it where it is."""
    with _told("thrown away: {} records …") as progress:
        return await on_thread(lambda: records.clean(rules, progress))


class _Stopped(Exception):
    """Ends the work on a thread that nobody waits for any more."""


@contextmanager
def _told(words: str) -> Iterator[Callable[[int], None]]:
    """What is called with the number done so far, on a thread; it ends that thread's work when nobody waits."""
    lines, stopped = Lines(), threading.Event()

    def progress(done: int) -> None:
        if stopped.is_set():
            raise _Stopped
        lines.put("done", words.format(formats.count(done)))

    try:
        yield progress
    finally:
        stopped.set()
        lines.clear()
