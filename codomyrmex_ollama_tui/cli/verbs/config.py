"""`cotui config …`: the configuration in force and where each value comes from; the parsers of all its verbs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.parser import leaf, meant
from codomyrmex_ollama_tui.cli.tables import Cell, Column
from codomyrmex_ollama_tui.cli.terms import FAILED, OK, USAGE_ERROR, Failure, sentence, tell
from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.names import problem_with_name
from codomyrmex_ollama_tui.domain.options import OPTION_RULES
from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.cli.parser import Verbs
    from codomyrmex_ollama_tui.house import House
    from codomyrmex_ollama_tui.store.layers import Explained
    from codomyrmex_ollama_tui.store.settings import SettingsStore

SHOW_COLUMNS = (Column("NAME"), Column("VALUE"), Column("FROM"))
EXPLAIN_COLUMNS = (Column("OPTION"), Column("VALUE"), Column("FROM"), Column("INSTEAD OF", spare=True))
PRESET_COLUMNS = (Column("PRESET"), Column("OPTIONS"), Column("FROM"))
NAMES = """\
A name is a place in config.toml:
  ollama.server_port  options.temperature  models.qwen3*.num_ctx  presets.mine.top_p
  servers.office.address  ui.theme  keys.chat.send"""


def add_parser(verbs: Verbs) -> None:
    """`cotui config` and its verbs."""
    from codomyrmex_ollama_tui.cli.verbs import config_changes as changes

    parser = verbs.add_parser(
        "config",
        help="show, explain, change, check and carry the configuration",
        description="Look after config.toml: settings, options of models, presets, servers, keys.",
    )
    inner = parser.add_verbs()
    showing = leaf(
        inner,
        "show",
        show,
        help="the values in force and where they come from",
        epilog=f"{NAMES}\nSecrets are shown as dots.",
        starts=False,
    )
    showing.add_argument("names", metavar="NAME", nargs="*", help="only these places or tables")
    explaining = leaf(
        inner,
        "explain",
        explain,
        help="which options a model is asked with, and which layer each comes from",
        epilog="Layers, the lowest first: the server's default, the model's own, [options], [models] (patterns, then\n"
        "the name), the preset. The server is asked for the model's own options if it answers.",
        starts=False,
    )
    explaining.add_argument(
        "model", metavar="MODEL", nargs="?", default="", help="a model (default: what holds for all)"
    )
    explaining.add_argument("--preset", metavar="NAME", help="with this preset over it")
    explaining.add_argument("--all", action="store_true", help="also options that nobody has set")
    leaf(
        inner,
        "validate",
        validate,
        help="what is not allowed in the configuration, or may not be meant; exit code 1 for errors",
        own_problems=True,
        starts=False,
    )
    listing = leaf(inner, "presets", presets, help="the presets and what they set", starts=False)
    listing.add_argument("names", metavar="PRESET", nargs="*", help="only these")
    leaf(inner, "path", path, help="where config.toml is", own_problems=True, starts=False)
    changes.add_parsers(inner)


async def show(house: House, given: argparse.Namespace) -> int:
    """`cotui config show`."""
    store = house.settings
    rows = list(_rows(store))
    for name in given.names:
        if not any(_is_in(name, row[0]) for row in rows):
            _refuse_name(store, name)
    if given.names:
        rows = [row for row in rows if any(_is_in(name, row[0]) for name in given.names)]
    if given.json:
        tables.write_json({name: {"value": value, "from": origin} for name, value, origin in rows})
        return OK
    tables.write_table(SHOW_COLUMNS, [[name, _cell(value), origin] for name, value, origin in rows])
    return OK


def _rows(store: SettingsStore) -> Iterator[tuple[str, object, str]]:
    """Every value in force: its place, itself, where it comes from. Header values are dots."""
    from codomyrmex_ollama_tui.store.tables import name_of

    for rule, value, origin in store.rows():
        yield rule.place, value, origin
    found = store.tables
    for name, value in found.options.items():
        yield name_of(("options", name)), value, "file"
    for table, named in (("models", found.models), ("presets", found.presets)):
        for key, values in named.items():
            for name, value in values.items():
                yield name_of((table, key, name)), value, "file"
    for profile in found.servers.values():
        for name, value in profile.shown().items():
            if isinstance(value, Mapping):
                for header, text in value.items():
                    yield name_of(("servers", profile.name, name, header)), text, "file"
            elif value:
                yield name_of(("servers", profile.name, name)), value, "file"
    for name, value in store.settings.keys.items():
        yield name_of(("keys", name)), value, "file"


def _is_in(name: str, place: str) -> bool:
    """Whether a place is the named one, or in the named table."""
    return place == name or place.startswith(f"{name.removesuffix('.')}.")


def _refuse_name(store: SettingsStore, name: str) -> None:
    """Says why there is nothing of that name, unless there could be.

    Raises:
        Failure: there is no such place.
    """
    from codomyrmex_ollama_tui.store.tables import TABLES, place_of

    if name.partition(".")[0] in TABLES and "." not in name.removesuffix("."):
        return  # a table that nothing stands in
    try:
        place = place_of(name)
        if place[0] in ("ollama", "ui"):
            store.origin(name)
    except ValueError as error:
        raise Failure(str(error), USAGE_ERROR) from None
    tell(f"{one_line(name)} is not set")


def _cell(value: object) -> Cell:
    """A value for a person, and as JSON for a program (texts as they are)."""
    if value is None:
        return Cell("·", "")
    if isinstance(value, str):
        return Cell(value)
    return Cell(json.dumps(tables.to_json(value), ensure_ascii=False))


async def explain(house: House, given: argparse.Namespace) -> int:
    """`cotui config explain`."""
    if given.model and (problem := problem_with_name(given.model)):
        raise Failure(f"MODEL: {problem}", USAGE_ERROR)
    try:
        house.settings.layers(given.model, given.preset)  # what is wrong there is said before a server is asked
        modelfile, version = await _asked(house, given.model) if given.model else (None, "")
        found = house.settings.explain(given.model, given.preset, modelfile=modelfile, server_version=version)
    except ValueError as error:
        raise Failure(str(error), USAGE_ERROR) from None
    if given.json:
        tables.write_json(
            {
                one.name: {
                    "value": one.value,
                    "from": one.origin,
                    "below": [{"from": origin, "value": value} for origin, value in one.below],
                }
                for one in found
            }
        )
        return OK
    shown = [one for one in found if given.all or one.below or one.origin != _lowest()]
    tables.write_table(EXPLAIN_COLUMNS, [_explained(one) for one in shown])
    if not shown:
        tell("nobody has set an option; --all shows the server's defaults")
    return OK


def _lowest() -> str:
    from codomyrmex_ollama_tui.store.layers import SERVER_DEFAULT

    return SERVER_DEFAULT


def _explained(one: Explained) -> list[Cell | str]:
    below = "; ".join(f"{_cell(value).shown} ({origin})" for origin, value in one.below)
    return [one.name, _cell(one.value), one.origin, below]


async def _asked(house: House, model: str) -> tuple[dict[str, object] | None, str]:
    """The model's own options and the server's version; (None, "") with a word of why where nobody says them."""
    try:
        client = await house.services.server.client()
        version = (await client.version()).version
        return parameters_of((await client.show(model)).parameters), version
    except OllamaError as error:
        tell(f"without the model's own options: {sentence(error)}")
        return None, ""


def parameters_of(text: str) -> dict[str, object]:
    """The options of a Modelfile as `/api/show` writes them, a line for each value: `stop "<|end|>"`."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        name, _, rest = line.strip().partition(" ")
        if not name:
            continue
        value = _read(name, rest.strip())
        rule = OPTION_RULES.get(name)
        if rule is not None and rule.kind == "strings":
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def _read(name: str, text: str) -> object:
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError:  # written by another rule than JSON's
            return text.strip('"')
    rule = OPTION_RULES.get(name)
    return text if rule is None or rule.kind == "strings" else rule.from_text(text)


