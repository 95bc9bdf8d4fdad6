"""`cotui batch FILE`: many prompts to one or more models, written down as they are answered."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.parser import leaf
from codomyrmex_ollama_tui.cli.terms import OK, USAGE_ERROR, Failure, file_words, tell
from codomyrmex_ollama_tui.cli.verbs.output_records import at_least_one
from codomyrmex_ollama_tui.cli.verbs.run_batches import batches_of, explained, work_through
from codomyrmex_ollama_tui.domain.plans import Plan, plan_of, read_plan
from codomyrmex_ollama_tui.domain.prompts import SUFFIXES, Misplaced, Prompt, read_prompts
from codomyrmex_ollama_tui.ui import formats

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.cli.parser import Verbs
    from codomyrmex_ollama_tui.house import House

LARGEST = 64_000_000
"""Bytes of the largest file that is read."""
DESCRIPTION = """\
Asks many prompts of one or more models, on one or more servers, and writes each
answer down as it comes. Ctrl+c stops it; `cotui runs resume last` goes on, also
after the power was cut."""
EPILOG = """\
FILE is a plan (.toml), or prompts: .jsonl (prompt or messages, and id, system,
category, variables, options, assert), .csv (a column called prompt; the others
are variables) or .txt (apart by blank lines, or by lines of ---).

examples:
  cotui batch capitals.toml
  cotui batch questions.csv --model llama3.2 --model qwen3 --concurrency 4
  cotui batch words.txt --model llama3.2 --template 'Translate: {{prompt}}'

Only what FILE and flags say is sent; options of config.toml play no part.
Exit code 1: a cell has no answer (with --strict also: an assertion fails);
3: a server was lost, and its cells are left for `cotui runs resume`.
Piped, a line has: model, server, options, answered, cells, passed, asserted,
median seconds, median seconds to the first token, tokens/s, and for each
assertion: passed/asserted."""


def add_parser(verbs: Verbs) -> None:
    """`cotui batch`."""
    parser = leaf(
        verbs,
        "batch",
        run,
        help="ask many prompts of one or more models, and check the answers",
        description=DESCRIPTION,
        epilog=EPILOG,
        before=prepare,
    )
    parser.add_argument("file", metavar="FILE", help="a plan, or prompts")
    parser.add_argument("--model", metavar="NAME", action="append", help="the model to ask; repeatable")
    parser.add_argument("--name", metavar="TEXT", help="what the run is called")
    parser.add_argument("--template", metavar="TEXT", help="what is asked, with {{prompt}} and other variables in it")
    parser.add_argument("--system", metavar="TEXT", help="the system prompt")
    for name, words in (
        ("repeats", "how often each prompt is asked"),
        ("concurrency", "requests at a time, of each server"),
    ):
        parser.add_argument(f"--{name}", metavar="N", type=at_least_one, help=words)
    for name, words in (
        ("retries", "further tries where a busy server or the network was in the way"),
        ("seed", "sampling seed of the first repeat; one more for each further"),
    ):
        parser.add_argument(f"--{name}", metavar="N", type=_whole, help=words)
    parser.add_argument("--strict", action="store_true", help="exit code 1 if any assertion fails")
    parser.add_argument("--dry-run", action="store_true", help="check everything, say what would be asked, ask nothing")


def _whole(text: str) -> int:
    return 0 if text == "0" else at_least_one(text)


def prepare(given: argparse.Namespace) -> int | None:
    """Reads plan and prompts.

    Raises:
        Failure: they cannot be read; names file, line and column.
    """
    path = Path(given.file)
    said = {
        name: value
        for name in ("name", "template", "system", "repeats", "concurrency", "retries", "seed")
        if (value := getattr(given, name)) is not None
    }
    if given.model:
        said["models"] = given.model
    try:
        given.plan = _plan(path, said)
    except Misplaced as error:
        raise Failure(str(error), USAGE_ERROR) from None
    except ValueError as error:
        raise Failure(f"{path.name}: {error}", USAGE_ERROR) from None
    return None


def _plan(path: Path, said: Mapping[str, object]) -> Plan:
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None and path.suffix.lower() != ".toml":
        raise Failure(f"FILE: {path.name}: allowed are .toml, {', '.join(SUFFIXES)}", USAGE_ERROR)
    if kind is not None:
        if "models" not in said:
            raise Failure(f"--model is missing: {path.name} has prompts, and says nothing of models", USAGE_ERROR)
        return plan_of({"name": path.stem, **said}, read_prompts(_text(path), kind, path.name))

    def prompts(name: str) -> tuple[Prompt, ...]:
        there = path.parent / name
        found = SUFFIXES.get(there.suffix.lower())
        if found is None:
            raise ValueError(f"prompts = {name!r}: allowed are names that end in {', '.join(SUFFIXES)}")
        return read_prompts(_text(there), found, name)

    plan = read_plan(_text(path), prompts, path.name)
    return plan_of({"name": path.stem, **plan.fields(), **said}, plan.prompts)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise Failure(f"FILE: {file_words(error)}", USAGE_ERROR) from None
    if len(content) > LARGEST:
        raise Failure(f"FILE: {path.name} is larger than {formats.size(LARGEST)}", USAGE_ERROR)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise Misplaced(path.name, line, column, "it is not UTF-8") from None


async def run(house: House, given: argparse.Namespace) -> int:
    """Runs the plan."""
    plan: Plan = given.plan
    if given.dry_run:
        return _say_plan(plan, given.json)
    async with batches_of(house) as batches:
        with explained(plan):
            batch = await batches.begin(plan)
        return await work_through(house, batch, as_json=given.json, strict=given.strict)


def _say_plan(plan: Plan, as_json: bool) -> int:
    asked = plan.cell(0).asked(plan)
    if as_json:
        tables.write_json({"cells": plan.size, "prompts": len(plan.prompts), "plan": plan.fields()})
        return OK
    tables.write_pairs(
        [
            ("cells", tables.Cell(formats.count(plan.size), str(plan.size))),
            ("models", ", ".join(target.label for target in plan.targets)),
            ("prompts", tables.Cell(formats.count(len(plan.prompts)), str(len(plan.prompts)))),
            ("options", ", ".join(variant.name or "the plan's" for variant in plan.variants)),
            ("repeats", str(plan.repeats)),
            ("assertions", ", ".join(name for name, _ in asked.assertions) or "none"),
            ("first prompt", asked.text or "\n".join(text for _, text in asked.messages)),
        ]
    )
    tell("nothing was asked")
    return OK
