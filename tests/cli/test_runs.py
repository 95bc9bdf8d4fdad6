"""`cotui runs`: what batches wrote down is listed, shown, checked and exported."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.domain.run_export import CSV_COLUMNS, markdown_text
from codomyrmex_ollama_tui.domain.runs import CellStatus, Checked
from tests.cli.calling import Program
from tests.cli.talk import posix
from tests.store.test_runs import NOON, PLAN, result, store_in, written


@pytest.fixture
def program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(tmp_path, capsys)


def two_runs(program: Program) -> tuple[str, str]:
    store = store_in(program.data)
    whole = written(store, *range(10), end="done")
    half = store.create(PLAN, at=NOON.replace(day=2))
    with store.writer(half) as writer:
        writer.append(result(0, answer='=1+"1"').fields())
        writer.append(result(1, status=CellStatus.CONNECT, answer="", words="gone", checks=()).fields())
    return whole, half


def test_nothing_is_there_at_first(program: Program) -> None:
    assert program("runs", "list").out == ""
    assert program("runs", "verify").code == 0
    said = program("runs", "show", "last")
    assert (said.code, "there is no run yet" in said.err) == (1, True)
    assert not program.data.exists()


def test_runs_are_listed_newest_first(program: Program) -> None:
    whole, half = two_runs(program)
    first, second = program("runs", "list").rows
    assert first[:3] + first[4:8] == [half, "five", "a, b", "2", "10", "1", "not ended"]
    assert second[0] == whole
    assert [run["status"] for run in program("runs", "list", "--json").json] == [None, "done"]


def test_a_run_is_shown(program: Program) -> None:
    whole, half = two_runs(program)
    assert program("runs", "show", whole).rows[0][:7] == ["a", "", "", "5", "5", "3", "5"]
    cells = program("runs", "show", "last", "--cells").rows
    assert [row[:4] for row in cells] == [["0", "a", "p0", "ok"], ["1", "a", "p1", "connect"]]
    assert [row[0] for row in program("runs", "show", "last", "--failed").rows] == ["1"]
    told = program("runs", "show", half[-6:], "--cells", "--json").json
    assert (told["done"], told["failed"], told["problems"], len(told["results"])) == (2, 1, [], 2)
    assert program("runs", "show", "x").code == 1


@posix
def test_on_a_terminal_facts_come_first(program: Program) -> None:
    two_runs(program)
    drawn = program.on_terminal("runs", "show", "last", columns=120).out
    assert "not ended" in drawn
    assert "2 of 10" in drawn
    assert "1/1 [21–100 %]" in drawn


def test_what_is_wrong_in_a_file_is_found(program: Program) -> None:
    whole, half = two_runs(program)
    assert program("runs", "verify").rows == [[whole, "well"], [half, "well"]]
    path = program.data / "runs" / f"{half}.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    said = program("runs", "verify", "--json")
    assert said.code == 1
    assert ["cut" in problem for run in said.json for problem in run["problems"]] == [True]
    path.write_bytes(b"\n")
    assert "line 1" in program("runs", "verify", half).out


def test_a_run_is_exported_in_each_form(program: Program, tmp_path: Path) -> None:
    whole, half = two_runs(program)
    lines = program("runs", "export", half).out.splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["header", *["prompt"] * 5, "cell", "cell"]
    rows = list(csv.DictReader(io.StringIO(program("runs", "export", half, "--format", "csv").out)))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert (rows[0]["answer"], rows[0]["tokens"], rows[1]["status"]) == ('\'=1+"1"', "20", "connect")
    target = tmp_path / "report.md"
    assert program("runs", "export", whole, "-o", str(target)).code == 0
    text = target.read_text(encoding="utf-8")
    assert "| a | 5/5 | 3/5 \\[23–88 %] |" in text
    assert "cell 1 · a · p1: contains: no" in text
    refused = program("runs", "export", half, "-o", str(target))
    assert (refused.code, "--force" in refused.err) == (1, True)
    assert program("runs", "export", half, "-o", str(target), "--force").code == 0
    assert program("runs", "export", half, "--json").code == 2


def test_nothing_in_a_report_is_markdown_or_harmful() -> None:
    evil = result(0, model="a|b`c", checks=(Checked("x|y", False, "\x1b[31m<b>\nnew"),))
    text = "".join(markdown_text("r", PLAN, NOON, "", [evil]))
    assert "\x1b" not in text
    assert "| a\\|b\\`c |" in text
    assert "\\<b> new" in text


def test_cells_are_found_among_the_outputs(program: Program) -> None:
    whole, _ = two_runs(program)
    found = program("outputs", "search", "kind:cell", "answer").rows
    assert [row[0] for row in found] == [f"run:{whole}/{number}" for number in reversed(range(10))]
    assert program("outputs", "show", f"run:{whole}/3", "--response").out.startswith("answer 3")
