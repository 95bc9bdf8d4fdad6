"""The cells of all runs as records that the index knows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from codomyrmex_ollama_tui.domain.outputs import (
    Edit,
    IndexEntry,
    Kind,
    Marks,
    OutputNotFound,
    OutputUnreadable,
)
from codomyrmex_ollama_tui.domain.runs import CellResult, result_of
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.store.atomic import write_atomically
from codomyrmex_ollama_tui.store.output_lock import held
from codomyrmex_ollama_tui.store.run_lines import append_beside, blank, fields_of, lines_in
from codomyrmex_ollama_tui.store.runs import Run, RunsStore, mark_line, marks_of

PREFIX = "run:"
"""Before the id of a run in the place of its cells, and in their keys."""
KNOWN = ".indexed.json"
_CELL_LINE = b'{"type":"cell"'
_MARK_LINE = b'{"type":"mark"'


class RunsSource:
    """A `Source` of the index that tells what has changed: how far each file has been taken in is kept beside it."""

    kinds = frozenset({Kind.CELL})

    def __init__(self, store: RunsStore, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    @property
    def exists(self) -> bool:
        """Whether there was ever a run."""
        return self._store.exists

    def entries(self) -> Iterator[IndexEntry]:
        """Every cell that has ended, run after run."""
        found: list[IndexEntry] = []
        for id_ in self._store.ids():
            with contextlib.suppress(OutputUnreadable, OutputNotFound):
                run = self._store.read(id_)
                found += [_entry(run, result) for result in run.results.values()]
        return iter(sorted(found, key=lambda entry: entry.created_at))

    def changes(self) -> Iterator[tuple[str, int, IndexEntry | None]]:
        """What the index may not know yet: key, offset in the file, and the entry; None for a cell that is gone.

        Raises:
            OutputUnreadable: the folder cannot be read.
        """
        if not self.exists:
            return
        known, ids = self._known(), self._store.ids()
        for id_ in ids:
            offset = known.get(id_, (0, 0))[0]
            with contextlib.suppress(OutputUnreadable, OutputNotFound):
                path = self._store.path_of(id_)
                size = path.stat().st_size
                if size == offset:
                    continue
                # A file that has become shorter is not the one that was taken in.
                lines = lines_in(path, offset if offset <= size else 0)
                told = [(cell, end) for _, end, line in lines if (cell := _about(line)) is not None]
                run = self._store.read(id_) if told else None
                for cell, end in told:
                    if run is not None and cell in run.results:
                        yield _key(id_, cell), end, _entry(run, run.results[cell])
        for id_, (_, cells) in known.items():
            if id_ not in ids:
                for cell in range(cells):
                    yield _key(id_, cell), -1 - cell, None

    def taken_in(self, changes: Iterable[tuple[str, int]]) -> None:
        """The index knows these changes now, as (key, offset)."""
        known = self._known()
        for key, offset in changes:
            id_, cell = _parts(key)
            before = known.get(id_, (0, 0))
            if offset < 0:
                # The last of a run that is gone: nothing of it is to be told again.
                if cell + 1 >= before[1]:
                    known.pop(id_, None)
                continue
            known[id_] = (max(offset, before[0]), max(cell + 1, before[1]))
        write_atomically(self._store.folder / KNOWN, json.dumps(known) + "\n")

    def mark(self, key: str, edit: Edit) -> IndexEntry:
        """Changes the marks of a cell and gives its new entry. Raises OutputNotFound, OutputNotSaved, ValueError."""
        id_, cell = _parts(key)
        with held(self._store.folder):
            run = self._store.read(id_)
            result = self._result(run, cell)
            marks = edit(marks_of(run, cell))
            append_beside(run.path, mark_line(cell, marks, self._now()))
        return _entry(run, result, marks)

    def delete(self, key: str) -> None:
        """Takes a cell's texts and figures out of the file; its place stays, so that it is not asked again."""
        id_, cell = _parts(key)
        beginnings = (f'{{"type":"cell","cell":{cell},'.encode(), f'{{"type":"mark","cell":{cell},'.encode())
        with contextlib.suppress(OutputNotFound):
            blank(self._store.path_of(id_), beginnings, f'{{"type":"gone","cell":{cell}}}'.encode())

    def _result(self, run: Run, cell: int) -> CellResult:
        result = run.results.get(cell)
        if result is None:
            raise OutputNotFound(run.path, f"there is no cell {cell}")
        return result

    def _known(self) -> dict[str, tuple[int, int]]:
        """For each run: how far its file has been taken in, and the number of its last cell and one."""
        try:
            told = json.loads((self._store.folder / KNOWN).read_text(encoding="utf-8"))
            return {str(id_): (int(offset), int(cells)) for id_, (offset, cells) in told.items()}
        except (OSError, ValueError, TypeError, AttributeError):  # then everything is told again, which does no harm
            return {}


def _about(line: bytes) -> int | None:
    """The cell that a line is about; None for a line of another kind, or one that cannot be read."""
    if not line.startswith((_CELL_LINE, _MARK_LINE)):
        return None
    try:
        fields = fields_of(line)
        cell = fields.get("cell")
        if line.startswith(_CELL_LINE):
            return result_of(fields).cell
        return cell if isinstance(cell, int) else None
    except ValueError:
        return None


def _entry(run: Run, result: CellResult, marks: Marks | None = None) -> IndexEntry:
    marks = marks_of(run, result.cell) if marks is None else marks
    return IndexEntry(
        Kind.CELL,
        _key(run.id, result.cell),
        result.model,
        result.started_at,
        title=one_line(f"{run.plan.name or run.job} · {result.prompt_id}", 120),
        preview=one_line(result.answer, 200),
        rating=marks.rating,
        pinned=marks.pinned,
        tags=marks.tags,
        note=marks.note,
        tokens=result.counters.eval_count,
        place=f"{PREFIX}{run.id}",
        words="" if result.answered else one_line(f"{result.status.value}: {result.words}"),
        prompt=result.prompt,
        answer=result.answer,
        thinking=result.thinking,
    )


def _key(id_: str, cell: int) -> str:
    return f"{PREFIX}{id_}/{cell}"


def _parts(key: str) -> tuple[str, int]:
    id_, _, cell = key.removeprefix(PREFIX).rpartition("/")
    return id_, int(cell)
