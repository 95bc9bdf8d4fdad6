"""`cotui runs …`: batches that were run: listed, shown, gone on with, checked, exported."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.parser import leaf
from codomyrmex_ollama_tui.cli.tables import Cell, Column
from codomyrmex_ollama_tui.cli.terms import FAILED, OK, USAGE_ERROR, Failure, is_terminal, tell
from codomyrmex_ollama_tui.cli.verbs.output_records import on_thread
from codomyrmex_ollama_tui.cli.verbs.run_batches import (
    batches_of,
    explained,
    short_run,
    summary_fields,
    work_through,
    write_run,
)
from codomyrmex_ollama_tui.domain.outputs import OutputUnreadable
from codomyrmex_ollama_tui.domain.run_export import csv_text, markdown_text, why_not
from codomyrmex_ollama_tui.domain.runs import rows_of
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.library.places import local_now
from codomyrmex_ollama_tui.services.batch_servers import unlike
from codomyrmex_ollama_tui.store.run_lines import lines_in
from codomyrmex_ollama_tui.store.runs import check_run
from codomyrmex_ollama_tui.ui import formats

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.cli.parser import Verbs
    from codomyrmex_ollama_tui.domain.runs import CellResult
    from codomyrmex_ollama_tui.house import House
    from codomyrmex_ollama_tui.store.runs import Run, RunSummary

FORMATS = ("jsonl", "csv", "markdown")
LIST_COLUMNS = (
    Column("RUN"),
    Column("NAME"),
    Column("MODELS"),
    Column("BEGUN", right=True),
    Column("DONE", right=True),
    Column("FAILED", right=True),
    Column("STATUS"),
    Column("SIZE", right=True, spare=True),
)
CELL_COLUMNS = (
    Column("CELL", right=True),
    Column("MODEL"),
    Column("PROMPT"),
    Column("STATUS"),
    Column("PASSED"),
    Column("TIME", right=True, spare=True),
    Column("ANSWER"),
)


def add_parser(verbs: Verbs) -> None:
    """`cotui runs` and its verbs."""
    parser = verbs.add_parser(
        "runs",
        help="list, show, resume, verify and export what batches wrote down",
        description="Look after runs: each is a file of JSON lines that only grows, in the folder runs of the data.\n"
        "RUN is its id, the end of it, or last.",
    )
    inner = parser.add_verbs()
    leaf(
        inner,
        "list",
        list_runs,
        help="the runs, newest first",
        epilog="piped, a line has: run, name, models, time, cells done, cells, failed, status, bytes",
        starts=False,
    )
    showing = leaf(
        inner,
        "show",
        show,
        help="what came of a run",
        epilog="piped, a line has what `cotui batch` has; with --cells: cell, model, prompt, status,\n"
        "assertions passed/all, seconds, answer or what is wrong",
        starts=False,
    )
    showing.add_argument("run", metavar="RUN")
    showing.add_argument("--cells", action="store_true", help="every cell that has ended")
    showing.add_argument(
        "--failed", action="store_true", help="only cells without an answer, or that fail an assertion"
    )
    resuming = leaf(inner, "resume", resume, help="go on with a run that was stopped or killed")
    resuming.add_argument("run", metavar="RUN")
    resuming.add_argument("--failed", action="store_true", help="ask cells that have no answer again")
    resuming.add_argument("--strict", action="store_true", help="exit code 1 if any assertion fails")
    verifying = leaf(
        inner, "verify", verify, help="look for what is wrong in the files; exit code 1 if something is", starts=False
    )
    verifying.add_argument("runs", metavar="RUN", nargs="*", help="which (default: all)")
    exporting = leaf(inner, "export", export, help="a run as one text", before=_check_export, starts=False)
    exporting.add_argument("run", metavar="RUN")
    exporting.add_argument("--format", metavar="FORMAT", choices=FORMATS, help=", ".join(FORMATS))
    exporting.add_argument("--output", "-o", metavar="FILE", help="write to this file")
    exporting.add_argument("--force", action="store_true", help="replace FILE if there is one")


def _found(house: House, text: str) -> str:
    """The run that a person means.

    Raises:
        Failure: there is none, or several are meant.
    """
    found = house.services.runs.found(text)
    if not found:
        there = "there is no run yet" if not house.services.runs.ids() else "`cotui runs list` has them"
        raise Failure(f"{text!r}: there is no such run; {there}")
    if len(found) > 1:
        raise Failure(f"{text!r} may be several runs: {', '.join(found[:5])}{' …' if len(found) > 5 else ''}")
    return found[0]


async def list_runs(house: House, given: argparse.Namespace) -> int:
    """`cotui runs list`."""
    summaries = await on_thread(house.services.runs.summaries)
    if given.json:
        tables.write_json([_fields(summary) for summary in summaries])
        return OK
    now = local_now()
    tables.write_table(LIST_COLUMNS, [_row(summary, formats.moment(summary.created_at, now)) for summary in summaries])
    if not summaries and is_terminal(sys.stdout):
        tell("there is no run yet: cotui batch FILE begins one")
    return OK


def _status(summary: RunSummary) -> str:
    if summary.words:
        return summary.words
    return summary.ended or "not ended"


def _fields(summary: RunSummary) -> dict[str, object]:
    return {
        "run": summary.id,
        "file_path": str(summary.path),
        "job": summary.job,
        "name": summary.name,
        "models": list(summary.models),
        "created_at": summary.created_at,
        "cells": summary.cells,
        "done": summary.done,
        "failed": summary.failed,
        "status": summary.ended or None,
        "size": summary.size,
        "problem": summary.words or None,
    }


def _row(summary: RunSummary, begun: str) -> list[Cell | str]:
    when = "" if summary.created_at is None else summary.created_at.isoformat()
    row: list[Cell | str] = [
        Cell(short_run(summary.id), summary.id),
        summary.name,
        ", ".join(summary.models),
        Cell(begun, when),
        Cell(f"{formats.count(summary.done)}/{formats.count(summary.cells)}", f"{summary.done}"),
    ]
    if not is_terminal(sys.stdout):
        row.append(str(summary.cells))
    return [*row, str(summary.failed), _status(summary), Cell(formats.size(summary.size), str(summary.size))]


async def show(house: House, given: argparse.Namespace) -> int:
    """`cotui runs show`."""
    id_ = _found(house, given.run)
    run = await on_thread(lambda: house.services.runs.read(id_))
    results = [result for _, result in sorted(run.results.items()) if not (given.failed and result.passed)]
    if given.json:
        fields = summary_fields(run, rows_of(run.results.values()))
        environment = [{"at": session.at, "environment": dict(session.environment)} for session in run.sessions]
        fields |= {"created_at": run.created_at, "digest": run.digest, "problems": list(check_run(run))}
        fields |= {"plan": run.plan.fields(), "sessions": environment}
        if given.cells or given.failed:
            fields["results"] = [result.fields() for result in results]
        tables.write_json(fields)
        return OK
    if given.cells or given.failed:
        tables.write_table(CELL_COLUMNS, [_cell(result) for result in results])
    else:
        if is_terminal(sys.stdout):
            tables.write_pairs(_facts(run))
            tables.write("\n")
        write_run(run, False)
    for words in check_run(run):
        tell(words)
    return OK


def _facts(run: Run) -> list[tuple[str, Cell | str]]:
    done = len(run.results) + len(run.gone)
    return [
        ("run", run.id),
        ("name", run.plan.name or formats.UNKNOWN),
        ("begun", formats.moment(run.created_at, local_now())),
        ("sessions", str(len(run.sessions))),
        ("cells", f"{formats.count(done)} of {formats.count(run.plan.size)}, {formats.count(run.attempts)} tries"),
        ("status", run.ended or "not ended"),
        ("servers", ", ".join(_servers(run)) or formats.UNKNOWN),
    ]


def _servers(run: Run) -> Iterator[str]:
    servers = run.sessions[-1].environment.get("servers")
    for name, facts in servers.items() if isinstance(servers, dict) else ():
        if isinstance(facts, dict):
            yield one_line(f"{name or facts.get('label')} (Ollama {facts.get('version')})")


def _cell(result: CellResult) -> list[Cell | str]:
    passed = sum(check.passed for check in result.checks)
    checks = f"{passed}/{len(result.checks)}" if result.checks else ""
    text = result.answer if result.passed else why_not(result)
    return [
        str(result.cell),
        result.model + (f" @ {result.server}" if result.server else ""),
        result.prompt_id,
        result.status.value,
        Cell(checks or formats.UNKNOWN, checks),
        Cell(f"{result.total_s:.2f} s", f"{result.total_s:.4f}"),
        Cell(one_line(text, 80), text),
    ]


async def resume(house: House, given: argparse.Namespace) -> int:
    """`cotui runs resume`."""
    id_ = _found(house, given.run)
    run = await on_thread(lambda: house.services.runs.read(id_))
    async with batches_of(house) as batches:
        with explained(run.plan):
            batch = await batches.go_on(id_, failed=given.failed)
        if not batch.left:
            tell("nothing is left to be asked")
            write_run(run, given.json)
            return OK
        for words in unlike(run.sessions[0].environment, batch.environment or {}):
            tell(words)
        return await work_through(house, batch, as_json=given.json, strict=given.strict)


async def verify(house: House, given: argparse.Namespace) -> int:
    """`cotui runs verify`."""
    store = house.services.runs
    ids = [_found(house, text) for text in given.runs] or list(store.ids())
    found: dict[str, tuple[str, ...]] = {}
    notes: dict[str, str] = {}
    for id_ in ids:
        try:
            run = await on_thread(partial(store.read, id_))
            found[id_] = check_run(run)
            notes[id_] = f"well; {run.set_aside} cut lines were set aside" if run.set_aside else "well"
        except OutputUnreadable as error:
            found[id_] = (error.reason,)
    if given.json:
        tables.write_json([{"run": id_, "problems": list(problems)} for id_, problems in found.items()])
    else:
        rows = [[id_, words] for id_, problems in found.items() for words in problems or (notes[id_],)]
        tables.write_table((Column("RUN"), Column("FOUND")), rows)
    return FAILED if any(found.values()) else OK


def _check_export(given: argparse.Namespace) -> int | None:
    if given.format is None:
        suffix = Path(given.output or "").suffix.lower()
        given.format = {".csv": "csv", ".md": "markdown", ".markdown": "markdown"}.get(suffix, "jsonl")
    if given.json:
        raise Failure("--json: an export is a text; --format jsonl has JSON lines", USAGE_ERROR)
    return None


async def export(house: House, given: argparse.Namespace) -> int:
    """`cotui runs export`."""
    id_ = _found(house, given.run)
    pieces = _pieces(house, id_, given.format)
    if given.output is None:
        for piece in pieces:
            if given.format == "markdown":
                tables.write_text(piece)
            else:
                tables.write(piece)
        return OK
    path = Path(given.output)
    await on_thread(lambda: _write(path, pieces, given.force))
    tell(f"written: {path}")
    return OK


def _pieces(house: House, id_: str, form: str) -> Iterator[str]:
    store = house.services.runs
    if form == "jsonl":
        return (line.decode("utf-8", "replace") + "\n" for _, _, line in lines_in(store.path_of(id_)))
    run = store.read(id_)
    results = [result for _, result in sorted(run.results.items())]
    if form == "csv":
        return csv_text(run.id, results)
    return iter(["".join(markdown_text(run.id, run.plan, run.created_at, run.ended, results))])


def _write(path: Path, pieces: Iterable[str], force: bool) -> None:
    """Raises Failure where there is a file already, OSError where it cannot be written."""
    if path.exists() and not force:
        raise Failure(f"{path} is there already: add --force to replace it")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL), 0o600)
    with open(handle, "w", encoding="utf-8", newline="") as file:
        file.writelines(pieces)
