"""What is exported can be read by what reads such files, and nothing of it is markup or a command for them."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.output_export import CSV_COLUMNS, EXPORT_FORMATS, ExportFormat, export_text
from codomyrmex_ollama_tui.domain.outputs import Kind, Marks, Record

CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RECORD = Record(
    Kind.OUTPUT,
    NOON,
    "llama3:latest",
    "why?\n=1+1",
    "=because\x1b[31m\nof 'that'",
    {"eval_count": 3},
    marks=Marks(4, True, ("a", "b c"), "a note"),
)
CONFIG = Record(Kind.CONFIG, NOON, "llama3", data={"stop": ["```", "````json"], "name": "你好\u202e"})
BATCH = Record(
    Kind.BATCH,
    NOON,
    "m",
    data={
        "results": [
            {"model_name": "m", "prompt": "first?", "response": "one"},
            {"model_name": "m", "prompt": "second?", "response": "", "error_message": "the model is gone"},
            None,
        ]
    },
)


def exported(export_format: ExportFormat, *records: Record) -> str:
    return "".join(export_text([(f"k/{number}.json", record) for number, record in enumerate(records)], export_format))


@pytest.mark.parametrize(
    ("export_format", "text"),
    [("markdown", ""), ("json", "[]\n"), ("jsonl", ""), ("csv", ",".join(CSV_COLUMNS) + "\r\n")],
)
def test_nothing_is_an_export_too(export_format: ExportFormat, text: str) -> None:
    assert exported(export_format) == text


def test_json_and_json_lines_hold_everything() -> None:
    whole = json.loads(exported("json", RECORD, CONFIG))
    assert whole == [json.loads(line) for line in exported("jsonl", RECORD, CONFIG).splitlines()]
    assert whole[0] == {
        "key": "k/0.json",
        "kind": "output",
        "model_name": "llama3:latest",
        "created_at": "2026-11-23T12:00:00+00:00",
        "prompt": "why?\n=1+1",
        "response": "=because\x1b[31m\nof 'that'",
        "metadata": {"eval_count": 3},
        "data": {},
        "rating": 4,
        "pinned": True,
        "tags": ["a", "b c"],
        "note": "a note",
    }
    assert whole[1]["data"] == CONFIG.data


def test_a_spreadsheet_shows_what_is_in_a_csv_and_runs_none_of_it() -> None:
    rows = list(csv.DictReader(io.StringIO(exported("csv", RECORD, CONFIG), newline="")))
    assert list(rows[0]) == list(CSV_COLUMNS)
    assert rows[0]["prompt"] == "why?\n=1+1"
    assert rows[0]["response"] == "'=because␛[31m\nof 'that'"
    assert (rows[0]["rating"], rows[0]["pinned"], rows[0]["tags"]) == ("4", "True", "a, b c")
    assert json.loads(rows[0]["metadata"]) == {"eval_count": 3}
    assert (rows[1]["metadata"], rows[1]["rating"]) == ("", "")
    assert json.loads(rows[1]["data"]) == CONFIG.data


def test_markdown_is_to_be_read() -> None:
    assert exported("markdown", RECORD) == (
        "## output · llama3:latest · 2026-11-23 12:00:00 UTC\n\n"
        "rated 4 of 5 · pinned · tags: a, b c\n\n"
        "File: `k/0.json`\n\n"
        "> Note: a note\n\n"
        "> why?\n> =1+1\n\n"
        "=because␛[31m\nof 'that'\n"
    )
    config = exported("markdown", CONFIG)
    assert "\n`````json\n" in config
    assert config.endswith("\n`````\n")
    assert "你好<U+202E>" in config
    batch = exported("markdown", BATCH)
    assert "### 1 · m\n\n> first?\n\none\n" in batch
    assert "### 2 · m\n\n> second?\n\nFailed: the model is gone\n" in batch
    assert "### 3\n\n```json\nnull\n```\n" in batch
    assert exported("markdown", RECORD, BATCH).count("\n---\n") == 1


@settings(max_examples=40)
@given(st.lists(st.builds(Record, st.just(Kind.OUTPUT), st.just(NOON), st.text(), st.text(), st.text()), max_size=3))
def test_any_text_survives_json_and_none_has_control_characters(records: list[Record]) -> None:
    for export_format in EXPORT_FORMATS:
        text = exported(export_format, *records)
        assert CONTROLS.search(text) is None
        text.encode()  # no lone surrogates either
    whole = json.loads(exported("json", *records))
    assert [(one["model_name"], one["prompt"], one["response"]) for one in whole] == [
        (record.model, record.prompt, record.response) for record in records
    ]
