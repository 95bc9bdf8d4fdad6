"""
A configuration file as a whole: read into plain tables, changed under a lock without losing a comment.

TOML, or JSON where the name ends in ".json". Plain tables are dicts of dicts, lists, texts, numbers and truth values.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from codomyrmex_ollama_tui.store.migrations.config import SCHEMA_VERSION, VERSION_NAME, Tables, migrate, version_of
from codomyrmex_ollama_tui.store.paths import make_private

if TYPE_CHECKING:
    from tomlkit.items import InlineTable

LOCK_WAIT = 10.0
"""Seconds that a change waits for another program's change."""


class NewerFile(OSError):
    """The file was written by a newer version of the program: it is neither used nor changed."""

    def __init__(self, path: Path, version: int) -> None:
        super().__init__(
            f"{path} is of version {version}, and this program knows {SCHEMA_VERSION} at most: "
            "a newer one wrote it, and it is left as it is"
        )
        self.version = version


class NotAFile(OSError):
    """There is something at the place of the file that cannot be read as one."""


class BrokenFile(ValueError):
    """The file is no TOML (or JSON) text, or not whole."""


def read_tables(path: Path) -> Tables:
    """The tables of a file, brought to the present version in memory; {} where there is no file.

    Raises:
        BrokenFile: it is no TOML (JSON) text, or no table.
        NewerFile: a newer version of the program wrote it.
        OSError: it cannot be read; the message names it.
    """
    text = _text_of(path)
    return {} if text is None else _present(path, parse(text, as_json=is_json(path)))


def edit_tables(
    path: Path, change: Callable[[Tables], None], now: Callable[[], datetime], *, wait: float = LOCK_WAIT
) -> None:
    """Changes the file as it is now, under its lock: another program may have changed it since it was read.

    Comments, order and whatever is not touched stay. A file of an older version is copied first
    ("config.version-1.toml"). A broken one is renamed first.

    Args:
        change: changes plain tables in place; what it raises leaves the file as it is.
        wait: seconds that another program's change is waited for.

    Raises:
        NewerFile: a newer version of the program wrote it.
        OSError: it cannot be read or written, or is held for too long; nothing is changed then.
    """
    from codomyrmex_ollama_tui.store.atomic import write_atomically  # not needed before the first change

    with _held(path, wait):
        try:
            text = _text_of(path)
            before = {} if text is None else parse(text, as_json=is_json(path))
        except BrokenFile:
            set_aside(path, now())
            text, before = None, {}
        tables = _present(path, copy.deepcopy(before))
        if _without_version(tables) != _without_version(before):
            copy_aside(path, f"version-{_version(before)}", now())
        change(tables)
        changed = _written(path, text, tables)
        if changed != text:
            write_atomically(path, changed)


def copy_aside(path: Path, word: str, moment: datetime) -> Path | None:
    """Copies the file beside itself, "config.WORD-TIME.toml"; None where there is none, or no text.

    Raises:
        OSError: it cannot be read, or the copy cannot be written.
    """
    from codomyrmex_ollama_tui.store.atomic import write_new  # not needed before the first change

    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:  # the change that follows renames it as it is
        return None
    for aside in _beside(path, word, moment):
        with contextlib.suppress(FileExistsError):
            write_new(aside, text)
            return aside
    raise FileExistsError(f"{path} cannot be copied: all names for the copy are taken")


def set_aside(path: Path, moment: datetime) -> Path:
    """Renames a file that cannot be read, so that nothing can overwrite it; returns its new place.

    Raises:
        OSError: it cannot be renamed.
    """
    aside = next(name for name in _beside(path, "broken", moment) if not name.exists())
    path.rename(aside)
    return aside


def dump(tables: Mapping[str, Any], *, as_json: bool) -> str:
    """Plain tables as the text of a new file."""
    if as_json:
        import json

        return json.dumps(tables, indent=2, ensure_ascii=False) + "\n"
    import tomlkit  # seldom needed

    document = tomlkit.document()
    _assign(document, tables)
    return tomlkit.dumps(document)


def parse(text: str, *, as_json: bool) -> Tables:
    """The plain tables of a text.

    Raises:
        BrokenFile: it is no TOML (JSON) text, or no table.
    """
    try:
        if as_json:
            import json  # seldom needed

            tables = json.loads(text) if text.strip() else {}
        else:
            import tomllib  # most people have no file

            tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenFile(str(error) or "nested too deeply") from error
    if not isinstance(tables, dict):
        raise BrokenFile(f"not a table, but {type(tables).__name__}")
    return tables


