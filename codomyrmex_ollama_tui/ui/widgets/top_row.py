"""The row on top: sign, tabs, and how the server is."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from textual.content import Content

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.server import ServerPhase, ServerState
from codomyrmex_ollama_tui.ui.widgets.row import Row

TABS = (("models", "1", "Models"), ("chat", "2", "Chat"))
"""Mode, key and word of every screen that works."""


class TopRow(Row):
    """`◆ 1 Models 2 Chat                     ● 127.0.0.1:11434 0.24.0`."""

    def __init__(self, tab: str, state: ServerState, *, clock: Callable[[], float]) -> None:
        super().__init__(id="top-row")
        self._tab = tab
        self._clock = clock
        self._state = state
        self._since = clock()

    def show(self, state: ServerState) -> None:
        """The server is now so."""
        self._state = state
        self._since = self._clock()
        self.refresh()

    @property
    def counting(self) -> bool:
        """Whether seconds until the next try are running down."""
        return self._state.retry_in is not None

    def left(self) -> Content:
        parts = [Content.from_markup("[$accent b] ◆ [/]")]
        for mode, key, word in TABS:
            if mode == self._tab:
                style = "bold reverse" if self.app.no_color else "bold $background on $primary"
                parts.append(Content.from_markup(f"[{style}] {key} {word} [/]"))
            else:
                parts.append(Content.from_markup(f"[@click=app.go('{mode}')][$muted] {key} [/]{word} [/]"))
        return Content.assemble(*parts)

    def right(self) -> Content:
        state = self._state
        label = one_line(state.label, 40)
        match state.phase:
            case ServerPhase.READY if state.kind == "embedded":
                words = [("embedded engine" if self.wide else "embedded", "")]
            case ServerPhase.READY:
                words = [("Ollama ", "$muted") if self.wide else ("", ""), (label, "")]
            case ServerPhase.STARTING | ServerPhase.RESTARTING:
                words = [(f"{state.phase.value} · ", "$accent"), (label, "$muted")]
            case ServerPhase.LOST:
                words = [("lost", "$error"), (self._retry(), "$muted")]
                if self.wide:
                    words.append((f" · {label}", "$muted"))
            case ServerPhase.ABSENT:
                words = [("no server", "$warning")]
        sign = ("● ", "$success") if state.phase is ServerPhase.READY else ("○ ", "$muted")
        version = (f" {one_line(state.version, 20)}", "$muted") if self.wide and state.version else ("", "")
        if state.phase is not ServerPhase.READY:
            version = ("", "")
        return Content.assemble(sign, *words, version, " ")

    def _retry(self) -> str:
        if self._state.retry_in is None:
            return ""
        left = self._state.retry_in - (self._clock() - self._since)
        return f" · retrying in {ceil(left)} s" if left > 0 else " · retrying"
