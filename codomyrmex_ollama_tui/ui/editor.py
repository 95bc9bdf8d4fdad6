"""A person's own editor for a text, in the terminal's place."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App


def edit_text(app: App[object], command: Sequence[str], text: str) -> str:
    """The text as it is when the editor is left, without one line feed that editors add at the end.

    The App stands still meanwhile. The file is readable by its owner alone, and removed at the end.

    Args:
        command: the editor's command line, to which the file's name is added.

    Raises:
        SuspendNotSupported: this terminal cannot be lent.
        OSError: the editor cannot be started, or the file cannot be written or read.
        ValueError: the editor ended with an error, or left something that is not UTF-8 text; one sentence.
    """
    handle, name = tempfile.mkstemp(prefix="prompt-", suffix=".md")  # 0600
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        with app.suspend():
            status = subprocess.call([*command, name])
        if status:
            raise ValueError(f"the editor ended with status {status}; the prompt is as it was")
        try:
            edited = path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError("the editor left something that is not UTF-8 text") from error
        return edited if text.endswith("\n") else edited.removesuffix("\n")
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
