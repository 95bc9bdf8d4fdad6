"""How a record is written: one self-contained JSON file, and for outputs a readable text beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from codomyrmex_ollama_tui.domain.outputs import NO_MARKS, SAVED_KINDS, IndexEntry, Kind, Marks, Record
from codomyrmex_ollama_tui.domain.text import clean, one_line

FORMAT = "codomyrmex-ollama-output"
VERSION = 1

_FIELDS = ("format", "version", "kind", "created_at", "model", "prompt", "response", "metadata", "data", "marks")
_UNSAFE = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_MOST_TEXT = 2_000_000
"""Characters of a report or a batch that are searched in."""


class NotOurs(ValueError):
    """The text is JSON or something else, but no record of ours."""


class HalfWritten(ValueError):
    """The text began as JSON but does not end as such, or a field of a record has the wrong type."""


def write_record(record: Record) -> str:
    """The JSON text of a record, indented, UTF-8.

    Characters that would harm a terminal, or that UTF-8 cannot hold (lone surrogates), are written as escapes. NaN and
    the infinities are written as Python and JavaScript spell them, although strict JSON has no word for them.
    """
    fields: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "kind": record.kind.value,
        "created_at": record.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "model": record.model,
        "prompt": record.prompt,
        "response": record.response,
        "metadata": record.metadata,
        "data": record.data,
        "marks": marks_fields(record.marks),
        **record.extra,
    }
    return write_json(fields)


def marks_fields(marks: Marks) -> dict[str, object]:
    """Marks as they stand in a record's file."""
    return {"rating": marks.rating, "pinned": marks.pinned, "tags": list(marks.tags), "note": marks.note}


