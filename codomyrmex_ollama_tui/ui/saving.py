"""A piece of an answer saved as a file: under a name that the person agrees to, never over another file unasked."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.text import clean, one_line
from codomyrmex_ollama_tui.store.atomic import write_atomically, write_new
from codomyrmex_ollama_tui.store.filenames import safe_name
from codomyrmex_ollama_tui.ui.tell import tell

if TYPE_CHECKING:
    from textual.app import App

_NAMED = re.compile(r"[\w./\\-]*[\w-]\.[A-Za-z][A-Za-z0-9]{0,7}")
"""A text that is the name of a file."""
_FIRST_LINE = re.compile(r"\s*(?:#|//|--|;|%|<!--|/\*)\s*(?:file(?:name)?:\s*)?(\S+)", re.IGNORECASE)


def name_for(code: str, info: str) -> str:
    """A file name for a code block: always a bare name, whatever the model wrote.

    Args:
        code: a comment in its first line may name a file.
        info: what stands behind the opening of the fence: a language, perhaps a file ("python app.py", "ts:a/b.ts").
    """
    words = [word.strip("\"'{}[]()") for word in re.split(r"[\s:=,]+", info[:300])]
    first = _FIRST_LINE.match(code[:300])
    for word in (*words[1:], *words[:1], first[1] if first else ""):
        if _NAMED.fullmatch(word):
            return safe_name(re.split(r"[/\\]", word)[-1])
    return f"code{_ending(words[0])}"


def _ending(language: str) -> str:
    from pygments.lexers import get_lexer_by_name  # heavy, and only for this
    from pygments.util import ClassNotFound

    try:
        patterns = get_lexer_by_name(language).filenames if language else []
    except ClassNotFound:
        patterns = []
    endings = (pattern[1:] for pattern in patterns)
    return next((ending for ending in endings if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", ending)), ".txt")


def free_name(folder: Path, name: str) -> str:
    """The name, or with a number before its ending if there is such a file in the folder."""
    stem, ending = os.path.splitext(name)
    number = 1
    while (folder / name).exists():
        number += 1
        name = f"{stem}-{number}{ending}"
    return name


def file_of(text: str, folder: Path) -> Path:
    """The file that a person means; a relative path begins in the folder, "~" is their home."""
    return folder / Path(text).expanduser()


def problem_with_file(text: str, folder: Path) -> str:
    """Why nothing can be saved under what a person typed; "" if it can.

    Args:
        folder: where a relative path begins.
    """
    if not text.isprintable():
        return "a file name has no such characters"
    try:
        path = file_of(text, folder)
        if path.is_dir():
            return "that is a folder"
        if not path.parent.is_dir():
            return f"there is no folder {one_line(str(path.parent), 60)}"
    except (OSError, RuntimeError, ValueError) as error:  # too long, of nobody's home, with a NUL
        return one_line(str(error), 80)
    return ""


async def save_code(app: App[None], code: str, info: str, folder: Path) -> Path | None:
    """Ask for a name and save code there; None if the person leaves it. Only in a worker.

    Args:
        folder: where relative names begin.
    """
    from codomyrmex_ollama_tui.ui.screens.ask import Ask, Confirm  # seldom needed

    suggested = free_name(folder, name_for(code, info))
    lines = code.count("\n")
    words = f"{lines:,} line{'s' if lines != 1 else ''} of code, into {one_line(str(folder), 200)} or where you say."
    typed = await app.push_screen_wait(
        Ask("Save code", words, verb="save", check=lambda text: problem_with_file(text, folder), value=suggested)
    )
    if not typed:
        return None
    path = file_of(typed, folder)
    try:
        try:
            write_new(path, clean(code))
        except FileExistsError:
            question = Confirm("Replace this file?", str(path), yes="replace it", no="leave it as it is")
            if not await app.push_screen_wait(question):
                return None
            write_atomically(path, clean(code))
    except OSError as error:
        tell(app, f"{path}: {error.strerror or error}", title="Save code", severity="error")
        return None
    tell(app, str(path), title="Saved", timeout=6)
    return path
