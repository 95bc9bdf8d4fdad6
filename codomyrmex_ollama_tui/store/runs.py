"""The runs: a file of JSON lines for each, which only grows; killed runs go on where they were.

The first line is the header (plan, environment, hashes), then come the prompts, then a line for each cell that has
ended, in the order in which they ended, and at last an end. A run that goes on has a line `session` where it does.
What a person puts on a cell is a line `mark`; the last one of a cell counts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from codomyrmex_ollama_tui.domain.models import NOTHING
from codomyrmex_ollama_tui.domain.outputs import NO_MARKS, Marks, OutputNotFound, OutputUnreadable
from codomyrmex_ollama_tui.domain.plans import Plan, digest_of, plan_of
from codomyrmex_ollama_tui.domain.prompts import Prompt, prompt_of
from codomyrmex_ollama_tui.domain.runs import CellResult, result_of
from codomyrmex_ollama_tui.store.atomic import write_new
from codomyrmex_ollama_tui.store.filenames import record_name
from codomyrmex_ollama_tui.store.output_files import marks_fields, read_marks
from codomyrmex_ollama_tui.store.run_lines import LineWriter, fields_of, line_of, lines_in

FORMAT = "codomyrmex-ollama-run"
SCHEMA = 1
SUFFIX = ".jsonl"

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")
_CELL = re.compile(rb'\{"type":"cell","cell":(\d+),"last":(true|false),"status":"(\w+)"')
_GONE = re.compile(rb'\{"type":"gone","cell":(\d+)\}')
_ANSWERED = (b"ok", b"empty", b"truncated")


@dataclass(frozen=True, slots=True)
class Session:
    """One sitting of a run: when it began, and what was there then."""

    at: datetime
    environment: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its file has it.

    Attributes:
        id: the name of its file without the suffix.
        job: "batch".
        results: the last result of each cell that has ended, by its number.
        attempts: how many lines of cells there are, further tries included.
        gone: cells whose results a person has deleted; they count as done.
        marks: what a person put on cells.
        sessions: the first is that of the header.
        ended: "done", "stopped" or "cancelled"; "" while it runs, or when it was killed.
        problems: what is wrong in the file, with its line; what could be read is here all the same.
        cut: the bytes of an unfinished last line.
        set_aside: how many cut lines were set aside when the run went on; their cells were asked again.
    """

    id: str
    path: Path
    job: str
    plan: Plan
    created_at: datetime
    digest: str
    results: Mapping[int, CellResult] = field(default_factory=dict)
    attempts: int = 0
    gone: frozenset[int] = frozenset()
    marks: Mapping[int, Marks] = field(default_factory=dict)
    sessions: tuple[Session, ...] = ()
    ended: str = ""
    problems: tuple[str, ...] = ()
    cut: int = 0
    set_aside: int = 0

    @property
    def left(self) -> tuple[int, ...]:
        """The cells that have not ended."""
        return tuple(n for n in range(self.plan.size) if n not in self.results and n not in self.gone)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a list shows of a run.

    Attributes:
        models: as the plan names them.
        cells: how many the plan has; `done` of them have ended, `failed` of these without an answer.
        ended: as `Run.ended`.
        size: bytes of the file.
        words: why it cannot be read; "" for one that can.
    """

    id: str
    path: Path
    job: str = ""
    name: str = ""
    models: tuple[str, ...] = ()
    created_at: datetime | None = None
    cells: int = 0
    done: int = 0
    failed: int = 0
    ended: str = ""
    size: int = 0
    words: str = ""


class RunsStore:
    """The folder of the runs. Nothing is made before the first run is."""

    def __init__(self, folder: Path, *, token: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        """`token` gives a short random text of letters and digits for the next file name."""
        self.folder = folder
        self._token = token
        self._clock = clock

    @property
    def exists(self) -> bool:
        """Whether there was ever a run."""
        return self.folder.is_dir()

    def create(self, plan: Plan, *, at: datetime, environment: Mapping[str, object] = NOTHING) -> str:
        """Writes the beginning of a run, whole or not at all, and gives its id.

        Args:
            at: now, with a zone.
            environment: what there is to be said of machine, servers and models; JSON values.

        Raises:
            OSError: it cannot be written.
        """
        prompts = [prompt.fields() for prompt in plan.prompts]
        while True:
            id_ = record_name(at, self._token())
            header = {
                "type": "header",
                "schema": SCHEMA,
                "format": FORMAT,
                "run": id_,
                "job": "batch",
                "created_at": at.astimezone(UTC).isoformat(),
                "plan": plan.fields(),
                "prompts_file": plan.prompts_file,
                "prompts": len(prompts),
                "cells": plan.size,
                "digest": plan.digest(),
                "prompts_digest": digest_of(prompts),
                "environment": environment,
            }
            lines = [line_of(header), *(line_of({"type": "prompt", **prompt}) for prompt in prompts)]
            try:
                write_new(self.path_of(id_), b"".join(lines).decode("ascii"))
                return id_
            except FileExistsError:  # the same token in the same microsecond
                continue

    def writer(self, id_: str) -> LineWriter:
        """Opens a run to go on with it. Raises Busy, OutputNotFound, OutputNotSaved."""
        return LineWriter(self.path_of(id_), clock=self._clock)

    def path_of(self, id_: str) -> Path:
        """The file of a run. Raises OutputNotFound for what no run is called."""
        if not _ID.fullmatch(id_):
            raise OutputNotFound(self.folder / "?", "that is no name of a run")
        return self.folder / f"{id_}{SUFFIX}"

    def ids(self) -> tuple[str, ...]:
        """All runs, oldest first."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise OutputUnreadable(self.folder, (error.strerror or str(error)).lower()) from error
        stems = [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]
        return tuple(sorted(stem for stem in stems if _ID.fullmatch(stem)))

    def found(self, text: str) -> tuple[str, ...]:
        """The runs that a person may mean: "last", an id, its end, or the path of the file."""
        ids = self.ids()
        if text == "last":
            return ids[-1:]
        stem = Path(text).name.removesuffix(SUFFIX)
        return (stem,) if stem in ids else tuple(id_ for id_ in ids if stem and id_.endswith(stem))

    def read(self, id_: str) -> Run:
        """A run, whole. Lines that cannot be read are named in `problems`.

        Raises:
            OutputNotFound: there is none.
            OutputUnreadable: not even its header and prompts can be read.
        """
        return _Reader(id_, self.path_of(id_)).run()

    def summary(self, id_: str) -> RunSummary:
        """What a list shows; reads the file without taking its cells apart."""
        path = self.path_of(id_)
        done: dict[bytes, bytes] = {}
        header: dict[str, object] = {}
        last = b""
        try:
            size = path.stat().st_size
            for number, _, line in lines_in(path):
                last = line
                if number == 1:
                    header = _header(line)
                elif found := _CELL.match(line):
                    if found[2] == b"true":
                        done[found[1]] = found[3]
                elif found := _GONE.match(line):
                    done.setdefault(found[1], b"ok")
            if not header:
                raise ValueError("it is empty")
            plan = cast(Mapping[str, object], header["plan"])
            ended = fields_of(last).get("status", "") if last.startswith(b'{"type":"end"') else ""
            models = cast(Sequence[Mapping[str, str]], plan["models"])
            return RunSummary(
                id_,
                path,
                str(header["job"]),
                str(plan.get("name", "")),
                tuple(dict.fromkeys(str(model["model"]) for model in models)),
                _moment(header["created_at"]),
                cells=int(str(header["cells"])),
                done=len(done),
                failed=sum(status not in _ANSWERED for status in done.values()),
                ended=str(ended),
                size=size,
            )
        except FileNotFoundError as error:
            raise OutputNotFound(path) from error
        except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
            return RunSummary(id_, path, words=f"cannot be read: {error}")

    def summaries(self) -> tuple[RunSummary, ...]:
        """All runs, newest first."""
        return tuple(self.summary(id_) for id_ in reversed(self.ids()))


