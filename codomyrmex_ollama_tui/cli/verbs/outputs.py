"""`cotui outputs …`: what was saved: listed, searched and shown; the parsers of all its verbs."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.parser import leaf
from codomyrmex_ollama_tui.cli.tables import Cell, Column
from codomyrmex_ollama_tui.cli.terms import OK, Failure, is_terminal, tell
from codomyrmex_ollama_tui.cli.verbs.output_records import (
    add_filters,
    at_least_one,
    caught_up,
    found_key,
    on_thread,
    query_of,
    short_id,
)
from codomyrmex_ollama_tui.domain.output_export import record_fields
from codomyrmex_ollama_tui.domain.outputs import SAVED_KINDS
from codomyrmex_ollama_tui.library.places import local_now
from codomyrmex_ollama_tui.services.export import whole
from codomyrmex_ollama_tui.ui import formats

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.cli.parser import Verbs
    from codomyrmex_ollama_tui.domain.outputs import Entry
    from codomyrmex_ollama_tui.house import House
    from codomyrmex_ollama_tui.services.records import Records

COLUMNS = (
    Column("ID"),
    Column("KIND"),
    Column("MODEL"),
    Column("SAVED", right=True),
    Column("TOKENS", right=True, spare=True),
    Column("SIZE", right=True, spare=True),
    Column("MARKS", spare=True),
    Column("TEXT"),
)
PIPED = "piped, a line has: path in the outputs folder, kind, model, time, tokens, bytes, marks, text"
QUERY_WORDS = """\
A query has words (their beginnings are enough), "exact words", -not, and filters:
  model:qwen3*  kind:output,batch  tag:good  rating:>3  tokens>500  is:pinned  is:rated
  since:7d  since:yesterday  until:2026-10  (24h, 7d, 2w, 3m, 1y, a day, a month, a moment)
Put it in quotes: cotui outputs search 'sky -cloud since:7d'; one that begins with
a minus stands behind two: cotui outputs search -- -cloud"""
PARTS = ("prompt", "response", "metadata", "data", "note")
"""What `show` can give alone."""
_LEAST_TEXT = 24
"""Cells of a text, or of a model's name, that a line has in any case."""
_MODEL = 2


def add_parser(verbs: Verbs) -> None:
    """`cotui outputs` and its verbs."""
    from codomyrmex_ollama_tui.cli.verbs import output_changes as changes

    parser = verbs.add_parser(
        "outputs",
        help="list, search, show, export and clean up what was saved",
        description="Look after what was saved: answers, results, batches, reports, configurations of models.\n"
        "Answers of chats are found here too.",
    )
    inner = parser.add_verbs()
    listing = leaf(inner, "list", list_records, help="what was saved, newest first", epilog=PIPED, starts=False)
    searching = leaf(
        inner,
        "search",
        list_records,
        help="what matches a query, newest first",
        epilog=f"{QUERY_WORDS}\n\n{PIPED}",
        starts=False,
    )
    searching.add_argument("words", metavar="QUERY", nargs="+", help="what to look for")
    listing.set_defaults(words=())
    for one in (listing, searching):
        add_filters(one)
        one.add_argument(
            "--limit", metavar="N", type=at_least_one, default=50, help="how many of one page (default: 50)"
        )
        one.add_argument("--page", metavar="N", type=at_least_one, default=1, help="which page (default: 1)")
    showing = leaf(inner, "show", show_record, help="one record, whole", starts=False)
    showing.add_argument("record", metavar="RECORD", help="its id, file name or path; last for the newest one")
    part = showing.add_mutually_exclusive_group()
    for name in PARTS:
        part.add_argument(f"--{name}", dest="part", action="store_const", const=name, help=f"only its {name}")
    changes.add_parsers(inner)


async def list_records(house: House, given: argparse.Namespace) -> int:
    """`cotui outputs list` and `search`."""
    records = house.services.outputs.records

    def look() -> tuple[list[Entry], dict[str, str], bool]:
        query = query_of(records, given)
        start = (given.page - 1) * given.limit
        wanted = list(islice(records.all(query, given.limit + 1), start, start + given.limit + 1))
        page = wanted[: given.limit]
        texts = {entry.key: records.snippet(entry.key, query).text for entry in page} if query.words else {}
        return page, texts, len(wanted) > given.limit

    await caught_up(records)
    page, texts, more = await on_thread(look)
    if given.json:
        tables.write_json([_fields(records, entry, texts) for entry in page])
        return OK
    if not page and is_terminal(sys.stdout):
        tell("nothing was found" if given.words or given.kind or given.model else "nothing has been saved yet")
        return OK
    now = local_now()
    rows = [_row(entry, texts.get(entry.key, ""), formats.moment(entry.created_at, now)) for entry in page]
    tables.write_table(COLUMNS, _fitted(rows))
    if more and is_terminal(sys.stdout):
        tell(f"there is more: --page {given.page + 1}")
    return OK


