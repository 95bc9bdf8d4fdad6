"""`cotui run MODEL [PROMPT]`: one answer on standard output as it arrives, or the chat with that model."""

from __future__ import annotations

import argparse
import asyncio
import base64
import sys
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.answering import Drawn, figures, result_of
from codomyrmex_ollama_tui.cli.opening import open_house, open_screens
from codomyrmex_ollama_tui.cli.parser import leaf
from codomyrmex_ollama_tui.cli.terms import (
    FAILED,
    INTERRUPTED,
    OK,
    USAGE_ERROR,
    Failure,
    code_of,
    file_words,
    is_terminal,
    sentence,
    tell,
)
from codomyrmex_ollama_tui.domain.chat import GenerateRequest
from codomyrmex_ollama_tui.domain.errors import ModelNotFound, OllamaError
from codomyrmex_ollama_tui.domain.names import problem_with_name
from codomyrmex_ollama_tui.domain.options import OPTION_RULES, split_options, unknown_option

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.cli.parser import Parser, Verbs
    from codomyrmex_ollama_tui.house import House
    from codomyrmex_ollama_tui.services.execution import Execution

COMMON = ("temperature", "top_p", "top_k", "num_ctx", "num_predict", "repeat_penalty", "seed")
"""Options of the model that have a flag of their own."""
LONGEST = 64_000_000
"""Bytes of the longest prompt that is read; no model takes that much."""
THINK_WORDS = {"true": True, "false": False}

DESCRIPTION = """\
Answers a prompt: the text goes to standard output as it arrives, all else to
standard error. What is piped in becomes the prompt, in front of PROMPT where
both are there. Without either, on a terminal, the chat opens with MODEL.
Ctrl+c stops the model; what has come stays (exit code 130)."""
EPILOG = """\
examples:
  cotui run llama3.2 why is the sky blue
  git diff | cotui run llama3.2 write a commit message for this diff
  cotui run llama3.2 --format person.json --json who was Ada Lovelace

In a script whose own input is not the prompt, add </dev/null.

What is given here stands over the preset, and that over what config.toml has for
the model and for all models (`cotui config explain` shows it).

With --json the value has: model, response, thinking, done, done_reason, partial,
interrupted, error, server, version, options, total_s, ttft_s (seconds),
tokens_per_second, and the counters of the server (durations in nanoseconds)."""


def add_parser(verbs: Verbs) -> None:
    """`cotui run`."""
    parser = leaf(
        verbs,
        "run",
        answer,
        help="answer a prompt, or open the chat with a model",
        description=DESCRIPTION,
        epilog=EPILOG,
        before=prepare,
    )
    parser.add_argument("model", metavar="MODEL", help="the model to ask")
    parser.add_argument("prompt", metavar="PROMPT", nargs="*", default=[], help="what to ask; several words are joined")
    parser.add_argument("--system", metavar="TEXT", help="the system prompt, in place of the model's own")
    parser.add_argument("--preset", metavar="NAME", help="the options of this preset")
    parser.add_argument("--image", metavar="FILE", action="append", default=[], help="a picture to look at; repeatable")
    parser.add_argument("--format", metavar="json|FILE", help="answer in JSON, or by the JSON schema in this file")
    parser.add_argument(
        "--think",
        metavar="WORD",
        nargs="?",
        const="true",
        choices=("true", "false", "low", "medium", "high", "max"),
        help="whether, or how much, to think first: --think, or --think=false, low, medium, high, max",
    )
    parser.add_argument("--hide-thinking", action="store_true", help="keep the thinking off standard error")
    parser.add_argument("--keepalive", "--keep-alive", metavar="TIME", help="how long to keep the model: 10m, 0, -1")
    parser.add_argument("--save", action="store_true", help="keep prompt and answer; `cotui outputs` finds them again")
    parser.add_argument("--verbose", action="store_true", help="figures of the answer on standard error")
    _add_options(parser)


