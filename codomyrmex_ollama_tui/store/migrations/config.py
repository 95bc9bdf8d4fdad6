"""
The versions of the configuration file. A step works on plain tables, and does nothing to those that are new already.

1: no `schema_version`. The address of a `[servers.NAME]` is called `host`. A JSON file may hold the fields of
   `[ollama]` at its top.
2: the address is called `address`; every file says its `schema_version`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codomyrmex_ollama_tui.store.fields import RULES

Tables = dict[str, Any]

VERSION_NAME = "schema_version"
SCHEMA_VERSION = 2
"""The version that this program writes."""


def version_of(tables: Tables) -> int:
    """The version that a file says it has; 1 where it says none.

    Raises:
        ValueError: what it says is no version.
    """
    version = tables.get(VERSION_NAME, 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError("a whole number, at least 1")
    return version


def migrate(tables: Tables, version: int) -> None:
    """Brings plain tables of an older version to `SCHEMA_VERSION`, in place."""
    for number in range(version, SCHEMA_VERSION):
        _STEPS[number](tables)
    tables[VERSION_NAME] = SCHEMA_VERSION


def _to_2(tables: Tables) -> None:
    servers = tables.get("servers")
    for server in servers.values() if isinstance(servers, dict) else ():
        if isinstance(server, dict) and "host" in server and "address" not in server:
            server["address"] = server.pop("host")
    ollama = tables.get("ollama", {})
    for rule in RULES:
        if rule.table == "ollama" and isinstance(ollama, dict) and rule.name in tables:
            ollama.setdefault(rule.name, tables.pop(rule.name))
            tables["ollama"] = ollama


_STEPS: dict[int, Callable[[Tables], None]] = {1: _to_2}
