"""The settings that the program reads before its first frame: names, defaults, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force: defaults, over them `config.toml`, over it the environment.

    Attributes:
        server_host: host of `[ollama]` (may hold a port, or a whole URL, as OLLAMA_HOST may).
        server_port: port of `[ollama]`, 1–65535.
        host_from, port_from: where they were written: "", "file" or "environment".
        auto_start_server: whether a server may be started here when nobody answers on this machine.
        ollama_binary: name or path of the `ollama` program.
        request_timeout: seconds for short calls, and between two pieces of an answer.
        theme: name of a theme.
        reader_width: cells of the transcript at most, 40–400.
        reduce_motion: no spinners, no animation.
        send_key: what sends the composer's text, "enter" or "ctrl+j"; the other one begins a new line.
        keys: id of a command → key(s), as Textual writes them, several with commas.
    """

    server_host: str = "localhost"
    server_port: int = 11434
    host_from: str = ""
    port_from: str = ""
    auto_start_server: bool = True
    ollama_binary: str = "ollama"
    request_timeout: int = 120
    theme: str = "night"
    reader_width: int = 100
    reduce_motion: bool = False
    send_key: str = "enter"
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Rule:
    """One setting: where it stands, what it may be (`allowed` in words), and how it is read from TOML and from text.

    `read` gives the value, or None for one that is not allowed.
    """

    table: str
    name: str
    allowed: str
    read: Callable[[object], object | None]
    from_text: Callable[[str], object]


def _text(value: object) -> str | None:
    fits = isinstance(value, str) and value.strip() and value.isprintable()
    return value.strip() if fits and isinstance(value, str) else None


def _number(low: int, high: int) -> Callable[[object], int | None]:
    def read(value: object) -> int | None:
        # True is a number to Python, not to a person.
        return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None

    return read


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _one_of(*words: str) -> Callable[[object], str | None]:
    return lambda value: value if isinstance(value, str) and value in words else None


def _number_of(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return text


def _truth_of(text: str) -> object:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return words.get(text.strip().lower(), text)


RULES: tuple[Rule, ...] = (
    Rule("ollama", "server_host", "a host name, an IP address or a URL", _text, str),
    Rule("ollama", "server_port", "a whole number from 1 to 65535", _number(1, 65535), _number_of),
    Rule("ollama", "auto_start_server", "true or false", _truth, _truth_of),
    Rule("ollama", "ollama_binary", "the name or path of a program", _text, str),
    Rule("ollama", "request_timeout", "a whole number of seconds from 1 to 86400", _number(1, 86400), _number_of),
    Rule("ui", "theme", "the name of a theme", _text, str),
    Rule("ui", "reader_width", "a whole number of cells from 40 to 400", _number(40, 400), _number_of),
    Rule("ui", "reduce_motion", "true or false", _truth, _truth_of),
    Rule("ui", "send_key", '"enter" or "ctrl+j"', _one_of("enter", "ctrl+j"), str),
)

# Further names of `[ollama]`, which the configuration of the library knows and this floor does not read.
LIBRARY_NAMES = frozenset(
    {"default_model", "max_retries", "retry_delay", "output_directory", "enable_caching", "cache_ttl"}
)


def rule_for(table: str, name: str) -> Rule | None:
    """The rule of one setting by its place in the file."""
    return next((rule for rule in RULES if (rule.table, rule.name) == (table, name)), None)


def problem(where: str, value: object, allowed: str) -> str:
    """One sentence that names the field, its value and what is allowed."""
    return f"{where} = {_shown(value)}: allowed is {allowed}"


def unknown(table: str, name: str) -> str:
    """One sentence about a name nobody knows, with the one that may be meant."""
    known = [rule.name for rule in RULES if rule.table == table]
    near = difflib.get_close_matches(name, known, n=1)
    return f"{table}.{_plain(name)}: there is no such setting" + (f"; {near[0]!r} is near" if near else "")


def _shown(value: object) -> str:
    return _plain(repr(value))


def _plain(text: str) -> str:
    shown = text if text.isprintable() else ascii(text)
    return shown if len(shown) <= 60 else shown[:59] + "…"
