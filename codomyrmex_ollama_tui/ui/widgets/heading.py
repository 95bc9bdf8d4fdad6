"""The line over a conversation: its title, its model, the context in force."""

from __future__ import annotations

from textual.content import Content

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.widgets.row import Row


class Heading(Row):
    """`Why do terminals draw cells?   smollm2:135m · context 4,096`."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._values: tuple[str, str, int | None] = ("", "", None)

    def show(self, title: str, model: str, context: int | None) -> None:
        """These are the conversation's title and model, and the tokens of context the server keeps for it."""
        values = (one_line(title, 120), one_line(model, 60), context)
        if values != self._values:
            self._values = values
            self.refresh()

    def left(self) -> Content:
        title, model, context = self._values
        facts = [model] if model else []
        if context is not None and self.wide:
            facts.append(f"context {formats.count(context)}")
        rest = Content.styled(" · ".join(facts), "$muted")
        gap = "   " if self.wide else "  "
        room = max(12, self.size.width - rest.cell_length - len(gap))
        return Content.assemble(Content.styled(title, "bold").truncate(room, ellipsis=True), gap, rest)