def _fields(records: Records, entry: Entry, texts: dict[str, str]) -> dict[str, object]:
    """An entry as JSON has it."""
    fields: dict[str, object] = {
        "id": short_id(entry.key),
        "key": entry.key,
        "file_path": str(records.path_of(entry.key)) if entry.stamp else None,
        "kind": entry.kind.value,
        "model_name": entry.model,
        "created_at": entry.created_at.isoformat(),
        "title": entry.title,
        "preview": entry.preview,
        "tokens": entry.tokens,
        "size": entry.size,
        "rating": entry.rating,
        "pinned": entry.pinned,
        "tags": list(entry.tags),
        "note": entry.note,
        "problem": entry.words or None,
    }
    if texts:
        fields["snippet"] = texts[entry.key]
    return fields


def _row(entry: Entry, snippet: str, saved: str) -> list[Cell | str]:
    return [
        Cell(short_id(entry.key), entry.key),
        entry.kind.value,
        entry.model,
        Cell(saved, entry.created_at.isoformat()),
        Cell(formats.UNKNOWN, "") if entry.tokens is None else Cell(formats.count(entry.tokens), str(entry.tokens)),
        Cell(formats.size(entry.size), str(entry.size)),
        _marks(entry),
        entry.words or snippet or entry.title or entry.preview,
    ]


def _marks(entry: Entry) -> str:
    marks = ["pinned"] if entry.pinned else []
    if entry.rating is not None:
        marks.append(f"{entry.rating}/5")
    return " ".join([*marks, *(f"#{tag}" for tag in entry.tags)])


def _fitted(rows: Sequence[list[Cell | str]]) -> list[list[Cell | str]]:
    """The rows with as much of their texts as a line of the terminal holds."""
    if not is_terminal(sys.stdout):
        return list(rows)
    columns = shutil.get_terminal_size().columns
    room = columns - sum(_widths(rows))
    if room < _LEAST_TEXT:  # then the spare columns are left out, and long names are cut
        rows = [[*row[:_MODEL], _cut(str(row[_MODEL]), _LEAST_TEXT), *row[_MODEL + 1 :]] for row in rows]
        kept = [width for width, column in zip(_widths(rows), COLUMNS, strict=False) if not column.spare]
        room = columns - sum(kept)
    return [[*row[:-1], _cut(str(row[-1]), max(room, _LEAST_TEXT))] for row in rows]


def _widths(rows: Sequence[list[Cell | str]]) -> list[int]:
    """The cells that each column but the last takes, with the gap behind it."""
    shown = [[cell.shown if isinstance(cell, Cell) else cell for cell in row] for row in rows]
    return [
        max([tables.cells(column.title), *(tables.cells(row[number]) for row in shown)]) + len(tables.GAP)
        for number, column in enumerate(COLUMNS[:-1])
    ]


def _cut(text: str, room: int) -> Cell:
    cut = " ".join(text.split())
    while tables.cells(cut) > room:
        cut = cut.removesuffix("…")[:-1].rstrip() + "…"
    return Cell(cut, text)


async def show_record(house: House, given: argparse.Namespace) -> int:
    """`cotui outputs show`."""
    records = house.services.outputs.records
    await caught_up(records)

    def look() -> dict[str, object]:
        key = found_key(records, given.record)
        entry = records.entry(key)
        if entry is None:
            raise Failure(f"{given.record!r}: there is no such record")
        return {"key": key, **record_fields(whole(records, entry))}

    fields = await on_thread(look)
    if given.part:
        value = fields.get(given.part)
        if given.json:
            tables.write_json(value)
        elif isinstance(value, str) and value:
            tables.write_text(value)
        elif value:
            tables.write_json(value)
        else:
            raise Failure(f"{given.record} has no {given.part}")
        return OK
    if given.json:
        tables.write_json(fields)
        return OK
    _show(records, fields)
    return OK


def _show(records: Records, fields: dict[str, object]) -> None:
    pairs: list[tuple[str, Cell | str]] = []
    for name in ("kind", "model_name", "created_at", "rating", "pinned", "tags", "note"):
        value = fields.get(name)
        if value:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            pairs.append((name.removesuffix("_name").replace("_at", ""), text))
    key = str(fields["key"])
    pairs.append(("file", str(records.path_of(key))) if fields["kind"] in SAVED_KINDS else ("key", key))
    tables.write_pairs(pairs)
    for name in PARTS[:-1]:
        value = fields.get(name)
        if not value:
            continue
        tables.write(f"\n{name}:\n")
        if isinstance(value, str):
            tables.write_text(value)
        else:
            tables.write_json(value)
