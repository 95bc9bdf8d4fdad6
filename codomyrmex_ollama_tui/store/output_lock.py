"""One change of a record at a time, among all threads and processes that use an outputs folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from codomyrmex_ollama_tui.domain.outputs import OutputNotSaved

LOCK_NAME = ".lock"
LOCK_WAIT = 10.0
"""Seconds to wait for another process that is changing a record."""


@contextlib.contextmanager
def held(base: Path) -> Iterator[None]:
    """Holds the folder. Saving and listing do without it.

    Raises:
        OutputNotSaved: another program has been holding it for 10 s, or the lock cannot be made.
    """
    from filelock import FileLock, Timeout  # only where a record changes

    path = base / LOCK_NAME
    lock = FileLock(path, timeout=LOCK_WAIT, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputNotSaved(path, f"another program has been holding it for {LOCK_WAIT:g} s") from error
    except OSError as error:
        raise OutputNotSaved(path, (error.strerror or str(error)).lower()) from error
    try:
        yield
    finally:
        lock.release()
