"""Draw blocks as rows of segments, for one width and one set of styles.

Every row knows where each of its segments begins in the block's plain text: that is what selecting, copying and
keeping the reader's place across a resize stand on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui.widgets.transcript.blocks import Block, Container, Definitions
from codomyrmex_ollama_tui.ui.widgets.transcript.wrapping import Run, chop, cut_runs, line_breaks, width_of

Piece = tuple[str, str]
"""Name of a style, text."""

LEAST_WIDTH = 8
"""Cells that quotes and lists, however deep, leave to the text."""

CURSOR = "▍"
COPY_HINT = "y copy"
COPY_META = "copy-code"
"""Marks what copies the code it belongs to when it is clicked."""


class Row:
    """One row of the screen; the widget keeps its `strip` while it is near the view."""

    __slots__ = ("marks", "segments", "strip")

    def __init__(self, segments: list[Segment], marks: list[int]) -> None:
        self.segments = segments
        self.marks = marks
        self.strip: Strip | None = None


@lru_cache(maxsize=4096)
def _blank(cells: int, style: Style) -> Segment:
    return Segment(" " * cells, style)


class Artist:
    """What drawing needs to know; made anew when the width or the theme changes.

    Args:
        width: cells of a row.
        styles: by name, all of `styles.NAMES` and "text".
        links: addresses by number, shared by all artists of a transcript; new ones are added.
        raw: draw the source instead of what it means.
        wanted: takes the names of languages that are still to be loaded, whose code is then drawn without colours;
            None to load them at once.
    """

    def __init__(
        self,
        width: int,
        styles: Mapping[str, Style],
        links: dict[str, int],
        *,
        raw: bool = False,
        wanted: set[str] | None = None,
    ) -> None:
        self.width = width
        self.styles = styles
        self.raw = raw
        self.wanted = wanted
        self._links = links
        self._mixed: dict[tuple[str, ...], Style] = {}
        self._clicks: dict[str, Style] = {}

    def mix(self, *names: str) -> Style:
        """One style of several, the later ones on top."""
        style = self._mixed.get(names)
        if style is None:
            style = self.styles[names[0]]
            for name in names[1:]:
                style += self.styles[name]
            self._mixed[names] = style
        return style

    def click(self, href: str) -> Style:
        """A style that makes text a link: it carries the link's number, never the address itself."""
        style = self._clicks.get(href)
        if style is None:
            number = self._links.setdefault(href, len(self._links))
            style = self._clicks[href] = Style.from_meta({"@click": ("choose_link", (number,))})
        return style

    def action(self, name: str, number: int) -> Style:
        """A style that makes text call an action of the transcript with a number."""
        return Style.from_meta({"@click": (name, (number,))})

    def draw(self, block: Block, definitions: Definitions, base: tuple[str, ...] = ("text",)) -> Art:
        """The rows of a block.

        Args:
            definitions: targets of reference links.
            base: styles of its plain text.
        """
        art = Art(self)
        if self.raw:
            draw_plain(art, block.source.split("\n")[: -1 if block.source.endswith("\n") else None], base)
        else:
            _DRAWINGS[block.kind](art, block, definitions, base)
        return art


class Art:
    """A drawn block: rows, and the plain text their marks point into."""

    def __init__(self, artist: Artist) -> None:
        self.artist = artist
        self.rows: list[Row] = []
        self.plain: list[str] = []
        self.size = 0

    def note(self, text: str) -> int:
        """Add text that can be selected; returns its mark."""
        mark = self.size
        self.plain.append(text)
        self.size += len(text)
        return mark

    def place(self, runs: Sequence[Run], end: str = "\n") -> list[Run]:
        """Note the text of runs and give them their marks."""
        at = self.note("".join(text for text, *_ in runs) + end)
        out = []
        for text, style, _ in runs:
            out.append(Run(text, style, at))
            at += len(text)
        return out

    def add(self, runs: Sequence[Run], fill: str = "text") -> None:
        """Add a row, filled up to the width."""
        segments = [Segment(text, style) for text, style, _ in runs]
        marks = [mark for *_, mark in runs]
        room = self.artist.width - width_of(runs)
        if room > 0:
            segments.append(_blank(room, self.artist.styles[fill]))
            marks.append(-1)
        self.rows.append(Row(segments, marks))

    def point(self, style: Style) -> None:
        """Put the cursor of a growing answer after the last character."""
        if self.rows and self.rows[-1].marks and self.rows[-1].marks[-1] < 0 and len(self.rows[-1].segments) > 1:
            row = self.rows[-1]
            last = row.segments[-1]
            if last.text and not last.text.strip() and last.style is not None:
                row.segments[-1:] = [Segment(CURSOR, style), Segment(last.text[1:], last.style)]
                row.marks[-1:] = [-1, -1]
                return
        self.add([Run(CURSOR, style)])