class _Reader:
    def __init__(self, id_: str, path: Path) -> None:
        self._id, self._path = id_, path
        self._results: dict[int, CellResult] = {}
        self._marks: dict[int, Marks] = {}
        self._gone: set[int] = set()
        self._sessions: list[Session] = []
        self._prompts: list[Prompt] = []
        self._problems: list[str] = []
        self._ended = ""
        self._attempts = 0
        self._set_aside = 0

    def run(self) -> Run:
        header: dict[str, object] | None = None
        whole = 0
        for number, offset, line in lines_in(self._path):
            whole = offset
            try:
                if header is None:
                    header = _header(line)
                    self._sessions.append(_session(header, "created_at"))
                else:
                    self._take(fields_of(line))
            except (ValueError, TypeError, LookupError, OverflowError) as error:
                if header is None:
                    raise OutputUnreadable(self._path, f"line 1: {error}") from error
                self._problems.append(f"line {number}: {error}")
        if header is None:
            raise OutputUnreadable(self._path, "there is no whole line in it")
        try:
            if self._prompts and len(self._prompts) == header["prompts"]:
                plan = plan_of(cast(Mapping[str, object], header["plan"]), tuple(self._prompts))
            else:
                raise ValueError(f"{len(self._prompts)} of {header['prompts']} prompts are there")
        except (ValueError, TypeError, LookupError) as error:
            raise OutputUnreadable(self._path, f"its plan cannot be read: {error}") from error
        size = plan.size
        for cell in sorted(cell for cell in {*self._results, *self._marks} if not 0 <= cell < size):
            self._problems.append(f"cell {cell}: the plan has {size:,} cells")
            self._results.pop(cell, None)
            self._marks.pop(cell, None)
        return Run(
            self._id,
            self._path,
            str(header["job"]),
            plan,
            _moment(header["created_at"]),
            str(header.get("digest", "")),
            self._results,
            self._attempts,
            frozenset(self._gone - self._results.keys()),
            self._marks,
            tuple(self._sessions),
            self._ended,
            tuple(self._problems),
            self._path.stat().st_size - whole,
            self._set_aside,
        )

    def _take(self, line: dict[str, object]) -> None:
        self._ended = ""
        match line.get("type"):
            case "cell":
                result = result_of(line)
                self._attempts += 1
                if result.last:
                    self._results[result.cell] = result
            case "prompt":
                fields = {name: value for name, value in line.items() if name != "type"}
                self._prompts.append(prompt_of(fields, len(self._prompts) + 1))
            case "mark":
                self._marks[_cell_of(line)] = read_marks(line.get("marks"))
            case "gone":
                self._gone.add(_cell_of(line))
            case "session":
                self._sessions.append(_session(line, "at"))
            case "end":
                self._ended = str(line.get("status", "done"))
            case "cut":
                self._set_aside += 1
            case other:
                raise ValueError(f"a line of the unknown type {other!r}")


