"""The part of the transcript that shows: what is in view is drawn, kept in its place and painted row by row."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from codomyrmex_ollama_tui.ui.widgets.transcript.drawing import Artist, Row, gap_runs
from codomyrmex_ollama_tui.ui.widgets.transcript.items import Column, Item, Turn
from codomyrmex_ollama_tui.ui.widgets.transcript.labels import draw_item
from codomyrmex_ollama_tui.ui.widgets.transcript.painting import Mark, dirty_regions, marked
from codomyrmex_ollama_tui.ui.widgets.transcript.styles import NAMES, PREFIX, read_styles

if TYPE_CHECKING:
    from textual import events
    from textual.selection import Selection

KEEP_ROWS = 1500
"""Rows that stay drawn; those farthest from the view are forgotten."""
SPARE_ROWS = 200
"""Rows more than that before some are forgotten: few at a time, since giving memory back takes time too."""
KEEP_STRIPS = 300
"""Rows whose strip stays ready to paint."""
LEAST_WIDTH = 16
"""Cells; a narrower view is drawn as if it were so wide, and cropped."""


def _load_lexers(languages: set[str]) -> None:
    # the module is light, what it loads is not
    from codomyrmex_ollama_tui.ui.widgets.transcript.lexing import find_lexer

    for language in languages:
        find_lexer(language)


class Place(NamedTuple):
    """What is at the top of the view: an item, a row in it, and a mark in the text of that row (−1: none)."""

    key: int
    row: int
    mark: int


class TranscriptView(ScrollView, can_focus=True):
    """A column of items on Textual's line API.

    Args:
        max_width: cells that the text is never wider than.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {PREFIX + name for name in NAMES}

    def __init__(self, *, max_width: int = 100, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._max_width = max_width
        self._column = Column()
        self._follow = True
        self._raw = False
        self._artist: Artist | None = None
        self._styles: dict[str, Style] = {}
        self._links: dict[str, int] = {}
        self._shown: list[Strip] = []
        self._warm: deque[Row] = deque()
        self._settling = False
        self._thumb = (0, 0)

    @property
    def following(self) -> bool:
        """True while the view stays at the end of what comes."""
        return self._follow

    @property
    def max_width(self) -> int:
        """Cells that the text is never wider than."""
        return self._max_width

    @max_width.setter
    def max_width(self, cells: int) -> None:
        self._max_width = max(LEAST_WIDTH, cells)
        self._restyle()

    @property
    def _text_width(self) -> int:
        # `size` of a scroll view counts the scrollbar's column, which lies over its last cell
        return max(LEAST_WIDTH, min(self.scrollable_content_region.width, self._max_width))

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._restyle())

    def on_resize(self, _event: events.Resize) -> None:
        self._shown = []
        if self._artist is not None and self._artist.width != self._text_width:
            self._restyle()
            return
        for row in self._warm:
            row.strip = None  # as wide as the view was
        self._warm.clear()
        self._settle()

    # ------------------------------------------------------------------ drawing what is in view

    def _restyle(self) -> None:
        """The width, the theme or the kind of view has changed: everything is drawn again, the place kept."""
        place = self._place(by_text=True)
        old, self._artist = self._artist, None
        if not self.size.width or not self._column.items:
            return
        self._styles = read_styles(self)
        self._artist = Artist(self._text_width, self._styles, self._links, raw=self._raw, wanted=set())
        for item in self._column.items:
            if item.block and not item.leads:
                item.gap = 0 if self._raw else item.block.gap
            if item.kind == "turn":
                item.height = item.turn.unread(self._text_width).height
            elif old and item.block:
                rows = (item.height - item.gap) * old.width // self._text_width
                item.height = 0 if item.hidden else item.gap + max(1, rows)
            item.art = None
        self._column.measure()
        self._shown = []
        self._settle(place)

    def _draw(self, item: Item, artist: Artist) -> None:
        section = item.turn.thoughts if item.thought else item.turn.shown
        if item.block is None or section is None:
            item.art = draw_item(artist, item)
        else:
            base = ("text", "thinking") if item.thought else ("text",)
            item.art = artist.draw(item.block, section.splitter.definitions, base)
            if self._raw and not item.leads:
                item.gap = 0  # the source has its blank lines itself
            item.version = item.block.version
        if item.pointed:
            item.art.point(artist.mix("text", "cursor"))
        item.height = item.gap + len(item.art.rows) if item.art.rows else 0

    def _reveal(self, index: int, artist: Artist) -> None:
        """Draw an item that comes into view; a turn not read until now becomes its own items."""
        item = self._column.items[index]
        if item.kind == "turn":
            item.turn.read(artist.width)
            self._column.items[index : index + 1] = item.turn.items()
            item = self._column.items[index]
        self._draw(item, artist)
        self._column.measure(index)

    def _settle(self, place: Place | None = None, shift: int = 0) -> None:
        """Draw what the view shows, keeping what the reader sees where it is; then repaint the rows that changed.

        Args:
            place: what is to be at the top of the view; the row that is there now if it is None.
            shift: rows below the place.
        """
        if self._settling or not self.size:
            return
        if self._artist is None and self._column.items:
            self._restyle()
            return
        artist, column, rows = self._artist, self._column, self.size.height
        self._settling, top = True, self.scroll_offset.y
        try:
            while artist is not None:
                if place and not self._follow:
                    top = max(0, self._find(place) + shift)
                limit = max(0, column.height - rows)
                top = limit if self._follow else min(top, limit)
                index = column.at_row(top)
                while index < len(column.items) and column.tops[index] < top + rows:
                    if column.items[index].art is None and not (column.items[index].hidden and not self._raw):
                        break
                    index += 1
                if index >= len(column.items) or column.tops[index] >= top + rows:
                    break
                above, before = column.tops[index] < top, column.height
                self._reveal(index, artist)
                if above and place is None:
                    top = max(0, top + column.height - before)
            if not column.items:
                top = 0
            size = Size(self.size.width, column.height)
            if self.virtual_size != size:
                self.set_reactive(Widget.virtual_size, size)  # moves the scrollbar without a layout
            self.scroll_target_y = self.scroll_y = top
        finally:
            self._settling = False
        self._move_scrollbar()
        self._repaint()
        if artist is not None and artist.wanted:
            languages, artist.wanted = artist.wanted, set()
            self.run_worker(self._load(languages), group="lexers")

    async def _load(self, languages: set[str]) -> None:
        """Load lexers in a thread, since that can take longer than a drawing may, then colour the code."""
        await asyncio.to_thread(_load_lexers, languages)
        for item in self._column.items:
            if item.block is not None and item.block.fence is not None:
                item.art = None
        self._settle(self._place())

    def _move_scrollbar(self) -> None:
        """Repaint the scrollbar only when its thumb would move by a cell: each time costs as much as the text."""
        rows, whole, top = self.size.height, max(1, self._column.height), self.scroll_offset.y
        thumb = (top * rows // whole, (top + rows) * rows // whole)
        if thumb != self._thumb:
            self._thumb = thumb
            self.vertical_scrollbar.window_virtual_size = whole
            self.vertical_scrollbar.position = top

    def _place(self, by_text: bool = False, row: int | None = None) -> Place | None:
        """What is at the top of the view, or in a row; `by_text`: to be found again where its text is."""
        column, y = self._column, self.scroll_offset.y if row is None else row
        index = column.at_row(y)
        if index >= len(column.items):
            return None
        item, row = column.items[index], y - column.tops[index]
        inside = row - item.gap
        drawn = item.art.rows[inside] if by_text and item.art and 0 <= inside < len(item.art.rows) else None
        return Place(item.key, row, max(drawn.marks, default=-1) if drawn else -1)

    def _find(self, place: Place) -> int:
        """The row where a place is now."""
        column = self._column
        index = min(column.index_of(place.key), len(column.items) - 1)
        item = column.items[index]
        if item.key != place.key:
            return column.tops[index]
        if item.art is None or place.mark <= 0:
            return column.tops[index] + min(place.row, max(0, item.height - 1))
        rows = item.art.rows
        return (
            column.tops[index]
            + item.gap
            + next((n for n, row in enumerate(rows) if max(row.marks, default=-1) >= place.mark), 0)
        )

    def _forget(self) -> None:
        """Keep about KEEP_ROWS rows drawn, those nearest to the view; heights stay known."""
        drawn = [(n, item) for n, item in enumerate(self._column.items) if item.art]
        rows = sum(item.height for _, item in drawn)
        if rows <= KEEP_ROWS + SPARE_ROWS:
            return
        here = self._column.at_row(self.scroll_offset.y)
        for _, item in sorted(drawn, key=lambda pair: -abs(pair[0] - here)):
            if rows <= KEEP_ROWS:
                break
            rows -= item.height
            item.art = None

    def _recompose(self, turn: Turn, place: Place | None) -> None:
        """The items of a turn have changed."""
        first, last = self._column.span_of(turn)
        self._column.replace(first, last, turn.items())
        self._settle(place)

    # ------------------------------------------------------------------ painting

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        if round(old_value) != round(new_value) and not self._settling:
            self._follow = round(new_value) >= self.max_scroll_y
            # a page up or down must go on where the last one ended, whatever heights turn out to be
            shift = round(new_value) - round(old_value)
            near = abs(shift) <= 2 * self.size.height
            self._settle(self._place(row=round(old_value)) if near else None, shift)
            self._forget()

    def _scroll_to(self, x: float | None = None, y: float | None = None, **options: Any) -> bool:
        return super()._scroll_to(x, y, **{**options, "animate": False})

    def _blank(self) -> Strip:
        return Strip.blank(self.size.width, self._styles.get("text") or self.rich_style)

    def _overlaid(self, rows: list[Strip]) -> list[Strip]:
        """Hook: what lies over the rows of the view."""
        return rows

    def _repaint(self) -> None:
        """Ask for the rows of the view that differ from what is on the screen."""
        new, old = self._overlaid(self._view()), self._shown
        self._shown = new
        if len(new) != len(old):
            self.refresh()
            return
        if regions := dirty_regions(old, new, self.size.width):
            self.refresh(*regions)

    def _view(self) -> list[Strip]:
        """The strips to be on the screen; a row that looks as it did keeps its strip, so it is not painted."""
        out: list[Strip] = []
        column, top, rows, shown = self._column, self.scroll_offset.y, self.size.height, self._shown
        index = column.at_row(top)
        selection, blank = self.text_selection, self._blank()
        if shown and (spare := next((strip for strip in shown if strip == blank), None)) is not None:
            blank = spare
        while len(out) < rows and index < len(column.items):
            item, at = column.items[index], column.tops[index]
            span = self._span(item, selection) if selection else None
            for n in range(max(0, top - at), min(item.height, top + rows - at)):
                row = item.art.rows[n - item.gap] if item.art and n >= item.gap else None
                if row is None:
                    out.append(self._gap(item, blank))
                    continue
                if row.strip is None:
                    row.strip = self._strip(row.segments)
                    if len(out) < len(shown) and shown[len(out)] == row.strip:
                        row.strip = shown[len(out)]
                    self._warm.append(row)
                marks = self._marks(item, span)
                strip = self._strip(marked(row.segments, row.marks, marks)) if marks else row.strip
                if strip is not row.strip and len(out) < len(shown) and shown[len(out)] == strip:
                    strip = shown[len(out)]
                out.append(strip)
            index += 1
        while len(self._warm) > KEEP_STRIPS:
            self._warm.popleft().strip = None
        return out + [blank] * (rows - len(out))

    def _marks(self, item: Item, selected: tuple[int, int] | None) -> list[Mark]:
        """The parts of an item's plain text that are marked, and the style of each."""
        if selected is None:
            return []
        return [(*selected, Style(bgcolor=self.screen.get_component_rich_style("screen--selection").bgcolor))]

    def _strip(self, segments: list[Segment]) -> Strip:
        width, room = self._artist.width if self._artist else 0, self.size.width
        if width < room:
            segments = [*segments, Segment(" " * (room - width), self._styles["text"])]
        strip = Strip(segments, max(width, room))
        return strip if width <= room else strip.crop(0, room)

    def _gap(self, item: Item, blank: Strip) -> Strip:
        """A blank row above an item; the bars of quotes go through it."""
        if item.block is None or not item.block.opened or self._artist is None or self._raw:
            return blank
        runs = gap_runs(self._artist, item.block)
        if not any(run.text.strip() for run in runs):
            return blank
        segments = [Segment(run.text, run.style) for run in runs]
        return Strip([*segments, Segment(" " * self.size.width, self._styles["text"])]).crop(0, self.size.width)

    def _span(self, item: Item, selection: Selection) -> tuple[int, int] | None:
        """The selected part of an item's plain text."""
        span = selection.get_span(item.key)
        return None if span is None else (span[0], span[1] if span[1] >= 0 else 1 << 40)

    def render_lines(self, crop: Region) -> list[Strip]:
        if len(self._shown) != self.size.height:
            self._settle()
        styles = self.styles
        if len(self._shown) < crop.bottom or styles.opacity != 1 or styles.text_opacity != 1 or styles.tint.a:
            return super().render_lines(crop)
        strips = self._shown[crop.y : crop.bottom]
        if filters := self.get_line_filters():
            background = self.background_colors[1]
            for line_filter in filters:
                strips = [strip.apply_filter(line_filter, background) for strip in strips]
        hover = self.hover_style
        if hover._link_id and hover._meta and "@click" in hover.meta:
            strips = [strip.style_links(hover.link_id, self.link_style_hover) for strip in strips]
        if crop.column_span != (0, self.size.width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        """A row whose segments carry their place in the text: asked for to find what is under the mouse."""
        y += self.scroll_offset.y
        column = self._column
        index = column.at_row(y)
        if index >= len(column.items):
            return self._blank()
        item = column.items[index]
        inside = y - column.tops[index] - item.gap
        row = item.art.rows[inside] if item.art and 0 <= inside < len(item.art.rows) else None
        segments = row.segments if row else [Segment(" " * self.size.width, self._styles["text"])]
        marks = row.marks if row else [-1]
        at = next((mark for mark in marks if mark >= 0), 0)
        out: list[Segment] = []
        for segment, mark in zip(segments, marks, strict=True):
            style = segment.style or Style()
            if mark >= 0:
                out.append(Segment(segment.text, style + Style.from_meta({"offset": (mark, item.key)})))
                at = mark + len(segment.text)
            else:  # ornaments count as the place next to them
                style += Style.from_meta({"offset": (at, item.key)})
                out += [Segment(character, style) for character in segment.text]
        room = self.size.width - sum(segment.cell_length for segment in out)
        beside = self._styles.get("text", Style()) + Style.from_meta({"offset": (at, item.key)})
        out += [Segment(" ", beside) for _ in range(room)]
        return Strip(out).crop(0, self.size.width)
