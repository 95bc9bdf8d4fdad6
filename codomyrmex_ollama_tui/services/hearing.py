"""Stores that write down what the index does not know yet, and the index that is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from codomyrmex_ollama_tui.domain.outputs import IndexEntry, Source

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.store.index import Index

CHUNK = 250
"""Changes of one transaction."""


@runtime_checkable
class TellingSource(Source, Protocol):
    """A source whose records change without the index, and which remembers what has changed."""

    @property
    def exists(self) -> bool:
        """Whether anything was ever kept in it."""
        ...

    def changes(self) -> Iterator[tuple[str, int, IndexEntry | None]]:
        """What the index may not know yet: key, number of the change, and the entry; None for what is gone."""
        ...

    def taken_in(self, changes: Iterable[tuple[str, int]]) -> None:
        """The index knows these changes now, as (key, number); one that came since under the same key stays."""
        ...


def telling(sources: Iterable[Source]) -> tuple[TellingSource, ...]:
    """Those of the sources that tell of their changes."""
    return tuple(source for source in sources if isinstance(source, TellingSource))


def hear(index: Index, sources: Sequence[TellingSource]) -> int:
    """Takes in what has changed, and gives the number of changes. Raises what index and sources raise."""
    count = 0
    for source in sources:
        changes = source.changes()
        while chunk := list(islice(changes, CHUNK)):
            index.put(*(entry for _, _, entry in chunk if entry is not None))
            index.remove(*(key for key, _, entry in chunk if entry is None))
            source.taken_in((key, number) for key, number, _ in chunk)
            count += len(chunk)
    return count