def _add_options(parser: Parser) -> None:
    group = parser.add_argument_group("options of the model (in place of its own)")
    for name in COMMON:
        rule = OPTION_RULES[name]
        group.add_argument(
            f"--{name.replace('_', '-')}", dest=f"option_{name}", metavar="VALUE", help=rule.allowed.replace("%", "%%")
        )
    group.add_argument(
        "--stop", metavar="TEXT", action="append", default=[], help="end the answer before this text; repeatable"
    )
    group.add_argument(
        "--option", metavar="NAME=VALUE", action="append", default=[], help="any option that Ollama has; repeatable"
    )


def prepare(given: argparse.Namespace) -> int | None:
    """Reads what is piped in and makes the request; without a prompt it opens the chat.

    Raises:
        Failure: what was given cannot be asked.
    """
    problem = problem_with_name(given.model)
    if problem:
        raise Failure(f"MODEL: {problem}", USAGE_ERROR)
    prompt = " ".join(given.prompt)
    piped = _read_input()
    if piped is not None:
        prompt = f"{piped} {prompt}" if prompt and piped else piped or prompt
    if not prompt.strip():
        if piped is None and not given.prompt:
            return _open_chat(given)
        raise Failure("PROMPT is empty: there is nothing to ask", USAGE_ERROR)
    given.text = prompt
    given.images = tuple(_picture(Path(name)) for name in given.image)
    given.call = _asked(given)
    return None


def _open_chat(given: argparse.Namespace) -> int:
    if not is_terminal(sys.stdout) or given.json:
        raise Failure("PROMPT is missing: write it behind the model, or pipe it in", USAGE_ERROR)
    idle = [
        f"--{name}" for name in ("system", "preset", "format", "think", "keepalive") if getattr(given, name) is not None
    ]
    idle += [f"--{name.replace('_', '-')}" for name in COMMON if getattr(given, f"option_{name}") is not None]
    idle += [f"--{name}" for name in ("image", "stop", "option") if getattr(given, name)]
    idle += ["--save"] if given.save else []
    if idle:
        raise Failure(f"{idle[0]} needs a PROMPT: without one the chat opens, which has its own", USAGE_ERROR)
    house = open_house(given.leaf, given, start=not given.no_start, model=given.model)
    return open_screens(given.leaf, house)


def _read_input() -> str | None:
    """What is piped in; None where a person sits at the other end, or nobody."""
    if sys.stdin is None or is_terminal(sys.stdin):
        return None
    try:
        piped = sys.stdin.buffer.read(LONGEST + 1)
    except (OSError, ValueError):  # it was closed before us
        return None
    if len(piped) > LONGEST:
        raise Failure(f"PROMPT: what is piped in is longer than {LONGEST // 1_000_000} MB", USAGE_ERROR)
    return piped.decode("utf-8-sig", "replace")


def _asked(given: argparse.Namespace) -> dict[str, object]:
    """Options and fields of the request as they were given here, checked."""
    wanted: dict[str, object] = {}
    for text in given.option:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals:
            raise Failure(f"--option {text!r}: allowed is NAME=VALUE", USAGE_ERROR)
        rule = OPTION_RULES.get(name)
        if rule is None:
            raise Failure(unknown_option(name, "--option", OPTION_RULES), USAGE_ERROR)
        wanted[name] = rule.from_text(value)
    for name in COMMON:
        value = getattr(given, f"option_{name}")
        if value is not None:
            wanted[name] = OPTION_RULES[name].from_text(value)
    if given.stop:
        wanted["stop"] = given.stop
    try:
        options, _ = split_options(wanted, "option")
        _, fields = split_options(_fields(given), "")
    except ValueError as error:
        raise Failure(str(error), USAGE_ERROR) from None
    return {**options, **fields}


def _request(house: House, given: argparse.Namespace) -> GenerateRequest:
    """The request: what was given here, over the preset, over what config.toml has for the model and for all."""
    try:
        values = house.settings.resolved(given.model, given.preset, given.call)
        options, fields = split_options(values)
    except ValueError as error:
        raise Failure(str(error), USAGE_ERROR) from None
    more: dict[str, Any] = dict(fields)
    return GenerateRequest(
        given.model, given.text, images=given.images, options=options, truncate=False, shift=False, **more
    )


