"""All models at a glance: what their families take on the disk, and size against parameters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from codomyrmex_ollama_tui.ui.charts import coloured, disk_chart, families_of, points_of, size_chart
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import keys_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelSummary

FRAME = 6
"""Cells of the dialog's border and padding."""


class ChartsScreen(ModalScreen[None]):
    """Two charts of the same models."""

    BINDING_GROUP_TITLE = "Charts"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("charts.close", "escape,b,q,enter", "close", "Close", "Back to the table"),
    )
    BINDINGS = bindings(ROSTER)
    CSS = "ChartsScreen .dialog { width: 100%; height: 100%; }"
    DEFAULT_CSS = """
    ChartsScreen {
        & .words { color: $muted; }
        & #disk { height: auto; margin: 0 0 1 0; }
        & #sizes { height: 1fr; }
    }
    """

    def __init__(self, models: Sequence[ModelSummary]) -> None:
        super().__init__()
        self._families = families_of(models)
        self._points = points_of(self._families)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Models on the disk"
            dialog.border_subtitle = keys_line(("esc", "close")).markup
            yield Static("Disk by family; weights that names share are counted once", classes="words")
            yield Static(id="disk")
            yield Static(self._about(), classes="words")
            yield Static(id="sizes")

    def _about(self) -> str:
        known = sum(len(family.models) for family in self._families)
        left = known - len(self._points)
        rest = f"; {left} say nothing of their parameters" if left else ""
        return f"Size on the disk over parameters, both on logarithmic scales{rest}"

    def on_resize(self) -> None:
        """As large as there is room."""
        width, height = self.app.size.width - FRAME, self.app.size.height - 2
        rows = max(2, height // 3 - 2)
        self.query_one("#disk", Static).update(disk_chart(self._families, width, rows))
        used = min(rows, len(self._families) or 1)
        self.draw_sizes(width, height - used - 6)

    @work(group="chart", exclusive=True)
    async def draw_sizes(self, width: int, height: int) -> None:
        """On a thread, so that nothing waits for it."""
        text = await asyncio.to_thread(size_chart, self._points, width, height)
        words = Content.styled("No model says how many parameters it has.", "$muted")
        if self._points:
            words = Content.styled("There is no room for the chart.", "$muted")
        self.query_one("#sizes", Static).update(coloured(text, self._families) if text else words)

    def action_close(self) -> None:
        """Back to the table."""
        self.dismiss()
