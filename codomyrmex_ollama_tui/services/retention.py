"""A clean-up carried out, record by record, by the stores that own them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from codomyrmex_ollama_tui.domain.outputs import Entry, Kind, OutputError, Removal, Source
from codomyrmex_ollama_tui.store.outputs import OutputsStore


def carry_out(
    removals: Iterable[Removal],
    owner_of: Callable[[Kind], Source],
    agreed: Callable[[Entry], bool],
    gone: list[Removal],
    stayed: list[str],
    progress: Callable[[int], None],
) -> OutputError | None:
    """Removes records.

    Args:
        agreed: whether a saved record that has changed since is still to go.
        gone: gets each record that went, also when this is broken off.
        stayed: gets the key of each saved record that had changed and stays, or was gone already.
        progress: called with the number of records that are gone; what it raises ends the work.

    Returns:
        the first error of a record that could not be removed; the others are gone.
    """
    failed: OutputError | None = None
    for removal in removals:
        entry = removal.entry
        owner = owner_of(entry.kind)
        try:
            if not isinstance(owner, OutputsStore):
                owner.delete(entry.key)
            elif not owner.delete_if(entry.key, entry.stamp, agreed):
                stayed.append(entry.key)
                continue
        except OutputError as error:
            failed = failed or error
            continue
        gone.append(removal)
        progress(len(gone))
    return failed
