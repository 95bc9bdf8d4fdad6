"""Prompts for many requests: files of them (JSON lines, CSV, plain text), and templates with variables."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from codomyrmex_ollama_tui.domain.assertions import Assertion, assertion_of
from codomyrmex_ollama_tui.domain.models import NOTHING
from codomyrmex_ollama_tui.domain.options import split_options
from codomyrmex_ollama_tui.domain.text import one_line, wrong

PromptFormat = Literal["jsonl", "csv", "txt"]
SUFFIXES: Mapping[str, PromptFormat] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".txt": "txt"}
"""What the end of a file's name says about what is in it."""
FIELDS = ("id", "prompt", "messages", "system", "category", "variables", "options", "assert")
ROLES = ("system", "user", "assistant")

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}")
_BREAK = re.compile(r"[ \t]*-{3,}[ \t]*")


class Misplaced(ValueError):
    """Something in a file is not as it has to be.

    Attributes:
        place: the file's name; "" where the text is of no file.
        line, column: where, from 1 on; 0 where that is not known.
        reason: what is wrong, without the place.
    """

    def __init__(self, place: str, line: int, column: int, reason: str) -> None:
        at = [one_line(place)] if place else []
        at += [f"line {line}"] if line else []
        at += [f"column {column}"] if column else []
        super().__init__(f"{', '.join(at)}: {reason}" if at else reason)
        self.place = place
        self.line = line
        self.column = column
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Prompt:
    """One thing to ask; one of `text` and `messages`.

    Attributes:
        id: names it in reports; unique in its list.
        messages: (role, text) of a chat, the last one to be answered.
        system: "" for none.
        category: any word to count by; "" for none.
        variables: what templates put in.
        options: as `domain.options.split_options` takes them; they stand over those of the plan.
        assertions: what its answer has to be, besides what the plan asks of all answers.
    """

    id: str
    text: str = ""
    messages: tuple[tuple[str, str], ...] = ()
    system: str = ""
    category: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, object] = NOTHING
    assertions: tuple[Assertion, ...] = ()

    def fields(self) -> dict[str, object]:
        """What a line of JSON says of it; `prompt_of` reads it again."""
        said: dict[str, object] = {"id": self.id}
        if self.messages:
            said["messages"] = [{"role": role, "content": text} for role, text in self.messages]
        else:
            said["prompt"] = self.text
        for name, value in (("system", self.system), ("category", self.category)):
            if value:
                said[name] = value
        for name, mapping in (("variables", self.variables), ("options", self.options)):
            if mapping:
                said[name] = dict(mapping)
        if self.assertions:
            said["assert"] = [assertion.fields() for assertion in self.assertions]
        return said


def read_prompts(text: str, kind: PromptFormat, place: str = "") -> tuple[Prompt, ...]:
    """The prompts of a file.

    JSON lines: an object on each line with `prompt` or `messages`, and what `FIELDS` names besides; a bare text is a
    prompt. CSV: a head; the columns id, prompt, system and category are what they say, all others are variables.
    Plain text: prompts apart by lines of `---`, or by blank lines where there is none.

    Args:
        place: the file's name, for messages.

    Raises:
        Misplaced: something is malformed, or an id is there twice, or there is no prompt at all.
    """
    match kind:
        case "jsonl":
            found = _json_lines(text, place)
        case "csv":
            found = _csv_rows(text, place)
        case "txt":
            found = _paragraphs(text)
    prompts: list[Prompt] = []
    seen: dict[str, int] = {}
    for line, prompt in found:
        if prompt.id in seen:
            raise Misplaced(place, line, 0, f"the id {prompt.id!r} is that of line {seen[prompt.id]} too")
        seen[prompt.id] = line
        prompts.append(prompt)
    if not prompts:
        raise Misplaced(place, 0, 0, "there is no prompt in it")
    return tuple(prompts)


def prompt_of(value: object, number: int, where: str = "") -> Prompt:
    """A prompt out of a table or a bare text.

    Args:
        number: its place in the list, from 1 on: its id where it has none of its own.
        where: what its fields are part of, for messages.

    Raises:
        ValueError: names the field, its value and what is allowed.
    """
    if isinstance(value, str):
        value = {"prompt": value}
    if not isinstance(value, Mapping):
        raise ValueError(wrong(where or "prompt", value, "a text, or an object with prompt or messages"))
    dot = f"{where}." if where else ""
    for name in value:
        if name not in FIELDS:
            raise ValueError(f"{dot}{name}: there is no such field; allowed are {', '.join(FIELDS)}")
    if ("prompt" in value) == ("messages" in value):
        raise ValueError(f"{where or 'a prompt'}: allowed is one of prompt and messages")
    text, id_ = value.get("prompt", ""), value.get("id", number)
    if not isinstance(text, str) or ("prompt" in value and not text.strip()):
        raise ValueError(wrong(f"{dot}prompt", text, "a text that is not blank"))
    if isinstance(id_, bool) or not isinstance(id_, str | int) or not one_line(str(id_)):
        raise ValueError(wrong(f"{dot}id", id_, "a text or a whole number"))
    options = value.get("options", {})
    if not isinstance(options, Mapping):
        raise ValueError(wrong(f"{dot}options", options, "a table of options"))
    split_options(options, f"{dot}options")
    asserted = value.get("assert", [])
    if not isinstance(asserted, list | tuple):
        raise ValueError(wrong(f"{dot}assert", asserted, "a list of assertions"))
    return Prompt(
        one_line(str(id_)),
        text,
        _messages(value.get("messages"), f"{dot}messages"),
        _text(value, "system", dot),
        _text(value, "category", dot),
        _variables(value.get("variables", {}), f"{dot}variables"),
        dict(options),
        tuple(assertion_of(part, f"{dot}assert[{at}]") for at, part in enumerate(asserted, 1)),
    )


