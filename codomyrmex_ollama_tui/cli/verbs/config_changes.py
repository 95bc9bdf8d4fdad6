"""`cotui config set`, `export`, `import` and `reset`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.parser import leaf
from codomyrmex_ollama_tui.cli.terms import FAILED, OK, USAGE_ERROR, Failure, ask, can_ask, file_words, tell
from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.cli.parser import Verbs
    from codomyrmex_ollama_tui.house import House

STANDARD_INPUT = "-"


def add_parsers(inner: Verbs) -> None:
    """The parsers of these verbs."""
    setting = leaf(
        inner,
        "set",
        change,
        help="write a value into config.toml; comments and all else stay",
        epilog="examples:\n"
        "  cotui config set ui.theme day\n"
        "  cotui config set 'models.qwen3*.num_ctx' 8192\n"
        "  cotui config set presets.mine.stop '###, END'\n"
        "  cotui config set servers.office.headers.X-Key - < key.txt",
        before=_read_value,
        starts=False,
    )
    setting.add_argument("name", metavar="NAME", help="the place, as `cotui config show` names it")
    setting.add_argument("value", metavar="VALUE", nargs="?", help="the value; - reads it from standard input")
    setting.add_argument("--remove", action="store_true", help="take the value, or a whole table, out of the file")
    exporting = leaf(
        inner,
        "export",
        export,
        help="the configuration as one document for another machine, without secrets",
        starts=False,
    )
    exporting.add_argument("file", metavar="FILE", nargs="?", help="write to this file (default: standard output)")
    exporting.add_argument("--force", action="store_true", help="replace FILE if there is one")
    importing = leaf(
        inner,
        "import",
        import_,
        help="take over what export gave; the file that was there is copied first",
        before=_read_document,
        starts=False,
    )
    importing.add_argument("file", metavar="FILE", help="a JSON file, or .toml; - is standard input")
    resetting = leaf(
        inner,
        "reset",
        reset,
        help="take everything, or some tables, out of config.toml; it is copied first; asks",
        before=_check_reset,
        starts=False,
    )
    resetting.add_argument("tables", metavar="TABLE", nargs="*", help="only these: ollama, options, models, …")
    resetting.add_argument("--yes", action="store_true", help="do not ask")


def _read_value(given: argparse.Namespace) -> int | None:
    if given.remove:
        if given.value is not None:
            raise Failure("--remove takes no VALUE", USAGE_ERROR)
    elif given.value is None:
        raise Failure("VALUE is missing; --remove takes the place out of the file", USAGE_ERROR)
    elif given.value == STANDARD_INPUT:
        given.value = _input().rstrip("\r\n")
    return None


def _input() -> str:
    if sys.stdin is None:
        raise Failure("there is no standard input to read", USAGE_ERROR)
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Failure("standard input is not UTF-8", USAGE_ERROR) from None


async def change(house: House, given: argparse.Namespace) -> int:
    """`cotui config set`."""
    store = house.settings
    try:
        if given.remove:
            store.remove_at(given.name)
        else:
            store.set_text(given.name, given.value)
    except ValueError as error:
        raise Failure(str(error), USAGE_ERROR) from None
    if given.json:
        tables.write_json({"name": given.name, "removed": given.remove, "path": str(store.path)})
    if given.name.startswith(("ollama.", "ui.")) and store.origin(given.name) == "environment":
        field = given.name.partition(".")[2].upper()
        tell(f"written, but not in force: the environment variable CODOMYRMEX_OLLAMA_{field} stands over it")
    return OK


async def export(house: House, given: argparse.Namespace) -> int:
    """`cotui config export`."""
    from codomyrmex_ollama_tui.store.atomic import write_atomically, write_new
    from codomyrmex_ollama_tui.store.document import dump

    document = house.settings.export()
    left_out = document["secrets_left_out"]
    if given.file is None:
        tables.write_json(document)
    else:
        path = Path(given.file)
        as_json = path.suffix.lower() != ".toml"
        text = dump(document if as_json else _without_nulls(document), as_json=as_json)
        try:
            (write_atomically if given.force else write_new)(path, text)
        except FileExistsError:
            raise Failure(f"{given.file} is there already; --force replaces it") from None
        if given.json:
            tables.write_json({"file": given.file, "secrets_left_out": left_out})
    for name in left_out:
        tell(f"{one_line(name)} is a secret and was left out")
    return OK


def _without_nulls(table: Mapping[str, Any]) -> dict[str, Any]:
    """TOML says "none" by leaving the line out."""
    return {
        name: _without_nulls(value) if isinstance(value, Mapping) else value
        for name, value in table.items()
        if value is not None
    }


def _read_document(given: argparse.Namespace) -> int | None:
    from codomyrmex_ollama_tui.store.document import BrokenFile, parse

    try:
        if given.file == STANDARD_INPUT:
            text = _input()
            as_json = text.lstrip().startswith("{")
        else:
            text = Path(given.file).read_bytes().decode("utf-8-sig")
            as_json = Path(given.file).suffix.lower() != ".toml"
        given.document = parse(text, as_json=as_json)
    except OSError as error:
        raise Failure(file_words(error)) from None
    except (UnicodeDecodeError, BrokenFile) as error:
        raise Failure(f"{given.file}: {one_line(str(error))}") from None
    return None


async def import_(house: House, given: argparse.Namespace) -> int:
    """`cotui config import`."""
    try:
        missing = house.settings.import_(given.document)
    except ValueError as error:
        raise Failure(f"{given.file}: {error}") from None
    if given.json:
        tables.write_json({"path": str(house.settings.path), "missing": list(missing)})
    else:
        tell(f"taken over into {house.settings.path}")
    for words in missing:
        tell(words)
    return OK


def _check_reset(given: argparse.Namespace) -> int | None:
    if not given.yes and not can_ask(given):
        raise Failure("nobody can be asked here: add --yes", USAGE_ERROR)
    return None


async def reset(house: House, given: argparse.Namespace) -> int:
    """`cotui config reset`."""
    from codomyrmex_ollama_tui.store.tables import TABLES

    store = house.settings
    for name in given.tables:
        if name not in TABLES:
            raise Failure(f"there is no table {name!r}: allowed are {', '.join(TABLES)}", USAGE_ERROR)
    if not store.path.exists():
        copy = None
        tell("there is no configuration file: the defaults are in force already")
    else:
        what = ", ".join(f"[{name}]" for name in given.tables) or "everything"
        if not given.yes and not ask(f"Take {what} out of {store.path}? A copy is made first."):
            tell("nothing was changed")
            return FAILED
        copy = store.reset(given.tables or None)
        tell(f"{what} is back to the defaults" + (f"; as it was: {copy}" if copy else ""))
    if given.json:
        tables.write_json({"path": str(store.path), "copy": None if copy is None else str(copy)})
    return OK
