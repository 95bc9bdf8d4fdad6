"""The settings of `[ollama]`, `[ui]` and `[keys]` as a file and the environment say them, checked field by field."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from codomyrmex_ollama_tui.domain.text import wrong
from codomyrmex_ollama_tui.store.fields import RULES, rule_for, unknown

ENVIRONMENT_PREFIX = "CODOMYRMEX_OLLAMA_"
KEYS_ALLOWED = "a key, or several with commas"
RECORDED = ("server_host", "server_port")
"""The fields whose origin counts: an address that is written wins over the default one."""


def take_table(table: object, where: str, values: dict[str, object]) -> list[str]:
    """Puts the allowed values of `[ollama]` or `[ui]` into `values`; returns what is wrong with the others."""
    if table is None:
        return []
    if not isinstance(table, dict):
        return [wrong(where, table, "a table")]
    problems = []
    for name, value in table.items():
        rule = rule_for(where, name)
        if rule is None:
            problems.append(unknown(where, name))
            continue
        read = rule.read(value)
        if read is None:
            problems.append(rule.refuse(rule.place, value))
        else:
            values[rule.name] = read
    return problems


def take_environment(environment: Mapping[str, str], values: dict[str, object]) -> list[str]:
    """Puts what `CODOMYRMEX_OLLAMA_<FIELD>` says over `values`; returns what is wrong. Empty is not set."""
    problems = []
    for rule in RULES:
        variable = ENVIRONMENT_PREFIX + rule.name.upper()
        text = environment.get(variable, "")
        if not text:
            continue
        value = rule.read(rule.from_text(text))
        if value is None:
            problems.append(rule.refuse(variable, text))
        else:
            values[rule.name] = value
    return problems


def take_keys(table: object) -> tuple[Mapping[str, str], list[str]]:
    """`[keys]` as id → key(s), and what is wrong with it."""
    if table is None:
        return MappingProxyType({}), []
    if not isinstance(table, dict):
        return MappingProxyType({}), [wrong("keys", table, "a table")]
    keys: dict[str, str] = {}
    problems = []
    for name, value in flat(table):
        text = key_text(value)
        if text is not None:
            keys[name] = text
        else:
            problems.append(wrong(f"keys.{name}", value, KEYS_ALLOWED))
    return MappingProxyType(keys), problems


def key_text(value: object) -> str | None:
    """The key(s) of a command; None where it is none."""
    return value.strip() if isinstance(value, str) and value.strip() and value.isprintable() else None


def flat(table: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    """`chat.send = "x"` without quotes is a table in a table to TOML, and one name to a person."""
    names: list[tuple[str, object]] = []
    for name, value in table.items():
        names += flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return names
