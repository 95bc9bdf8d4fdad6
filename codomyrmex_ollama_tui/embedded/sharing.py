"""One engine for each folder of models: who holds the folder's lock serves, the others use that one."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

_LOCK, _NOTE = "engine.lock", "engine.json"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An engine that serves a folder: its address (a URL) and process id."""

    address: str
    pid: int


class FolderLock:
    """The lock of a folder of models. The system lets go of it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._note = folder / _NOTE
        self._lock = FileLock(folder / _LOCK, thread_local=False)

    def take(self) -> bool:
        """Whether the folder is ours now."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    def announce(self, address: str) -> None:
        """Tell others where we serve the folder."""
        draft = self._note.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"address": address, "pid": os.getpid()}), encoding="utf-8")
        draft.replace(self._note)

    def release(self) -> None:
        """Let go of the folder, if we hold it."""
        if not self.held:
            return
        with suppress(OSError):
            self._note.unlink()
        self._lock.release()

    def neighbour(self, patience: float = 10.0) -> Neighbour | None:
        """The engine that holds the folder, as soon as it answers; None if it does not within `patience` seconds.

        It may have taken the lock a moment ago, or be about to end: in the latter case `take` works now.
        """
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with suppress(OSError, ValueError, KeyError, TypeError):
                note = json.loads(self._note.read_text(encoding="utf-8"))
                found = Neighbour(str(note["address"]), int(note["pid"]))
                if _answers(found.address):
                    return found
            if self.take():
                return None
            time.sleep(0.05)
        return None

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._lock.is_locked


def _answers(address: str) -> bool:
    # only here: most starts find nobody, and these take longer than the rest of this file
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(address)
    if not parts.hostname or not parts.port:
        return False
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=2)
    try:
        connection.request("GET", "/api/version")
        reply = connection.getresponse()
        return reply.status == 200 and "engine" in json.loads(reply.read(4096))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
