"""Server profiles, `[servers.NAME]`: where a server is and what it wants to be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from codomyrmex_ollama_tui.domain.text import wrong
from codomyrmex_ollama_tui.store.fields import holds_user

FIELDS = ("address", "headers", "token_variable", "ca_file")
HIDDEN = "••••"
NAME_ALLOWED = "letters, digits, '_', '-' and '.', at most 64, a letter or digit first"

_NAME = re.compile(r"[^\W_][\w.-]{0,63}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_FROM_ENVIRONMENT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,199})\}")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is sent with every request to one server. Never shown, never kept."""

    headers: Mapping[str, str] = field(repr=False)
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerProfile:
    """One named server.

    Attributes:
        address: as OLLAMA_HOST is written.
        headers: name → value; a value "${NAME}" is the environment variable NAME. Not shown by `repr`.
        token_variable: the environment variable that holds a bearer token; "" for none.
        ca_file: path of the certificates to trust instead of the usual ones; "" for none.
    """

    name: str
    address: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    token_variable: str = ""
    ca_file: str = ""

    @property
    def secret_headers(self) -> tuple[str, ...]:
        """Names of the headers whose value stands in the file itself."""
        return tuple(name for name, value in self.headers.items() if not from_environment(value))

    def credentials(self, environment: Mapping[str, str]) -> Credentials:
        """Headers and token with the environment's values in their places.

        Raises:
            ValueError: a variable is not set; names the field and the variable, never a value.
        """
        headers = {}
        for name, value in self.headers.items():
            variable = from_environment(value)
            headers[name] = _value_of(variable, environment, f"{self._place}.headers.{name}") if variable else value
        token = None
        if self.token_variable:
            token = _value_of(self.token_variable, environment, f"{self._place}.token_variable")
        return Credentials(MappingProxyType(headers), token)

    def shown(self) -> dict[str, object]:
        """Its fields for a person: header values as dots unless they name a variable."""
        headers = {name: value if from_environment(value) else HIDDEN for name, value in self.headers.items()}
        return {
            "address": self.address,
            "headers": headers,
            "token_variable": self.token_variable,
            "ca_file": self.ca_file,
        }

    @property
    def _place(self) -> str:
        return f"servers.{self.name}"


def from_environment(value: str) -> str:
    """The variable that a header's value "${NAME}" names; "" for a value that stands for itself."""
    found = _FROM_ENVIRONMENT.fullmatch(value)
    return found[1] if found else ""


def check_name(name: str, where: str) -> str:
    """A name of a profile or preset.

    Raises:
        ValueError: it is empty, too long, or holds what no name may.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or ".." in name:
        raise ValueError(wrong(f"{where} name", name, NAME_ALLOWED))
    return name


def check_field(name: str, value: object, where: str) -> object:
    """A field of a profile as it is kept. No message holds a header's value or what may be a password.

    Raises:
        ValueError: the field or its value is not allowed.
    """
    if name == "address":
        return _address(value, where)
    if name == "token_variable":
        if isinstance(value, str) and (not value or _VARIABLE.fullmatch(value)):
            return value
        raise ValueError(f"{where}: allowed is the name of an environment variable that holds the token")
    if name == "ca_file":
        if isinstance(value, str) and value.isprintable():
            return value.strip()
        raise ValueError(wrong(where, value, "the path of a file"))
    if name == "headers":
        if not isinstance(value, Mapping):
            raise ValueError(f'{where}: allowed is a table, {{ "Name" = "value" }}')
        return {header: check_header(header, text, f"{where}.{header}") for header, text in value.items()}
    import difflib  # seldom needed

    near = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.5)
    raise ValueError(f"{where}: there is no such setting" + (f"; {near[0]!r} is near" if near else ""))


def check_header(name: str, value: object, where: str) -> str:
    """The value of a header.

    Raises:
        ValueError: the name or the value is not allowed; the value is not in the message.
    """
    if not _HEADER.fullmatch(name):
        raise ValueError(wrong(f"{where.removesuffix('.' + name)} name", name, "letters, digits and '-'"))
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise ValueError(f'{where}: allowed is a text of ASCII characters, or "${{NAME}}" for an environment variable')
    return value


def profile_of(name: str, fields: Mapping[str, object]) -> ServerProfile:
    """The profile that a table of the file is.

    Raises:
        ValueError: a field is not allowed, or the address is missing.
    """
    check_name(name, "servers")
    checked = {field: check_field(field, value, f"servers.{name}.{field}") for field, value in fields.items()}
    if "address" not in checked:
        raise ValueError(f"servers.{name}.address is missing: where the server is, as in OLLAMA_HOST")
    headers = checked.pop("headers", {})
    texts = {field: str(value) for field, value in checked.items()}
    return ServerProfile(name, headers=MappingProxyType(dict(headers if isinstance(headers, dict) else {})), **texts)


def _address(value: object, where: str) -> str:
    allowed = "a host name, an IP address or a URL"
    if isinstance(value, str) and holds_user(value):
        raise ValueError(f"{where}: an address holds no user name or password; use a header or token_variable")
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(wrong(where, value, allowed))
    return value.strip()


def _value_of(variable: str, environment: Mapping[str, str], where: str) -> str:
    value = environment.get(variable, "").strip()
    if not value:
        raise ValueError(f"{where}: the environment variable {variable} is not set")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"{where}: the environment variable {variable} holds what no header can")
    return value
