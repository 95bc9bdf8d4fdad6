"""
The tables of the configuration that hold names of a person's own: `[options]`, `[models."GLOB"]`, `[presets.NAME]` and
`[servers.NAME]`; and the places in the file: `("models", "qwen3*", "num_ctx")`, written "models.qwen3*.num_ctx".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from codomyrmex_ollama_tui.domain.names import problem_with_name
from codomyrmex_ollama_tui.domain.options import OPTION_RULES, check_field, unknown_option
from codomyrmex_ollama_tui.domain.text import one_line, shown, wrong
from codomyrmex_ollama_tui.store import profiles
from codomyrmex_ollama_tui.store.fields import plain, rule_for, truth_of, unknown
from codomyrmex_ollama_tui.store.profiles import ServerProfile, check_name, profile_of
from codomyrmex_ollama_tui.store.reading import KEYS_ALLOWED, key_text

T = TypeVar("T")
Place = tuple[str, ...]
Values = Mapping[str, object]

TABLES = ("ollama", "options", "models", "presets", "servers", "ui", "keys")
"""The tables that a configuration may have, in the order that documents show them in."""

REQUEST_FIELDS = ("system", "keep_alive", "think", "format")
"""What may stand beside the options of `[options]`, `[models]` and `[presets]`."""

PATTERN_ALLOWED = "a model's name, or a pattern such as 'qwen3*'"
_WILD = re.compile(r"[*?\[\]!]")
_PATTERN = re.compile(r"[A-Za-z0-9_.:/*?\[\]!-]{1,400}")


@dataclass(frozen=True, slots=True)
class Tables:
    """What the file says in them, checked; what was not allowed is left out and named.

    Attributes:
        options: for every model.
        models: name or pattern → what stands over that for the models it fits.
        presets: the person's own, by name.
        servers: by name.
        problems: one sentence for each thing that is not allowed.
    """

    options: Values
    models: Mapping[str, Values]
    presets: Mapping[str, Values]
    servers: Mapping[str, ServerProfile]
    problems: tuple[str, ...]


def read(raw: Mapping[str, Any]) -> Tables:
    """The tables as plain data, checked."""
    problems: list[str] = []
    options = _options(raw.get("options", {}), ("options",), problems)
    models = _named(raw.get("models", {}), "models", check_pattern, _options, problems)
    presets = _named(raw.get("presets", {}), "presets", check_name, _options, problems)
    servers = _named(raw.get("servers", {}), "servers", check_name, _server, problems)
    return Tables(options, models, presets, servers, tuple(problems))


def place_of(name: str) -> Place:
    """The place that a dotted name means; names with dots need no quotes ("models.qwen3.5:8b.num_ctx").

    Raises:
        ValueError: there is no such table, or the name is not whole.
    """
    table, dot, rest = name.partition(".")
    if table not in TABLES or not dot or not rest:
        raise ValueError(_no_table(name))
    if table in ("ollama", "ui", "options", "keys"):
        return table, rest
    head, mark, header = rest.rpartition(".headers.")
    if table == "servers" and mark:
        return table, _bare(head), "headers", header
    head, dot, field = rest.rpartition(".")
    return (table, _bare(head), field) if dot and not rest.endswith('"') else (table, _bare(rest))


def name_of(place: Place) -> str:
    """A place as a dotted name."""
    return ".".join(map(plain, place))


def check(place: Place, value: object) -> object:
    """The value of a place as it is kept; a whole table too.

    Raises:
        ValueError: there is no such place, or the value is not allowed.
    """
    match place:
        case ("ollama" | "ui" as table, name):
            rule = rule_for(table, name)
            if rule is None:
                raise ValueError(unknown(table, name))
            read = rule.read(value)
            if read is None:
                raise ValueError(rule.refuse(name_of(place), value))
            return read
        case ("keys", name) if name:
            text = key_text(value)
            if text is None:
                raise ValueError(wrong(name_of(place), value, KEYS_ALLOWED))
            return text
        case ("options", name):
            return _option(name, value, place)
        case ("models", pattern, name):
            check_pattern(pattern, "models")
            return _option(name, value, place)
        case ("presets", preset, name):
            check_name(preset, "presets")
            return _option(name, value, place)
        case ("servers", server, name):
            check_name(server, "servers")
            return profiles.check_field(name, value, name_of(place))
        case ("servers", server, "headers", header):
            check_name(server, "servers")
            return profiles.check_header(header, value, name_of(place))
        case ("servers", server) if isinstance(value, Mapping):
            profile_of(server, value)
            return dict(value)
        case ("options",) | ("models" | "presets", _) if isinstance(value, Mapping):
            if len(place) > 1:
                (check_pattern if place[0] == "models" else check_name)(place[1], place[0])
            return {str(name): _option(str(name), item, (*place, str(name))) for name, item in value.items()}
        case ("servers" | "options" | "models" | "presets", *rest) if len(rest) < 2:
            raise ValueError(wrong(name_of(place), value, "a table"))
    raise ValueError(_no_table(name_of(place)))


def from_text(place: Place, text: str) -> object:
    """The value that a person typed for a place, by the type of its field; `check` says whether it is allowed."""
    if len(place) == 2 and place[0] in ("ollama", "ui"):
        rule = rule_for(*place)
        return rule.from_text(text) if rule else text
    if place[0] in ("options", "models", "presets") and len(place) > 1:
        name = place[-1]
        if name in OPTION_RULES:
            rule_of = OPTION_RULES[name]
            return truth_of(text) if rule_of.kind == "bool" else rule_of.from_text(text)
        if name == "think":
            return truth_of(text)
        if name == "keep_alive":
            return _number_or_text(text)
    return text


def check_pattern(pattern: str, where: str) -> str:
    """A model's name, or a pattern with `*`, `?` and `[…]`.

    Raises:
        ValueError: no model can have such a name.
    """
    if not isinstance(pattern, str) or not pattern:
        raise ValueError(wrong(f"{where} name", pattern, PATTERN_ALLOWED))
    if is_pattern(pattern):
        if not _PATTERN.fullmatch(pattern):
            raise ValueError(wrong(f"{where} name", pattern, PATTERN_ALLOWED))
    elif reason := problem_with_name(pattern):
        raise ValueError(f"{where} name = {shown(pattern)}: {one_line(reason)}; allowed is {PATTERN_ALLOWED}")
    return pattern


def is_pattern(name: str) -> bool:
    """Whether a name of `[models]` may fit several models."""
    return _WILD.search(name) is not None


def _no_table(name: str) -> str:
    import difflib  # seldom needed

    table = name.partition(".")[0]
    near = difflib.get_close_matches(table, TABLES, n=1)
    if table in TABLES:
        return f"{plain(name)}: the name is not whole, as in " + _EXAMPLES[table]
    return f"{plain(name)}: there is no such setting" + (f"; {near[0]!r} is near" if near else "")


_EXAMPLES = {
    "ollama": "ollama.server_port",
    "options": "options.temperature",
    "models": "models.qwen3*.num_ctx",
    "presets": "presets.mine.temperature",
    "servers": "servers.office.address",
    "ui": "ui.theme",
    "keys": "keys.chat.send",
}


def _bare(name: str) -> str:
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'" else name


def _number_or_text(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _option(name: str, value: object, place: Place) -> object:
    where = name_of(place)
    if name in REQUEST_FIELDS:
        found = check_field(name, value, where)
        return value if name == "format" else found
    rule = OPTION_RULES.get(name)
    if rule is None:
        if isinstance(value, Mapping) and len(place) > 2:
            head = name_of(place[:-2])
            raise ValueError(f'{where}: a name with a dot stands in quotes: [{head}."{name_of(place[1:])}"]')
        raise ValueError(unknown_option(name, name_of(place[:-1]), [*OPTION_RULES, *REQUEST_FIELDS]))
    found = rule.read(value)
    if found is None:
        raise ValueError(wrong(where, value, rule.allowed))
    return found


def _options(table: object, place: Place, problems: list[str]) -> Values:
    if not isinstance(table, Mapping):
        problems.append(wrong(name_of(place), table, "a table"))
        return MappingProxyType({})
    options: dict[str, object] = {}
    for name, value in table.items():
        try:
            options[name] = _option(name, value, (*place, name))
        except ValueError as error:
            problems.append(str(error))
    return MappingProxyType(options)


def _server(table: object, place: Place, problems: list[str]) -> ServerProfile | None:
    if not isinstance(table, Mapping):
        problems.append(wrong(name_of(place), "…", "a table"))  # what stands there may be a secret
        return None
    try:
        return profile_of(place[1], table)
    except ValueError as error:
        problems.append(str(error))
        return None


def _named(
    table: object,
    where: str,
    check_key: Callable[[str, str], str],
    read_one: Callable[[object, Place, list[str]], T | None],
    problems: list[str],
) -> Mapping[str, T]:
    if not isinstance(table, Mapping):
        problems.append(wrong(where, table if where != "servers" else "…", "a table"))
        return MappingProxyType({})
    found: dict[str, T] = {}
    for name, value in table.items():
        try:
            check_key(name, where)
        except ValueError as error:
            problems.append(str(error))
            continue
        one = read_one(value, (where, name), problems)
        if one is not None:
            found[name] = one
    return MappingProxyType(found)
