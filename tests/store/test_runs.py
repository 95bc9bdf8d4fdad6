"""Files of runs: written line by line, read again whatever happened to them, found and marked as records."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.chat import Counters
from codomyrmex_ollama_tui.domain.outputs import Kind, OutputNotFound, OutputUnreadable
from codomyrmex_ollama_tui.domain.plans import Plan, Target
from codomyrmex_ollama_tui.domain.prompts import Prompt
from codomyrmex_ollama_tui.domain.runs import CellResult, CellStatus, Checked, rows_of
from codomyrmex_ollama_tui.services.hearing import TellingSource
from codomyrmex_ollama_tui.services.records import records_in
from codomyrmex_ollama_tui.store.run_lines import Busy, LineWriter, lines_in, mend
from codomyrmex_ollama_tui.store.runs import RunsStore, check_run
from codomyrmex_ollama_tui.store.runs_source import RunsSource

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PLAN = Plan((Target("a"), Target("b", "gpu")), tuple(Prompt(f"p{n}", f"say {n}") for n in range(5)), name="five")


def store_in(folder: Path) -> RunsStore:
    tokens = itertools.count()
    return RunsStore(folder / "runs", token=lambda: f"{next(tokens):06x}")


def result(number: int, **changes: Any) -> CellResult:
    cell = PLAN.cell(number)
    whole = CellResult(
        number,
        CellStatus.OK,
        cell.target.model,
        NOON + timedelta(seconds=number),
        server=cell.target.server,
        prompt_id=cell.prompt.id,
        prompt=cell.prompt.text,
        answer=f"answer {number} \x1b[31m \udcff é",
        thinking="hm",
        done_reason="stop",
        total_s=1.5,
        ttft_s=0.5,
        pieces=2,
        counters=Counters(eval_count=20, eval_duration=400_000_000),
        checks=(Checked("contains", number % 2 == 0, "" if number % 2 == 0 else "no"),),
    )
    return replace(whole, **changes)


def written(store: RunsStore, *numbers: int, end: str = "") -> str:
    id_ = store.create(PLAN, at=NOON, environment={"tool": "1"})
    with store.writer(id_) as writer:
        for number in numbers:
            writer.append(result(number).fields())
        if end:
            writer.append({"type": "end", "status": end})
    return id_


def test_a_run_is_read_again_as_it_was_written(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    id_ = written(store, 3, 0, 9)
    run = store.read(id_)
    assert (run.plan, run.created_at, run.job, run.problems, run.cut) == (PLAN, NOON, "batch", (), 0)
    assert dict(run.results) == {number: result(number) for number in (3, 0, 9)}
    assert run.left == (1, 2, 4, 5, 6, 7, 8)
    assert run.sessions[0].environment == {"tool": "1"}
    assert (run.ended, check_run(run)) == ("", ())
    assert run.path.read_bytes().isascii()
    if sys.platform != "win32":
        assert run.path.stat().st_mode & 0o777 == 0o600


def test_the_list_tells_how_far_each_run_is(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert store.summaries() == ()
    assert not store.exists
    first = written(store, *range(10), end="done")
    second = store.create(PLAN, at=NOON + timedelta(days=1))
    with store.writer(second) as writer:
        writer.append(result(0, status=CellStatus.CONNECT, last=False).fields())
        writer.append(result(0, status=CellStatus.CONNECT, attempt=2, words="gone").fields())
    (store.folder / "notes.jsonl").write_text("mine\n")
    summaries = {summary.id: summary for summary in store.summaries()}
    assert [summary.id for summary in store.summaries()] == ["notes", second, first]
    told = summaries[first]
    assert (told.cells, told.done, told.failed, told.ended, told.models) == (10, 10, 0, "done", ("a", "b"))
    told = summaries[second]
    assert (told.cells, told.done, told.failed, told.ended, told.name) == (10, 1, 1, "", "five")
    assert "cannot be read" in summaries["notes"].words
    assert store.found("last") == ("notes",)
    assert store.found(first[-6:]) == store.found(first) == store.found(str(store.path_of(first))) == (first,)
    assert store.found("") == ()
    assert set(store.found("l")) == set()


@pytest.mark.parametrize("bad", ["../x", "", ".hidden", "a/b", "x" * 200])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, bad: str) -> None:
    with pytest.raises(OutputNotFound):
        store_in(tmp_path).path_of(bad)


def test_a_cut_last_line_is_set_aside_and_the_run_goes_on(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    id_ = written(store, 0, 1)
    path = store.path_of(id_)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    run = store.read(id_)
    assert (list(run.results), run.cut > 0, run.problems) == ([0], True, ())
    assert "the last line is cut" in check_run(run)[0]
    with store.writer(id_) as writer:
        assert writer.set_aside == run.cut
        writer.append(result(1).fields())
    run = store.read(id_)
    assert (list(run.results), run.cut) == ([0, 1], 0)
    assert all(json.loads(line) for line in path.read_bytes().splitlines())
    assert (run.set_aside, run.problems) == (1, ())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5000))
def test_a_file_cut_anywhere_never_loses_a_whole_line(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "run.jsonl"
    lines = [json.dumps({"type": "cell", "cell": number, "text": "x" * number}) for number in range(60)]
    path.write_text("\n".join(lines) + "\n")
    whole = path.read_bytes()[:length]
    path.write_bytes(whole)
    kept = [line for _, _, line in lines_in(path)]
    assert kept == whole.split(b"\n")[:-1]
    rest = mend(path)
    assert rest == len(whole.split(b"\n")[-1])
    after = [line for _, _, line in lines_in(path)]
    assert after[: len(kept)] == kept
    assert len(after) == len(kept) + (rest > 0)
    assert mend(path) == 0


def test_broken_lines_in_the_middle_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    id_ = written(store, 0)
    with store.path_of(id_).open("ab") as file:
        file.write(b"not json\n[]\n\xff\xfe\n")
        file.write(json.dumps({**result(1).fields(), "status": "splendid"}).encode() + b"\n")
        file.write(json.dumps({**result(2).fields(), "cell": 99}).encode() + b"\n")
        file.write(json.dumps({**result(3).fields(), "model": "other"}).encode() + b"\n")
        file.write(b'{"type":"end","status":"done"}\n')
    run = store.read(id_)
    assert sorted(run.results) == [0, 3]
    problems = " | ".join(check_run(run))
    for words in ("line 8: no JSON", "line 9: not an object", "line 10", "status: not known", "the plan has 10 cells"):
        assert words in problems
    assert "cell 3: it is not the one" in problems
    assert "cells are missing" in problems


def test_a_plan_that_was_changed_is_found(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    id_ = written(store, 0)
    path = store.path_of(id_)
    path.write_bytes(path.read_bytes().replace(b'"say 4"', b'"say 5"'))
    assert "digest differs" in check_run(store.read(id_))[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no whole line"),
        ('{"type":"header"}\n', "not a run"),
        ('{"type":"header","format":"codomyrmex-ollama-run","schema":9}\n', "schema 9"),
    ],
)
def test_what_is_no_run_is_said(tmp_path: Path, text: str, words: str) -> None:
    store = store_in(tmp_path)
    store.folder.mkdir()
    (store.folder / "x.jsonl").write_text(text)
    with pytest.raises(OutputUnreadable, match=words):
        store.read("x")
    assert store.summary("x").words


def test_one_program_alone_writes_a_run(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    id_ = written(store)
    with store.writer(id_):
        with pytest.raises(Busy):
            store.writer(id_)
        code = (
            "import sys, pathlib\n"
            "from codomyrmex_ollama_tui.store.run_lines import Busy, LineWriter\n"
            "try:\n    LineWriter(pathlib.Path(sys.argv[1])).close()\nexcept Busy as error:\n    print(error)\n"
        )
        said = subprocess.run(
            [sys.executable, "-c", code, str(store.path_of(id_))],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert "another program is writing this run" in said.stdout
    store.writer(id_).close()
    with pytest.raises(OutputNotFound):
        store.writer("nothing")


def test_two_runs_are_written_at_once(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    ids = [store.create(PLAN, at=NOON) for _ in range(2)]

    def write(id_: str) -> None:
        with store.writer(id_) as writer:
            for number in range(10):
                writer.append(result(number).fields())

    threads = [threading.Thread(target=write, args=(id_,)) for id_ in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [check_run(store.read(id_)) for id_ in ids] == [(), ()]
    assert [store.read(id_).left for id_ in ids] == [(), ()]


def test_syncs_are_due_once_a_second(tmp_path: Path) -> None:
    now = [0.0]
    id_ = written(store_in(tmp_path))
    with LineWriter(store_in(tmp_path).path_of(id_), clock=lambda: now[0]) as writer:
        writer.append({"type": "session"})
        assert not writer.due
        now[0] = 1.0
        assert writer.due
        writer.sync()
        assert not writer.due
        now[0] = 9.0
        assert not writer.due


# -- as records


@pytest.fixture
def source(tmp_path: Path) -> tuple[RunsStore, RunsSource]:
    store = store_in(tmp_path)
    found = RunsSource(store, now=lambda: NOON)
    assert isinstance(found, TellingSource)
    return store, found


def heard(source: RunsSource) -> dict[str, str | None]:
    changes = list(source.changes())
    source.taken_in((key, number) for key, number, _ in changes)
    return {key.rpartition("/")[2]: None if entry is None else entry.answer for key, _, entry in changes}


def test_cells_are_told_once_and_again_when_they_are_marked(source: tuple[RunsStore, RunsSource]) -> None:
    store, cells = source
    assert list(cells.changes()) == []
    assert list(cells.entries()) == []
    id_ = written(store, 0, 1)
    assert heard(cells) == {"0": result(0).answer, "1": result(1).answer}
    assert heard(cells) == {}
    with store.writer(id_) as writer:
        writer.append(result(2).fields())
        writer.append({"type": "end", "status": "stopped"})
        entry = cells.mark(f"run:{id_}/1", lambda marks: replace(marks, rating=4, tags=("good",)))
    assert (entry.rating, entry.tags, entry.title, entry.tokens) == (4, ("good",), "five · p1", 20)
    assert set(heard(cells)) == {"1", "2"}
    assert heard(cells) == {}
    assert [entry.rating for entry in cells.entries()] == [None, 4, None]
    store.path_of(id_).unlink()
    assert heard(cells) == {"0": None, "1": None, "2": None}
    assert heard(cells) == {}


def test_a_deleted_cell_leaves_nothing_but_its_place(source: tuple[RunsStore, RunsSource]) -> None:
    store, cells = source
    id_ = written(store, 0, 1)
    cells.mark(f"run:{id_}/1", lambda marks: replace(marks, note="secret note"))
    size = store.path_of(id_).stat().st_size
    cells.delete(f"run:{id_}/1")
    text = store.path_of(id_).read_text()
    assert len(text) == size
    assert "answer 1" not in text
    assert "secret note" not in text
    run = store.read(id_)
    assert (list(run.results), set(run.gone), len(run.left)) == ([0], {1}, 8)
    assert run.problems == ()
    assert store.summary(id_).done == 2
    with pytest.raises(OutputNotFound):
        cells.mark(f"run:{id_}/1", lambda marks: marks)
    cells.delete("run:nothing/1")


def test_cells_are_found_marked_and_deleted_among_all_records(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    cells = RunsSource(store, now=lambda: NOON)
    written(store, 0, 1)
    records = records_in(tmp_path / "outputs", now=lambda: NOON, token=lambda: "t", sources=(cells,))
    try:
        page = records.search(records.query("kind:cell answer"))
        assert [(entry.kind, entry.model) for entry in page.entries] == [(Kind.CELL, "a")] * 2
        key = page.entries[0].key
        records.mark(Kind.CELL, key, lambda marks: replace(marks, pinned=True))
        assert [entry.key for entry in records.all(records.query("is:pinned"))] == [key]
        records.delete(Kind.CELL, key)
        assert records.entry(key) is None
        assert len(list(records.all(records.query("")))) == 1
        assert records.reindex() == 1
    finally:
        records.close()


# -- together


def test_the_pass_matrix_counts_what_did_not_answer_as_failed() -> None:
    lost = result(1, status=CellStatus.CONNECT, answer="", checks=(Checked("contains", False, "no answer"),))
    results = [result(5), result(0), lost, result(2), result(4, checks=())]
    first, second = rows_of(results)
    assert (first.label, first.cells, first.answered, first.tokens) == ("a", 4, 3, 60)
    assert first.statuses == {CellStatus.OK: 3, CellStatus.CONNECT: 1}
    assert (first.passed.passed, first.passed.total) == (2, 3)
    assert first.checks["contains"].interval == pytest.approx((0.2077, 0.9385), abs=1e-4)
    assert (first.seconds, first.ttft, first.rate) == (1.5, 0.5, 50.0)
    assert (second.label, second.passed.passed, second.passed.total) == ("b @ gpu", 0, 1)