def _fields(given: argparse.Namespace) -> dict[str, object]:
    keep_alive: object = given.keepalive
    if keep_alive is not None:
        with suppress(ValueError):
            keep_alive = float(given.keepalive)
    think = None if given.think is None else THINK_WORDS.get(given.think, given.think)
    return {"system": given.system, "format": _format(given.format), "think": think, "keep_alive": keep_alive}


def _format(text: str | None) -> str | None:
    if text is None or text in ("json", "text", "") or text.lstrip().startswith("{"):
        return text
    try:
        schema = Path(text).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Failure(
            f"--format {file_words(error)}; allowed is json, or a file with a JSON schema", USAGE_ERROR
        ) from None
    except ValueError:
        raise Failure(f"--format {text}: it is not UTF-8", USAGE_ERROR) from None
    if not schema.lstrip().startswith("{"):
        raise Failure(f"--format {text}: it holds no JSON schema, which begins with {{", USAGE_ERROR)
    return schema


def _picture(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Failure(f"--image {file_words(error)}", USAGE_ERROR) from None
    if not content:
        raise Failure(f"--image {path}: it is empty", USAGE_ERROR)
    return base64.b64encode(content).decode("ascii")


async def answer(house: House, given: argparse.Namespace) -> int:
    """Sends the request and draws what comes."""
    request = _request(house, given)
    if request.images:
        await _refuse_blind(house, given.model)
    ended: list[Execution] = []
    words, code = "", OK
    drawn = Drawn(given.model, quiet=given.json, hide_thinking=given.hide_thinking)
    try:
        async with aclosing(house.services.execution.stream(request, on_finish=ended.append)) as pieces:
            async for piece in pieces:
                drawn.take(piece)
    except ModelNotFound as error:
        words, code = await missing_words(house, given.model, error), FAILED
    except OllamaError as error:
        words, code = sentence(error), code_of(error)
    except asyncio.CancelledError:
        words, code = "stopped", INTERRUPTED
    finally:
        drawn.end()
    outcome = ended[0] if ended else None
    result = result_of(request, outcome, "" if code == INTERRUPTED else words, code)
    if given.save and outcome is not None and outcome.text:
        result["saved"] = await _save(house, request.prompt, result)
    if given.json:
        tables.write_json(result)
    elif code == OK and outcome is not None and _cut_unasked(outcome):
        tell("the answer ends in the middle: the context is full, or the model's own num_predict is reached")
    if words:
        tell(words)
    if given.verbose and outcome is not None and outcome.end is not None:
        figures(outcome)
    return code


async def _save(house: House, prompt: str, result: dict[str, object]) -> str:
    """Keeps what came, also of an answer that did not come to its end; returns the key of the record."""
    from codomyrmex_ollama_tui.domain.outputs import Kind

    figures_of = {name: value for name, value in result.items() if name not in ("model", "response")}
    entry = await house.services.outputs.save(
        Kind.OUTPUT, model=str(result["model"]), prompt=prompt, response=str(result["response"]), metadata=figures_of
    )
    tell(f"saved as {entry.key}")
    return entry.key


def _cut_unasked(outcome: Execution) -> bool:
    """Whether the answer reached a limit that was not given here."""
    return outcome.done_reason == "length" and "num_predict" not in outcome.request.options


async def _refuse_blind(house: House, model: str) -> None:
    """A model that cannot see would answer as if there were no picture.

    Raises:
        Failure: the server says that it cannot.
    """
    able = (await house.services.models.details(model)).capabilities
    if able is not None and "vision" not in able:
        raise Failure(f"{model} cannot look at pictures (it can: {', '.join(able)})")


async def missing_words(house: House, model: str, error: ModelNotFound) -> str:
    """That a model is not there, which ones are near, and how it is fetched."""
    from codomyrmex_ollama_tui.services.models import near_names

    try:
        near = near_names(model, [one.name for one in await house.services.models.list_models()])
    except OllamaError:
        near = ()
    fetch = f"`cotui models pull {model}`"
    return f"{sentence(error)}; " + (f"did you mean {near[0]}? Else {fetch} first" if near else f"{fetch} fetches it")
