"""What lies in a folder: names that can be said, never hidden ones, and links never followed."""

from __future__ import annotations

import os
from pathlib import Path


def folder_names(path: Path) -> list[str]:
    """The folders in a folder, sorted. Raises OSError if it may not be read."""
    with os.scandir(path) as found:
        return sorted(item.name for item in found if _is_nameable(item.name) and item.is_dir(follow_symlinks=False))


def file_stamps(path: Path) -> dict[str, str]:
    """Whatever else is in a folder, each with its stamp. Raises OSError if it may not be read."""
    with os.scandir(path) as found:
        return {
            item.name: stamp_of(item.stat(follow_symlinks=False))
            for item in found
            if _is_nameable(item.name) and not item.is_dir(follow_symlinks=False)
        }


def stamp_of(status: os.stat_result) -> str:
    """A text that changes when the file does."""
    return f"{status.st_mtime_ns}:{status.st_size}"


def _is_nameable(name: str) -> bool:
    """Not hidden, and a name that can be said: one that is not UTF-8 is left alone."""
    return not name.startswith(".") and not any("\ud800" <= character <= "\udfff" for character in name)