def is_json(path: Path) -> bool:
    """Whether a file of that name holds JSON."""
    return path.suffix.lower() == ".json"


def _beside(path: Path, word: str, moment: datetime) -> Iterator[Path]:
    """Names for a file kept beside another one: a clock that went back gives one that is taken already."""
    stem = f"{path.stem}.{word}-{moment:%Y%m%d-%H%M%S-%f}"
    yield path.with_name(stem + path.suffix)
    yield from (path.with_name(f"{stem}-{number}{path.suffix}") for number in range(2, 1000))


def _text_of(path: Path) -> str | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise NotAFile(error.errno, "it is a folder", str(path)) from error
    except ValueError as error:  # NUL in the name
        raise NotAFile(None, str(error), str(path)) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenFile(str(error)) from error


def _version(tables: Tables) -> int:
    try:
        return version_of(tables)
    except ValueError:  # named with the other problems of the file
        return SCHEMA_VERSION


def _present(path: Path, tables: Tables) -> Tables:
    version = _version(tables)
    if version > SCHEMA_VERSION:
        raise NewerFile(path, version)
    if version < SCHEMA_VERSION:
        migrate(tables, version)
    return tables


def _without_version(tables: Tables) -> Tables:
    return {name: value for name, value in tables.items() if name != VERSION_NAME}


def _written(path: Path, text: str | None, tables: Tables) -> str:
    tables[VERSION_NAME] = SCHEMA_VERSION
    if is_json(path):
        return dump(tables, as_json=True)
    if text is None:
        return dump(tables, as_json=False)
    # Most layouts take a new table under a line of its own; where names with dots stand for tables, only inline.
    for inline in (False, True):
        changed = _rewritten(text, tables, inline=inline)
        if changed is not None:
            return changed
    raise OSError(f"{path} cannot be changed without losing something of it; please change it by hand")


def _rewritten(text: str, tables: Tables, *, inline: bool) -> str | None:
    """The text changed so that it says what `tables` says; None if that came out otherwise."""
    import tomlkit

    try:
        document = tomlkit.parse(text)
        _assign(document, tables, inline=inline)
        changed = tomlkit.dumps(document)
        if not _same(parse(changed, as_json=False), tables):
            return None
        spaced = _spaced(changed, text)
        return spaced if _same(parse(spaced, as_json=False), tables) else changed
    except Exception:  # an odd but valid layout can raise anything there; the file stays as it is
        return None


def _spaced(text: str, before: str) -> str:
    """An empty line above each table that is new."""
    known = set(before.split("\n"))
    lines: list[str] = []
    for line in text.split("\n"):
        new = line not in known or (bool(lines) and lines[-1] not in known)
        if line.startswith("[") and new and lines and lines[-1].strip():
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def _assign(table: MutableMapping[str, Any], wanted: Mapping[str, Any], *, inline: bool = False) -> None:
    """Makes a TOML table say what `wanted` says and touches nothing that says so already."""
    import tomlkit
    from tomlkit.items import InlineTable

    for name in [name for name in table if name not in wanted]:
        del table[name]
    for name, value in wanted.items():
        there = table.get(name)
        if isinstance(there, MutableMapping) and isinstance(value, Mapping):
            _assign(there, value, inline=inline)
        elif name in table:
            if not _same(there, value):
                table[name] = value
        elif inline and isinstance(value, Mapping):
            table[name] = _inline(value)
        elif _only_tables(value) and not isinstance(table, InlineTable):
            new = tomlkit.table(is_super_table=True)  # no line of its own for a table of tables
            _assign(new, value)
            table[name] = new
        else:
            table[name] = value


def _inline(values: Mapping[str, Any]) -> InlineTable:
    import tomlkit

    table = tomlkit.inline_table()
    for name, value in values.items():
        table.append(name, _inline(value) if isinstance(value, Mapping) else value)
    return table


def _only_tables(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(item, Mapping) for item in value.values())


def _same(first: object, second: object) -> bool:
    """Equal, and of one type all the way down: 1, 1.0 and true are three things in a file."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_same(first[name], second[name]) for name in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second if isinstance(first, bool) and isinstance(second, bool) else False
    if isinstance(first, float) != isinstance(second, float):
        return False
    return first == second or (first != first and second != second)


@contextlib.contextmanager
def _held(path: Path, wait: float) -> Iterator[None]:
    from filelock import FileLock, Timeout  # not needed before the first change

    make_private(path.parent)
    try:
        with FileLock(f"{path}.lock", timeout=wait, mode=0o600):
            yield
    except Timeout as error:
        raise TimeoutError(f"{path} is being changed by another program; nothing was changed") from error
