"""The pulls, one row each; the bytes of all layers in one bar, and a row for each layer while it is unfolded."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from textual.content import Content
from textual.widgets import Static

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.pulls import LayerState, PullPhase, PullState
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.widgets.bar import bar, share_of
from codomyrmex_ollama_tui.ui.widgets.row import WIDE

SIGNS = {
    PullPhase.QUEUED: ("○", "$muted"),
    PullPhase.DONE: ("✓", "$success"),
    PullPhase.FAILED: ("✕", "$error"),
    PullPhase.CANCELLED: ("‖", "$muted"),
}
"""Sign and style of a phase; all others are `↓`."""

LAYERS_SHOWN = 4


def bytes_words(state: PullState) -> tuple[str, str]:
    """The amount ("48.3 / 92.9 MB") and what stands after it ("8.1 MB/s  4 min", "stalled", "verifying")."""
    amount = formats.amounts(state.completed, state.total)
    if state.phase is not PullPhase.DOWNLOADING:
        return amount, state.phase.value
    if state.stalled:
        return amount, "stalled"
    words = [formats.speed(state.speed)] if state.speed is not None else []
    words += [formats.duration(state.eta)] if state.eta is not None else []
    return amount, "  ".join(words)


def pull_share(state: PullState) -> float:
    """How much of the bar is filled: full only when the server has said success."""
    if state.phase is PullPhase.DONE:
        return 1.0
    return min(0.995, share_of(state.completed, state.total))


class PullPanel(Static):
    """Draws `PullState`s; hidden while there is none."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    PullPanel { height: auto; max-height: 12; background: $surface; padding: 1 1; margin: 1 0 0 0; }
    """
    unfolded: bool = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._states: tuple[PullState, ...] = ()
        self._lines = -1
        self.display = False

    def show(self, states: Sequence[PullState]) -> None:
        """These pulls, in this order."""
        self._states = tuple(states)
        self.display = bool(states)
        text = self._text()
        lines = text.plain.count("\n")
        self.update(text, layout=lines != self._lines)
        self._lines = lines

    def fold(self, unfolded: bool) -> None:
        """Show a row for each layer, or not."""
        self.unfolded = unfolded
        self.show(self._states)

    def on_resize(self) -> None:
        """The bars follow the width."""
        self.show(self._states)

    def _error_lines(self, state: PullState, name_width: int) -> list[str]:
        """The reason of a failure, wrapped beside the name."""
        indent = " " * (name_width + 4)
        room = max(20, self.content_size.width - len(indent))
        lines = wrap(one_line(state.error, 300), room, max_lines=3, placeholder=" …") or [""]
        return [lines[0], *(indent + line for line in lines[1:])]

    def _text(self) -> Content:
        width = max(20, self.content_size.width)
        name_width = min(
            max((len(state.name) for state in self._states), default=0), 24 if self.app.size.width >= WIDE else 18
        )
        bar_width = max(6, min(26, width - name_width - 38))
        lines: list[Content] = []
        for state in self._states:
            lines.append(self._line(state, name_width, bar_width))
            if self.unfolded and not state.phase.over:
                layers = self._layers(state)
                for number, layer in enumerate(layers):
                    last = number == len(layers) - 1
                    lines.append(self._layer_line(layer, name_width, bar_width, last=last))
        return Content("\n").join(lines)

    def _layers(self, state: PullState) -> tuple[LayerState, ...]:
        return () if state.phase.over else state.layers[-LAYERS_SHOWN:]

    def _line(self, state: PullState, name_width: int, bar_width: int) -> Content:
        sign, style = SIGNS.get(state.phase, ("↓", "$accent"))
        name = one_line(state.name, name_width).ljust(name_width)
        head = Content.assemble((sign, style), f" {name}  ")
        match state.phase:
            case PullPhase.FAILED:
                return Content.assemble(head, ("\n".join(self._error_lines(state, name_width)), "$error"))
            case PullPhase.DONE:
                return Content.assemble(head, bar(1.0, bar_width, "$success"), f"  {formats.size(state.completed)}")
            case PullPhase.QUEUED:
                return Content.assemble(head, ("queued", "$muted"))
            case PullPhase.PREPARING if state.total is None:
                return Content.assemble(head, (one_line(state.status, 60) or "preparing", "$muted"))
            case PullPhase.CANCELLED:
                return Content.assemble(head, ("stopped", "$muted"))
        amount, words = bytes_words(state)
        drawn = bar(pull_share(state), bar_width, "$warning" if state.stalled else "$accent")
        return Content.assemble(head, drawn, f"  {amount}  ", (words, "$warning" if state.stalled else "$muted"))

    def _layer_line(self, layer: LayerState, name_width: int, bar_width: int, *, last: bool) -> Content:
        digest = one_line(layer.digest.removeprefix("sha256:"), 12)[: max(4, name_width - 2)].ljust(
            max(4, name_width - 2)
        )
        whole = layer.completed >= layer.total
        drawn = bar(
            share_of(layer.completed, layer.total) if layer.total else 1.0,
            bar_width,
            "$success" if whole else "$accent",
        )
        amount = formats.size(layer.total) if whole else formats.amounts(layer.completed, layer.total)
        return Content.assemble(
            ("  └ " if last else "  ├ ", "$faint"), (digest, "$muted"), "  ", drawn, ("  " + amount, "$muted")
        )
