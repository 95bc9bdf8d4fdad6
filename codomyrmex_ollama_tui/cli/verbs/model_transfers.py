"""Models pulled and pushed, each with a line of progress."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.progress import BAR_WIDTH, Lines, bar, letters
from codomyrmex_ollama_tui.cli.tables import pad
from codomyrmex_ollama_tui.cli.terms import FAILED, INTERRUPTED, OK, sentence
from codomyrmex_ollama_tui.cli.verbs.models import find_named, tell_missing
from codomyrmex_ollama_tui.domain.errors import OllamaError, ServerUnreachable, casts_doubt
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.tally import PullPhase, Tally
from codomyrmex_ollama_tui.ui import formats

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import Progress
    from codomyrmex_ollama_tui.house import House
    from codomyrmex_ollama_tui.services.pulls import PullState

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
            if all(one.phase.over for one in queue.states if one.name in names):
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

    def put(self, state: PullState) -> None:
        """Draws one pull as it stands now."""
        if state.phase is not PullPhase.QUEUED:
            self._begun.setdefault(state.name, time.monotonic())
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
            case PullPhase.WAITING:
                again = "" if state.retry_in is None else f"again in {formats.duration(state.retry_in)}: "
                return letters("↓", ">"), again + state.status
            case PullPhase.DONE if state.completed and not state.received:
                return letters("✓", "+"), f"{formats.size(state.completed)}, already current"
            case PullPhase.DONE:
                seconds = time.monotonic() - self._begun[state.name]
                return letters("✓", "+"), f"{formats.size(state.completed)} in {formats.duration(seconds)}"
        words = _figures(
            state.phase, state.completed, state.total, state.speed, state.eta, state.status, state.total_is_final
        )
        if state.retrying:
            words += "  retrying"
        return letters("↓", ">"), f"{words}  stalled" if state.stalled else words


def _figures(
    phase: PullPhase,
    completed: int,
    total: int | None,
    speed: float | None,
    eta: float | None,
    status: str,
    is_final: bool = True,
) -> str:
    """ "━━━━───  48.3 / ≥92.9 MB  52 %  8.1 MB/s  5 s", or what the server says where there are no figures.

    The sign stands while layers may come that the server has not named yet.
    """
    if total is None:
        return one_line(status, 80) or phase.value
    share = completed / total if total else 0.0
    amounts = formats.amounts(completed, total)
    if not is_final:
        amounts = amounts.replace(" / ", f" / {letters('≥', '>=')}", 1)
    words = [bar(min(NEVER_FULL, share), BAR_WIDTH), amounts, f"{min(99, int(100 * share)):2} %"]
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
            errors[name] = await follow(house, lines, name, steps, "sent")
    if given.json:
        tables.write_json([{"name": name, "error": error} for name, error in errors.items()])
    return FAILED if any(errors.values()) else OK


async def follow(house: House, lines: Lines, name: str, steps: AsyncGenerator[Progress, None], done: str) -> str:
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