def write_json(fields: Mapping[str, object]) -> str:
    """Indented JSON that can be shown on a terminal as it is."""
    text = json.dumps(fields, ensure_ascii=False, indent=2, default=_plain)
    return _UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], text) + "\n"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def read_json(text: str) -> dict[str, object]:
    """The fields of a record's file.

    Raises:
        HalfWritten: it is not whole.
        NotOurs: it does not carry our mark.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of more than 4,300 digits
        # the mark stands at the very beginning, so that a cut file still tells whose it is
        if FORMAT in text[:200] or not text.strip():
            raise HalfWritten(f"half-written: {error}") from error
        raise NotOurs("not a record of this program") from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise NotOurs("not a record of this program")
    return fields


def read_record(text: str) -> Record:
    """The record that a text is; unknown fields are kept in `extra`.

    Raises:
        HalfWritten: it is not whole, or a field has the wrong type (named).
        NotOurs: it does not carry our mark.
    """
    fields = read_json(text)
    kind = next((known for known in SAVED_KINDS if known == fields.get("kind")), None)
    if kind is None:
        raise HalfWritten(f"kind: {one_line(repr(fields.get('kind')), 60)} is not known to this version")
    metadata, data = fields.get("metadata"), fields.get("data", {})
    if metadata is not None and not isinstance(metadata, dict):
        raise HalfWritten("metadata: not an object")
    if not isinstance(data, dict):
        raise HalfWritten("data: not an object")
    return Record(
        kind,
        _moment(fields.get("created_at")),
        _text(fields, "model"),
        _text(fields, "prompt"),
        _text(fields, "response"),
        metadata,
        data,
        read_marks(fields.get("marks")),
        {name: value for name, value in fields.items() if name not in _FIELDS},
    )


def read_marks(value: object) -> Marks:
    """Marks out of a record's file.

    Raises:
        HalfWritten: they are of the wrong type or out of range.
    """
    if value is None:
        return NO_MARKS
    if not isinstance(value, dict):
        raise HalfWritten("marks: not an object")
    rating, tags = value.get("rating"), value.get("tags", [])
    if not (rating is None or isinstance(rating, int)) or not isinstance(tags, list):
        raise HalfWritten("marks: rating or tags are of the wrong type")
    if not all(isinstance(tag, str) for tag in tags):
        raise HalfWritten("marks: a tag is not text")
    try:
        return Marks(rating, value.get("pinned") is True, tuple(tags), _text(value, "note"))
    except ValueError as error:
        raise HalfWritten(f"marks: {error}") from error


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise HalfWritten(f"{name}: not text")
    return value


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise HalfWritten("created_at: not a time")
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise HalfWritten(f"created_at: {one_line(value, 60)} is not a time") from error


def write_text(record: Record) -> str:
    """The readable text of an output: model, time, prompt and answer, safe on a terminal."""
    moment = record.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"Model: {one_line(record.model)}\nTime: {moment}\n\n"
        f"Prompt:\n{clean(record.prompt)}\n\nResponse:\n{clean(record.response)}\n"
    )


def index_entry(record: Record, key: str, size: int, stamp: str) -> IndexEntry:
    """What the index is given of a record."""
    metadata = record.metadata or {}
    thinking = metadata.get("thinking")
    prompt, answer = record.prompt, record.response
    if record.kind is Kind.CONFIG:
        answer = write_json(record.data)
    elif record.kind in (Kind.BATCH, Kind.BENCHMARK, Kind.COMPARISON):
        prompt, answer = _long_texts(record.data)
    place = key.rpartition("/")[0]
    return IndexEntry(
        record.kind,
        key,
        record.model,
        record.created_at,
        title=_title(record, prompt),
        preview=one_line(record.response or answer, 200),
        rating=record.marks.rating,
        pinned=record.marks.pinned,
        tags=record.marks.tags,
        note=record.marks.note,
        tokens=_tokens(record),
        size=size,
        place=place,
        stamp=stamp,
        prompt=prompt,
        answer=answer,
        thinking=thinking if isinstance(thinking, str) else "",
    )


def unreadable_entry(kind: Kind, key: str, moment: datetime, size: int, stamp: str, words: str) -> IndexEntry:
    """What lists show of a file that is foreign or broken; `moment` is when it was changed last."""
    place, _, name = key.rpartition("/")
    return IndexEntry(kind, key, "", moment, title=one_line(name), size=size, place=place, stamp=stamp, words=words)


def _title(record: Record, prompt: str) -> str:
    if record.kind is Kind.CONFIG:
        return f"configuration of {one_line(record.model)}"
    if record.kind is Kind.BENCHMARK:
        return f"benchmark of {one_line(record.model) or 'several models'}"
    if record.kind is Kind.COMPARISON:
        return f"comparison of {one_line(record.model)}"
    if record.kind is Kind.BATCH:
        results = record.data.get("results")
        return f"batch of {len(results) if isinstance(results, list) else 0} prompts"
    return one_line(prompt, 120)


def _tokens(record: Record) -> int | None:
    metadata = record.metadata or {}
    for value in (record.data.get("tokens_used"), metadata.get("tokens_used"), metadata.get("eval_count")):
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53:
            return value
    results = record.data.get("results")
    if record.kind is Kind.BATCH and isinstance(results, list):
        counts = [result.get("tokens_used") for result in results if isinstance(result, dict)]
        known = [count for count in counts if isinstance(count, int) and 0 <= count < 2**53]
        return sum(known) if known else None
    return None


def _long_texts(data: Mapping[str, object]) -> tuple[str, str]:
    """All texts of a report as (prompts, the rest), in their order."""
    prompts: list[str] = []
    rest: list[str] = []
    room = _MOST_TEXT
    waiting: list[tuple[str, object]] = [("", data)]
    while waiting and room > 0:
        name, value = waiting.pop()
        if isinstance(value, str):
            (prompts if "prompt" in name else rest).append(value[:room])
            room -= len(value)
        elif isinstance(value, Mapping):
            waiting.extend(reversed([(str(key), inner) for key, inner in value.items()]))
        elif isinstance(value, Iterable):
            waiting.extend((name, inner) for inner in reversed(list(value)))
    return "\n".join(prompts), "\n".join(rest)
