"""
Saved records as files that a person can read, find and move: `KIND/MODEL/DAY/TIME-TOKEN.json`.

The files are the truth; whatever else knows of them is made from them. Two processes may save, mark and delete in one
folder at the same time.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath

from codomyrmex_ollama_tui.domain.outputs import (
    SAVED_KINDS,
    Edit,
    IndexEntry,
    Kind,
    OutputNotFound,
    OutputNotSaved,
    OutputUnreadable,
    Record,
    check_json,
)
from codomyrmex_ollama_tui.store.atomic import write_atomically, write_new
from codomyrmex_ollama_tui.store.filenames import day_name, record_name, safe_name
from codomyrmex_ollama_tui.store.listing import file_stamps, folder_names, stamp_of
from codomyrmex_ollama_tui.store.output_files import (
    FORMAT,
    HalfWritten,
    NotOurs,
    index_entry,
    marks_fields,
    read_json,
    read_record,
    unreadable_entry,
    write_json,
    write_record,
    write_text,
)
from codomyrmex_ollama_tui.store.output_lock import held
from codomyrmex_ollama_tui.store.paths import make_private

SEVERAL = "several"
"""The folder of records that are about more than one model."""
LARGEST = 256 * 1024 * 1024
"""Bytes of a file that is written or read at all; no usual record comes near it."""

_KIND_FOLDERS = {
    Kind.OUTPUT: "outputs",
    Kind.RESULT: "results",
    Kind.BATCH: "batches",
    Kind.BENCHMARK: "benchmarks",
    Kind.COMPARISON: "comparisons",
    Kind.CONFIG: "configs",
}
_ATTEMPTS = 1000
"""File names that are tried before saving is given up."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FileStamp:
    """One file of the outputs folder; `stamp` changes when the file does."""

    key: str
    stamp: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """What is needed to bring a deleted record back: its key, and the texts of its files by their suffix."""

    key: str
    texts: tuple[tuple[str, str], ...]


