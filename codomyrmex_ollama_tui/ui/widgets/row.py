"""A widget one line high that is drawn from values: what stands left, what stands right, cut to the width there is."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

WIDE = 100
"""Cells from which on side panels and the longer words are shown."""


class Row(Widget):
    """One line. Subclasses say what stands on it with `left()` and `right()`."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Row { height: 1; width: 1fr; }
    """

    @property
    def wide(self) -> bool:
        """Whether there is room for the longer words."""
        return self.app.size.width >= WIDE

    def left(self) -> Content:
        """What stands at the left."""
        return Content()

    def right(self) -> Content:
        """What stands at the right; it is kept when the left has to be cut."""
        return Content()

    def render(self) -> Content:
        width = self.size.width
        right = self.right()
        room = max(0, width - right.cell_length - (1 if right.cell_length else 0))
        left = self.left()
        if left.cell_length > room:
            left = left.truncate(room, ellipsis=True)
        return Content.assemble(left, " " * max(0, width - left.cell_length - right.cell_length), right)


def joined(parts: list[Content], gap: str = "   ") -> Content:
    """The parts side by side."""
    return Content(gap).join(parts)
