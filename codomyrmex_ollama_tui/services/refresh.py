"""Taking into the index what changed in the outputs folder without it: by hand, or by a program that could not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from codomyrmex_ollama_tui.domain.outputs import IndexEntry, OutputNotFound
from codomyrmex_ollama_tui.store.index import Index
from codomyrmex_ollama_tui.store.outputs import OutputsStore

SETTLED = timedelta(seconds=2)
"""A folder that changed less than this ago may change again within one tick of its clock: it is looked at again."""
_CHUNK = 250


def refresh(store: OutputsStore, index: Index, now: datetime, *, thorough: bool) -> int:
    """Looks into the folders whose time of change is new, or, if thorough, into all of them.

    Returns:
        how many records were taken in or forgotten.

    Raises:
        IndexFailed, OutputUnreadable: the index or a folder cannot be used.
    """
    known = index.folders()
    count = 0
    seen = set()
    for folder, changed in store.folders():
        seen.add(folder)
        if not thorough and known.get(folder) == changed:
            continue
        count += _refresh_folder(store, index, folder)
        settled = abs(now.timestamp() - changed / 1e9) > SETTLED.total_seconds()
        if known.get(folder) != (changed if settled else -1):
            index.set_folder(folder, changed if settled else -1)
    for place in {*known, *filter(store.holds, index.places())} - seen:
        gone = list(index.stamps(place))
        index.remove(*gone)
        index.set_folder(place, None)
        count += len(gone)
    return count


def _refresh_folder(store: OutputsStore, index: Index, folder: str) -> int:
    known = index.stamps(folder)  # before the files: one that is saved meanwhile is then new, not gone
    files = store.files(folder)
    changed = [file.key for file in files if known.get(file.key) != file.stamp]
    for start in range(0, len(changed), _CHUNK):
        index.put(*_entries(store, changed[start : start + _CHUNK]))
    gone = known.keys() - {file.key for file in files}
    if gone:
        index.remove(*gone)
    return len(changed) + len(gone)


def _entries(store: OutputsStore, keys: Iterable[str]) -> Iterator[IndexEntry]:
    for key in keys:
        with contextlib.suppress(OutputNotFound):  # deleted since
            yield store.entry(key)
