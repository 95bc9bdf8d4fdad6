"""The status row: what goes on now. Named places, each with long words and short ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from textual.content import Content

from codomyrmex_ollama_tui.domain.models import RunningModel
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.pulls import PullPhase, PullState
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.widgets.bar import bar, share_of
from codomyrmex_ollama_tui.ui.widgets.row import Row, joined

PLACES = ("now", "memory", "context", "pulls", "server")
"""From left to right: what is being done, the model in memory, the context meter, pulls, the server's trouble."""

FOR_GOOD = timedelta(days=365)
"""A model that stays longer than this was told to stay for ever."""


@dataclass(frozen=True, slots=True)
class Part:
    """What stands in one place: in long words, and in short ones for narrow terminals (empty: left out there)."""

    wide: Content
    narrow: Content


class StatusLine(Row):
    """One row under the screen's body."""

    DEFAULT_CSS = """
    StatusLine { padding: 0 1; background: $surface; }
    """

    def __init__(self) -> None:
        super().__init__(id="status-line")
        self._parts: dict[str, Part] = {}

    def put(self, place: str, part: Part | None) -> None:
        """Fill one of `PLACES`, or empty it with None."""
        if place not in PLACES:
            raise ValueError(f"no place called {place!r} on the status line")
        before = self._parts.get(place)
        if part is None:
            self._parts.pop(place, None)
        else:
            self._parts[place] = part
        if before != part:
            self.refresh()

    def say(self, place: str, words: str, style: str = "$muted") -> None:
        """Fill a place with plain words from anywhere; empty words empty it."""
        content = Content.styled(one_line(words), style)
        self.put(place, Part(content, content) if words else None)

    def left(self) -> Content:
        wide = self.wide
        parts = [self._parts[place] for place in PLACES if place in self._parts]
        shown = [part.wide if wide else part.narrow for part in parts]
        return joined([content for content in shown if content.cell_length])


def memory_part(running: Sequence[RunningModel], now: datetime) -> Part | None:
    """The models in memory: name, countdown to unload, memory, share on the GPU; None where there is none."""
    if not running:
        return None
    model = running[0]
    name = one_line(model.name, 32)
    words = [("in memory", "$muted")]
    if (left := _stays(model, now)) is not None:
        words.append((f" {left}", "$muted"))
    short = Content.assemble(("● ", "$success"), name, " ", *words)
    if model.size:
        words.append((f" · {formats.size(model.size)} · {processor(model)}", "$muted"))
    if len(running) > 1:
        words.append((f" · {len(running) - 1} more", "$muted"))
    return Part(Content.assemble(("● ", "$success"), name, " ", *words), short)


def _stays(model: RunningModel, now: datetime) -> str | None:
    if model.expires_at is None:
        return None
    left = model.expires_at - now
    if left > FOR_GOOD:
        return "for good"
    return formats.countdown(left.total_seconds()) if left > timedelta() else None


def processor(model: RunningModel) -> str:
    """Where the model sits: "100 % CPU", "100 % GPU" or "40 % GPU"."""
    share = round(model.gpu_share * 100)
    return "100 % CPU" if share == 0 else f"{share} % GPU"


def _paused_part(states: Sequence[PullState]) -> Part:
    """Nothing is fetched at the moment, but something could go on."""
    name = one_line(states[0].name, 24) if len(states) == 1 else f"{len(states)} pulls"
    words = Content.assemble(("‖ ", "$muted"), name, (" paused", "$muted"))
    return Part(words, words)


def pulls_part(states: Sequence[PullState]) -> Part | None:
    """All pulls that are not over in one bar; None where there is none."""
    open_pulls = [state for state in states if not state.phase.over]
    if not open_pulls:
        return None
    active = [state for state in open_pulls if state.phase.running]
    if all(state.phase is PullPhase.PAUSED for state in open_pulls):
        return _paused_part(open_pulls)
    name = one_line(open_pulls[0].name, 24) if len(open_pulls) == 1 else f"{len(open_pulls)} pulls"
    completed = sum(state.completed for state in active)
    totals = [state.total for state in active if state.total is not None]
    if not totals:
        word = active[0].phase.value if active else "queued"
        short = Content.assemble(("↓ ", "$accent"), name, (f" {word}", "$muted"))
        return Part(short, short)
    total = sum(totals)
    share = min(share_of(completed, total), 0.99)
    speed = next((state.speed for state in active if state.speed is not None), None)
    eta = next((state.eta for state in active if state.eta is not None), None)
    rest = [formats.speed(speed)] if speed is not None else []
    rest += [formats.duration(eta)] if eta is not None else []
    if any(state.stalled for state in active):
        rest = ["stalled"]
    head = Content.assemble(("↓ ", "$accent"), name, " ")
    figures = f" {formats.amounts(completed, total)} "
    return Part(
        Content.assemble(head, bar(share, 20), figures, (" · ".join(rest), "$muted")),
        Content.assemble(head, bar(share, 10), figures, (rest[-1] if rest else "", "$muted")),
    )
