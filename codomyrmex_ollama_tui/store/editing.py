"""Changes to the plain tables of a configuration, by place."""

from __future__ import annotations

from typing import Any

from codomyrmex_ollama_tui.domain.text import wrong
from codomyrmex_ollama_tui.store.tables import Place, name_of

Tables = dict[str, Any]


def put(tables: Tables, place: Place, value: object) -> None:
    """Sets the value of a place, making the tables on the way.

    Raises:
        ValueError: something else stands where a table has to be.
    """
    node = tables
    for depth, part in enumerate(place[:-1], 1):
        inner = node.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ValueError(wrong(name_of(place[:depth]), inner, "a table"))
        node = inner
    if place[0] == "keys":
        _put_key(node, place[-1], value)
    else:
        node[place[-1]] = value


def remove(tables: Tables, place: Place) -> None:
    """Takes a value or a table out, and tables that are empty then. Nothing there is fine.

    An empty table of fields (`[ui]`) stays; one of named tables (`[servers.NAME]`) has no line of its own in the file.
    """
    if len(place) > 1 and place[0] == "keys":
        if isinstance(tables.get("keys"), dict):
            _remove_key(tables["keys"], place[-1])
        return
    path = [tables]
    for part in place[:-1]:
        inner = path[-1].get(part)
        if not isinstance(inner, dict):
            return
        path.append(inner)
    path[-1].pop(place[-1], None)
    named = place[0] in ("models", "presets", "servers")
    for depth in range(len(path) - 1, 0 if named else 1, -1):
        if not path[depth]:
            path[depth - 1].pop(place[depth - 1], None)


def _put_key(table: Tables, name: str, value: object) -> None:
    """Sets `name` where it stands already: `a.b = 1` in a table is a table `a` to TOML, and one name to a person."""
    first, dot, rest = name.partition(".")
    if dot and isinstance(table.get(first), dict):
        _put_key(table[first], rest, value)
    else:
        table[name] = value


def _remove_key(table: Tables, name: str) -> None:
    if name in table:
        del table[name]
        return
    first, dot, rest = name.partition(".")
    inner = table.get(first)
    if dot and isinstance(inner, dict):
        _remove_key(inner, rest)
        if not inner:
            del table[first]
