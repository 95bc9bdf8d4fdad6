"""What is to be run: models × variants of options × prompts × repeats, out of a TOML file or a command line."""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from codomyrmex_ollama_tui.domain.assertions import Assertion, assertion_of, filled
from codomyrmex_ollama_tui.domain.models import NOTHING
from codomyrmex_ollama_tui.domain.names import problem_with_name
from codomyrmex_ollama_tui.domain.options import split_options
from codomyrmex_ollama_tui.domain.prompts import Misplaced, Prompt, fill, prompt_of
from codomyrmex_ollama_tui.domain.text import one_line, wrong

MOST_CELLS = 1_000_000
"""Cells of the largest plan."""
MOST_AT_ONCE = 256
PRESENT = ""
"""The name of the server that the program uses anyway."""
FIELDS = (
    *("name", "models", "servers", "prompts", "template", "system", "options", "repeats", "seed"),
    *("concurrency", "retries", "first_byte_timeout", "assert"),
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """A model on a server: the name of a profile, or `PRESENT`."""

    model: str
    server: str = PRESENT

    @property
    def label(self) -> str:
        """The model, and the server where it is not the present one."""
        return f"{self.model} @ {self.server}" if self.server else self.model


@dataclass(frozen=True, slots=True)
class Variant:
    """Options to try, by a name; `options` as `split_options` takes them."""

    name: str = ""
    options: Mapping[str, object] = NOTHING


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch.

    Attributes:
        name: for people; "" for none.
        targets, variants, prompts: what is combined, each at least one.
        prompts_file: where the prompts are, as the plan says it; "" where they stand in the plan.
        template: with `{{prompt}}` and the variables of each prompt; "" for the prompt alone.
        system: the system prompt of those that have none of their own; variables as in `template`; "" for none.
        repeats: how often each cell is asked.
        seed: the sampling seed of the first repeat, one more for each further; None leaves it to the server.
        concurrency: requests at a time, of each server.
        retries: further tries of a cell that the network or a busy server was in the way of.
        first_byte_timeout: seconds until an answer begins, loading included; None waits for ever.
        assertions: what every answer has to be.
    """

    targets: tuple[Target, ...]
    prompts: tuple[Prompt, ...] = ()
    name: str = ""
    variants: tuple[Variant, ...] = (Variant(),)
    prompts_file: str = ""
    template: str = ""
    system: str = ""
    repeats: int = 1
    seed: int | None = None
    concurrency: int = 1
    retries: int = 2
    first_byte_timeout: float | None = None
    assertions: tuple[Assertion, ...] = ()

    @property
    def size(self) -> int:
        """How many cells it has."""
        return len(self.targets) * len(self.variants) * len(self.prompts) * self.repeats

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers, in the order in which they are first named."""
        return tuple(dict.fromkeys(target.server for target in self.targets))

    def cell(self, number: int) -> Cell:
        """The cell of that number, from 0 on: targets outermost, so that models change as seldom as can be."""
        rest, repeat = divmod(number, self.repeats)
        rest, prompt = divmod(rest, len(self.prompts))
        target, variant = divmod(rest, len(self.variants))
        return Cell(number, self.targets[target], self.variants[variant], self.prompts[prompt], repeat)

    def cells(self) -> Iterator[Cell]:
        """All cells in their order."""
        return map(self.cell, range(self.size))

    def fields(self) -> dict[str, object]:
        """As its file says it, without the prompts; `plan_of` reads it again."""
        said: dict[str, object] = {
            "name": self.name,
            "models": [{"model": target.model, "server": target.server} for target in self.targets],
            "options": [{"name": variant.name, **variant.options} for variant in self.variants],
            "template": self.template,
            "system": self.system,
            "repeats": self.repeats,
            "seed": self.seed,
            "concurrency": self.concurrency,
            "retries": self.retries,
            "first_byte_timeout": self.first_byte_timeout,
            "assert": [assertion.fields() for assertion in self.assertions],
        }
        return {name: value for name, value in said.items() if value not in ("", None, [])}

    def digest(self) -> str:
        """SHA-256 of what is asked, prompts included; 64 hex digits. How it is fed to the servers has no part in it."""
        asked = {name: value for name, value in self.fields().items() if name not in ("name", "concurrency", "retries")}
        return digest_of([asked, digest_of([prompt.fields() for prompt in self.prompts])])


@dataclass(frozen=True, slots=True)
class Cell:
    """One request of a plan; `repeat` from 0 on."""

    number: int
    target: Target
    variant: Variant
    prompt: Prompt
    repeat: int

    def asked(self, plan: Plan) -> Asked:
        """What is sent, and what its answer has to be.

        Raises:
            ValueError: a variable of a template has no value.
        """
        variables = {**self.prompt.variables, "prompt": self.prompt.text}
        text = fill(plan.template, variables) if plan.template and self.prompt.text else self.prompt.text
        if not plan.template and self.prompt.variables:
            text = fill(text, self.prompt.variables)
        options, fields = split_options({**self.variant.options, **self.prompt.options})
        if plan.seed is not None:
            options.setdefault("seed", plan.seed + self.repeat)
        system = self.prompt.system or (fill(plan.system, variables) if plan.system else "")
        if system:
            fields["system"] = system
        assertions = (*plan.assertions, *self.prompt.assertions)
        made = tuple(filled(assertion, lambda part: fill(part, variables)) for assertion in assertions)
        labels = _labels(plan.assertions, self.prompt.assertions)
        return Asked(text, self.prompt.messages, options, fields, tuple(zip(labels, made, strict=True)))


@dataclass(frozen=True, slots=True)
class Asked:
    """What one cell sends: `text` or `messages`; options and fields as `split_options` parts them.

    Attributes:
        assertions: each with the name it is counted under: those of the plan by what they say before any variable is
            put in, those of a prompt by their kind.
    """

    text: str
    messages: tuple[tuple[str, str], ...]
    options: Mapping[str, object] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)
    assertions: tuple[tuple[str, Assertion], ...] = ()


