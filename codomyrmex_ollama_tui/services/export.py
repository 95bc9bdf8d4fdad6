"""Records of any store, whole, and as one text to give away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.output_export import ExportFormat, Keyed, export_text
from codomyrmex_ollama_tui.domain.outputs import (
    SAVED_KINDS,
    UNREADABLE_KINDS,
    Entry,
    Marks,
    OutputNotFound,
    OutputUnreadable,
    Record,
)

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.output_query import Query
    from codomyrmex_ollama_tui.services.records import Records


def whole(records: Records, entry: Entry) -> Record:
    """What an entry stands for. Of a chat or a run that is what the index knows: texts and marks.

    Raises:
        OutputNotFound, OutputUnreadable: its file is gone, or cannot be read.
    """
    if entry.kind in UNREADABLE_KINDS:
        raise OutputUnreadable(records.path_of(entry.key), entry.words)
    if entry.kind in SAVED_KINDS:
        return records.read(entry.key)
    texts = records.texts(entry.key)
    return Record(
        entry.kind,
        entry.created_at,
        entry.model,
        texts.prompt,
        texts.answer,
        {"thinking": texts.thinking} if texts.thinking else None,
        marks=Marks(entry.rating, entry.pinned, entry.tags, entry.note),
    )


def export(
    records: Records,
    query: Query,
    export_format: ExportFormat,
    *,
    limit: int | None = None,
    taken: Callable[[Entry], None] = lambda entry: None,
    left_out: Callable[[OutputNotFound | OutputUnreadable], None],
) -> Iterator[str]:
    """The text of everything that matches, newest first, piece by piece.

    Args:
        limit: how many records at most.
        taken: called with each record that is in it.
        left_out: called with the reason for each one that cannot be read.
    """

    def readable() -> Iterator[Keyed]:
        for entry in records.all(query, limit):
            try:
                record = whole(records, entry)
            except (OutputNotFound, OutputUnreadable) as error:
                left_out(error)
                continue
            taken(entry)
            yield entry.key, record

    return export_text(islice(readable(), limit), export_format)
