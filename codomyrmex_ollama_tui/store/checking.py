"""A configuration looked over: what is not allowed, and what is allowed but may not be meant."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.text import wrong
from codomyrmex_ollama_tui.store.document import NewerFile
from codomyrmex_ollama_tui.store.fields import RULES, plain
from codomyrmex_ollama_tui.store.migrations.config import SCHEMA_VERSION, VERSION_NAME, version_of
from codomyrmex_ollama_tui.store.profiles import ServerProfile
from codomyrmex_ollama_tui.store.reading import ENVIRONMENT_PREFIX
from codomyrmex_ollama_tui.store.tables import TABLES, Values, is_pattern, name_of

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.store.settings import SettingsStore

_LOCAL = re.compile(r"(localhost|127(\.\d+){3}|0\.0\.0\.0|\[::1?\]|)(:\d+)?$|::1$")


@dataclass(frozen=True, slots=True)
class Validation:
    """Sentences, each naming a field (or the file), its value and what is allowed.

    Attributes:
        errors: not in force; the default holds instead.
        warnings: in force, but may not be meant.
    """

    errors: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """Whether there is no error."""
        return not self.errors


def validate(store: SettingsStore) -> Validation:
    """Looks over the file and the environment of a store."""
    errors = [*store.problems]
    if VERSION_NAME in store.raw and not isinstance(store.unreadable, NewerFile):
        try:
            version_of(dict(store.raw))
        except ValueError as error:
            errors.append(f"{wrong(VERSION_NAME, store.raw[VERSION_NAME], str(error))}, at most {SCHEMA_VERSION}")
    return Validation(tuple(errors), tuple(_warnings(store)))


def _warnings(store: SettingsStore) -> Iterator[str]:
    tables = store.tables
    for name in store.raw:
        if name not in (*TABLES, VERSION_NAME):
            yield f"{plain(name)}: there is no such table, so it says nothing; allowed are {', '.join(TABLES)}"
    yield from _option_warnings(tables.options, ("options",))
    for kind, named in (("models", tables.models), ("presets", tables.presets)):
        for name, values in named.items():
            yield from _option_warnings(values, (kind, name))
    yield from _double_names(tables.models)
    for profile in tables.servers.values():
        yield from _profile_warnings(profile, store.environment)
    if any(profile.secret_headers for profile in tables.servers.values()):
        yield from _mode_warning(store)
    yield from _unknown_variables(store.environment)


def _option_warnings(values: Values, place: tuple[str, ...]) -> Iterator[str]:
    if values.get("num_predict") == 0 and "num_predict" in values:
        where = name_of((*place, "num_predict"))
        yield f"{where} = 0: to the server this is no limit, not an empty answer; -1 says the same plainly"


def _double_names(models: Mapping[str, Values]) -> Iterator[str]:
    exact = [name for name in models if not is_pattern(name)]
    for number, name in enumerate(exact):
        for other in exact[number + 1 :]:
            if same_model(name, other):
                yield f"models.{plain(name)} and models.{plain(other)} are one model to the server; keep one of them"


def _profile_warnings(profile: ServerProfile, environment: Mapping[str, str]) -> Iterator[str]:
    try:
        profile.credentials(environment)
    except ValueError as error:
        yield str(error)
    secret = profile.token_variable or profile.headers
    address = profile.address
    host = (address.partition("://")[2] or address).partition("/")[0]
    if secret and not address.startswith("https://") and not _LOCAL.match(host):
        yield (
            f"servers.{profile.name}.address = {address!r}: headers and token go there unencrypted; "
            "https:// keeps them to yourselves"
        )
    named = any(name.lower() == "authorization" for name in profile.headers)
    if named and profile.token_variable:
        yield f"servers.{profile.name}: token_variable and the header Authorization say the same; keep one of them"
    if profile.ca_file and not profile.ca_file.startswith("~") and not os.path.isfile(profile.ca_file):
        yield wrong(f"servers.{profile.name}.ca_file", profile.ca_file, "the path of a file that is there")


def _mode_warning(store: SettingsStore) -> Iterator[str]:
    if os.name == "nt":
        return
    try:
        mode = stat.S_IMODE(store.path.stat().st_mode)
    except OSError:
        return
    if mode & 0o077:
        yield f"{store.path} holds headers and can be read by others (mode {mode:03o}); chmod 600 keeps them out"


def _unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    known = {ENVIRONMENT_PREFIX + rule.name.upper() for rule in RULES}
    for name in sorted(environment):
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known:
            yield f"{plain(name)}: there is no such setting, so it says nothing"
