"""Charts of models: what families take on the disk, and size against parameters. Drawn off the event loop."""

from __future__ import annotations

import math
import re
import string
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from codomyrmex_ollama_tui.domain.model_query import parameter_count
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.widgets.bar import bar

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelSummary

COLOURS = 6
"""Colours of models that a theme has."""
LETTERS = string.ascii_uppercase
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_drawing = threading.Lock()  # plotext has one figure for everybody


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one family; the letter and the colour stand for it in both charts.

    Attributes:
        size: bytes on the disk, shared weights counted once.
    """

    letter: str
    name: str
    models: tuple[ModelSummary, ...]
    size: int

    @property
    def style(self) -> str:
        """The colour of its letter."""
        return f"$model-{LETTERS.index(self.letter) % COLOURS + 1}"


def families_of(models: Sequence[ModelSummary]) -> list[Family]:
    """The families, the largest on the disk first; from the 26th on they share one letter."""
    grouped: dict[str, list[ModelSummary]] = {}
    for model in models:
        if not model.remote_host:
            grouped.setdefault(model.details.family or formats.UNKNOWN, []).append(model)
    sizes = {name: _on_disk(group) for name, group in grouped.items()}
    ordered = sorted(grouped, key=lambda name: (-sizes[name], name))
    return [
        Family(LETTERS[min(place, len(LETTERS) - 1)], name, tuple(grouped[name]), sizes[name])
        for place, name in enumerate(ordered)
    ]


def _on_disk(models: Sequence[ModelSummary]) -> int:
    return sum({each.digest or each.name: each.size for each in models}.values())


def disk_chart(families: Sequence[Family], width: int, rows: int) -> Content:
    """A bar for each family; those that there is no room for are counted in one line."""
    if not families:
        return Content.styled("No model is on the disk.", "$muted")
    shown = families[: max(1, rows - 1)] if len(families) > rows else families
    name_width = min(20, max(len(one_line(family.name, 20)) for family in shown))
    bar_width = max(8, width - name_width - 32)
    largest = max(family.size for family in families) or 1
    lines = []
    for family in shown:
        count = len(family.models)
        lines.append(
            Content.assemble(
                (family.letter, family.style),
                f" {one_line(family.name, name_width).ljust(name_width)}  ",
                bar(family.size / largest, bar_width, family.style),
                f" {formats.size(family.size).rjust(8)}",
                (f"  {count} model{'' if count == 1 else 's'}", "$muted"),
            )
        )
    if len(shown) < len(families):
        rest = families[len(shown) :]
        size = formats.size(sum(family.size for family in rest))
        lines.append(Content.styled(f"  {len(rest)} more families  {size}", "$muted"))
    return Content("\n").join(lines)


def points_of(families: Sequence[Family]) -> list[tuple[float, float, str]]:
    """Parameters, bytes and letter of every model whose parameters are known."""
    return [
        (count, float(model.size), family.letter)
        for family in families
        for model in family.models
        if model.size > 0 and (count := parameter_count(model.details.parameter_size))
    ]


def size_chart(points: Sequence[tuple[float, float, str]], width: int, height: int) -> str:
    """Bytes over parameters as plain lines, both on a logarithmic scale; "" where there is nothing to draw.

    Takes some milliseconds, the first time some hundred for the library: to be called on a thread.
    """
    if not points or width < 30 or height < 8:
        return ""
    import plotext  # not before the first chart

    with _drawing:
        figure = plotext.figure
        figure.clear()
        plotext.terminal.limit(False, False)  # the room is that of the dialog, whatever this process' own terminal is
        figure.plot_size(width, height)
        for letter in sorted({letter for _, _, letter in points}):
            group = [(math.log10(x), math.log10(y)) for x, y, each in points if each == letter]
            xs, ys = [x for x, _ in group], [y for _, y in group]
            figure.draw(figure.signal(xs, ys, marker=letter))
        for axis, values in (("x", [x for x, _, _ in points]), ("y", [y for _, y, _ in points])):
            ticks = _ticks(min(values), max(values))
            ruler = figure.ruler(axis)
            ruler.lim(math.log10(min(*values, ticks[0])) - 0.05, math.log10(max(*values, ticks[-1])) + 0.05)
            ruler.ticks([math.log10(tick) for tick in ticks], [_tick_words(axis, tick) for tick in ticks])
        text = _ESCAPES.sub("", str(figure.build()))
        figure.clear()
    return text.rstrip("\n")


def _tick_words(axis: str, value: float) -> str:
    return formats.parameters(f"{value / 1e6}M") if axis == "x" else formats.size(int(value))


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers (1, 2, 5 and their tens) from below the lowest value to above the highest, seven at most."""
    made = [
        factor * 10.0**power
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for factor in (1, 2, 5)
    ]
    below = [tick for tick in made if tick <= low][-1:]
    above = [tick for tick in made if tick >= high][:1]
    inner = [tick for tick in made if low < tick < high]
    ticks = [*below, *inner, *above]
    while len(ticks) > 7:
        ticks = ticks[::2]
    return ticks


def coloured(text: str, families: Sequence[Family]) -> Content:
    """The chart's lines: letters in the colours of their families, axes faint, figures muted."""
    styles = {family.letter: family.style for family in families}
    lines = []
    for line in text.splitlines():
        parts: list[Content] = []
        inside = False
        for sign in line:
            if sign in "│┤├┼└┘┌┐─┬┴":
                inside = inside or sign in "│┤"
                parts.append(Content.styled(sign, "$faint"))
            elif inside and sign in styles:
                parts.append(Content.styled(sign, f"bold {styles[sign]}"))
            else:
                parts.append(Content.styled(sign, "$muted"))
        lines.append(Content.assemble(*parts))
    return Content("\n").join(lines)
