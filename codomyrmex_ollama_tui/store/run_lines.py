"""Append-only files of JSON lines: one write for each line, and what a crash cut off is set aside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.outputs import OutputNotFound, OutputNotSaved, OutputUnreadable
from codomyrmex_ollama_tui.store.paths import make_private

if TYPE_CHECKING:
    from filelock import BaseFileLock

SYNC_EVERY = 1.0
"""Seconds between two syncs at least."""
LOCKS = ".locks"
_BLOCK = 1 << 16


class Busy(OutputNotSaved):
    """Another program is writing the run."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "another program is writing this run")


def line_of(fields: Mapping[str, object]) -> bytes:
    """A line of ASCII JSON, so that no text in it can harm a terminal, and every cut falls between letters."""
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":"), default=dict).encode() + b"\n"


class LineWriter:
    """Appends lines to one file, alone; a context manager. Calls may come from any one thread at a time.

    Raises:
        Busy: another program has the file open for writing.
        OutputNotFound, OutputNotSaved: it is not there, or cannot be opened.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._lock = _locked(path)
        self._synced_at = clock()
        self._unsynced = False
        try:
            self.set_aside = mend(path)
            self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
        except OSError as error:
            self._lock.release()
            raise _failed(path, error) from error
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> LineWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def due(self) -> bool:
        """Whether there is something to sync, and the last time is a second ago."""
        return self._unsynced and self._clock() - self._synced_at >= SYNC_EVERY

    def append(self, fields: Mapping[str, object]) -> None:
        """Writes one line; it lasts through a crash of the program from now on. Raises OutputNotSaved."""
        _write(self._handle, line_of(fields), self.path)
        self._unsynced = True

    def sync(self) -> None:
        """What was written lasts through a power cut from now on. Takes milliseconds. Raises OutputNotSaved."""
        self._unsynced, self._synced_at = False, self._clock()
        try:
            os.fsync(self._handle)
        except OSError as error:
            raise _failed(self.path, error) from error

    def close(self) -> None:
        """Syncs, and lets go of the file."""
        try:
            if self._unsynced:
                self.sync()
        finally:
            os.close(self._handle)
            self._lock.release()


def append_beside(path: Path, fields: Mapping[str, object]) -> None:
    """One line, also while another program is writing the file.

    Raises:
        OutputNotFound, OutputNotSaved: it is not there, or cannot be written.
    """
    try:
        with LineWriter(path) as writer:
            writer.append(fields)
    except Busy:
        # its writer has mended it, and a single write at the end does not mix with others
        try:
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise _failed(path, error) from error
        try:
            _write(handle, line_of(fields), path)
        finally:
            os.close(handle)


def blank(path: Path, beginnings: tuple[bytes, ...], instead: bytes) -> int:
    """Overwrites in place each line that begins so, padded with blanks to its length. Returns how many there were.

    `instead` must not be longer than any of them.

    Raises:
        OutputNotFound, OutputNotSaved: the file is not there, or cannot be written.
    """
    pattern = re.compile(rb"^(?:%s)[^\n]*" % b"|".join(map(re.escape, beginnings)), re.MULTILINE)
    count = 0
    try:
        with path.open("r+b") as file:
            for found in pattern.finditer(file.read()):
                file.seek(found.start())
                file.write(instead.ljust(len(found[0])))
                count += 1
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _failed(path, error) from error
    return count


def mend(path: Path) -> int:
    """Cuts off a last line that has no end, and keeps it as a line `{"type": "cut", "text": …}`.

    Returns:
        how many bytes were set aside.

    Raises:
        OSError: the file cannot be read or written.
    """
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start, tail = size, b""
        while start and b"\n" not in tail:
            step = min(_BLOCK, start)
            start -= step
            file.seek(start)
            tail = file.read(step) + tail
        rest = tail[tail.rfind(b"\n") + 1 :]
        if not rest:
            return 0
        file.seek(size - len(rest))
        file.write(line_of({"type": "cut", "bytes": len(rest), "text": rest.decode("utf-8", "replace")}))
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
        return len(rest)


def lines_in(path: Path, offset: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """(number from 1 on, offset behind it, line without its end) of each whole line from `offset` on.

    A last line that has no end is not given: it is being written, or was cut.

    Raises:
        OutputNotFound, OutputUnreadable: the file is not there, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                yield number, offset, line[:-1]
    except FileNotFoundError as error:
        raise OutputNotFound(path) from error
    except OSError as error:
        raise OutputUnreadable(path, (error.strerror or str(error)).lower()) from error


def fields_of(line: bytes) -> dict[str, object]:
    """The fields of a line. Raises ValueError for what is no object of JSON."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _locked(path: Path) -> BaseFileLock:
    from filelock import FileLock, Timeout  # only where something is written

    if not path.is_file():
        raise OutputNotFound(path)
    try:
        lock = FileLock(
            make_private(path.parent / LOCKS) / f"{path.stem}.lock", timeout=0, mode=0o600, thread_local=False
        )
        lock.acquire()
    except Timeout as error:
        raise Busy(path) from error
    except OSError as error:
        raise _failed(path, error) from error
    return lock


def _write(handle: int, line: bytes, path: Path) -> None:
    try:
        written = os.write(handle, line)
    except OSError as error:
        raise _failed(path, error) from error
    if written < len(line):  # the disk is full
        with contextlib.suppress(OSError):
            os.ftruncate(handle, os.fstat(handle).st_size - written)
        raise OutputNotSaved(path, "there is no room for the whole line")


def _failed(path: Path, error: OSError) -> OutputNotSaved | OutputNotFound:
    if isinstance(error, OutputNotSaved | OutputNotFound):
        return error
    if isinstance(error, FileNotFoundError):
        return OutputNotFound(path)
    return OutputNotSaved(path, (error.strerror or str(error)).lower())