def read_plan(text: str, prompts: Callable[[str], tuple[Prompt, ...]], place: str = "") -> Plan:
    """The plan of a TOML file.

    Args:
        prompts: reads the file that the plan names.
        place: the file's name, for messages.

    Raises:
        Misplaced: it is no TOML, or a field is not as it has to be; names file, line and column, field and value.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        line, column = (int(at[1]), int(at[2])) if at else (len(text.splitlines()), 0)
        words = str(error)[: at.start()] if at else str(error).removesuffix(" (at end of document)")
        raise Misplaced(place, line, column, f"no TOML: {words}") from None
    except (ValueError, RecursionError) as error:
        raise Misplaced(place, 0, 0, f"no TOML: {error}") from None
    try:
        return plan_of(table, prompts)
    except Misplaced:
        raise
    except ValueError as error:
        raise Misplaced(place, *place_of(text, str(error)), str(error)) from None


def plan_of(table: Mapping[str, object], prompts: Callable[[str], tuple[Prompt, ...]] | tuple[Prompt, ...]) -> Plan:
    """The plan that a table is.

    Args:
        prompts: reads the file that the table names; or the prompts themselves.

    Raises:
        ValueError: names the field, its value and what is allowed.
    """
    for name in table:
        if name not in FIELDS:
            raise ValueError(f"{one_line(name)}: there is no such field; allowed are {', '.join(FIELDS)}")
    servers = _each(table.get("servers", [PRESENT]), "servers", _server)
    models = _each(_given(table, "models"), "models", _target)
    named = table.get("prompts")
    if isinstance(prompts, tuple):
        found = prompts
    elif isinstance(named, str):
        found = prompts(named)
    else:
        found = _prompts(_given(table, "prompts"))
    timeout = table.get("first_byte_timeout")
    if timeout is not None and not (_is_number(timeout) and 0 < float(str(timeout)) < math.inf):
        raise ValueError(wrong("first_byte_timeout", timeout, "seconds above 0"))
    seed = table.get("seed")
    plan = Plan(
        targets=tuple(
            Target(target.model, target.server or server)
            for server in servers
            for target in models
            if not target.server or server == servers[0]
        ),
        prompts=found,
        name=one_line(_text(table, "name")),
        variants=_variants(table.get("options", {})),
        prompts_file=named if isinstance(named, str) else "",
        template=_text(table, "template"),
        system=_text(table, "system"),
        repeats=_whole(table, "repeats", 1, 1, 10_000),
        seed=None if seed is None else _whole(table, "seed", 0, 0, 2**31 - 1),
        concurrency=_whole(table, "concurrency", 1, 1, MOST_AT_ONCE),
        retries=_whole(table, "retries", 2, 0, 100),
        first_byte_timeout=None if timeout is None else float(str(timeout)),
        assertions=tuple(_each(table.get("assert", []), "assert", assertion_of, empty=True)),
    )
    return checked(plan)


def checked(plan: Plan) -> Plan:
    """The plan, if each of its requests can be made.

    Raises:
        ValueError: it is too large, combines something with itself, or a variable has no value (which, of what).
    """
    if not plan.targets or not plan.prompts:
        raise ValueError("models: there is none" if plan.prompts else "prompts: there is none")
    if plan.size > MOST_CELLS:
        raise ValueError(f"repeats: {plan.size:,} cells are more than {MOST_CELLS:,}")
    for where, names in (
        ("models", [target.label for target in plan.targets]),
        ("options", [variant.name for variant in plan.variants]),
        ("prompts", [prompt.id for prompt in plan.prompts]),
    ):
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise ValueError(f"{where}: {name!r} is there twice")
            seen.add(name)
    for prompt in plan.prompts:
        try:
            Cell(0, plan.targets[0], plan.variants[0], prompt, 0).asked(plan)
        except ValueError as error:
            where = "template" if "variable" in str(error) and plan.template else "prompts"
            raise ValueError(f"{where}: prompt {prompt.id!r}: {error}") from None
    return plan


def digest_of(value: object) -> str:
    """SHA-256 of a JSON value, whatever the order of its names; 64 hex digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()


