"""`config.toml`: read with care, changed without losing a comment, never overwritten when it is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from codomyrmex_ollama_tui.store.fields import LIBRARY_NAMES, RULES, Settings, problem, rule_for, unknown
from codomyrmex_ollama_tui.store.paths import make_private

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

__all__ = ["Settings", "SettingsStore"]

ENVIRONMENT_PREFIX = "CODOMYRMEX_OLLAMA_"
KEYS_ALLOWED = "a key, or several with commas"


class SettingsStore:
    """The settings in force and the file behind them; used on one thread."""

    def __init__(
        self,
        path: Path,
        environment: Mapping[str, str],
        *,
        now: Callable[[], datetime],
        flags: Mapping[str, object] | None = None,
    ) -> None:
        """Reads the file if there is one. Nothing is written, but a broken file is renamed.

        Args:
            path: `config.toml`.
            environment: `CODOMYRMEX_OLLAMA_<FIELD>` wins over the file.
            now: the time of day, for the name of a broken file.
            flags: fields of `Settings` that win over everything for this run.
        """
        self.path = path
        self.problems: tuple[str, ...] = ()
        """Sentences for the person, each naming the field or the file, the value and what is allowed."""
        self._environment = environment
        self._flags = dict(flags or {})
        self._now = now
        self._notes: list[str] = []
        self._listeners: list[Callable[[Settings], None]] = []
        self._settings = self._load()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    def listen(self, callback: Callable[[Settings], None]) -> Callable[[], None]:
        """Calls `callback` after every change. Returns what unsubscribes."""
        self._listeners.append(callback)

        def unsubscribe() -> None:
            if callback in self._listeners:
                self._listeners.remove(callback)

        return unsubscribe

    def note(self, words: str) -> None:
        """Adds a sentence to `problems` that stays for this run."""
        self._notes.append(words)
        self.problems = (words, *self.problems)

    def change(self, name: str, value: object) -> Settings:
        """Sets one setting ("ui.theme", "keys.chat.send") in the file and here; comments and all else stay.

        Raises:
            ValueError: there is no such setting, or the value is not allowed; nothing is changed then.
            OSError: the file cannot be read or written; nothing is changed then.
        """
        table, _, field = name.partition(".")
        if table == "keys":
            if not field or _key_text(value) is None:
                raise ValueError(problem(name, value, KEYS_ALLOWED))
        else:
            rule = rule_for(table, field)
            if rule is None:
                raise ValueError(unknown(table, field))
            if rule.read(value) is None:
                raise ValueError(problem(name, value, rule.allowed))
        self._write(table, field, value)
        self._flags.pop(field, None)  # what was chosen later wins over the flag
        self._settings = self._load()
        for listener in tuple(self._listeners):
            listener(self._settings)
        return self._settings

    def _write(self, table: str, name: str, value: object) -> None:
        # None of these is needed before the first frame.
        import tomlkit
        from filelock import FileLock

        from codomyrmex_ollama_tui.store.atomic import write_atomically

        make_private(self.path.parent)
        with FileLock(f"{self.path}.lock", timeout=5):
            document = self._document()
            if table not in document:
                document.add(table, tomlkit.table())
            _put(document[table], table, name, value)
            write_atomically(self.path, tomlkit.dumps(document))

    def _document(self) -> TOMLDocument:
        """The file as it is now: a person, or another program, may have changed it since it was read."""
        import tomlkit
        from tomlkit.exceptions import TOMLKitError

        try:
            return tomlkit.parse(self.path.read_bytes().decode("utf-8-sig"))
        except FileNotFoundError:
            return tomlkit.document()
        except (UnicodeDecodeError, TOMLKitError) as error:
            self._set_aside(error)
            return tomlkit.document()

    def _load(self) -> Settings:
        problems: list[str] = []
        try:
            tables = self._read()
        except OSError as error:
            tables = {}
            problems.append(f"{self.path} cannot be read ({error.strerror or error}); the defaults are in force")
        except ValueError as error:  # no TOML, or no UTF-8
            tables = {}
            self._set_aside(error)
        values: dict[str, Any] = {}
        for table in ("ollama", "ui"):
            problems += _take(tables.get(table), table, values)
        for field in ("server_host", "server_port"):
            if field in values:
                values[_origin_field(field)] = "file"
        keys, key_problems = _keys(tables.get("keys"))
        problems += key_problems + self._take_environment(values)
        self.problems = (*self._notes, *problems)
        return Settings(**{**values, "keys": keys, **self._flags})

    def _read(self) -> dict[str, object]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        import tomllib  # most people have no file

        return tomllib.loads(content.decode("utf-8-sig"))

    def _take_environment(self, values: dict[str, object]) -> list[str]:
        problems = []
        for rule in RULES:
            variable = ENVIRONMENT_PREFIX + rule.name.upper()
            text = self._environment.get(variable, "")
            if not text:
                continue
            value = rule.read(rule.from_text(text))
            if value is None:
                problems.append(problem(variable, text, rule.allowed))
                continue
            values[rule.name] = value
            if rule.name in ("server_host", "server_port"):
                values[_origin_field(rule.name)] = "environment"
        return problems

    def _set_aside(self, error: Exception) -> None:
        """Renames a file that is no TOML, so that nothing can overwrite it, and says so."""
        aside = self.path.with_name(f"config.broken-{self._now():%Y%m%d-%H%M%S-%f}.toml")
        try:
            self.path.rename(aside)
        except OSError as failure:
            words = f"{self.path.name} is broken ({error}) and cannot be renamed ({failure.strerror})"
        else:
            words = f"{self.path.name} is broken ({error}); it is kept as {aside.name}, the defaults are in force"
        self._notes.append(words)


def _take(table: object, where: str, values: dict[str, object]) -> list[str]:
    """Puts the allowed values of one table into `values`; returns what is wrong with the others."""
    if table is None:
        return []
    if not isinstance(table, dict):
        return [problem(where, table, "a table")]
    problems = []
    for name, value in table.items():
        rule = rule_for(where, name)
        if rule is None:
            if where != "ollama" or name not in LIBRARY_NAMES:
                problems.append(unknown(where, name))
            continue
        read = rule.read(value)
        if read is None:
            problems.append(problem(f"{where}.{name}", value, rule.allowed))
        else:
            values[rule.name] = read
    return problems


def _origin_field(field: str) -> str:
    return field.removeprefix("server_") + "_from"


def _put(table: object, where: str, name: str, value: object) -> None:
    """Sets `name` where it stands already: `a.b = 1` in a table is a table `a` to TOML, and one name to a person."""
    if not isinstance(table, MutableMapping):
        raise ValueError(problem(where, table, "a table"))
    first, dot, rest = name.partition(".")
    if dot and isinstance(table.get(first), MutableMapping):
        _put(table[first], where, rest, value)
    else:
        table[name] = value


def _keys(table: object) -> tuple[Mapping[str, str], list[str]]:
    if table is None:
        return MappingProxyType({}), []
    if not isinstance(table, dict):
        return MappingProxyType({}), [problem("keys", table, "a table")]
    keys: dict[str, str] = {}
    problems = []
    for name, value in _flat(table):
        text = _key_text(value)
        if text is not None:
            keys[name] = text
        else:
            problems.append(problem(f"keys.{name}", value, KEYS_ALLOWED))
    return MappingProxyType(keys), problems


def _key_text(value: object) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() and value.isprintable() else None


def _flat(table: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    """`chat.send = "x"` without quotes is a table in a table to TOML, and one name to a person."""
    flat: list[tuple[str, object]] = []
    for name, value in table.items():
        flat += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return flat
