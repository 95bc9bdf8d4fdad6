"""Where things are kept, and the folders themselves: made when first needed, for their owner alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of the program, absolute; they need not exist yet.

    Attributes:
        config: what a person edits (`config.toml`).
        data: what must not be lost: conversations, outputs, models of the embedded engine.
        state: what may be lost: logs, locks.
        cache: what can be made again.
    """

    config: Path
    data: Path
    state: Path
    cache: Path

    @property
    def config_file(self) -> Path:
        """`config.toml`."""
        return self.config / "config.toml"

    @property
    def models(self) -> Path:
        """Where the embedded engine keeps its models."""
        return self.data / "models"


def make_private(folder: Path) -> Path:
    """Makes a folder and those above it, readable by the owner alone (0700). What exists is left as it is.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.parent.exists():  # mkdir(parents=True) would give the folders above it the usual mode
        make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
