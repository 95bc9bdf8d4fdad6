"""One engine for each folder of models: who holds the folder's lock serves, the others use that one."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

HOLD_PATH = "/embedded/hold"
"""Where a program that shares an engine holds it open: POST, `?pid=` of the engine; none of Ollama's endpoints."""
_LOCK, _NOTE = "engine.lock", "engine.json"
_PATIENCE = 2.0
"""Seconds for one answer of a neighbour."""


@dataclass(frozen=True, slots=True)
class Hold:
    """An engine of another program, held open."""

    _line: socket.socket
    _reply: HTTPResponse

    def wait(self) -> None:
        """Returns when the engine ends, or after `let_go`."""
        with suppress(OSError, ValueError):
            while self._reply.readline():
                pass

    def let_go(self) -> None:
        """Hold it no longer; from any thread."""
        with suppress(OSError):  # it has ended already
            self._line.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An engine that serves a folder: its address (a URL) and process id, and what holds it open, if asked for."""

    address: str
    pid: int
    hold: Hold | None = None


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

    def neighbour(self, *, hold: bool, patience: float = 10.0) -> Neighbour | None:
        """The engine that holds the folder, as soon as it answers; None if it does not within `patience` seconds.

        It may have taken the lock a moment ago, or be about to end: in the latter case `take` works now.

        Args:
            hold: hold it open: from now on it does not end before `Neighbour.let_go`, or before our process ends.
        """
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with suppress(OSError, ValueError, KeyError, TypeError):
                note = json.loads(self._note.read_text(encoding="utf-8"))
                address, pid = str(note["address"]), int(note["pid"])
                if hold:
                    return Neighbour(address, pid, _hold(address, pid))
                if _answers(address):
                    return Neighbour(address, pid)
            if self.take():
                return None
            time.sleep(0.05)
        return None

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._lock.is_locked


def _hold(address: str, pid: int) -> Hold:
    """Raises OSError or ValueError if no engine with that process id is there, or if it is about to end."""
    connection, reply = _ask(address, "POST", f"{HOLD_PATH}?pid={pid}")
    try:
        if reply.status != 200 or not reply.readline():
            raise ValueError(f"{address} cannot be shared: status {reply.status}")
        connection.sock.settimeout(None)
    except BaseException:
        connection.close()
        raise
    return Hold(connection.sock, reply)


def _answers(address: str) -> bool:
    connection, reply = _ask(address, "GET", "/api/version")
    try:
        return reply.status == 200 and "engine" in json.loads(reply.read(4096))
    finally:
        connection.close()


def _ask(address: str, method: str, path: str) -> tuple[HTTPConnection, HTTPResponse]:
    # only here: most starts find nobody, and these take longer than the rest of this file
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(address)
    if not parts.hostname or not parts.port:
        raise ValueError(f"{address} is no address of an engine")
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_PATIENCE)
    try:
        connection.request(method, path)
        return connection, connection.getresponse()
    except http.client.HTTPException as error:
        connection.close()
        raise ValueError(f"{address} does not answer: {error}") from error
    except BaseException:
        connection.close()
        raise