def prefixes(artist: Artist, path: Sequence[Container], opened: int) -> tuple[list[Run], list[Run]]:
    """What stands before the first row of a block, and before each other row.

    Args:
        opened: how many of the containers go on from above.
    """
    first: list[Run] = []
    rest: list[Run] = []
    for depth, container in enumerate(path):
        if container.kind == "quote":
            bar = Run("▎ ", artist.mix("text", "quote"))
            first.append(bar)
            rest.append(bar)
            continue
        bullet = _bullet(container)
        blank = Run(" " * len(bullet), artist.styles["text"])
        first.append(blank if depth < opened else Run(bullet, artist.mix("text", "bullet")))
        rest.append(blank)
    while rest and width_of(rest) > max(0, artist.width - 2 * LEAST_WIDTH):
        del first[0], rest[0]
    return first, rest


def _bullet(container: Container) -> str:
    if container.number is not None:
        return f"{container.number}. " if container.checked is None else "☑ " if container.checked else "☐ "
    return "• " if container.checked is None else "☑ " if container.checked else "☐ "


def gap_runs(artist: Artist, block: Block) -> list[Run]:
    """What a blank row above a block shows: the bars of quotes that go on."""
    return prefixes(artist, block.path[: block.opened], block.opened)[1]


def draw_runs(art: Art, runs: Sequence[Run], first: Sequence[Run], rest: Sequence[Run]) -> None:
    """Text broken into rows."""
    placed = art.place(runs)
    width = max(LEAST_WIDTH, art.artist.width - width_of(rest))
    rows = cut_runs(placed, line_breaks(art.plain[-1][:-1], width))
    for n, row in enumerate(rows):
        art.add([*(rest if n else first), *row])


def draw_plain(art: Art, lines: Sequence[str], names: tuple[str, ...]) -> None:
    """Lines as they are, folded at the width."""
    for line in lines:
        _fold(art, [(art.artist.mix(*names), line.expandtabs(4))], [], [], "text", 0)


def draw_code(
    art: Art,
    lines: Sequence[Sequence[Piece]],
    first: Sequence[Run],
    rest: Sequence[Run],
    names: tuple[str, ...],
) -> None:
    """Lines of code, each given as (style name, text) pieces."""
    mix = art.artist.mix
    for n, pieces in enumerate(lines):
        styled = [(mix(*names, name), text) for name, text in pieces]
        if any("\t" in text for _, text in styled):
            styled = _untabbed(styled)
        _fold(art, styled, first if n == 0 else rest, rest, "fence", 1)


def _untabbed(pieces: Sequence[tuple[Style, str]]) -> list[tuple[Style, str]]:
    out: list[tuple[Style, str]] = []
    column = 0
    for style, text in pieces:
        parts = text.split("\t")
        for n, part in enumerate(parts):
            if n:
                part = " " * (4 - column % 4) + part
            out.append((style, part))
            column += len(part)
    return out


