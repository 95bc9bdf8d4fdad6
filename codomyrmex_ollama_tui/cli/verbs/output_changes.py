"""`cotui outputs export`, `stats`, `clean` and `reindex`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.parser import leaf
from codomyrmex_ollama_tui.cli.tables import Cell, Column
from codomyrmex_ollama_tui.cli.terms import FAILED, OK, USAGE_ERROR, Failure, ask, can_ask, is_terminal, tell
from codomyrmex_ollama_tui.cli.verbs.output_records import (
    add_filters,
    age,
    at_least_one,
    caught_up,
    cleaned,
    indexed_again,
    kinds,
    on_thread,
    query_of,
    short_id,
    size,
)
from codomyrmex_ollama_tui.domain.output_export import EXPORT_FORMATS, ExportFormat
from codomyrmex_ollama_tui.domain.outputs import (
    SAVED_KINDS,
    Kind,
    Rule,
)
from codomyrmex_ollama_tui.library.places import local_now
from codomyrmex_ollama_tui.services.export import export as export_text
from codomyrmex_ollama_tui.ui import formats

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.cli.parser import Verbs
    from codomyrmex_ollama_tui.domain.outputs import CleanPlan
    from codomyrmex_ollama_tui.house import House

ENDINGS: dict[str, ExportFormat] = {".md": "markdown", ".json": "json", ".jsonl": "jsonl", ".csv": "csv"}
STATS_COLUMNS = (
    Column("KIND"),
    Column("MODEL"),
    Column("RECORDS", right=True),
    Column("SIZE", right=True),
    Column("TOKENS", right=True, spare=True),
)
REMOVAL_COLUMNS = (
    Column("ID"),
    Column("KIND"),
    Column("MODEL"),
    Column("SAVED", right=True),
    Column("SIZE", right=True),
    Column("WHY"),
)
MOST_SHOWN = 20
"""Removals of a plan that a person is shown one by one."""
DEFAULT_AGE = "30d"
CLEANED = frozenset(SAVED_KINDS) - {Kind.CONFIG}
"""What is cleaned up unless other kinds are named: answers of chats belong to their conversations."""


def add_parsers(inner: Verbs) -> None:
    """The parsers of these verbs."""
    exporting = leaf(
        inner,
        "export",
        export,
        help="records as one Markdown, JSON, JSON lines or CSV text",
        epilog="Without FILE the text goes to standard output. An existing FILE is not replaced without --force.",
        before=_check_export,
        starts=False,
    )
    exporting.add_argument("words", metavar="QUERY", nargs="*", help="which records, as in search (default: all)")
    add_filters(exporting)
    exporting.add_argument("--limit", metavar="N", type=at_least_one, help="at most so many, the newest")
    exporting.add_argument(
        "--format", choices=EXPORT_FORMATS, help="default: by the ending of FILE (.md .json .jsonl .csv), else markdown"
    )
    exporting.add_argument("--output", "-o", metavar="FILE", help="write to this file")
    exporting.add_argument("--force", action="store_true", help="replace FILE if there is one")
    leaf(
        inner,
        "stats",
        stats,
        help="how many records there are, and what they take",
        epilog="piped, a line has: kind, model, records, bytes, tokens",
        starts=False,
    )
    cleaning = leaf(
        inner,
        "clean",
        clean,
        help="throw old records away; says what, and asks",
        epilog="Configurations and answers of chats stay unless --kind asks for them; pinned records stay always.\n"
        "piped, a line of --dry-run has: path, kind, model, time, bytes, why",
        before=_check_clean,
        starts=False,
    )
    cleaning.add_argument(
        "--older-than",
        metavar="AGE",
        type=age,
        help=f"12h, 30d, 2w, 3m, 1y (default: {DEFAULT_AGE})",
    )
    cleaning.add_argument("--larger-than", metavar="SIZE", type=size, help="the oldest until the rest fits: 500MB, 2GB")
    cleaning.add_argument("--kind", metavar="KIND", type=kinds, help="only these kinds, with commas")
    cleaning.add_argument("--include-rated", action="store_true", help="rated records too")
    cleaning.add_argument("--dry-run", action="store_true", help="only say what would go")
    cleaning.add_argument("--yes", action="store_true", help="do not ask")
    leaf(inner, "reindex", reindex, help="make the search index again from the files", starts=False)


def _check_export(given: argparse.Namespace) -> int | None:
    path = None if given.output is None else Path(given.output)
    if path is not None and not given.output.strip():
        raise Failure("--output is empty", USAGE_ERROR)
    if given.format is None:
        given.format = "json" if given.json and path is None else ENDINGS.get(path.suffix.lower() if path else ".md")
    if given.format is None:
        raise Failure(f"--output {given.output}: its ending says no format; add --format", USAGE_ERROR)
    if given.json and path is None and given.format != "json":
        raise Failure(f"--json and --format {given.format} need --output FILE", USAGE_ERROR)
    if path is not None and not given.force and path.exists():
        raise Failure(f"{given.output} is there already; --force replaces it")
    return None


async def export(house: House, given: argparse.Namespace) -> int:
    """`cotui outputs export`."""
    records = house.services.outputs.records
    await caught_up(records)
    unreadable: list[OSError] = []
    counted: list[str] = []
    pieces = export_text(
        records,
        query_of(records, given),
        given.format,
        limit=given.limit,
        taken=lambda entry: counted.append(entry.key),
        left_out=unreadable.append,
    )
    held: list[str] = []
    for piece in pieces:
        if given.output is None:
            tables.write(piece)
        else:
            held.append(piece)
        await asyncio.sleep(0)  # ctrl+c is heard between two records
    if given.output is not None:
        await on_thread(lambda: _write_file(Path(given.output), "".join(held), given.force))
        if given.json:
            tables.write_json(
                {"file": given.output, "records": len(counted), "left_out": [str(error) for error in unreadable]}
            )
        else:
            tell(f"{_records(len(counted))} written to {given.output}")
    for error in unreadable:
        tell(f"left out: {error}")
    return FAILED if unreadable else OK


def _write_file(path: Path, text: str, replace: bool) -> None:
    from codomyrmex_ollama_tui.store.atomic import write_atomically, write_new

    if replace:
        write_atomically(path, text)
        return
    try:
        write_new(path, text)
    except FileExistsError:
        raise Failure(f"{path} is there already; --force replaces it") from None


async def stats(house: House, given: argparse.Namespace) -> int:
    """`cotui outputs stats`."""
    records = house.services.outputs.records
    await caught_up(records)
    found = await on_thread(records.stats)
    if given.json:
        tables.write_json(
            {"records": found.count, "size": found.size, "oldest": found.oldest, "newest": found.newest}
            | {"totals": [{**_total(total), "kind": total.kind.value} for total in found.totals]}
        )
        return OK
    rows: list[list[Cell | str]] = [
        [
            total.kind.value,
            Cell(total.model or formats.UNKNOWN, total.model),
            Cell(formats.count(total.count), str(total.count)),
            Cell(formats.size(total.size), str(total.size)),
            Cell(formats.count(total.tokens), str(total.tokens)),
        ]
        for total in found.totals
    ]
    if is_terminal(sys.stdout) and found.count:
        tokens = formats.count(sum(total.tokens for total in found.totals))
        rows.append(["all", "", formats.count(found.count), formats.size(found.size), tokens])
    tables.write_table(STATS_COLUMNS, rows)
    return OK


def _total(total: object) -> dict[str, object]:
    value = tables.to_json(total)
    assert isinstance(value, dict)
    return value


def _check_clean(given: argparse.Namespace) -> int | None:
    if given.older_than is None and given.larger_than is None:
        given.older_than = age(DEFAULT_AGE)
    asks = not (given.dry_run or given.yes)
    if asks and not can_ask(given):
        raise Failure("nobody can be asked here: add --yes, or --dry-run to see what would go", USAGE_ERROR)
    return None


async def clean(house: House, given: argparse.Namespace) -> int:
    """`cotui outputs clean`."""
    records = house.services.outputs.records
    await caught_up(records)
    rules = [
        Rule(given.kind or CLEANED, older, larger, keep_rated=not given.include_rated)
        for older, larger in ((given.older_than, None), (None, given.larger_than))
        if older is not None or larger is not None
    ]
    plan = await on_thread(lambda: records.plan(rules))
    if given.dry_run or not given.yes:
        if not given.json:
            _show_plan(plan)
        if given.dry_run:
            _tell_result(given, plan, "would go")
            return OK
        if not plan.removals:
            _tell_result(given, plan, "are old or large enough")
            return OK
        if not ask(f"Throw {_records(len(plan.removals))} away ({formats.size(plan.freed)})?"):
            tell("nothing was thrown away")
            return FAILED
    _tell_result(given, await cleaned(records, rules), "thrown away")
    return OK


def _show_plan(plan: CleanPlan) -> None:
    now = local_now()
    most = MOST_SHOWN if is_terminal(sys.stdout) else len(plan.removals)
    tables.write_table(
        REMOVAL_COLUMNS,
        [
            [
                Cell(short_id(removal.entry.key), removal.entry.key),
                removal.entry.kind.value,
                removal.entry.model,
                Cell(formats.moment(removal.entry.created_at, now), removal.entry.created_at.isoformat()),
                Cell(formats.size(removal.entry.size), str(removal.entry.size)),
                removal.why,
            ]
            for removal in plan.removals[:most]
        ],
    )
    if len(plan.removals) > most:
        tables.write(f"… and {formats.count(len(plan.removals) - most)} more\n")


def _tell_result(given: argparse.Namespace, plan: CleanPlan, what: str) -> None:
    if given.json:
        removals = [
            {"key": removal.entry.key, "kind": removal.entry.kind.value, "size": removal.entry.size, "why": removal.why}
            for removal in plan.removals
        ]
        tables.write_json(
            {"dry_run": given.dry_run, "records": len(removals), "freed": plan.freed, "kept": plan.kept}
            | {"removals": removals}
        )
        return
    kept = f"; kept for their pin or rating: {formats.count(plan.kept)}" if plan.kept else ""
    tell(f"{_records(len(plan.removals))} {what} ({formats.size(plan.freed)}){kept}")


async def reindex(house: House, given: argparse.Namespace) -> int:
    """`cotui outputs reindex`."""
    done = await indexed_again(house.services.outputs.records)
    if given.json:
        tables.write_json({"records": done})
    else:
        tell(f"{_records(done)} in the search index")
    return OK


def _records(count: int) -> str:
    return f"{formats.count(count)} record{'' if count == 1 else 's'}"
