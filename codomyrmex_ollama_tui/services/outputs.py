"""Every record of every store, for an event loop: the calls of `Records` on threads, so that no screen ever waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.outputs import CleanPlan, Edit, Entry, Kind, Page, Record, Rule, Stats, Texts

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.output_hits import Snippet
    from codomyrmex_ollama_tui.domain.output_query import Query
    from codomyrmex_ollama_tui.services.records import Deleted, Order, Records


class OutputsService:
    """What is saved, found, marked, counted and thrown away. The errors are those of `Records`."""

    def __init__(self, records: Records) -> None:
        self.records = records

    async def save(
        self,
        kind: Kind,
        *,
        model: str = "",
        prompt: str = "",
        response: str = "",
        metadata: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
    ) -> Entry:
        """Saves a record as a new file."""
        return await asyncio.to_thread(
            self.records.save, kind, model=model, prompt=prompt, response=response, metadata=metadata, data=data
        )

    async def read(self, key: str) -> Record:
        """A saved record, whole."""
        return await asyncio.to_thread(self.records.read, key)

    def query(self, text: str) -> Query:
        """Reads a query as a person types it. Raises QueryError."""
        return self.records.query(text)

    async def search(self, query: Query, *, limit: int = 50, after: int | None = None, order: Order = "newest") -> Page:
        """One page of what matches in the index as it is; `Page.complete` is False while it is being built."""
        return await asyncio.to_thread(self.records.search, query, limit=limit, after=after, order=order, wait=False)

    async def count(self, query: Query, *, most: int = 10_000) -> int:
        """How many match, counted up to `most`."""
        return await asyncio.to_thread(self.records.count, query, most=most)

    async def texts(self, key: str) -> Texts:
        """The searched texts of a record of any store."""
        return await asyncio.to_thread(self.records.texts, key)

    async def snippets(self, keys: Iterable[str], query: Query, width: int = 160) -> dict[str, Snippet]:
        """One line of each record around its first hit."""
        listed = tuple(keys)
        return await asyncio.to_thread(lambda: {key: self.records.snippet(key, query, width) for key in listed})

    async def stats(self) -> Stats:
        """Totals over all records."""
        return await asyncio.to_thread(self.records.stats)

    async def mark(self, kind: Kind, key: str, edit: Edit) -> Entry:
        """Changes rating, pin, tags or note; `edit` runs on a thread."""
        return await asyncio.to_thread(self.records.mark, kind, key, edit)

    async def delete(self, kind: Kind, key: str) -> Deleted | None:
        """Deletes a record; one that was saved as a file can be brought back with what is returned."""
        return await asyncio.to_thread(self.records.delete, kind, key)

    async def put_back(self, deleted: Deleted) -> Entry:
        """Brings a deleted record back."""
        return await asyncio.to_thread(self.records.put_back, deleted)

    async def plan(self, rules: Iterable[Rule]) -> CleanPlan:
        """What the rules would remove and what that frees."""
        return await asyncio.to_thread(self.records.plan, tuple(rules))

    async def clean(self, rules: Iterable[Rule]) -> CleanPlan:
        """Removes what the rules say, and gives what went."""
        return await asyncio.to_thread(self.records.clean, tuple(rules))

    async def catch_up(self, *, thorough: bool = False, progress: Callable[[int], None] | None = None) -> int:
        """Takes in what changed without us, builds the index if there is none; `progress` is called on the loop."""
        return await asyncio.to_thread(self.records.catch_up, thorough=thorough, progress=_on_loop(progress))

    async def reindex(self, progress: Callable[[int], None] | None = None) -> int:
        """Makes the index again from all stores; `progress` is called on the loop."""
        return await asyncio.to_thread(self.records.reindex, _on_loop(progress))

    async def revision(self) -> int:
        """A number that changes whenever anybody, also another process, has changed a record."""
        return await asyncio.to_thread(self.records.revision)

    async def aclose(self) -> None:
        """Lets go of the index file."""
        await asyncio.to_thread(self.records.close)


def _on_loop(progress: Callable[[int], None] | None) -> Callable[[int], None]:
    if progress is None:
        return lambda done: None
    loop, wanted = asyncio.get_running_loop(), progress

    def tell(done: int) -> None:
        loop.call_soon_threadsafe(wanted, done)

    return tell
