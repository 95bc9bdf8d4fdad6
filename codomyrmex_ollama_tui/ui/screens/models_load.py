"""Loading a model into memory with a context and a time to stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from codomyrmex_ollama_tui.domain.keep_alive import parse_keep_alive
from codomyrmex_ollama_tui.domain.model_memory import estimate
from codomyrmex_ollama_tui.domain.text import clean, one_line
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import keys_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary

SHORTEST_CONTEXT = 4
"""Tokens; the server makes fewer to that."""


@dataclass(frozen=True, slots=True)
class Loading:
    """What a person chose.

    Attributes:
        context: tokens; None: the server decides.
        keep_alive: as the server takes it; None: the server decides.
    """

    context: int | None
    keep_alive: int | float | str | None


class LoadBox(ModalScreen[Loading]):
    """Dismissed with what was chosen, or with None on esc. Under the boxes stands what memory that will take."""

    BINDING_GROUP_TITLE = "Load"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("load.cancel", "escape", "cancel", "Cancel", "Load nothing", palette=False),
    )
    BINDINGS = bindings(ROSTER)
    AUTO_FOCUS = "#context"
    DEFAULT_CSS = "LoadBox .words { color: $muted; } LoadBox #memory { height: auto; margin: 1 0 0 0; }"

    def __init__(self, model: ModelSummary, info: ModelInfo | None) -> None:
        super().__init__()
        self._model, self._info = model, info

    def compose(self) -> ComposeResult:
        longest = self._info.context_length if self._info is not None else None
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(f"Load {one_line(self._model.name, 50)}").markup
            dialog.border_subtitle = keys_line(("enter", "load"), ("tab", "next"), ("esc", "cancel")).markup
            words = f"Context in tokens, up to {formats.count(longest)}" if longest else "Context in tokens"
            yield Static(words, classes="words")
            yield Input(id="context", placeholder="the server decides")
            yield Static("How long it stays after the last question", classes="words")
            yield Input(id="keep", placeholder="the server decides; or 10m, 1h30m, forever")
            yield Static(id="memory")
            yield Static(classes="problem")

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one(".problem", Static).update("")
        self.query_one("#memory", Static).update(self._memory_words())

    def _memory_words(self) -> Content:
        try:
            context = self._tokens()
        except ValueError:
            return Content()
        if self._info is None or context is None:
            return Content()
        found = estimate(self._info, self._model.size, context)
        if found is None:
            return Content()
        cut = "" if found.context == context else f" for {formats.count(found.context)} tokens, which is its longest"
        return Content.assemble(
            f"≈ {formats.size(found.total)}{cut}",
            (f"  estimated: weights {formats.size(found.weights)}, context {formats.size(found.cache)}", "$muted"),
        )

    def _tokens(self) -> int | None:
        text = self.query_one("#context", Input).value.strip().lower().replace(",", "")
        if not text:
            return None
        digits = text.removesuffix("k")
        if not digits.isascii() or not digits.isdigit() or len(digits) > 9:
            raise ValueError(f"{text[:40]!r} is no number of tokens, as in 8192 or 8k")
        number = int(digits) * (1024 if text.endswith("k") else 1)
        if number < SHORTEST_CONTEXT:
            raise ValueError(f"a context has at least {SHORTEST_CONTEXT} tokens")
        return number

    @on(Input.Submitted)
    def _submitted(self) -> None:
        keep = self.query_one("#keep", Input).value.strip()
        try:
            self.dismiss(Loading(self._tokens(), parse_keep_alive(keep) if keep else None))
        except ValueError as error:
            self.query_one(".problem", Static).update(Content(f"✕ {clean(str(error))}"))

    def action_cancel(self) -> None:
        """Load nothing."""
        self.dismiss(None)
