"""One side of a word diff: its text in rows, the words that stand on this side alone marked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from codomyrmex_ollama_tui.ui.widgets.transcript.wrapping import Run, cut_runs, line_breaks

if TYPE_CHECKING:
    from textual import events

Side = Sequence[tuple[bool, str]]
"""The stretches of one text, safe to draw: whether they are the same on the other side, and what stands here."""

GUTTER = 2
"""Cells before the text: `≠` where a row differs."""
LACKING = "‸"
"""Stands where the other side has words and this one has none."""
LEAST_WIDTH = 10

Spot = tuple[int, int]
"""Number of a stretch, and of a character in it."""


class DiffText(ScrollView, can_focus=True):
    """A plain text that scrolls; what differs is coloured, underlined, and told by a sign before its row."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"diff-text--differs", "diff-text--sign"}
    DEFAULT_CSS = """
    DiffText {
        height: 1fr; overflow-y: scroll; overflow-x: hidden; scrollbar-size-vertical: 1;
        & > .diff-text--differs { color: $warning; text-style: underline; }
        & > .diff-text--sign { color: $warning; }
    }
    """

    class Moved(Message):
        """The reader has scrolled."""

        def __init__(self, sender: DiffText) -> None:
            super().__init__()
            self.sender = sender

    def __init__(self) -> None:
        super().__init__()
        self._side: Side = ()
        self._offsets: list[int] = []  # where each stretch begins
        self._starts: list[int] = []  # where each row begins
        self._rows: list[list[Run]] = []
        self._signs: list[bool] = []
        self._width = 0
        self._led = False

    def show(self, side: Side) -> None:
        """Shows another text, from its beginning."""
        self._side = side
        self._width = 0
        self._wrap()
        self.scroll_to(y=0, animate=False)

    def on_resize(self, _event: events.Resize) -> None:
        spot = self.spot
        self._wrap()
        self.go_to(spot)

    def _wrap(self) -> None:
        width = max(LEAST_WIDTH, self.scrollable_content_region.width - GUTTER)
        if width == self._width or not self.size.width:
            return
        self._width = width
        same, differs = Style(), Style(bold=True)  # only told apart here; the theme's styles are put on when drawn
        runs: list[Run] = []
        self._offsets, at = [], 0
        for is_same, text in self._side:
            self._offsets.append(at)
            words = text if is_same or text else LACKING + " " * (not runs or runs[-1].text[-1:].isspace())
            bare = words.rstrip()
            for piece, style in ((bare, same if is_same else differs), (words[len(bare) :], same)):
                if piece:
                    runs.append(Run(piece, style, at))
                    at += len(piece)
        breaks = line_breaks("".join(run.text for run in runs), width)
        self._starts = [start for start, _ in breaks]
        self._rows = cut_runs(runs, breaks)
        self._signs = [any(run.style.bold and run.text.strip() for run in row) for row in self._rows]
        self.virtual_size = Size(self.size.width, len(self._rows))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """A row of the view."""
        base, number = self.rich_style, y + self.scroll_offset.y
        if number >= len(self._rows):
            return Strip.blank(self.size.width, base)
        differs = base + self.get_component_rich_style("diff-text--differs", partial=True)
        sign = base + self.get_component_rich_style("diff-text--sign", partial=True)
        segments = [Segment("≠ ", sign) if self._signs[number] else Segment("  ", base)]
        segments += [Segment(run.text, differs if run.style.bold else base) for run in self._rows[number]]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    # ------------------------------------------------------------------ where it is

    @property
    def spot(self) -> Spot:
        """What is at the top of the view."""
        top = self.scroll_offset.y
        if top >= len(self._starts) or not self._offsets:
            return 0, 0
        at = self._starts[top]
        number = max(0, bisect_right(self._offsets, at) - 1)
        return number, at - self._offsets[number]

    def go_to(self, spot: Spot) -> None:
        """Puts a spot of this text, or of the other one, at the top; `Moved` is not posted for it."""
        number, inside = spot
        if not number < len(self._offsets):
            return
        after = self._offsets[number + 1] if number + 1 < len(self._offsets) else self._offsets[number] + inside + 1
        at = min(self._offsets[number] + inside, max(self._offsets[number], after - 1))
        self._led = True
        try:
            self.scroll_to(y=max(0, bisect_right(self._starts, at) - 1), animate=False, immediate=True)
        finally:
            self._led = False

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value) and not self._led:
            self.post_message(self.Moved(self))
