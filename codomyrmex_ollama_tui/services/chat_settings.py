"""What one conversation is asked with, as a person changes it field by field: typed, checked, reset."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codomyrmex_ollama_tui.domain.assertions import problem_with_schema
from codomyrmex_ollama_tui.domain.option_rules import OPTION_RULES
from codomyrmex_ollama_tui.domain.options import check_field, check_options
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.store.fields import truth_of

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.chat import KeepAlive, Think
    from codomyrmex_ollama_tui.domain.conversations import Conversation

FIELDS = ("preset", "system", "think", "format", "keep_alive", *OPTION_RULES)
"""All that can be set for a conversation, in the order in which it is shown."""
LARGEST_SCHEMA = 1_000_000
"""Bytes of a file that is read for a schema."""
ALLOWED: Mapping[str, str] = {
    "preset": "the name of a preset",
    "system": "a text",
    "think": "yes, no, low, medium, high or max",
    "format": "text, json, a JSON schema, or the path of a file that holds one",
    "keep_alive": "seconds, or a text such as 10m; negative is for ever",
}
MEANINGS: Mapping[str, str] = {
    "preset": "Several options under one name, shipped or from config.toml; what stands below goes over it.",
    "system": "What is sent before every question.",
    "think": "Whether, or how much, a model that can think does so before it answers.",
    "format": "What the answer must be; it is looked at when it has come.",
    "keep_alive": "How long the model stays in memory after the answer.",
}


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """What a conversation says itself; None, "" and {} leave it to the layers below."""

    preset: str = ""
    system: str = ""
    think: Think | None = None
    keep_alive: KeepAlive | None = None
    format: str | Mapping[str, object] | None = None
    options: Mapping[str, object] = field(default_factory=dict)

    def put(self, conversation: Conversation) -> None:
        """Gives a conversation these settings."""
        conversation.preset, conversation.system, conversation.think = self.preset, self.system, self.think
        conversation.keep_alive, conversation.format = self.keep_alive, self.format
        conversation.options = dict(self.options)

    def own(self, name: str) -> object:
        """What is set here for one of FIELDS; None where nothing is."""
        if name in OPTION_RULES:
            return self.options.get(name)
        value: object = getattr(self, name)
        return None if value == "" else value

    @property
    def values(self) -> dict[str, object]:
        """The layer that they are, without the preset."""
        names = [name for name in FIELDS if name != "preset"]
        return {name: value for name in names if (value := self.own(name)) is not None}

    def without(self, name: str) -> ChatSettings:
        """With one of FIELDS left to the layers below."""
        if name in OPTION_RULES:
            return replace(self, options={key: value for key, value in self.options.items() if key != name})
        changed: dict[str, Any] = {name: "" if name in ("preset", "system") else None}
        return replace(self, **changed)

    def with_text(self, name: str, text: str, *, presets: Collection[str] = ()) -> ChatSettings:
        """With one of FIELDS as a person typed it; a blank text resets it.

        Raises:
            ValueError: it is not allowed; says what is.
        """
        text = text.strip()
        if not text:
            return self.without(name)
        if name in OPTION_RULES:
            rule = OPTION_RULES[name]
            value = truth_of(text) if rule.kind == "bool" else rule.from_text(text)
            return replace(self, options={**self.options, **check_options({name: value}, "")})
        found: Any = text
        if name == "preset" and text not in presets:
            raise ValueError(f"there is no preset {one_line(text, 40)}; there are {', '.join(sorted(presets))}")
        if name == "think":
            found = check_field(name, truth_of(text.lower()), name)
        elif name == "keep_alive":
            found = check_field(name, _number_or_text(text), name)
        elif name == "format":
            found = _format(text)
        changed: dict[str, Any] = {name: found}
        return replace(self, **changed)


def settings_of(conversation: Conversation) -> tuple[ChatSettings, str]:
    """What a conversation says; and a sentence about what of it is not allowed and left out, "" where all is."""
    options: dict[str, object] = {}
    problems = []
    for name, value in conversation.options.items():
        try:
            options |= check_options({name: value}, "")
        except ValueError as error:
            problems.append(one_line(str(error).removeprefix(": "), 200))
    fields: dict[str, Any] = {}
    for name in ("think", "keep_alive", "format"):
        value = getattr(conversation, name)
        try:
            if value is not None:
                check_field(name, value, name)
                fields[name] = value
        except ValueError as error:
            problems.append(one_line(str(error), 200))
    return ChatSettings(conversation.preset, conversation.system, options=options, **fields), "; ".join(problems)


def as_text(value: object) -> str:
    """A value as a person would type it; one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(_is_plain(item) for item in value):
        return ", ".join(value)
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if text.isprintable() else json.dumps(value, default=str)


def _is_plain(item: object) -> bool:
    return (
        isinstance(item, str)
        and item.isprintable()
        and item == item.strip()
        and not item.startswith("[")
        and ("," not in item)
    )


def _number_or_text(text: str) -> object:
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def _format(text: str) -> object:
    if text in ("text", "json"):
        return text
    if not text.startswith("{"):
        text = _read(text)
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {one_line(str(error), 120)}") from None
    if not isinstance(schema, dict):
        raise ValueError("a schema is a JSON object")
    if problem := problem_with_schema(schema):
        raise ValueError(f"it is no schema that can be used: {problem}")
    return schema


def _read(name: str) -> str:
    file = Path(name)
    try:
        file = file.expanduser()
        if not file.is_file():
            raise ValueError(f"allowed is {ALLOWED['format']}; there is no file {one_line(name, 60)}")
        if file.stat().st_size > LARGEST_SCHEMA:
            raise ValueError(f"{one_line(file.name, 60)} has more than {LARGEST_SCHEMA:,} bytes")
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{one_line(file.name, 60)} is no text") from None
    except (OSError, RuntimeError) as error:  # cannot be read; a home of nobody
        raise ValueError(f"{one_line(name, 60)}: {one_line(str(error), 120)}") from None