def _fold(
    art: Art,
    pieces: Sequence[tuple[Style, str]],
    first: Sequence[Run],
    rest: Sequence[Run],
    fill: str,
    edge: int,
) -> None:
    runs = art.place([Run(text, style) for style, text in pieces])
    text = art.plain[-1][:-1]
    margin = [Run(" " * edge, art.artist.styles[fill])] if edge else []
    width = max(LEAST_WIDTH, art.artist.width - width_of(rest) - 2 * edge)
    if len(text) <= width and text.isascii():
        art.add([*first, *margin, *runs], fill)
        return
    for n, row in enumerate(cut_runs(runs, chop(text, width))):
        art.add([*(rest if n else first), *margin, *row], fill)


# ---------------------------------------------------------------------- the kinds of block


def _paragraph(art: Art, block: Block, definitions: Definitions, base: tuple[str, ...]) -> None:
    # the parser behind it is imported when the first text is drawn: it must not delay the first frame
    from codomyrmex_ollama_tui.ui.widgets.transcript.inlines import inline_runs

    names = base if block.kind == "paragraph" else (*base, f"h{min(block.level, 3)}")
    first, rest = prefixes(art.artist, block.path, block.opened)
    draw_runs(art, inline_runs(art.artist, block.text.replace("\t", " "), definitions, names), first, rest)


def _fence(art: Art, block: Block, _definitions: Definitions, _base: tuple[str, ...]) -> None:
    from codomyrmex_ollama_tui.ui.widgets.transcript.lexing import colour, is_loaded, language_of

    artist = art.artist
    named = language_of(block.fence.info) if block.fence is not None else ""
    known = artist.wanted is None or is_loaded(named)
    if artist.wanted is not None and not known:
        artist.wanted.add(named)
    first, rest = prefixes(artist, block.path, block.opened)
    if block.fence is not None and not block.part:
        width = artist.width - width_of(rest)
        language = (one_line(named) or "text")[: max(4, width - len(COPY_HINT) - 4)]
        head = chop(f" {language}", max(1, width - len(COPY_HINT) - 2))[0]
        title = f" {language}"[slice(*head)]
        room = width - width_of([Run(title, Style())]) - len(COPY_HINT) - 1
        label = artist.mix("fence", "code-label")
        hint = artist.mix("fence", "hint") + Style.from_meta({COPY_META: True})
        art.add([*first, Run(title + " " * max(1, room), label), Run(COPY_HINT, hint)], "fence")
        first = rest
    if block.fence is None or not known:
        pieces = [[("code", line)] for line in block.lines]
    else:
        pieces = [list(line) for line in colour(block.fence, block.part, block.lines)]
    draw_code(art, pieces, first, rest, ("fence",))


def _html(art: Art, block: Block, _definitions: Definitions, base: tuple[str, ...]) -> None:
    first, rest = prefixes(art.artist, block.path, block.opened)
    draw_runs(art, [Run(block.text.removesuffix("\n").expandtabs(4), art.artist.mix(*base, "html"))], first, rest)


def _rule(art: Art, block: Block, _definitions: Definitions, _base: tuple[str, ...]) -> None:
    first, rest = prefixes(art.artist, block.path, block.opened)
    art.add([*first, Run("─" * max(3, art.artist.width - width_of(rest)), art.artist.mix("text", "rule"))])


def _empty(art: Art, block: Block, _definitions: Definitions, _base: tuple[str, ...]) -> None:
    if block.path:
        art.add(prefixes(art.artist, block.path, block.opened)[0])


def _nothing(_art: Art, _block: Block, _definitions: Definitions, _base: tuple[str, ...]) -> None:
    """A definition is not shown: the links that use it show its target."""


def _table(art: Art, block: Block, definitions: Definitions, base: tuple[str, ...]) -> None:
    from codomyrmex_ollama_tui.ui.widgets.transcript.tables import draw_table

    draw_table(art, block, definitions, base)


_Drawing = Callable[[Art, Block, Definitions, tuple[str, ...]], None]
_DRAWINGS: dict[str, _Drawing] = {
    "paragraph": _paragraph,
    "heading": _paragraph,
    "fence": _fence,
    "code": _fence,
    "html": _html,
    "rule": _rule,
    "empty": _empty,
    "definition": _nothing,
    "table": _table,
}
