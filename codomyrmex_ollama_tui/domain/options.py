"""Options as they are passed: checked by the rules of `option_rules`, parted from the fields of a request."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from codomyrmex_ollama_tui.domain.option_rules import OPTION_RULES, OptionRule
from codomyrmex_ollama_tui.domain.text import shown, wrong

__all__ = [
    "ALIASES",
    "OPTION_RULES",
    "REQUEST_FIELDS",
    "OptionRule",
    "check_field",
    "check_options",
    "split_options",
    "unknown_option",
    "wire_format",
    "wrong",
]

THINK_LEVELS = ("low", "medium", "high", "max")
FORMATS = '"text", "json" or a JSON schema'
_DURATION = re.compile(r"[+-]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)")  # of Go

ALIASES: Mapping[str, str] = MappingProxyType({"max_tokens": "num_predict", "context_window": "num_ctx"})
"""Other names that are understood where a program passes options."""

REQUEST_FIELDS = ("system", "format", "keep_alive", "think", "images", "raw", "template", "suffix")
"""What a request has beside its options; `split_options` parts the two."""


def check_options(options: Mapping[str, object], where: str = "options") -> dict[str, object]:
    """The options as they are sent: names and ranges checked, None left out, nothing of the caller changed.

    Args:
        options: Ollama's names; aliases are not resolved here.
        where: what the names are part of, for the message ("options" gives "options.temperature").

    Raises:
        ValueError: names the field, its value and what is allowed; for an unknown name the one that is near.
    """
    checked: dict[str, object] = {}
    for name, value in options.items():
        rule = OPTION_RULES.get(name)
        if rule is None:
            raise ValueError(unknown_option(name, where, OPTION_RULES))
        if value is None:  # null is "not given" to Ollama
            continue
        checked[name] = _checked(rule, value, _place(where, name))
    return checked


def split_options(
    options: Mapping[str, object] | None, where: str = "options"
) -> tuple[dict[str, object], dict[str, object]]:
    """Parts what a program passes in one dict into model options and fields of the request.

    Returns:
        the options (Ollama's names, aliases resolved, None left out) and the fields of `REQUEST_FIELDS`, which can be
        passed to `GenerateRequest` by name: `format` is "json" or a schema, `images` a tuple of base64 texts.

    Raises:
        ValueError: names the field, its value and what is allowed; for an unknown name the one that is near; an
            option that is given twice, once by its alias.
    """
    plain: dict[str, object] = {}
    fields: dict[str, object] = {}
    for name, value in (options or {}).items():
        if value is None and (name in _FIELD_CHECKS or name in OPTION_RULES or name in ALIASES):
            continue
        if name in _FIELD_CHECKS:
            found = check_field(name, value, _place(where, name))
            if found is not None:
                fields[name] = found
            continue
        target = ALIASES.get(name, name)
        if target not in OPTION_RULES:
            raise ValueError(unknown_option(name, where, [*OPTION_RULES, *ALIASES, *REQUEST_FIELDS]))
        if target in plain:
            raise ValueError(f"{where}: {target} is given twice, also as {_alias_of(target)}")
        plain[target] = _checked(OPTION_RULES[target], value, _place(where, name))
    return plain, fields


def unknown_option(name: object, where: str, known: Mapping[str, object] | list[str]) -> str:
    """One sentence about a name that is no option, with the one that may be meant."""
    import difflib  # seldom needed, and not cheap

    if name in ALIASES and name not in known:
        return f"{where}: there is no option {shown(name)}; {ALIASES[str(name)]!r} is meant"
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f"{where}: there is no option {shown(name)}" + (f"; {near[0]!r} is near" if near else "")


def check_field(name: str, value: object, where: str) -> object | None:
    """A field of `REQUEST_FIELDS` as it is sent; None where nothing is sent (`format` "text").

    Raises:
        ValueError: the value is not allowed; names the field, the value and what is allowed.
    """
    if name == "format":
        return wire_format(value, where)
    read, allowed = _FIELD_CHECKS[name]
    found = read(value)
    if found is None:
        raise ValueError(wrong(where, value, allowed))
    return found


def wire_format(value: object, where: str = "format") -> str | dict[str, object] | None:
    """What is sent as `format`: None for plain text ("text", "" or None), "json", or a JSON schema.

    Args:
        value: a word, a schema as a dict, or a schema as a JSON text.
        where: the name of the field, for the message.

    Raises:
        ValueError: anything else.
    """
    if value in (None, "", "text"):
        return None
    if value == "json":
        return "json"
    if isinstance(value, Mapping):
        return {str(name): part for name, part in value.items()}
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            schema = json.loads(value)
        except ValueError as error:
            raise ValueError(wrong(where, value, FORMATS)) from error
        if isinstance(schema, dict):
            return schema
    raise ValueError(wrong(where, value, FORMATS))


def _place(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _checked(rule: OptionRule, value: object, where: str) -> object:
    read = rule.read(value)
    if read is None:
        raise ValueError(wrong(where, value, rule.allowed))
    return read


def _alias_of(target: str) -> str:
    return next(alias for alias, name in ALIASES.items() if name == target)


def _text(value: object) -> object | None:
    return value if isinstance(value, str) else None


def _truth(value: object) -> object | None:
    return value if isinstance(value, bool) else None


def _think(value: object) -> object | None:
    return value if isinstance(value, bool) or (isinstance(value, str) and value in THINK_LEVELS) else None


def _keep_alive(value: object) -> object | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str) and _DURATION.fullmatch(value) else None


def _images(value: object) -> object | None:
    fits = isinstance(value, list | tuple) and all(isinstance(image, str) and image for image in value)
    return tuple(value) if fits and isinstance(value, list | tuple) else None


_FIELD_CHECKS: Mapping[str, tuple[Callable[[object], object | None], str]] = {
    "system": (_text, "a text"),
    "template": (_text, "a text"),
    "suffix": (_text, "a text"),
    "raw": (_truth, "true or false"),
    "think": (_think, 'true, false, "low", "medium", "high" or "max"'),
    "keep_alive": (_keep_alive, 'seconds, or a text such as "10m" (negative: for ever)'),
    "images": (_images, "a list of base64 texts"),
    "format": (wire_format, FORMATS),
}
