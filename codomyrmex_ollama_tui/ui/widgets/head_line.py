"""The line over a list: its filter at the left, how much there is at the right."""

from __future__ import annotations

from textual.content import Content

from codomyrmex_ollama_tui.ui.widgets.row import Row


class HeadLine(Row):
    """`/ filter gemma                11 of 23 models · 58.2 GB · newest first`."""

    DEFAULT_CSS = "HeadLine { margin: 1 0 1 0; padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__(id="head")
        self._left = Content()
        self._right = Content()

    def show(self, left: Content, right: Content) -> None:
        """What stands left and right."""
        self._left, self._right = left, right
        self.refresh()

    def left(self) -> Content:
        return self._left

    def right(self) -> Content:
        return self._right
