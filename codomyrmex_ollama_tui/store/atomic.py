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


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself last through a power cut, where folders can be opened (not on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
