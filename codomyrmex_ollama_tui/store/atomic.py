"""Files that are replaced as a whole: a reader sees the old text or the new one, a crash loses neither."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from codomyrmex_ollama_tui.store.paths import make_private


def write_atomically(path: Path, text: str) -> None:
    """Replaces a file: a temporary file in the same folder, fsync, rename. New files are for their owner alone (0600).

    A link is followed, so that a file kept elsewhere (dotfiles) stays a link; the mode of a file that exists is kept.

    Raises:
        OSError: it cannot be written; the old file is untouched then.
    """
    target = path.resolve()
    make_private(target.parent)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)  # mkstemp makes 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(target.stat().st_mode & 0o777)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def write_new(path: Path, text: str, *, sync: bool = True) -> None:
    """Writes a file that is not there yet, whole or not at all, for its owner alone (0600). Never replaces one.

    Args:
        sync: whether it is to last through a power cut; without it only through a crash of the program.

    Raises:
        FileExistsError: there is one of that name.
        OSError: it cannot be written; nothing is left behind.
    """
    make_private(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)  # mkstemp makes 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        _name_new(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if sync:
        _sync_folder(path.parent)


def _name_new(temporary: Path, path: Path) -> None:
    """Gives a finished file its name unless the name is taken."""
    if os.name == "nt":
        temporary.rename(path)  # refuses to replace there
        return
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # File systems without hard links: the name is taken by an empty file first.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        temporary.replace(path)


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself last through a power cut, where folders can be opened (not on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
