"""Every record of every store: saved, found, marked, counted, thrown away, each through the store that owns it."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.output_hits import Snippet, snippet
from codomyrmex_ollama_tui.domain.output_query import Query, parse_query
from codomyrmex_ollama_tui.domain.outputs import (
    UNREADABLE_KINDS,
    CleanPlan,
    Edit,
    Entry,
    IndexEntry,
    Kind,
    OutputNotFound,
    OutputUnreadable,
    Page,
    Record,
    Removal,
    Rule,
    Source,
    Stats,
    Texts,
    plan_removal,
)
from codomyrmex_ollama_tui.services.hearing import hear, telling
from codomyrmex_ollama_tui.services.refresh import refresh
from codomyrmex_ollama_tui.services.retention import carry_out
from codomyrmex_ollama_tui.store.index import Index, Order
from codomyrmex_ollama_tui.store.index_file import IndexFailed, IndexLost
from codomyrmex_ollama_tui.store.index_search import storable
from codomyrmex_ollama_tui.store.outputs import Deleted, OutputsStore

__all__ = ["Deleted", "Order", "Records", "records_in"]

SLOW_LOOK = 0.1
"""Seconds from which on a look for changes is not made before every answer."""
_CHUNK = 250
_PAGE = 1000

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Records:
    """The records, by calls that block; safe to use from several threads. `OutputsService` is the same for a loop."""

    def __init__(
        self,
        store: OutputsStore,
        index: Index,
        *,
        now: Callable[[], datetime],
        sources: Sequence[Source] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            now: the time of day with the person's zone.
            sources: further stores whose records are found and marked here too.
        """
        self._store = store
        self._index = index
        self._now = now
        self._clock = clock
        self._sources: tuple[Source, ...] = (store, *sources)
        self._look_again_at = -math.inf

    def save(
        self,
        kind: Kind,
        *,
        model: str = "",
        prompt: str = "",
        response: str = "",
        metadata: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
    ) -> Entry:
        """Saves a record as a new file; `Entry.key` tells where.

        A record is saved when its file is: an index that cannot be written takes it in later.

        Raises:
            TypeError, ValueError: something is not text, or not JSON (named).
            OutputNotSaved: the file could not be written.
        """
        for name, text in (("model", model), ("prompt", prompt), ("response", response)):
            if not isinstance(text, str):
                raise TypeError(f"{name}: {type(text).__name__} is not text")
        record = Record(kind, self._moment_for(kind, model), model, prompt, response, metadata, data or {})
        entry = self._store.save(record)
        self._take_in(entry)
        return entry

    def read(self, key: str) -> Record:
        """A saved record, whole. Raises OutputNotFound or OutputUnreadable."""
        return self._store.read(key)

    def path_of(self, key: str) -> Path:
        """The file of a saved record."""
        return self._store.path_of(key)

    def key_of(self, path: Path) -> str:
        """The key of the record in a file. Raises ValueError if it is not in the folder."""
        return self._store.key_of(path)

    def newest_config(self, model: str) -> Record | None:
        """The configuration of a model that was saved last, or None."""
        for entry in self.all(Query(kinds=frozenset({Kind.CONFIG}), model_names=self.names_of(model))):
            with contextlib.suppress(OutputNotFound, OutputUnreadable):  # gone or broken since it was indexed
                return self._store.read(entry.key)
        return None

    def names_of(self, model: str) -> tuple[str, ...]:
        """The names among the records that mean this model (`llama3` is `llama3:latest`), alone or with others."""
        wanted = storable(model)
        nothing: tuple[str, ...] = ()
        return tuple(
            name
            for name in self._ask(self._index.models, nothing)
            if same_model(name, wanted) or any(same_model(part, wanted) for part in name.split(", "))
        )

    def query(self, text: str) -> Query:
        """Reads a query as a person types it. Raises QueryError."""
        return parse_query(text, self._now())

    def search(
        self,
        query: Query,
        *,
        limit: int = 50,
        after: int | None = None,
        order: Order = "newest",
        wait: bool = True,
    ) -> Page:
        """One page of what matches.

        Args:
            wait: build the index first where it is missing; else what is there so far is searched.
        """
        return self._ask(lambda: self._index.search(query, limit=limit, after=after, order=order), Page(()), wait=wait)

    def all(self, query: Query, page_size: int | None = None) -> Iterator[Entry]:
        """Everything that matches, newest first, read in pages of at most 1,000."""
        after: int | None = None
        while True:
            page = self.search(query, limit=min(page_size or _PAGE, _PAGE), after=after)
            yield from page.entries
            if page.after is None:
                return
            after = page.after

    def entry(self, key: str) -> Entry | None:
        """What lists show of one record of any store, if there is one."""
        return self._ask(lambda: self._index.get(key), None)

    def ending(self, end: str) -> tuple[str, ...]:
        """The keys of at most 20 records that end so: the end of a file name tells a record apart."""
        nothing: tuple[str, ...] = ()
        return self._ask(lambda: self._index.ending(end), nothing)

    def count(self, query: Query, *, most: int = 10_000) -> int:
        """How many match, counted up to `most`."""
        return self._ask(lambda: self._index.count(query, most=most), 0)

    def texts(self, key: str) -> Texts:
        """The searched texts of a record of any store."""
        return self._ask(lambda: self._index.texts(key), Texts())

    def snippet(self, key: str, query: Query, width: int = 160) -> Snippet:
        """One line of a record around its first hit."""
        texts = self.texts(key)
        return snippet((texts.answer, texts.prompt, texts.note, texts.thinking), query.words, width)

    def stats(self) -> Stats:
        """Totals over all records."""
        return self._ask(self._index.stats, Stats())

    def mark(self, kind: Kind, key: str, edit: Edit) -> Entry:
        """Changes rating, pin, tags or note, e.g. with `lambda marks: replace(marks, rating=4)`.

        Raises:
            ValueError: the new marks are not allowed.
            OutputNotFound, OutputUnreadable, OutputNotSaved: the file is gone, broken or cannot be replaced.
        """
        entry = self._owner(kind).mark(key, edit)
        self._take_in(entry)
        return entry

    def delete(self, kind: Kind, key: str) -> Deleted | None:
        """Deletes a record; one that was saved as a file can be brought back with what is returned.

        Raises:
            OutputNotFound, OutputUnreadable, OutputNotSaved: it is gone, or it cannot be read or deleted.
        """
        owner = self._owner(kind)
        deleted = None
        if owner is self._store and kind not in UNREADABLE_KINDS:
            deleted = self._store.take(key)
        else:
            owner.delete(key)
        self._forget([key])
        return deleted

    def put_back(self, deleted: Deleted) -> Entry:
        """Brings a deleted record back. Raises OutputNotSaved."""
        entry = self._store.put_back(deleted)
        self._take_in(entry)
        return entry

    def plan(self, rules: Iterable[Rule]) -> CleanPlan:
        """What the rules would remove and what that frees. Changes nothing."""
        return plan_removal(self.all(Query()), rules, self._now())

    def clean(self, rules: Iterable[Rule], progress: Callable[[int], None] = lambda done: None) -> CleanPlan:
        """Removes what the rules say, and gives what went.

        A saved record that is no longer as the index has it is judged by what it is now.

        Args:
            progress: called with the number of records that are gone; what it raises ends the work.

        Raises:
            OutputError: a record could not be removed (the first such; the others are gone).
        """
        rules, now = tuple(rules), self._now()
        plan = plan_removal(self.all(Query()), rules, now)

        def agreed(entry: Entry) -> bool:
            return bool(plan_removal([entry], rules, now).removals)

        gone: list[Removal] = []
        stayed: list[str] = []
        try:
            failed = carry_out(plan.removals, self._owner, agreed, gone, stayed, progress)
        finally:
            for start in range(0, len(gone), _CHUNK):
                self._forget([removal.entry.key for removal in gone[start : start + _CHUNK]])
            for key in stayed:
                self._look_at(key)
        if failed is not None:
            raise failed
        return CleanPlan(tuple(gone), plan.kept)

    def catch_up(self, *, thorough: bool = False, progress: Callable[[int], None] = lambda done: None) -> int:
        """Takes in what changed in the outputs folder without us, builds the index if there is none.

        Only folders whose time of change is new are looked into. A file that was edited without being replaced is
        seen by a thorough look, which compares every file.

        Returns:
            how many records were taken in or forgotten.
        """
        if self._is_nowhere():
            return 0
        for attempt in range(3):
            try:
                built = 0
                if not self._index.complete:
                    built = self._index.rebuild(self._sources, only_if_incomplete=True, progress=progress)
                heard = hear(self._index, telling(self._sources))
                return built + heard + refresh(self._store, self._index, self._now(), thorough=thorough)
            except IndexLost as error:
                _log.warning("%s", error)
                if attempt == 2:
                    raise
        return 0

    def glance(self) -> None:
        """`catch_up` for callers that want to before every answer: in a folder so large that a look takes longer than
        0.1 s, not again before 20 times as long has passed. Changes made through an index are always known."""
        start = self._clock()
        if start < self._look_again_at and self._store.base.is_dir():
            with contextlib.suppress(IndexLost):
                if self._index.complete:
                    return
        self.catch_up()
        end = self._clock()
        self._look_again_at = end + 20 * (end - start) if end - start > SLOW_LOOK else -math.inf

    def reindex(self, progress: Callable[[int], None] = lambda done: None) -> int:
        """Makes the index again from all stores, and gives the number of records."""
        if self._is_nowhere():
            return 0
        try:
            done = self._index.rebuild(self._sources, progress=progress)
        except IndexLost as error:
            _log.warning("%s", error)
            done = self._index.rebuild(self._sources, progress=progress)
        refresh(self._store, self._index, self._now(), thorough=False)
        return done

    def revision(self) -> int:
        """A number that changes whenever anybody, also another process, has changed a record through the index."""
        return self._ask(self._index.revision, 0, wait=False)

    def close(self) -> None:
        """Lets go of the index file; the next call opens it again."""
        self._index.close()

    def _moment_for(self, kind: Kind, model: str) -> datetime:
        """Now; for a configuration later than the one before, so that the last saved is the newest on any clock."""
        now = self._now()
        if kind is Kind.CONFIG:
            with contextlib.suppress(IndexFailed, OutputNotFound):
                self.catch_up()
                before = self.newest_config(model)
                if before is not None and before.created_at >= now:
                    return before.created_at + timedelta(microseconds=1)
        return now

    def _owner(self, kind: Kind) -> Source:
        for source in self._sources:
            if kind in source.kinds:
                return source
        raise ValueError(f"kind: no store holds records of kind {kind}")

    def _is_nowhere(self) -> bool:
        """Nothing was ever saved: looking must not make folders.

        Raises:
            OutputUnreadable: there is something else in the place of the folder.
        """
        base = self._store.base
        if base.is_dir():
            return False
        if base.exists():
            raise OutputUnreadable(base, "not a folder")
        told = telling(self._sources)
        return len(self._sources) == 1 + len(told) and not any(source.exists for source in told)

    def _ask(self, question: Callable[[], T], nothing: T, *, wait: bool = True) -> T:
        if self._is_nowhere():
            return nothing
        try:
            if not wait or self._index.complete:
                return question()
        except IndexLost as error:
            _log.warning("%s", error)
        self.catch_up()
        return question()

    def _take_in(self, entry: IndexEntry) -> None:
        try:
            self._index.put(entry)
        except IndexFailed as error:  # its folder has a new time of change: the next look finds it
            _log.warning("%s is not in the index yet: %s", entry.key, error)

    def _look_at(self, key: str) -> None:
        """Takes in a saved record as it is now."""
        try:
            self._take_in(self._store.entry(key))
        except OutputNotFound:
            self._forget([key])

    def _forget(self, keys: Sequence[str]) -> None:
        try:
            self._index.remove(*keys)
        except IndexFailed as error:
            _log.warning("%d deleted records are still in the index: %s", len(keys), error)


def records_in(
    folder: Path,
    *,
    now: Callable[[], datetime],
    token: Callable[[], str],
    index: Path | None = None,
    sources: Sequence[Source] = (),
) -> Records:
    """The records of an outputs folder; nothing is read or made yet.

    Args:
        token: gives a short random text of letters and digits for the next file name.
        index: the index file; `index.db` in the folder if None.
    """
    store = OutputsStore(folder, token=token)
    return Records(store, Index(index or folder / "index.db"), now=now, sources=sources)