def fill(template: str, variables: Mapping[str, str]) -> str:
    """The template with its `{{ variables }}` put in, in one pass: what is put in is no template again.

    Raises:
        ValueError: a variable has no value; names it and those that there are.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in variables:
            known = ", ".join(sorted(variables)) or "none"
            raise ValueError(f"there is no value for the variable {found[1]!r}; there are: {known}")
        return variables[found[1]]

    return _VARIABLE.sub(value, template)


def variables_in(template: str) -> tuple[str, ...]:
    """The names of the variables of a template, each once, in their order."""
    return tuple(dict.fromkeys(_VARIABLE.findall(template)))


def _json_lines(text: str, place: str) -> Iterator[tuple[int, Prompt]]:
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            value = json.loads(row)
        except json.JSONDecodeError as error:
            raise Misplaced(place, line, error.colno, f"no JSON: {error.msg}") from None
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, or brackets without end
            raise Misplaced(place, line, 1, f"no JSON: {error}") from None
        try:
            yield line, prompt_of(value, line)
        except ValueError as error:
            raise Misplaced(place, line, _column_of(row, str(error)), str(error)) from None


def _column_of(row: str, words: str) -> int:
    """Where in a line of JSON the field stands that a message begins with; 1 where it does not."""
    name = re.match(r"[A-Za-z]+(?=[.\[:]| =)", words)
    found = row.find(f'"{name[0]}"') if name else -1
    return found + 1 if found >= 0 else 1


def _csv_rows(text: str, place: str) -> Iterator[tuple[int, Prompt]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    head: list[str] = []
    before = 0
    while True:
        line = before + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise Misplaced(place, line, 1, f"no CSV: {error}") from None
        before = reader.line_num
        if row is None:
            return
        if not any(cell.strip() for cell in row):
            continue
        if not head:
            head = _head(row, line, place)
            continue
        if len(row) != len(head):
            column = min(len(row), len(head)) + 1
            raise Misplaced(place, line, column, f"{len(row)} columns where the head has {len(head)}")
        yield line, _row(dict(zip(head, row, strict=True)), head, line, place)


def _head(row: Sequence[str], line: int, place: str) -> list[str]:
    head = [name.strip() for name in row]
    for column, name in enumerate(head, 1):
        if not name or name in head[: column - 1]:
            raise Misplaced(place, line, column, "a column without a name" if not name else f"{name!r} is there twice")
    if "prompt" not in head:
        raise Misplaced(place, line, 1, f"no column is called prompt; there are: {', '.join(head)}")
    return head


def _row(cells: Mapping[str, str], head: Sequence[str], line: int, place: str) -> Prompt:
    if not cells["prompt"].strip():
        raise Misplaced(place, line, head.index("prompt") + 1, "the prompt is empty")
    own = ("id", "prompt", "system", "category")
    return Prompt(
        one_line(cells.get("id", "").strip()) or str(line),
        cells["prompt"],
        system=cells.get("system", ""),
        category=cells.get("category", "").strip(),
        variables={name: value for name, value in cells.items() if name not in own},
    )


def _paragraphs(text: str) -> Iterator[tuple[int, Prompt]]:
    lines = text.splitlines()
    marked = any(_BREAK.fullmatch(line) for line in lines)
    held: list[str] = []
    start = 1
    for number, line in enumerate([*lines, "---" if marked else ""], 1):
        if _BREAK.fullmatch(line) if marked else not line.strip():
            said = "\n".join(held).strip()
            if said:
                yield start, Prompt(str(start), said)
            held = []
            continue
        if not any(part.strip() for part in held):
            start = number
        held.append(line)


def _messages(value: object, where: str) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(wrong(where, value, "a list of messages"))
    found = []
    for number, message in enumerate(value, 1):
        if not isinstance(message, Mapping):
            raise ValueError(wrong(f"{where}[{number}]", message, "an object with role and content"))
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise ValueError(wrong(f"{where}[{number}].role", role, ", ".join(ROLES)))
        if not isinstance(content, str):
            raise ValueError(wrong(f"{where}[{number}].content", content, "a text"))
        found.append((str(role), content))
    if found[-1][0] != "user":
        raise ValueError(f"{where}: the last message has to be the user's")
    return tuple(found)


def _variables(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError(wrong(where, value, "a table of texts"))
    for name, part in value.items():
        if isinstance(part, bool) or not isinstance(part, str | int | float):
            raise ValueError(wrong(f"{where}.{name}", part, "a text or a number"))
    return {str(name): str(part) for name, part in value.items()}


def _text(value: Mapping[str, object], name: str, dot: str) -> str:
    found = value.get(name, "")
    if not isinstance(found, str):
        raise ValueError(wrong(f"{dot}{name}", found, "a text"))
    return found
