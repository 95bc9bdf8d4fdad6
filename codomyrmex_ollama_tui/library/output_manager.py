"""Saved outputs: written, listed, searched, counted and cleaned up, in files that a person can read."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from types import EllipsisType
from typing import Any, Self

from codomyrmex_ollama_tui.domain.output_export import record_fields
from codomyrmex_ollama_tui.domain.output_query import Query
from codomyrmex_ollama_tui.domain.outputs import SAVED_KINDS, UNREADABLE_KINDS, Entry, Kind, Marks, Rule
from codomyrmex_ollama_tui.library.results import ModelExecutionResult
from codomyrmex_ollama_tui.services.records import records_in

DEFAULT_FOLDER = "./ollama_outputs"

_LISTED = frozenset({*SAVED_KINDS, *UNREADABLE_KINDS})


class OutputManager:
    """Keeps what models answered as files under one folder, by kind, model and day.

    Safe to use from several threads and processes, also inside a running event loop. Every method that reads takes
    in first what was added, changed or removed in the folder by hand (in a folder so large that looking takes longer
    than 0.1 s, every few seconds). Every method that writes raises
    `OutputError` (an `OSError`) naming the file if it cannot.
    """

    def __init__(self, base_output_dir: str | None = None) -> None:
        """
        Args:
            base_output_dir: the folder, made when the first record is saved; `./ollama_outputs` if None.

        Raises:
            ValueError: it is empty or holds a NUL.
        """
        folder = DEFAULT_FOLDER if base_output_dir is None else os.fspath(base_output_dir)
        if not folder.strip() or "\0" in folder:
            raise ValueError(f"base_output_dir: {folder!r} is not the name of a folder")
        self.base_output_dir = Path(folder).expanduser().absolute()
        self._records = records_in(self.base_output_dir, now=_now, token=lambda: secrets.token_hex(3))

    def save_model_output(
        self, model_name: str, prompt: str, response: str, metadata: dict[str, Any] | None = None
    ) -> str:
        """Saves one answer, with a readable `.txt` beside it.

        Args:
            metadata: JSON values only; `load_output` gives them back as they were.

        Returns:
            the path of the JSON file.

        Raises:
            TypeError, ValueError: an argument is of the wrong type, or metadata cannot be JSON (named).
            OutputError: the file could not be written.
        """
        return self._save(
            Kind.OUTPUT, model=_name(model_name), prompt=prompt, response=response, metadata=_fields(metadata)
        )

    def save_execution_result(self, result: ModelExecutionResult) -> str:
        """Saves a result whole, failed ones too, and gives the path of its file. Raises as `save_model_output`."""
        fields = _result_fields(result, "result")
        return self._save(
            Kind.RESULT,
            model=fields.pop("model_name"),
            prompt=fields.pop("prompt"),
            response=fields.pop("response"),
            metadata=fields.pop("metadata"),
            data=fields,
        )

    def save_model_config(self, model_name: str, config: dict[str, Any]) -> str:
        """Saves the configuration of a model as a new file beside the older ones. Raises as `save_model_output`."""
        return self._save(Kind.CONFIG, model=_name(model_name), data=_object(config, "config"))

    def load_model_config(self, model_name: str) -> dict[str, Any] | None:
        """The configuration that was saved last for a model (`llama3` is `llama3:latest`), or None."""
        name = _name(model_name)
        self._records.glance()
        record = self._records.newest_config(name)
        return None if record is None else dict(record.data)

    def save_batch_results(self, results: list[ModelExecutionResult]) -> str:
        """Saves the results of a batch in their order, as one file. Raises as `save_model_output`."""
        if isinstance(results, str | bytes) or not isinstance(results, Sequence):
            raise TypeError(f"results: {type(results).__name__} is not a list of results")
        listed = [_result_fields(result, f"results[{number}]") for number, result in enumerate(results)]
        successful = sum(bool(fields["success"]) for fields in listed)
        return self._save(
            Kind.BATCH,
            model=_joined(fields["model_name"] for fields in listed),
            data={"total": len(listed), "successful": successful, "results": listed},
        )

    def save_benchmark_report(self, benchmark_data: dict[str, Any]) -> str:
        """Saves a benchmark report, as `ModelRunner.benchmark_model` gives it. Raises as `save_model_output`."""
        data = _object(benchmark_data, "benchmark_data")
        name = data.get("model_name")
        return self._save(Kind.BENCHMARK, model=name if isinstance(name, str) else "", data=data)

    def save_model_comparison(self, comparison_data: dict[str, Any]) -> str:
        """Saves a comparison, as `ModelRunner.create_model_comparison` gives it. Raises as `save_model_output`."""
        data = _object(comparison_data, "comparison_data")
        names = data.get("models_compared")
        return self._save(Kind.COMPARISON, model=_joined(names if isinstance(names, list | tuple) else ()), data=data)

    def list_saved_outputs(self, model_name: str | None = None, *, limit: int | None = None) -> list[dict[str, Any]]:
        """All records, newest first; files that are no records, or broken ones, have the kind "foreign" or "broken".

        Args:
            model_name: only those of that model.
            limit: how many at most, from 1 on; None is all.

        Returns:
            for each: file_path, filename, kind, model_name, created_at (ISO 8601, UTC), size (bytes, with the text
            beside it), preview (of the answer; of an unreadable file what is wrong with it).
        """
        most = None if limit is None else _limit(limit)
        self._records.glance()
        return [self._listed(entry) for entry in islice(self._records.all(self._query(model_name), most), most)]

    def search_outputs(
        self,
        query: str,
        *,
        model_name: str | None = None,
        kind: str | None = None,
        since: datetime | date | str | None = None,
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """What matches a query, newest first.

        Args:
            query: words, "exact words", -not, and filters (`model:` `kind:` `tag:` `since:` `until:` `rating:>3`
                `tokens>500` `is:pinned`); empty for everything.
            since: from this moment on; a text as in the query ("2026-11-23", "7d").
            limit: how many at most, from 1 on.

        Returns:
            as `list_saved_outputs`, with `snippet`, the line around the first hit.

        Raises:
            ValueError: the query (with the place), kind, since or limit are not understood.
        """
        most = _limit(limit)
        asked = self._records.query(query)
        self._records.glance()
        own = self._query(model_name)
        kinds = own.kinds if kind is None else frozenset({_kind(kind)})
        wanted = replace(
            asked,
            kinds=kinds if asked.kinds is None else asked.kinds & (kinds or frozenset()),
            model_names=own.model_names,
            since=_later(asked.since, self._since(since)),
        )
        found = self._records.search(wanted, limit=most).entries
        return [{**self._listed(entry), "snippet": self._records.snippet(entry.key, wanted).text} for entry in found]

    def load_output(self, file_path: str) -> dict[str, Any]:
        """One record, whole.

        Returns:
            kind, model_name, created_at, prompt, response, metadata, data, rating, pinned, tags, note.

        Raises:
            ValueError: the file is not in this folder.
            OutputError: it is gone, half-written or foreign.
        """
        record = self._records.read(self._records.key_of(Path(file_path)))
        return record_fields(record)

    def mark_output(
        self,
        file_path: str,
        *,
        rating: int | EllipsisType | None = ...,
        pinned: bool | EllipsisType = ...,
        tags: Sequence[str] | EllipsisType = ...,
        note: str | EllipsisType = ...,
    ) -> None:
        """Rates (1 to 5, or None), pins, tags or notes a record; what is not given stays as it is.

        Raises:
            TypeError, ValueError: a mark is not allowed, or the file is not in this folder.
            OutputError: the file is gone, broken, or cannot be replaced.
        """
        key = self._records.key_of(Path(file_path))
        if isinstance(tags, str):
            raise TypeError("tags: give a list of texts")

        def edit(marks: Marks) -> Marks:
            return Marks(
                marks.rating if rating is ... else rating,
                marks.pinned if pinned is ... else pinned,
                marks.tags if tags is ... else tuple(tags),
                marks.note if note is ... else note,
            )

        self._records.mark(Kind.OUTPUT, key, edit)

    def get_output_stats(self) -> dict[str, Any]:
        """Totals over all records.

        Returns:
            total_outputs, total_size (bytes), by_type and by_model (numbers of records), oldest_output and
            newest_output (ISO 8601, UTC; None if there is none).
        """
        self._records.glance()
        stats = self._records.stats()
        by_type: Counter[str] = Counter()
        by_model: Counter[str] = Counter()
        for total in stats.totals:
            by_type[total.kind.value] += total.count
            if total.model:
                by_model[total.model] += total.count
        return {
            "total_outputs": stats.count,
            "total_size": stats.size,
            "by_type": dict(by_type),
            "by_model": dict(by_model),
            "oldest_output": None if stats.oldest is None else stats.oldest.isoformat(),
            "newest_output": None if stats.newest is None else stats.newest.isoformat(),
        }

    def cleanup_old_outputs(self, days_old: int = 30) -> int:
        """Removes records older than that; never pinned ones, configurations, or files that are no records.

        Returns:
            the number of records removed (a record and the text beside it count as one).

        Raises:
            TypeError, ValueError: `days_old` is not a number of days from 0 on.
            OutputError: a file could not be removed; the others are.
        """
        if isinstance(days_old, bool) or not isinstance(days_old, int):
            raise TypeError(f"days_old: {type(days_old).__name__} is not a whole number of days")
        if days_old < 0:
            raise ValueError(f"days_old: {days_old} is negative")
        self._records.glance()
        age = timedelta(days=min(days_old, timedelta.max.days))
        return len(self._records.clean([Rule(older_than=age, keep_rated=False)]).removals)

    def reindex(self) -> int:
        """Makes the search index again from the files, and gives the number of records. Never needed, never harmful."""
        return self._records.reindex()

    def close(self) -> None:
        """Lets go of the search index; any later call opens it again."""
        self._records.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _save(self, kind: Kind, **fields: Any) -> str:
        return str(self._records.path_of(self._records.save(kind, **fields).key))

    def _query(self, model_name: str | None) -> Query:
        if model_name is None:
            return Query(kinds=_LISTED)
        return Query(kinds=_LISTED, model_names=self._records.names_of(_name(model_name)))

    def _since(self, since: datetime | date | str | None) -> datetime | None:
        if since is None:
            return None
        if isinstance(since, str):
            return self._records.query(f'since:"{since}"').since
        if not isinstance(since, datetime):
            since = datetime.combine(since, time())
        return since.astimezone()

    def _listed(self, entry: Entry) -> dict[str, Any]:
        path = self._records.path_of(entry.key)
        return {
            "file_path": str(path),
            "filename": path.name,
            "kind": entry.kind.value,
            "model_name": entry.model,
            "created_at": entry.created_at.isoformat(),
            "size": entry.size,
            "preview": entry.words or entry.preview,
        }


def _now() -> datetime:
    return datetime.now().astimezone()


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    return max(first, second) if first is not None and second is not None else first or second


def _kind(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError as error:
        raise ValueError(f"kind: {name!r} is none of {', '.join(sorted(_LISTED))}") from error


def _limit(limit: int) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"limit: {type(limit).__name__} is not a whole number")
    if limit < 1:
        raise ValueError(f"limit: {limit} is less than 1")
    return min(limit, 10**9)


def _name(model_name: str) -> str:
    if not isinstance(model_name, str):
        raise TypeError(f"model_name: {type(model_name).__name__} is not text")
    if not model_name.strip():
        raise ValueError("model_name: empty")
    return model_name


def _fields(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if metadata is None else _object(metadata, "metadata")


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{name}: {type(value).__name__} is not a dict")
    return value


def _result_fields(result: ModelExecutionResult, name: str) -> dict[str, Any]:
    if not isinstance(result, ModelExecutionResult):
        raise TypeError(f"{name}: {type(result).__name__} is not a ModelExecutionResult")
    return asdict(result)


def _joined(names: Any) -> str:
    """The distinct names in their order, as a record of several models has them."""
    return ", ".join(dict.fromkeys(name for name in names if isinstance(name, str) and name))
