"""The pulls, one row each; the bytes of all layers in one bar, and a row for each layer while it is unfolded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import ClassVar, Literal

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.pulls import LayerState, PullPhase, PullState
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.widgets.bar import bar, share_of
from codomyrmex_ollama_tui.ui.widgets.row import WIDE

SIGNS = {
    PullPhase.QUEUED: ("○", "$muted"),
    PullPhase.DONE: ("✓", "$success"),
    PullPhase.FAILED: ("✕", "$error"),
    PullPhase.CANCELLED: ("✕", "$muted"),
    PullPhase.PAUSED: ("‖", "$muted"),
    PullPhase.WAITING: ("↓", "$warning"),
}
"""Sign and style of a phase; all others are `↓`."""

LAYERS_SHOWN = 4
WORDS, LONG_WORDS = 50, 62
"""Cells for sign, amount, percentage, speed and time; and while something is retried."""
ROWS_SHOWN = 6
"""Pulls in sight at most; the others are counted."""

Wish = Literal["pause", "cancel", "again"]


def amount_words(state: PullState) -> str:
    """ "48.3 / ≥92.9 MB": the sign stands while layers may come that the server has not named yet."""
    words = formats.amounts(state.completed, state.total)
    if state.total is None or state.total_is_final or state.phase is PullPhase.PAUSED:
        return words
    return words.replace(" / ", " / ≥", 1)


def bytes_words(state: PullState) -> tuple[str, str]:
    """The amount and what stands after it ("8.1 MB/s  4 min", "stalled", "verifying", "retrying")."""
    amount = amount_words(state)
    if state.phase is not PullPhase.DOWNLOADING:
        return amount, state.phase.value
    if state.stalled:
        return amount, "stalled  a tries again"
    words = [formats.speed(state.speed)] if state.speed is not None else []
    words += [formats.duration(state.eta)] if state.eta is not None else []
    if state.retrying:
        words.insert(0, "again from zero" if state.began_again else "retrying")
    return amount, "  ".join(words)


def pull_share(state: PullState) -> float:
    """How much of the bar is filled: full only when the server has said success."""
    if state.phase is PullPhase.DONE:
        return 1.0
    return min(0.995, share_of(state.completed, state.total))


def percent(state: PullState) -> str:
    """The share of the largest total known, rounded down: "39 %"; "" without a total."""
    return "" if not state.total else f"{min(99, int(100 * share_of(state.completed, state.total))):2} %"


class PullPanel(Static, can_focus=True, inherit_bindings=False):
    """Draws `PullState`s; hidden while there is none. With the focus it has a cursor of its own."""

    BINDING_GROUP_TITLE = "Pulls"
    ALLOW_SELECT = False
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("pulls.down", "j,down", "cursor(1)", "Down", "The next pull", palette=False),
        Command("pulls.up", "k,up", "cursor(-1)", "Up", "The pull before", palette=False),
        Command("pulls.pause", "x,space", "wish('pause')", "Pause or resume", "This pull", show=True, palette=False,
                short="pause"),
        Command("pulls.again", "a", "wish('again')", "Try again now", "This pull", show=True, palette=False,
                short="again"),
        Command("pulls.cancel", "d,delete", "wish('cancel')", "Cancel or clear", "Takes this pull out of the list",
                show=True, palette=False, short="cancel"),
    )  # fmt: skip
    BINDINGS = bindings(ROSTER)
    DEFAULT_CSS = """
    PullPanel { height: auto; max-height: 14; background: $surface; padding: 1 1; margin: 1 0 0 0; }
    """
    unfolded: bool = False

    @dataclass
    class Wished(Message):
        """Somebody wants something of one pull."""

        panel: PullPanel
        name: str
        wish: Wish

        @property
        def control(self) -> PullPanel:
            """The panel it came from."""
            return self.panel

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._states: tuple[PullState, ...] = ()
        self._lines = -1
        self._cursor = 0
        self.display = False

    @property
    def chosen(self) -> PullState | None:
        """The pull under the cursor."""
        return self._states[self._cursor] if self._states else None

    def show(self, states: Sequence[PullState]) -> None:
        """These pulls, in this order; the cursor stays on its pull."""
        held = self.chosen.name if self.chosen is not None else None
        self._states = tuple(states)
        names = [state.name for state in states]
        self._cursor = names.index(held) if held in names else max(0, min(self._cursor, len(names) - 1))
        self.display = bool(states)
        self._draw()

    def fold(self, unfolded: bool) -> None:
        """Show a row for each layer, or not."""
        self.unfolded = unfolded
        self._draw()

    def action_cursor(self, by: int) -> None:
        """Up or down."""
        if self._states:
            self._cursor = max(0, min(len(self._states) - 1, self._cursor + by))
            self._draw()

    def action_wish(self, wish: Wish) -> None:
        """Tell what is wanted of the pull under the cursor."""
        if self.chosen is not None:
            self.post_message(self.Wished(self, self.chosen.name, wish))

    def on_focus(self) -> None:
        """The cursor is seen."""
        self._draw()

    def on_blur(self) -> None:
        """The cursor is not seen."""
        self._draw()

    def on_resize(self) -> None:
        """Bars as wide as there is room."""
        self._draw()

    # ------------------------------------------------------------------ drawing

    def _draw(self) -> None:
        text = self._text()
        lines = text.plain.count("\n")
        self.update(text, layout=lines != self._lines)
        self._lines = lines

    def _text(self) -> Content:
        width = max(20, self.content_size.width)
        wide = self.app.size.width >= WIDE
        name_width = max((len(one_line(state.name, 26 if wide else 18)) for state in self._states), default=0)
        words = LONG_WORDS if any(state.retrying for state in self._states) else WORDS
        bar_width = max(6, min(26, width - name_width - words))
        first = max(0, min(self._cursor - ROWS_SHOWN + 1, len(self._states) - ROWS_SHOWN))
        seen = self._states[first : first + ROWS_SHOWN]
        lines: list[Content] = []
        for place, state in enumerate(seen, first):
            line = self._line(state, name_width, bar_width, width)
            if self.has_focus and place == self._cursor:
                line = Content.assemble(line, " " * max(0, width - line.cell_length)).stylize("on $panel")
            lines.append(line)
            if self.unfolded and not state.phase.over:
                lines += self._below(state, name_width, bar_width)
        if len(seen) < len(self._states):
            lines.append(Content.styled(f"  {len(self._states) - len(seen)} more", "$muted"))
        return Content("\n").join(lines)

    def _line(self, state: PullState, name_width: int, bar_width: int, width: int) -> Content:
        sign, style = SIGNS.get(state.phase, ("↓", "$accent"))
        head = Content.assemble((sign, style), f" {one_line(state.name, name_width).ljust(name_width)}  ")
        rest = width - head.cell_length
        match state.phase:
            case PullPhase.FAILED:
                return Content.assemble(head, (_wrapped(state.error, rest, head.cell_length), "$error"))
            case PullPhase.DONE:
                note = "" if state.received else "  already current"
                drawn = bar(1.0, bar_width, "$success")
                return Content.assemble(head, drawn, f"  {formats.size(state.completed)}", (note, "$muted"))
            case PullPhase.QUEUED:
                return Content.assemble(head, ("queued", "$muted"))
            case PullPhase.CANCELLED:
                return Content.assemble(head, ("cancelled", "$muted"))
            case PullPhase.WAITING:
                seconds = "" if state.retry_in is None else f" in {formats.duration(state.retry_in)}"
                words = one_line(f"tries again{seconds} · {state.status}", max(8, rest))
                return Content.assemble(head, (words, "$warning"))
            case PullPhase.PAUSED:
                words = " · ".join(filter(None, ("paused", "x goes on", one_line(state.status, 60))))
                if state.total is None:
                    return Content.assemble(head, (one_line(words, max(8, rest)), "$muted"))
                drawn = bar(pull_share(state), bar_width, "$muted")
                amount = f"  {amount_words(state)}  "
                room = max(8, rest - bar_width - len(amount))
                return Content.assemble(head, drawn, amount, (one_line(words, room), "$muted"))
            case PullPhase.PREPARING if state.total is None:
                return Content.assemble(head, (one_line(state.status, max(8, rest)) or "preparing", "$muted"))
        amount, words = bytes_words(state)
        style = "$warning" if state.stalled or state.retrying else "$accent"
        drawn = bar(pull_share(state), bar_width, style)
        said = "$muted" if style == "$accent" else style
        return Content.assemble(head, drawn, f"  {amount}  ", (f"{percent(state)}  ", "$muted"), (words, said))

    def _below(self, state: PullState, name_width: int, bar_width: int) -> list[Content]:
        layers = state.layers[-LAYERS_SHOWN:]
        width = max(4, name_width - 2)
        lines = []
        if state.resumed_at is not None:
            words = "began again at zero: the server kept nothing" if state.began_again else "went on with"
            amount = "" if state.began_again else f" {formats.size(state.resumed_at)} that the server had kept"
            lines.append(Content.assemble(("  ├ " if layers else "  └ ", "$faint"), (words + amount, "$muted")))
        for number, layer in enumerate(layers):
            lines.append(_layer_line(layer, width, bar_width, last=number == len(layers) - 1))
        return lines


def _layer_line(layer: LayerState, width: int, bar_width: int, *, last: bool) -> Content:
    digest = one_line(layer.digest.removeprefix("sha256:"), 12)[:width].ljust(width)
    whole = layer.completed >= layer.total
    share = share_of(layer.completed, layer.total) if layer.total else 1.0
    drawn = bar(share, bar_width, "$success" if whole else "$accent")
    amount = formats.size(layer.total) if whole else formats.amounts(layer.completed, layer.total)
    return Content.assemble(
        ("  └ " if last else "  ├ ", "$faint"), (digest, "$muted"), "  ", drawn, ("  " + amount, "$muted")
    )


def _wrapped(text: str, room: int, indent: int) -> str:
    return ("\n" + " " * indent).join(wrap(text, max(20, room))[:3])
