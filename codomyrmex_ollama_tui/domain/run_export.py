"""A run as one text to give away: tidy CSV (a row for each cell), or a report in Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from codomyrmex_ollama_tui.domain.output_export import csv_cell
from codomyrmex_ollama_tui.domain.plans import Plan
from codomyrmex_ollama_tui.domain.runs import CellResult, Row, Share, rows_of
from codomyrmex_ollama_tui.domain.text import clean, one_line

CSV_COLUMNS = (
    *("run", "cell", "status", "attempt", "model", "server", "variant", "prompt_id", "category", "repeat"),
    *("started_at", "total_s", "ttft_s", "ttfa_s", "pieces", "done_reason", "total_duration_ns", "load_duration_ns"),
    *("prompt_tokens", "prompt_duration_ns", "tokens", "duration_ns", "passed", "checks_passed", "checks_failed"),
    *("words", "prompt", "answer", "thinking"),
)
"""Seconds by this side's clock, nanoseconds and tokens as the server counted them; empty where not known."""

_PIPE = str.maketrans({"|": "\\|", "`": "\\`", "<": "\\<", "[": "\\[", "*": "\\*", "_": "\\_", "#": "\\#"})


def csv_text(run: str, results: Iterable[CellResult]) -> Iterator[str]:
    """The rows of a CSV, with their head. A text that a spreadsheet would run gets an apostrophe before it."""
    held = io.StringIO(newline="")
    writer = csv.writer(held)
    writer.writerow(CSV_COLUMNS)
    for result in results:
        writer.writerow([csv_cell(value) for value in _values(run, result)])
        yield held.getvalue()
        held.seek(0)
        held.truncate()
    yield held.getvalue()


def _values(run: str, result: CellResult) -> list[object]:
    counters = result.counters
    held = [check.name for check in result.checks if check.passed]
    broken = [check.name for check in result.checks if not check.passed]
    return [
        *(run, result.cell, result.status.value, result.attempt, result.model, result.server, result.variant),
        *(result.prompt_id, result.category, result.repeat, result.started_at.astimezone(UTC).isoformat()),
        *(result.total_s, result.ttft_s, result.ttfa_s, result.pieces, result.done_reason),
        *(counters.total_duration, counters.load_duration, counters.prompt_eval_count),
        *(counters.prompt_eval_duration, counters.eval_count, counters.eval_duration),
        *(result.passed if result.checks else None, "; ".join(held), "; ".join(broken)),
        *(result.words, result.prompt, result.answer, result.thinking),
    ]


def markdown_text(run: str, plan: Plan, created_at: datetime, ended: str, results: list[CellResult]) -> Iterator[str]:
    """A report: what was run, the pass matrix, and every cell that has no answer or fails an assertion."""
    moment = created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    yield f"# {_safe(plan.name or 'Batch')}\n\n"
    yield f"Run `{run}` · {moment} · {len(results):,} of {plan.size:,} cells · {ended or 'not ended'}\n\n"
    yield (
        f"{len(plan.prompts):,} prompts × {len(plan.targets):,} models × {len(plan.variants):,} variants of options"
        f" × {plan.repeats:,} repeats\n\n"
    )
    rows = rows_of(results)
    names = list(dict.fromkeys(name for row in rows for name in row.checks))
    heads = ["model", "answered", "passed", *names, "median time", "TTFT", "tokens/s"]
    yield "| " + " | ".join(map(_safe, heads)) + " |\n"
    yield "|---" + "|--:" * (len(heads) - 1) + "|\n"
    for row in rows:
        yield "| " + " | ".join(map(_safe, _cells(row, names))) + " |\n"
    if names:
        yield "\nIntervals are Wilson's at 95 %. A cell without an answer fails each of its assertions.\n"
    wrong = [result for result in results if not result.passed]
    if wrong:
        yield f"\n## {len(wrong):,} of {len(results):,} without an answer, or with one that fails\n\n"
    for result in wrong:
        yield f"- cell {result.cell} · {_safe(result.model)} · {_safe(result.prompt_id)}: {_safe(why_not(result))}\n"


def why_not(result: CellResult) -> str:
    """One line about a cell that was not answered, or whose answer fails; "" for one that passes."""
    if not result.answered:
        return one_line(f"{result.status.value}: {result.words}", 300)
    reasons: dict[str, list[str]] = {}
    for check in result.checks:
        if not check.passed:
            reasons.setdefault(check.why, []).append(check.name)
    return one_line("; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items()), 300)


def share_text(share: Share) -> str:
    """ "8/10 [49–94 %]"; "·" for none of none."""
    if not share.total:
        return "·"
    low, high = share.interval
    return f"{share.passed:,}/{share.total:,} [{100 * low:.0f}–{100 * high:.0f} %]"


def _cells(row: Row, names: list[str]) -> list[str]:
    return [
        row.label,
        f"{row.answered:,}/{row.cells:,}",
        share_text(row.passed),
        *(share_text(row.checks.get(name, Share())) for name in names),
        "·" if row.seconds is None else f"{row.seconds:.2f} s",
        "·" if row.ttft is None else f"{row.ttft:.2f} s",
        "·" if row.rate is None else f"{row.rate:.1f}",
    ]


def _safe(text: str) -> str:
    """One line in which nothing is Markdown."""
    return one_line(clean(text), 300).replace("\\", "\\\\").translate(_PIPE)