def place_of(text: str, words: str) -> tuple[int, int]:
    """Line and column, from 1 on, of the field that a message begins with ("options[2].top_k"); (0, 0) if not found.

    What lies inside a value that goes over several lines is found where the value begins.
    """
    named = re.match(r"([A-Za-z_]+)(?:\[(\d+)\])?(?:\.([\w-]+))?", words)
    if named is None:
        return 0, 0
    unknown = re.search(r"there is no option '([\w-]+)'", words)
    top, number, inner = named[1], int(named[2] or 1), named[3] or (unknown[1] if unknown else None)
    heads = re.compile(rf"^[ \t]*\[\[?[ \t]*({re.escape(top)})[ \t]*\]\]?", re.MULTILINE)
    tables = list(heads.finditer(text))
    if tables and number <= len(tables):
        start = tables[number - 1]
        following = re.compile(r"^[ \t]*\[", re.MULTILINE).search(text, start.end())
        end = following.start() if following else len(text)
        key = (
            re.compile(rf"^[ \t]*({re.escape(inner)})[ \t]*=", re.MULTILINE).search(text, start.end(), end)
            if inner
            else None
        )
        return _line_column(text, (key or start).start(1))
    key = re.search(rf"^[ \t]*({re.escape(top)})[ \t]*[=.]", text, re.MULTILINE)
    return _line_column(text, key.start(1)) if key else (0, 0)


def _labels(of_plan: tuple[Assertion, ...], of_prompt: tuple[Assertion, ...]) -> list[str]:
    """A name for each assertion; where two would have the same, the later ones get a number."""
    seen: dict[str, int] = {}
    labels = []
    for name in (*(assertion.label for assertion in of_plan), *(assertion.kind for assertion in of_prompt)):
        seen[name] = seen.get(name, 0) + 1
        labels.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return labels


def _line_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _given(table: Mapping[str, object], name: str) -> object:
    if name not in table:
        raise ValueError(f"{name} is missing")
    return table[name]


def _each(value: object, where: str, read: Callable[[object, str], T], *, empty: bool = False) -> list[T]:
    if not isinstance(value, list | tuple) or not (value or empty):
        raise ValueError(wrong(where, value, "a list" if empty else "a list that is not empty"))
    return [read(part, f"{where}[{number}]") for number, part in enumerate(value, 1)]


def _server(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(wrong(where, value, 'the name of a server profile, or "" for the present server'))
    return value


def _target(value: object, where: str) -> Target:
    table = {"model": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping) or set(table) - {"model", "server"} or not isinstance(table.get("model"), str):
        raise ValueError(wrong(where, value, 'a name, or a table such as { model = "llama3.2", server = "gpu" }'))
    model = str(table["model"])
    if problem := problem_with_name(model):
        raise ValueError(f"{where}: {one_line(problem, 300)}")
    return Target(model, _server(table.get("server", PRESENT), f"{where}.server"))


def _prompts(value: object) -> tuple[Prompt, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(wrong("prompts", value, "the name of a file, or a list of prompts"))
    return tuple(prompt_of(part, number, f"prompts[{number}]") for number, part in enumerate(value, 1))


def _variants(value: object) -> tuple[Variant, ...]:
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(wrong("options", value, "a table of options, or several as [[options]]"))
    found = []
    for number, table in enumerate(value, 1):
        where = f"options[{number}]" if len(value) > 1 else "options"
        if not isinstance(table, Mapping):
            raise ValueError(wrong(where, table, "a table of options"))
        name = table.get("name", "" if len(value) == 1 else str(number))
        if not isinstance(name, str):
            raise ValueError(wrong(f"{where}.name", name, "a text"))
        options = {key: part for key, part in table.items() if key != "name"}
        split_options(options, where)
        found.append(Variant(one_line(name), options))
    return tuple(found)


def _text(table: Mapping[str, object], name: str) -> str:
    value = table.get(name, "")
    if not isinstance(value, str):
        raise ValueError(wrong(name, value, "a text"))
    return value


def _whole(table: Mapping[str, object], name: str, default: int, low: int, high: int) -> int:
    value = table.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(wrong(name, value, f"a whole number from {low:,} to {high:,}"))
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
