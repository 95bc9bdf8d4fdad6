"""
Modelfiles: what a model is made from, as `ollama create` reads it.

A line is a command and its value; the case of commands does not matter, a line that begins with `#` is a comment. A
value may be wrapped in quotes, or in three of them, and goes over several lines then. Nothing is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from codomyrmex_ollama_tui.domain.chat import Message
from codomyrmex_ollama_tui.domain.option_rules import OPTION_RULES
from codomyrmex_ollama_tui.domain.options import check_options, unknown_option

COMMANDS = (
    "FROM", "ADAPTER", "PARAMETER", "TEMPLATE", "SYSTEM", "LICENSE", "MESSAGE", "RENDERER", "PARSER", "REQUIRES",
)  # fmt: skip
ROLES = ("system", "user", "assistant")
GONE = frozenset(
    {"penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock"}
    | {"mirostat", "mirostat_tau", "mirostat_eta"}
)
"""Parameters of old Modelfiles that Ollama passes over."""

_COMMAND = re.compile(r"[ \t]*([A-Za-z]+)(?=\s|$)[ \t]*")
_WORD = re.compile(r"(\S+)(?:[ \t]+|$)")


@dataclass(frozen=True, slots=True)
class Modelfile:
    """What a Modelfile says.

    Attributes:
        sources: the values of FROM: one name of a model, or the paths of files.
        adapters: paths of files.
        parameters: options of the model, checked; `stop` and its like gathered into one list.
        template, system: None where the file says nothing, so that those of the source stand.
        licenses: added to those of the source.
        passed_over: parameters that no server knows any more.
    """

    sources: tuple[str, ...]
    adapters: tuple[str, ...] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)
    template: str | None = None
    system: str | None = None
    licenses: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    renderer: str | None = None
    parser: str | None = None
    requires: str | None = None
    passed_over: tuple[str, ...] = ()


def parse_modelfile(text: str) -> Modelfile:
    """Reads a Modelfile.

    Raises:
        ValueError: names the line and what is wrong with it.
    """
    several: dict[str, list[str]] = {"FROM": [], "ADAPTER": [], "LICENSE": []}
    single: dict[str, str] = {}
    parameters: dict[str, object] = {}
    messages: list[Message] = []
    passed_over: list[str] = []
    for line, command, value in _commands(text):
        if command == "PARAMETER":
            name, said = _two(line, command, value, "a name and a value")
            if name in GONE:
                passed_over.append(name)
            else:
                _add_parameter(line, parameters, name, said)
        elif command == "MESSAGE":
            role, said = _two(line, command, value, "a role and a text")
            if role not in ROLES:
                raise ValueError(f"line {line}: the role of a MESSAGE is {', '.join(ROLES)}, not {role!r}")
            messages.append(Message(role, said))
        elif command in several:
            if not value:
                raise ValueError(f"line {line}: {command} needs a value")
            several[command].append(value)
        else:
            single[command.lower()] = value  # the last one stands
    if not several["FROM"]:
        raise ValueError("FROM is missing: it says what the model is made from")
    return Modelfile(
        sources=tuple(several["FROM"]),
        adapters=tuple(several["ADAPTER"]),
        licenses=tuple(several["LICENSE"]),
        parameters=parameters,
        messages=tuple(messages),
        passed_over=tuple(passed_over),
        **single,
    )


def _commands(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, command and value of each command."""
    lines = text.replace("\r\n", "\n").removeprefix("\ufeff").split("\n")
    number = 0
    while number < len(lines):
        begun, line = number + 1, lines[number]
        number += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _COMMAND.match(line)
        command = found[1].upper() if found else ""
        if found is None or command not in COMMANDS:
            raise ValueError(f"line {begun}: {line.strip()[:40]!r} is no command; there are {', '.join(COMMANDS)}")
        head, value = _head(command, line[found.end() :])
        quote = _quote_of(value)
        while quote and not _closed(value, quote):
            if number == len(lines):
                raise ValueError(f"line {begun}: the quotes of {command} are never closed")
            value += "\n" + lines[number]
            number += 1
        yield begun, command, head + _unquoted(value.strip() if not quote else value.rstrip(), quote)


def _head(command: str, rest: str) -> tuple[str, str]:
    """The first word of a value that has one before what may be quoted, and what follows."""
    word = _WORD.match(rest) if command in ("PARAMETER", "MESSAGE") else None
    return (f"{word[1]} ", rest[word.end() :]) if word else ("", rest)


def _quote_of(value: str) -> str:
    return next((quote for quote in ('"""', '"') if value.startswith(quote)), "")


def _closed(value: str, quote: str) -> bool:
    return len(value.rstrip()) >= 2 * len(quote) and value.rstrip().endswith(quote)


def _unquoted(value: str, quote: str) -> str:
    return value[len(quote) : -len(quote)] if quote else value


def _two(line: int, command: str, value: str, what: str) -> tuple[str, str]:
    first, _, rest = value.partition(" ")
    if not first or not rest:
        raise ValueError(f"line {line}: {command} needs {what}")
    return first.lower(), rest


def _add_parameter(line: int, parameters: dict[str, object], name: str, text: str) -> None:
    rule = OPTION_RULES.get(name)
    if rule is None:
        raise ValueError(f"line {line}: {unknown_option(name, 'PARAMETER', OPTION_RULES)}")
    value = [text] if rule.kind == "strings" else rule.from_text(text)
    try:
        checked = check_options({name: value}, "PARAMETER")[name]
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from None
    before = parameters.get(name)
    parameters[name] = [*before, *checked] if isinstance(before, list) and isinstance(checked, list) else checked
