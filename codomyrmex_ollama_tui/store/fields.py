"""The settings of `[ollama]` and `[ui]`: names, defaults, meanings, what is allowed. Read before the first frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from codomyrmex_ollama_tui.domain.text import wrong


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force: defaults, over them `config.toml`, over it the environment, over all the flags.

    What each of them means stands in `RULES`.

    Attributes:
        host_from, port_from: where `server_host` and `server_port` were written: "", "file" or "environment".
        first_byte_timeout: None is no limit.
        keys: id of a command → key(s), as Textual writes them, several with commas.
    """

    ollama_binary: str = "ollama"
    auto_start_server: bool = True
    default_model: str = "llama2"
    server_host: str = "localhost"
    server_port: int = 11434
    request_timeout: int = 120
    max_retries: int = 3
    retry_delay: float = 1.0
    output_directory: str = "./ollama_outputs"
    enable_caching: bool = True
    cache_ttl: int = 3600
    first_byte_timeout: float | None = None
    host_from: str = ""
    port_from: str = ""
    theme: str = "night"
    reader_width: int = 100
    reduce_motion: bool = False
    send_key: str = "enter"
    pulls_at_once: int = 1
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Rule:
    """One setting: where it stands, what it may be (`allowed` in words), and how it is read from TOML and from text.

    `read` gives the value, or None for one that is not allowed. `unset` is what a program may pass for "none", which
    a file says by leaving the line out.
    """

    table: str
    name: str
    allowed: str
    read: Callable[[object], object | None]
    from_text: Callable[[str], object]
    meaning: str
    unset: bool = False

    @property
    def default(self) -> object:
        """The value where nobody says anything."""
        return DEFAULTS[self.name]

    def refuse(self, where: str, value: object) -> str:
        """One sentence on why the value is not allowed; without the value where it may hold a password."""
        if isinstance(value, str) and self.read is host and holds_user(value):
            return f"{where}: an address holds no user name or password; [servers] takes headers or a token"
        return wrong(where, value, self.allowed)

    @property
    def place(self) -> str:
        """Its name with its table, "ollama.server_port"."""
        return f"{self.table}.{self.name}"


def _text(value: object) -> str | None:
    fits = isinstance(value, str) and value.strip() and value.isprintable()
    return value.strip() if fits and isinstance(value, str) else None


def _model(value: object) -> str | None:
    text = _text(value)
    if text is None:
        return None
    from codomyrmex_ollama_tui.domain.names import problem_with_name  # few write one

    return None if problem_with_name(text) else text


def host(value: object) -> str | None:
    """A server's address as a text; None for what cannot be one, or holds a user name."""
    text = _text(value)
    return None if text is None or holds_user(text) else text


def holds_user(address: str) -> bool:
    """Whether a user name, and perhaps a password, stands in an address."""
    return "@" in (address.partition("://")[2] or address).partition("/")[0]


def _number(low: int, high: int) -> Callable[[object], int | None]:
    def read(value: object) -> int | None:
        # True is a number to Python, not to a person.
        return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None

    return read


def _amount(low: float, high: float) -> Callable[[object], float | None]:
    def read(value: object) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            return None  # also what is not a number (nan)
        return float(value)

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


def _amount_of(text: str) -> object:
    try:
        amount = float(text)
    except ValueError:
        return text
    return amount if math.isfinite(amount) else text


def truth_of(text: str) -> object:
    """The truth value that a word such as "yes" or "off" means; other words as they are."""
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return words.get(text.strip().lower(), text)


SECONDS_A_DAY = 86400

RULES: tuple[Rule, ...] = (
    Rule("ollama", "ollama_binary", "the name or path of a program", _text, str, "name or path of the program"),
    Rule("ollama", "auto_start_server", "true or false", _truth, truth_of, "start a server here when none answers"),
    Rule(
        "ollama",
        "default_model",
        "the name of a model",
        _model,
        str,
        "for programs that name no model; never pulled or chosen by the screens",
    ),
    Rule(
        "ollama",
        "server_host",
        "a host name, an IP address or a URL",
        host,
        str,
        "a host name, an IP address or a URL; only counts where it is written",
    ),
    Rule(
        "ollama",
        "server_port",
        "a whole number from 1 to 65535",
        _number(1, 65535),
        _number_of,
        "1 to 65535; only counts where it is written",
    ),
    Rule(
        "ollama",
        "request_timeout",
        "a whole number of seconds from 1 to 86400",
        _number(1, SECONDS_A_DAY),
        _number_of,
        "seconds for short calls, and between two pieces of an answer; 1 to 86400",
    ),
    Rule(
        "ollama",
        "max_retries",
        "a whole number from 0 to 100",
        _number(0, 100),
        _number_of,
        "how often a call that found no server is tried again; 0 to 100",
    ),
    Rule(
        "ollama",
        "retry_delay",
        "a number of seconds from 0 to 3600",
        _amount(0, 3600),
        _amount_of,
        "seconds before the first new try, doubled each time; 0 to 3600",
    ),
    Rule(
        "ollama",
        "output_directory",
        "the path of a folder",
        _text,
        str,
        "where outputs are kept; left as it is, the screens and cotui use their data folder",
    ),
    Rule("ollama", "enable_caching", "true or false", _truth, truth_of, "keep the list of models for a while"),
    Rule(
        "ollama",
        "cache_ttl",
        "a whole number of seconds from 0 to 31536000",
        _number(0, 365 * SECONDS_A_DAY),
        _number_of,
        "seconds that the list of models is kept; 0 asks each time",
    ),
    Rule(
        "ollama",
        "first_byte_timeout",
        "a number of seconds from 0.001 to 86400",
        _amount(0.001, SECONDS_A_DAY),
        _amount_of,
        "seconds until an answer must begin, for programs and batches; no limit if left out",
        unset=True,
    ),
    Rule(
        "ui", "theme", "the name of a theme", _text, str, "night, day, contrast, one of Textual's, or one of your own"
    ),
    Rule(
        "ui",
        "reader_width",
        "a whole number of cells from 40 to 400",
        _number(40, 400),
        _number_of,
        "the longest line of a conversation in cells, 40 to 400",
    ),
    Rule("ui", "reduce_motion", "true or false", _truth, truth_of, "no spinners, no animation"),
    Rule(
        "ui",
        "send_key",
        '"enter" or "ctrl+j"',
        _one_of("enter", "ctrl+j"),
        str,
        '"enter" or "ctrl+j"; the other one begins a new line',
    ),
    Rule(
        "ui",
        "pulls_at_once",
        "a whole number from 1 to 8",
        _number(1, 8),
        _number_of,
        "how many models are pulled at the same time, 1 to 8",
    ),
)

DEFAULTS: Mapping[str, object] = MappingProxyType({rule.name: getattr(Settings(), rule.name) for rule in RULES})


def rule_for(table: str, name: str) -> Rule | None:
    """The rule of one setting by its place in the file."""
    return next((rule for rule in RULES if (rule.table, rule.name) == (table, name)), None)


def unknown(table: str, name: str) -> str:
    """One sentence about a name nobody knows, with the one that may be meant."""
    import difflib  # seldom needed

    known = [rule.name for rule in RULES if rule.table == table]
    near = difflib.get_close_matches(name, known, n=1)
    return f"{table}.{plain(name)}: there is no such setting" + (f"; {near[0]!r} is near" if near else "")


def plain(name: str) -> str:
    """A name as it stands in a sentence; quoted where it could not be told from it."""
    text = name if name.isprintable() else ascii(name)
    return text if len(text) <= 60 else text[:59] + "…"
