"""What `cotui batch` and `cotui runs` share: a batch at work, its progress, what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui import __version__
from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.progress import BAR_WIDTH, Lines, bar, letters
from codomyrmex_ollama_tui.cli.tables import Cell, Column
from codomyrmex_ollama_tui.cli.terms import (
    FAILED,
    NO_SERVER,
    OK,
    USAGE_ERROR,
    Failure,
    is_terminal,
    sentence,
    tell,
)
from codomyrmex_ollama_tui.cli.verbs.output_records import on_thread
from codomyrmex_ollama_tui.domain.errors import ModelNotFound
from codomyrmex_ollama_tui.domain.run_export import share_text, why_not
from codomyrmex_ollama_tui.domain.runs import Share, rows_of
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.library.places import local_now
from codomyrmex_ollama_tui.services.addresses import access_of, profile_address
from codomyrmex_ollama_tui.services.batch import Batches
from codomyrmex_ollama_tui.services.batch_events import CellEnded, CellTried, ServerLost
from codomyrmex_ollama_tui.services.batch_servers import NamedServers
from codomyrmex_ollama_tui.services.launch import Launcher
from codomyrmex_ollama_tui.services.state import ClientSettings
from codomyrmex_ollama_tui.ui import formats

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.client.address import Address
    from codomyrmex_ollama_tui.domain.plans import Plan
    from codomyrmex_ollama_tui.domain.runs import CellResult, Row
    from codomyrmex_ollama_tui.house import House
    from codomyrmex_ollama_tui.services.batch import Batch
    from codomyrmex_ollama_tui.services.batch_events import BatchEvent, Tally
    from codomyrmex_ollama_tui.services.state import Access
    from codomyrmex_ollama_tui.store.runs import Run

ROW_COLUMNS = (
    Column("MODEL"),
    Column("ANSWERED", right=True),
    Column("PASSED", right=True),
    Column("TIME", right=True, spare=True),
    Column("TTFT", right=True, spare=True),
    Column("TOKENS/S", right=True, spare=True),
)


@asynccontextmanager
async def batches_of(house: House) -> AsyncIterator[Batches]:
    """What runs batches on the present server and on named ones."""
    settings = house.settings

    def profile(name: str) -> tuple[Address, Access]:
        found = settings.profile(name)
        return profile_address(found)[0], access_of(found, settings.environment)

    launcher = Launcher(False, sys.executable, {}, house.folders.state, house.folders.models, Path())
    services = house.services
    client = ClientSettings(request_timeout=float(settings.settings.request_timeout))
    reach = NamedServers(services.execution, profile, launcher, client, now=local_now)
    try:
        yield Batches(services.runs, reach, now=local_now, tool=f"codomyrmex-ollama-tui {__version__}")
    finally:
        await reach.aclose()


@contextlib.contextmanager
def explained(plan: Plan) -> Iterator[None]:
    """What keeps a batch from beginning, in the words of the command line.

    Raises:
        Failure: a model is missing, or a server has no such name.
    """
    try:
        yield
    except ModelNotFound as error:
        server = next((target.server for target in plan.targets if target.model == error.model), "")
        where = f" on {server}" if server else ""
        fetch = "" if server else f"; `cotui models pull {error.model}` fetches it"
        raise Failure(f"{sentence(error)}{where}{fetch}") from None
    except ValueError as error:
        raise Failure(one_line(str(error), 600), USAGE_ERROR) from None


async def work_through(house: House, batch: Batch, *, as_json: bool, strict: bool) -> int:
    """Runs a batch to its end, says how far it is, and writes what came of it."""
    lost = ""
    try:
        with Lines() as lines:
            async with aclosing(batch.events()) as events:
                async for event in events:
                    _draw(lines, event)
                    if isinstance(event, ServerLost):
                        lost = event.words
                    lines.put("all", _progress(batch.tally))
            lines.put("all", _progress(batch.tally), finished=True)
    except asyncio.CancelledError:
        tell(f"stopped; `cotui runs resume {short_run(batch.id)}` goes on")
        raise
    run = await on_thread(lambda: house.services.runs.read(batch.id))
    write_run(run, as_json)
    if lost:
        tell(
            f"{lost}; {formats.count(len(run.left))} cells are left: `cotui runs resume {short_run(batch.id)}` goes on"
        )
        return NO_SERVER
    results = run.results.values()
    wrong = any(not result.passed if strict else not result.answered for result in results)
    return FAILED if wrong or run.left else OK


def write_run(run: Run, as_json: bool) -> None:
    """What came of a run: one JSON value, or the pass matrix."""
    rows = rows_of(run.results.values())
    if as_json:
        tables.write_json(summary_fields(run, rows))
        return
    names = list(dict.fromkeys(name for row in rows for name in row.checks))
    terminal = is_terminal(sys.stdout)
    several = names if len(names) > 1 or not terminal else []
    columns = (*ROW_COLUMNS[:3], *(Column(name, right=True, spare=True) for name in several), *ROW_COLUMNS[3:])
    if terminal:
        tables.write_table(columns, [_shown(row, several) for row in rows])
        tell(f"run {short_run(run.id)}: {run.path}")
    else:
        tables.write_table((), [_piped(row, names) for row in rows])


def summary_fields(run: Run, rows: Sequence[Row]) -> dict[str, object]:
    """A run as JSON has it."""
    results = list(run.results.values())
    return {
        "run": run.id,
        "file_path": str(run.path),
        "name": run.plan.name,
        "status": run.ended or None,
        "cells": run.plan.size,
        "done": len(results) + len(run.gone),
        "failed": sum(not result.answered for result in results),
        "rows": [
            {
                "model": row.model,
                "server": row.server,
                "options": row.variant,
                "cells": row.cells,
                "answered": row.answered,
                "statuses": {status.value: count for status, count in row.statuses.items()},
                "passed": _share(row.passed),
                "checks": {name: _share(share) for name, share in row.checks.items()},
                "median_s": row.seconds,
                "ttft_s": row.ttft,
                "tokens": row.tokens,
                "tokens_per_second": row.rate,
            }
            for row in rows
        ],
    }


def _share(share: Share) -> dict[str, object] | None:
    if not share.total:
        return None
    low, high = share.interval
    return {"passed": share.passed, "of": share.total, "low": low, "high": high}


def _shown(row: Row, names: Sequence[str]) -> list[Cell | str]:
    return [
        row.label,
        f"{row.answered}/{row.cells}",
        share_text(row.passed),
        *(share_text(row.checks.get(name, Share())) for name in names),
        formats.UNKNOWN if row.seconds is None else f"{row.seconds:.2f} s",
        formats.UNKNOWN if row.ttft is None else f"{row.ttft:.2f} s",
        formats.UNKNOWN if row.rate is None else f"{row.rate:.1f}",
    ]


def _piped(row: Row, names: Sequence[str]) -> list[Cell | str]:
    figures = ("" if value is None else f"{value:.4f}" for value in (row.seconds, row.ttft, row.rate))
    counts = (row.answered, row.cells, row.passed.passed, row.passed.total)
    shares = (row.checks.get(name, Share()) for name in names)
    checks = (f"{name} {share.passed}/{share.total}" for name, share in zip(names, shares, strict=True))
    return [row.model, row.server, row.variant, *map(str, counts), *figures, *checks]


def _draw(lines: Lines, event: BatchEvent) -> None:
    """What goes wrong stays on a line of its own where lines are written once."""
    if lines.live:
        return
    if isinstance(event, CellEnded) and not event.result.answered:
        lines.put(f"cell {event.result.cell}", _line(event.result), finished=True)
    elif isinstance(event, CellTried):
        again = f"{_line(event.result)}; again in {event.wait:g} s"
        lines.put(f"cell {event.result.cell}, try {event.result.attempt}", again, finished=True)


def _line(result: CellResult) -> str:
    return f"cell {result.cell}, {one_line(result.model)}, {one_line(result.prompt_id)}: {why_not(result)}"


def _progress(tally: Tally) -> str:
    """ "━━━───  12/30  2 failed  8/10 passed  4 s left"."""
    share = tally.done / tally.total if tally.total else 1.0
    words = [bar(share, BAR_WIDTH), f"{formats.count(tally.done)}/{formats.count(tally.total)}"]
    if tally.failed:
        words.append(f"{letters('✕', 'x')} {formats.count(tally.failed)} failed")
    if tally.asserted:
        words.append(f"{letters('✓', '+')} {formats.count(tally.passed)}/{formats.count(tally.asserted)} passed")
    if tally.eta is not None and tally.done < tally.total:
        words.append(f"{formats.duration(tally.eta)} left")
    return "  ".join(words)


def short_run(id_: str) -> str:
    """What tells a run apart for a person: the random end of its name."""
    return id_.rpartition("-")[2] or id_
