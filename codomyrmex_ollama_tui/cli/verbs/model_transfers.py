"""Models pulled, pushed and made, each with a line of progress."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.progress import Lines, bar, letters
from codomyrmex_ollama_tui.cli.tables import pad
from codomyrmex_ollama_tui.cli.terms import FAILED, INTERRUPTED, OK, USAGE_ERROR, Failure, sentence
from codomyrmex_ollama_tui.cli.verbs.model_changes import allow_replacing, plain_name
from codomyrmex_ollama_tui.cli.verbs.models import find_named, tell_missing
from codomyrmex_ollama_tui.domain.chat import CreateRequest
from codomyrmex_ollama_tui.domain.errors import OllamaError, ServerUnreachable, casts_doubt
from codomyrmex_ollama_tui.domain.names import problem_with_name
from codomyrmex_ollama_tui.domain.option_rules import OPTION_RULES
from codomyrmex_ollama_tui.domain.options import check_options, unknown_option
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.tally import PullPhase, Tally
from codomyrmex_ollama_tui.ui import formats

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import Progress
    from codomyrmex_ollama_tui.house import House
    from codomyrmex_ollama_tui.services.pulls import PullState

BAR_WIDTH = 24
NEVER_FULL = 0.995
"""How far a bar goes before the server has said success."""


async def pull(house: House, given: argparse.Namespace) -> int:
    """`cotui models pull`."""
    await house.services.server.client()  # without a server there is nothing to queue
    queue = house.services.models.pulls
    names = list(dict.fromkeys(queue.add(name).name for name in given.models))
    over = asyncio.Event()
    with Lines() as lines:
        rows = _PullRows(lines, max(map(len, names)))

        def told(state: PullState) -> None:
            rows.put(state)
            if all(one.phase.over for one in queue.states):
                over.set()

        unsubscribe = queue.listen(told)
        try:
            for state in queue.states:
                rows.put(state)
            await over.wait()
        except asyncio.CancelledError:
            for name in names:
                queue.cancel(name)
            return INTERRUPTED
        finally:
            unsubscribe()
    states = [state for state in queue.states if state.name in names]
    if given.json:
        fields = ("name", "phase", "completed", "total", "error")
        tables.write_json([{field: getattr(state, field) for field in fields} for state in states])
    return OK if all(state.phase is PullPhase.DONE for state in states) else FAILED


class _PullRows:
    """The lines of a queue of pulls."""

    def __init__(self, lines: Lines, wide: int) -> None:
        self._lines = lines
        self._wide = wide
        self._begun: dict[str, float] = {}
        self._fetched: set[str] = set()

    def put(self, state: PullState) -> None:
        """Draws one pull as it stands now."""
        if state.phase is not PullPhase.QUEUED:
            self._begun.setdefault(state.name, time.monotonic())
        # layers that are there already come whole
        if any(layer.completed < layer.total for layer in state.layers):
            self._fetched.add(state.name)
        mark, words = self._words(state)
        line = f"{mark} {pad(one_line(state.name), self._wide)}  {words}"
        self._lines.put(state.name, line, finished=state.phase.over)

    def _words(self, state: PullState) -> tuple[str, str]:
        match state.phase:
            case PullPhase.QUEUED:
                return letters("○", "."), "queued"
            case PullPhase.FAILED:
                return letters("✕", "x"), state.error
            case PullPhase.CANCELLED:
                return letters("‖", "-"), "stopped"
            case PullPhase.DONE if state.layers and state.name not in self._fetched:
                return letters("✓", "+"), f"{formats.size(state.completed)}, already current"
            case PullPhase.DONE:
                seconds = time.monotonic() - self._begun[state.name]
                return letters("✓", "+"), f"{formats.size(state.completed)} in {formats.duration(seconds)}"
        words = _figures(state.phase, state.completed, state.total, state.speed, state.eta, state.status)
        return letters("↓", ">"), "stalled  " + words if state.stalled else words


def _figures(
    phase: PullPhase, completed: int, total: int | None, speed: float | None, eta: float | None, status: str
) -> str:
    """ "━━━━───  48.3 / 92.9 MB  8.1 MB/s  5 s", or what the server says where there are no figures."""
    if total is None:
        return one_line(status, 80) or phase.value
    drawn = bar(min(NEVER_FULL, completed / total if total else 0.0), BAR_WIDTH)
    words = [drawn, formats.amounts(completed, total)]
    if phase is not PullPhase.DOWNLOADING:
        words.append(one_line(status, 60) or phase.value)
    if speed is not None:
        words.append(formats.speed(speed))
    if eta is not None:
        words.append(formats.duration(eta))
    return "  ".join(words)


async def push(house: House, given: argparse.Namespace) -> int:
    """`cotui models push`."""
    models = await house.services.models.list_models()
    found, missing = find_named(given.models, models)
    errors = dict(zip(missing, tell_missing(missing, models), strict=True))
    with Lines() as lines:
        for name in (model.name for model in found):
            steps = house.services.models.push(name, insecure=given.insecure)
            errors[name] = await _follow(house, lines, name, steps, "sent")
    if given.json:
        tables.write_json([{"name": name, "error": error} for name, error in errors.items()])
    return FAILED if any(errors.values()) else OK


def read_creation(given: argparse.Namespace) -> int | None:
    """Makes the request of `create` from the flags.

    Raises:
        Failure: what was given cannot be a model.
    """
    if problem := problem_with_name(given.source):
        raise Failure(f"--from {given.source!r}: {problem}", USAGE_ERROR)
    wanted: dict[str, object] = {}
    for text in given.parameter:
        name, equals, value = text.partition("=")
        rule = OPTION_RULES.get(name.strip())
        if not equals:
            raise Failure(f"--parameter {text!r}: allowed is NAME=VALUE", USAGE_ERROR)
        if rule is None:
            raise Failure(unknown_option(name.strip(), "--parameter", OPTION_RULES), USAGE_ERROR)
        wanted[rule.name] = rule.from_text(value)
    try:
        parameters = check_options(wanted, "parameter")
    except ValueError as error:
        raise Failure(str(error), USAGE_ERROR) from None
    given.request = CreateRequest(
        plain_name(given.name),
        given.source,
        template=given.template,
        system=given.system,
        parameters=parameters,
        quantize=given.quantize,
    )
    return None


async def create(house: House, given: argparse.Namespace) -> int:
    """`cotui models create`."""
    request: CreateRequest = given.request
    allow_replacing(given, request.model, await house.services.models.list_models())
    with Lines() as lines:
        error = await _follow(house, lines, request.model, house.services.models.create(request), "made")
    if given.json:
        tables.write_json({"name": request.model, "error": error})
    return FAILED if error else OK


async def _follow(house: House, lines: Lines, name: str, steps: AsyncGenerator[Progress, None], done: str) -> str:
    """Draws the steps to their end; returns what went wrong, "" for nothing."""
    begun = time.monotonic()
    tally = Tally(begun)
    shown = one_line(name)
    try:
        async with aclosing(steps) as items:
            async for item in items:
                now = time.monotonic()
                tally.add(item, now)
                speed = tally.speed(now)
                words = _figures(tally.phase, tally.completed, tally.total, speed, tally.eta(speed), tally.status)
                lines.put(name, f"{letters('↑', '>')} {shown}  {words}")
    except ServerUnreachable:
        lines.clear()
        raise
    except asyncio.CancelledError:
        lines.put(name, f"{letters('‖', '-')} {shown}  stopped", finished=True)
        raise
    except OllamaError as error:
        if casts_doubt(error):
            house.services.server.doubt()
        words = sentence(error)
        lines.put(name, f"{letters('✕', 'x')} {shown}  {words}", finished=True)
        return words
    size = f", {formats.size(tally.completed)}" if tally.completed else ""
    took = formats.duration(time.monotonic() - begun)
    lines.put(name, f"{letters('✓', '+')} {shown}  {done}{size} in {took}", finished=True)
    return ""
