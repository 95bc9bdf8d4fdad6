"""Saved records as one text to give away: Markdown, JSON, JSON lines or CSV."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from typing import Literal

from codomyrmex_ollama_tui.domain.outputs import Kind, Marks, Record
from codomyrmex_ollama_tui.domain.text import clean, one_line

ExportFormat = Literal["markdown", "json", "jsonl", "csv"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = ("markdown", "json", "jsonl", "csv")

CSV_COLUMNS = (
    *("key", "kind", "created_at", "model_name", "prompt", "response"),
    *("rating", "pinned", "tags", "note", "metadata", "data"),
)

Keyed = tuple[str, Record]
"""A record with its key, the path in the outputs folder."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run instead of showing."""
_FENCE = re.compile("`{3,}")


def record_fields(record: Record) -> dict[str, object]:
    """A record as a dict of JSON values: kind, model_name, created_at (ISO 8601, UTC), prompt, response, metadata,
    data, rating, pinned, tags, note."""
    marks = record.marks
    return {
        "kind": record.kind.value,
        "model_name": record.model,
        "created_at": record.created_at.astimezone(UTC).isoformat(),
        "prompt": record.prompt,
        "response": record.response,
        "metadata": None if record.metadata is None else dict(record.metadata),
        "data": dict(record.data),
        "rating": marks.rating,
        "pinned": marks.pinned,
        "tags": list(marks.tags),
        "note": marks.note,
    }


def export_text(records: Iterable[Keyed], export_format: ExportFormat) -> Iterator[str]:
    """The text of an export, piece by piece, so that a large one need not be held at once.

    JSON and JSON lines hold everything of a record, CSV all but unknown fields of its file, Markdown what a person
    reads. JSON is ASCII; Markdown and CSV have control characters made visible. A CSV text that a spreadsheet would
    take for a formula gets an apostrophe before it.
    """
    match export_format:
        case "markdown":
            return _markdown(records)
        case "json":
            return _json(records)
        case "jsonl":
            return (f"{_object(keyed)}\n" for keyed in records)
        case "csv":
            return _csv(records)


def _object(keyed: Keyed) -> str:
    key, record = keyed
    return json.dumps({"key": key, **record_fields(record)})


def _json(records: Iterable[Keyed]) -> Iterator[str]:
    before = "["
    for keyed in records:
        yield f"{before}\n{_object(keyed)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def _csv(records: Iterable[Keyed]) -> Iterator[str]:
    import csv  # seldom needed, and this module is read with the library
    import io

    held = io.StringIO(newline="")
    writer = csv.writer(held)

    def taken() -> str:
        text = held.getvalue()
        held.seek(0)
        held.truncate()
        return text

    writer.writerow(CSV_COLUMNS)
    for key, record in records:
        yield taken()
        fields = record_fields(record)
        tags = ", ".join(record.marks.tags)
        metadata = "" if record.metadata is None else json.dumps(fields["metadata"])
        data = json.dumps(fields["data"]) if record.data else ""
        texts = {**fields, "key": key, "tags": tags, "metadata": metadata, "data": data}
        writer.writerow([csv_cell(texts[name]) for name in CSV_COLUMNS])
    yield taken()


def csv_cell(value: object) -> object:
    """A value as a cell of CSV: harmless for terminals and spreadsheets, "" for None."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _markdown(records: Iterable[Keyed]) -> Iterator[str]:
    separator = ""
    for key, record in records:
        yield f"{separator}{_section(key, record)}"
        separator = "\n---\n\n"


def _section(key: str, record: Record) -> str:
    moment = record.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    name = one_line(record.model) or "no model"
    lines = [f"## {record.kind.value} · {name} · {moment}", ""]
    if facts := _facts(record.marks):
        lines += [facts, ""]
    lines += [f"File: `{one_line(key)}`", ""]
    if record.marks.note:
        lines += [*_quoted(f"Note: {record.marks.note}"), ""]
    results = record.data.get("results")
    if record.kind is Kind.BATCH and isinstance(results, list):
        for number, result in enumerate(results, 1):
            lines += _result(number, result)
    else:
        if record.prompt:
            lines += [*_quoted(record.prompt), ""]
        if record.response:
            lines += [clean(record.response), ""]
        if record.data:
            lines += [*_fenced(dict(record.data)), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _facts(marks: Marks) -> str:
    facts = []
    if marks.rating is not None:
        facts.append(f"rated {marks.rating} of 5")
    if marks.pinned:
        facts.append("pinned")
    if marks.tags:
        facts.append("tags: " + ", ".join(map(one_line, marks.tags)))
    return " · ".join(facts)


def _result(number: int, result: object) -> list[str]:
    if not isinstance(result, Mapping):
        return [f"### {number}", "", *_fenced(result), ""]
    lines = [f"### {number} · {one_line(str(result.get('model_name', '')))}", ""]
    for name in ("prompt", "response"):
        text = result.get(name)
        if isinstance(text, str) and text:
            lines += [*(_quoted(text) if name == "prompt" else [clean(text)]), ""]
    error = result.get("error_message")
    return [*lines, f"Failed: {one_line(error)}", ""] if isinstance(error, str) and error else lines


def _quoted(text: str) -> list[str]:
    return [f"> {line}".rstrip() for line in clean(text).split("\n")]


def _fenced(value: object) -> list[str]:
    """JSON in a fence that nothing in it can end."""
    text = clean(json.dumps(value, ensure_ascii=False, indent=2))
    fence = "`" * max([3, *(len(found) + 1 for found in _FENCE.findall(text))])
    return [f"{fence}json", text, fence]