class OutputsStore:
    """The outputs folder. Nothing is read or made before the first call; safe to use from several threads."""

    def __init__(self, base: Path, *, token: Callable[[], str], sync: bool = True, largest: int = LARGEST) -> None:
        """
        Args:
            base: the folder; made when the first record is saved.
            token: gives a short random text of letters and digits for the next file name.
            sync: whether a new record is to last through a power cut; without it only through a crash of the program.
            largest: bytes of a file that is written or read at all.
        """
        self.base = base
        self._largest = largest
        self._token = token
        self._sync = sync

    @property
    def kinds(self) -> frozenset[Kind]:
        """Every kind whose records lie here, unreadable files too."""
        return frozenset({*SAVED_KINDS, Kind.FOREIGN, Kind.BROKEN})

    def path_of(self, key: str) -> Path:
        """Where the record of that key lies.

        Raises:
            ValueError: the key points out of the folder.
        """
        inside = PurePath(key)
        if not inside.parts or inside.anchor or ".." in inside.parts or "\0" in key:
            raise ValueError(f"{key!r} is not in the outputs folder")
        return self.base / inside

    def key_of(self, path: Path) -> str:
        """The key of the record in that file (a relative path counts from the working directory).

        Raises:
            ValueError: the file is not in the folder.
        """
        try:
            inside = Path(os.path.abspath(path)).relative_to(os.path.abspath(self.base))
        except ValueError:
            try:
                inside = path.resolve().relative_to(self.base.resolve())
            except ValueError as error:
                raise ValueError(f"{path} is not in the outputs folder {self.base}") from error
        return inside.as_posix()

    def save(self, record: Record) -> IndexEntry:
        """Writes a record as a new file, and for an output a readable text beside it.

        Raises:
            TypeError, ValueError: metadata or data hold what JSON cannot hold (named).
            OutputNotSaved: it could not be written, or is too large to be read again; nothing is left behind.
        """
        if record.kind not in _KIND_FOLDERS:
            raise ValueError(f"kind: {record.kind} is not saved as a file")
        if record.created_at.tzinfo is None:
            raise ValueError("created_at: a time without a zone")
        check_json(record.metadata, "metadata")
        check_json(record.data, "data")
        text = write_record(record)
        model = safe_name(record.model) if record.model and ", " not in record.model else SEVERAL
        folder = self.base / _KIND_FOLDERS[record.kind] / model / day_name(record.created_at)
        if len(text) > self._largest // 4 and len(text.encode()) > self._largest:  # a character has at most 4 bytes
            raise OutputNotSaved(folder, f"the record is larger than {self._largest:,} bytes")
        token = self._token()
        for attempt in range(_ATTEMPTS):
            path = folder / f"{record_name(record.created_at, token + (f'-{attempt}' if attempt else ''))}.json"
            try:
                self._make(folder)
            except OSError as error:
                raise OutputNotSaved(path, _reason(error)) from error
            try:
                write_new(path, text, sync=self._sync)
                break
            except FileExistsError:
                continue
            except FileNotFoundError:  # another process has just removed the empty folder
                continue
            except OSError as error:
                raise OutputNotSaved(path, _reason(error)) from error
        else:
            raise OutputNotSaved(folder, f"{_ATTEMPTS} names are taken")
        if record.kind is Kind.OUTPUT:
            # a view of the record, which itself is safe by now: a failure here is not one of saving
            with contextlib.suppress(OSError):
                write_new(path.with_suffix(".txt"), write_text(record), sync=False)
        return _entry(record, self.key_of(path), path, path.lstat())

    def read(self, key: str) -> Record:
        """The record of that key.

        Raises:
            OutputNotFound: there is none.
            OutputUnreadable: it is half-written, foreign, or may not be read.
        """
        path = self.path_of(key)
        return self._record(path, self._text(path))

    def entry(self, key: str) -> IndexEntry:
        """What lists show of that file; a foreign or broken one is said to be so.

        Raises:
            OutputNotFound: there is none.
        """
        path = self.path_of(key)
        try:
            status = path.lstat()
        except OSError as error:
            raise OutputNotFound(path, _reason(error)) from error
        stamp = stamp_of(status)
        try:
            if path.suffix.lower() != ".json":
                raise OutputUnreadable(path, "not a record of this program", foreign=True)
            record = self.read(key)
        except OutputUnreadable as error:
            kind = Kind.FOREIGN if error.foreign else Kind.BROKEN
            changed = _EPOCH + timedelta(microseconds=min(max(status.st_mtime_ns // 1000, 0), 10**16))
            return unreadable_entry(kind, key, changed, status.st_size, stamp, error.reason)
        return _entry(record, key, path, status)

    def mark(self, key: str, edit: Edit) -> IndexEntry:
        """Changes the marks of a record; whatever else stands in its file stays.

        Raises:
            OutputNotFound, OutputUnreadable: as `read`.
            OutputNotSaved: the file could not be replaced; it is as it was.
            ValueError: the new marks are not allowed.
        """
        path = self.path_of(key)
        with held(self.base):
            text = self._text(path)
            marks = edit(self._record(path, text).marks)
            try:
                self._check_inside(path.parent)
                write_atomically(path, write_json({**read_json(text), "marks": marks_fields(marks)}))
            except OSError as error:
                raise OutputNotSaved(path, _reason(error)) from error
            return self.entry(key)

    def delete(self, key: str) -> None:
        """Deletes a record and the text beside it; nothing happens if it is gone already.

        Raises:
            OutputNotSaved: it could not be deleted.
        """
        path = self.path_of(key)
        try:
            self._check_inside(path.parent)
            if path.suffix == ".json":
                path.with_suffix(".txt").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputNotSaved(path, _reason(error)) from error
        for folder in (path.parent, path.parent.parent):  # the day, then the model, if they are empty now
            with contextlib.suppress(OSError):
                if folder != self.base and self.base in folder.parents:
                    folder.rmdir()

    def delete_if(self, key: str, stamp: str, agreed: Callable[[IndexEntry], bool]) -> bool:
        """Deletes a record that is still as it was with that stamp, or else if `agreed` says so of what it is now.

        Returns:
            whether it was deleted: False if it stays, and if there was none.

        Raises:
            OutputNotSaved: it could not be deleted.
        """
        path = self.path_of(key)
        with held(self.base):
            try:
                if stamp_of(path.lstat()) != stamp and not agreed(self.entry(key)):
                    return False
            except (FileNotFoundError, NotADirectoryError, OutputNotFound):
                return False
            except OSError as error:
                raise OutputNotSaved(path, _reason(error)) from error
            self.delete(key)
        return True

    def take(self, key: str) -> Deleted:
        """Deletes a record and gives back what brings it back.

        Raises:
            OutputNotFound, OutputUnreadable, OutputNotSaved: as `read` and `delete`.
        """
        path = self.path_of(key)
        texts = [(path.suffix, self._text(path))]
        beside = path.with_suffix(".txt")
        if path.suffix == ".json" and beside.is_file():
            texts.append((".txt", self._text(beside)))
        self.delete(key)
        return Deleted(key, tuple(texts))

    def put_back(self, deleted: Deleted) -> IndexEntry:
        """Brings a deleted record back under its old key.

        Raises:
            OutputNotSaved: it could not be written, or another file has its name by now.
        """
        path = self.path_of(deleted.key)
        for suffix, text in deleted.texts:
            try:
                self._make(path.parent)
                write_new(path.with_suffix(suffix), text)
            except OSError as error:
                raise OutputNotSaved(path.with_suffix(suffix), _reason(error)) from error
        return self.entry(deleted.key)

    def holds(self, place: str) -> bool:
        """Whether a place is a folder of this store, there or not."""
        return place.partition("/")[0] in _KIND_FOLDERS.values()

    def folders(self) -> Iterator[tuple[str, int]]:
        """Every folder that may hold records, as (key, time of its last change in ns); gone ones are not given.

        Links are not followed: they could lead out of the folder, or round in circles.
        """
        for kind_folder in _KIND_FOLDERS.values():
            waiting = [(kind_folder, 0)]
            while waiting:
                key, depth = waiting.pop()
                path = self.base / key
                try:
                    status = path.lstat()
                    if not stat.S_ISDIR(status.st_mode):
                        continue
                    if depth < 2:
                        waiting.extend((f"{key}/{name}", depth + 1) for name in folder_names(path))
                except OSError:
                    continue
                yield key, status.st_mtime_ns

    def files(self, folder: str) -> list[FileStamp]:
        """The files of one folder, sorted by name, foreign ones too; not the texts beside records, nor hidden files.

        Raises:
            OutputUnreadable: the folder may not be read. One that is gone is empty.
        """
        path = self.path_of(folder)
        try:
            stamps = file_stamps(path)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OutputUnreadable(path, _reason(error)) from error
        beside = {f"{name.removesuffix('.json')}.txt" for name in stamps if name.endswith(".json")}
        return [FileStamp(f"{folder}/{name}", stamps[name]) for name in sorted(stamps) if name not in beside]

    def entries(self) -> Iterator[IndexEntry]:
        """All records, oldest first by the time in their names."""
        keys: list[str] = []
        for folder, _ in self.folders():
            with contextlib.suppress(OutputUnreadable):
                keys.extend(file.key for file in self.files(folder))
        for key in sorted(keys, key=lambda key: key.rpartition("/")[2]):
            with contextlib.suppress(OutputNotFound):  # deleted since
                yield self.entry(key)

    def _text(self, path: Path) -> str:
        try:
            self._check_inside(path.parent)
            if not stat.S_ISREG(path.lstat().st_mode):  # a link could lead out, a pipe would never end
                raise OutputUnreadable(path, "not a regular file", foreign=True)
            with path.open("rb") as file:
                data = file.read(self._largest + 1)
        except OutputUnreadable:
            raise
        except (FileNotFoundError, NotADirectoryError) as error:
            raise OutputNotFound(path) from error
        except OSError as error:
            raise OutputUnreadable(path, _reason(error)) from error
        if len(data) > self._largest:
            raise OutputUnreadable(path, f"larger than {self._largest:,} bytes", foreign=True)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            foreign = FORMAT.encode() not in data[:200]
            raise OutputUnreadable(path, f"not UTF-8 at byte {error.start:,}", foreign=foreign) from error

    def _record(self, path: Path, text: str) -> Record:
        try:
            return read_record(text)
        except (HalfWritten, NotOurs) as error:
            raise OutputUnreadable(path, str(error), foreign=isinstance(error, NotOurs)) from error

    def _make(self, folder: Path) -> None:
        self._check_inside(folder)
        make_private(folder)

    def _check_inside(self, folder: Path) -> None:
        """Refuses to go through a link that someone put in the place of a folder."""
        base, real = os.path.realpath(self.base), os.path.realpath(folder)
        if real != base and not real.startswith(os.path.join(base, "")):
            raise OSError(f"{folder} leads out of {self.base}")


def _entry(record: Record, key: str, path: Path, status: os.stat_result) -> IndexEntry:
    beside = _size(path.with_suffix(".txt")) if record.kind is Kind.OUTPUT else 0
    return index_entry(record, key, status.st_size + beside, stamp_of(status))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _reason(error: OSError) -> str:
    return error.strerror.lower() if error.strerror else str(error)
