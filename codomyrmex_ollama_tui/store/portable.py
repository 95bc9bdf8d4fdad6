"""A configuration as one document for another machine, and back. Importing what was exported changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from codomyrmex_ollama_tui.domain.text import wrong
from codomyrmex_ollama_tui.store.editing import put, remove
from codomyrmex_ollama_tui.store.fields import DEFAULTS, RULES
from codomyrmex_ollama_tui.store.migrations.config import SCHEMA_VERSION, VERSION_NAME, migrate, version_of
from codomyrmex_ollama_tui.store.profiles import profile_of
from codomyrmex_ollama_tui.store.reading import flat, take_keys, take_table
from codomyrmex_ollama_tui.store.tables import TABLES, name_of, read

Plain = dict[str, Any]

MAIN = "main_config"
UNWRITTEN = "main_config_defaults"
LEFT_OUT = "secrets_left_out"
TIME = "export_timestamp"
EXPORTED = {"options": "options", "model_configs": "models", "execution_presets": "presets"} | {
    name: name for name in ("servers", "ui", "keys")
}
"""Names of an export → tables of the file."""

_MOST_NAMED = 10


def exported(raw: Mapping[str, Any], moment: datetime, main: Mapping[str, object] | None = None) -> Plain:
    """The document: what of the file is allowed.

    Args:
        raw: the file as plain tables.
        main: values of `[ollama]` that are not written yet and belong to it.
    """
    ollama: Plain = {}
    take_table(raw.get("ollama"), "ollama", ollama)
    ollama |= main or {}
    ui: Plain = {}
    take_table(raw.get("ui"), "ui", ui)
    tables = read(raw)
    names = [rule.name for rule in RULES if rule.table == "ollama"]
    servers: Plain = {}
    left_out: list[str] = []
    for name, profile in tables.servers.items():
        secret = profile.secret_headers
        left_out += [name_of(("servers", name, "headers", header)) for header in secret]
        headers = {header: value for header, value in profile.headers.items() if header not in secret}
        fields: Plain = {"address": profile.address, "headers": headers}
        fields |= {"token_variable": profile.token_variable, "ca_file": profile.ca_file}
        servers[name] = {field: value for field, value in fields.items() if value}
    return {
        TIME: moment.isoformat(),
        VERSION_NAME: SCHEMA_VERSION,
        MAIN: {name: ollama.get(name, DEFAULTS[name]) for name in names},
        UNWRITTEN: [name for name in names if name not in ollama],
        "options": dict(tables.options),
        "model_configs": {name: dict(values) for name, values in tables.models.items()},
        "execution_presets": {name: dict(values) for name, values in tables.presets.items()},
        "servers": servers,
        "ui": ui,
        "keys": dict(take_keys(raw.get("keys"))[0]),
        LEFT_OUT: left_out,
    }


def tables_of(data: object) -> Plain:
    """The tables of an exported document, or of one that is laid out as the file is; checked, plain, of this version.

    Beside the tables there may be `secrets_left_out`. A table that the document does not name is not in the result.

    Raises:
        ValueError: names everything that is not allowed in it.
    """
    if not isinstance(data, Mapping):
        raise ValueError(wrong("the document", data, "a table of tables"))
    document = dict(data)
    try:
        version = version_of(document)
    except ValueError as error:
        raise ValueError(wrong(VERSION_NAME, document[VERSION_NAME], str(error))) from error
    if version > SCHEMA_VERSION:
        raise ValueError(f"it is of version {version}, and this program knows {SCHEMA_VERSION} at most")
    tables = _from_export(document) if MAIN in document or TIME in document else document
    tables = {name: _copy(value) for name, value in tables.items()}
    migrate(tables, version)
    problems = [f"{name}: there is no such table" for name in tables if name not in (*TABLES, VERSION_NAME, LEFT_OUT)]
    ignored: Plain = {}
    for name in ("ollama", "ui"):
        problems += take_table(tables.get(name), name, ignored)
    problems += [*take_keys(tables.get("keys"))[1], *read(tables).problems]
    if not any(name in TABLES for name in tables):
        problems.append(f"it holds none of these tables: {', '.join(TABLES)}")
    if problems:
        more = f"; and {len(problems) - _MOST_NAMED} more" if len(problems) > _MOST_NAMED else ""
        raise ValueError("; ".join(problems[:_MOST_NAMED]) + more)
    del tables[VERSION_NAME]
    return tables


def merge(present: Plain, tables: Plain) -> list[str]:
    """Puts imported tables in the place of those that are there, which keep their secrets.

    Returns:
        a sentence for each secret that was left out and is not here either.
    """
    left_out = tables.get(LEFT_OUT) or []
    missing: list[str] = []
    for name in TABLES:
        if name not in tables:
            continue
        if name == "keys":
            _merge_keys(present, tables[name])
        elif name == "servers":
            missing += _merge_servers(present, tables[name], left_out)
        elif tables[name] or name in present:
            present[name] = tables[name]
    return missing


def _from_export(document: Plain) -> Plain:
    main, unwritten = document.get(MAIN, {}), document.get(UNWRITTEN)
    if not isinstance(main, Mapping):
        raise ValueError(wrong(MAIN, main, "a table"))
    known = (TIME, VERSION_NAME, MAIN, UNWRITTEN, LEFT_OUT, *EXPORTED)
    for name in document:
        if name not in known:
            raise ValueError(f"{name}: an export holds no such table; it holds {', '.join(known)}")
    ollama = {
        name: value
        for name, value in main.items()
        if value is not None and (name not in unwritten if isinstance(unwritten, list) else value != DEFAULTS.get(name))
    }
    tables: Plain = {"ollama": ollama}
    tables |= {table: document[name] for name, table in EXPORTED.items() if name in document}
    if isinstance(document.get(LEFT_OUT), list):
        tables[LEFT_OUT] = document[LEFT_OUT]
    if VERSION_NAME in document:
        tables[VERSION_NAME] = document[VERSION_NAME]
    return tables


def _merge_keys(present: Plain, keys: Plain) -> None:
    wanted = dict(flat(keys))
    there = present.get("keys")
    if not isinstance(there, dict):
        if wanted:
            present["keys"] = wanted
        return
    for name, _ in flat(there):
        if name not in wanted:
            remove(present, ("keys", name))
    for name, value in wanted.items():
        put(present, ("keys", name), value)


def _merge_servers(present: Plain, servers: Plain, left_out: list[Any]) -> list[str]:
    there = present.get("servers")
    old = there if isinstance(there, dict) else {}
    missing = []
    for name, fields in servers.items():
        headers = dict(fields.get("headers", {}))
        kept = _headers_of(name, old.get(name))
        for header in [header for header in kept if name_of(("servers", name, "headers", header)) in left_out]:
            headers.setdefault(header, kept[header])
        if headers:
            fields["headers"] = headers
        known = {name_of(("servers", name, "headers", header)) for header in headers}
        start = name_of(("servers", name, "headers", ""))
        missing += [
            f"{place} was left out of the export, as it is a secret: set it again"
            for place in left_out
            if isinstance(place, str) and place.startswith(start) and place not in known
        ]
    if servers or old:
        present["servers"] = servers
    return missing


def _headers_of(name: str, fields: object) -> Mapping[str, str]:
    if not isinstance(fields, Mapping):
        return {}
    try:
        return profile_of(name, fields).headers
    except ValueError:  # what is not allowed there is not in force either
        return {}


def _copy(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _copy(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return value