async def validate(house: House, given: argparse.Namespace) -> int:
    """`cotui config validate`."""
    found = house.settings.validate()
    if given.json:
        tables.write_json(
            {
                "path": str(house.settings.path),
                "valid": found.valid,
                "errors": list(found.errors),
                "warnings": list(found.warnings),
            }
        )
    else:
        for kind, sentences in (("error", found.errors), ("warning", found.warnings)):
            for words in sentences:
                tables.write_text(f"{kind}: {one_line(words, 1000)}")
        if found.valid:
            tell(f"{house.settings.path} is fine" if not found.warnings else "no errors")
    return OK if found.valid else FAILED


async def presets(house: House, given: argparse.Namespace) -> int:
    """`cotui config presets`."""
    from codomyrmex_ollama_tui.store.presets import SHIPPED

    found = house.settings.presets
    for name in given.names:
        if name not in found:
            raise Failure(f"there is no preset {name!r}{meant(name, list(found))}")
    wanted = {name: values for name, values in found.items() if not given.names or name in given.names}
    own = house.settings.tables.presets
    origins = {name: "shipped" if name not in own else "file" if name not in SHIPPED else "both" for name in wanted}
    if given.json:
        tables.write_json({name: {"options": values, "from": origins[name]} for name, values in wanted.items()})
        return OK
    rows: list[list[Cell | str]] = [[name, _options(values), origins[name]] for name, values in wanted.items()]
    tables.write_table(PRESET_COLUMNS, rows)
    return OK


def _options(values: Mapping[str, object]) -> Cell:
    shown = ", ".join(f"{name} {_cell(value).shown}" for name, value in values.items())
    return Cell(shown, json.dumps(tables.to_json(values)))


async def path(house: House, given: argparse.Namespace) -> int:
    """`cotui config path`."""
    file = house.settings.path
    if given.json:
        tables.write_json({"path": str(file), "exists": file.exists()})
    else:
        tables.write_text(str(file))
    return OK