def mark_line(cell: int, marks: Marks, at: datetime) -> dict[str, object]:
    """The line of a mark."""
    return {"type": "mark", "cell": cell, "at": at.astimezone(UTC).isoformat(), "marks": marks_fields(marks)}


def marks_of(run: Run, cell: int) -> Marks:
    """What a person put on a cell."""
    return run.marks.get(cell, NO_MARKS)


def check_run(run: Run) -> tuple[str, ...]:
    """Everything that is wrong with a run, in sentences: unreadable lines, and what is not as its header says."""
    problems = list(run.problems)
    if run.cut:
        problems.append(f"the last line is cut ({run.cut} bytes); going on with the run sets it aside")
    if run.plan.digest() != run.digest:
        problems.append("plan or prompts are not those it began with: their digest differs")
    for cell, result in sorted(run.results.items()):
        planned = run.plan.cell(cell)
        told = (result.model, result.server, result.variant, result.prompt_id, result.repeat)
        if told != (
            planned.target.model,
            planned.target.server,
            planned.variant.name,
            planned.prompt.id,
            planned.repeat,
        ):
            problems.append(f"cell {cell}: it is not the one that the plan has there")
    if run.ended == "done" and run.left:
        problems.append(f"it says that it is done, and {len(run.left):,} cells are missing")
    return tuple(problems)


def _header(line: bytes) -> dict[str, object]:
    header = fields_of(line)
    if header.get("format") != FORMAT or header.get("type") != "header":
        raise ValueError("not a run of this program")
    if header.get("schema") != SCHEMA:
        raise ValueError(f"schema {header.get('schema')!r} is not known to this version")
    return header


def _session(line: Mapping[str, object], name: str) -> Session:
    environment = line.get("environment", {})
    return Session(_moment(line.get(name)), environment if isinstance(environment, dict) else {})


def _cell_of(line: Mapping[str, object]) -> int:
    cell = line.get("cell")
    if isinstance(cell, bool) or not isinstance(cell, int):
        raise ValueError("cell: not a whole number")
    return cell


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("a time is missing")
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
