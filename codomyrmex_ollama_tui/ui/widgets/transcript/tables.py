"""Draw tables: borders, aligned columns, wide cells broken into rows."""

from __future__ import annotations

from collections.abc import Sequence

from codomyrmex_ollama_tui.ui.widgets.transcript.blocks import Block, Cells, Definitions, Table
from codomyrmex_ollama_tui.ui.widgets.transcript.drawing import Art, Artist, draw_plain, prefixes
from codomyrmex_ollama_tui.ui.widgets.transcript.inlines import inline_runs
from codomyrmex_ollama_tui.ui.widgets.transcript.wrapping import Run, cut_runs, line_breaks, width_of

LEAST_COLUMN = 3
"""Cells."""
_Drawn = list[list[Run]]  # the cells of one row


def draw_table(art: Art, block: Block, definitions: Definitions, base: tuple[str, ...]) -> None:
    """One part of a table. Its columns are as wide as its own rows, the head and the first part need."""
    table = block.table
    if table is None:
        return
    artist = art.artist
    first, rest = prefixes(artist, block.path, block.opened)
    if (LEAST_COLUMN + 3) * len(table.head) + 1 > artist.width - width_of(rest):  # no room for its borders
        draw_plain(art, block.source.rstrip("\n").split("\n"), base)
        return
    head = _cells(artist, table.head, definitions, (*base, "table-head"))
    rows = [_cells(artist, cells, definitions, base) for cells in block.rows]
    natural = _natural(artist, table, definitions, base) if block.part else _widest([head], len(table.head))
    widths = _fit(_widest(rows, len(table.head), natural), artist.width - width_of(rest))
    drawing = _Table(art, widths, table.alignments, rest)
    if block.part == 0:
        drawing.rule("┌", "┬", "┐", first)
        drawing.row(head)
        drawing.rule("├", "┼", "┤", rest)
    for cells in rows:
        drawing.row(cells)
    if not block.more:
        drawing.rule("└", "┴", "┘", rest)


def _cells(artist: Artist, cells: Cells, definitions: Definitions, names: tuple[str, ...]) -> _Drawn:
    return [inline_runs(artist, text.replace("\t", " "), definitions, names) for text in cells]


def _natural(artist: Artist, table: Table, definitions: Definitions, base: tuple[str, ...]) -> tuple[int, ...]:
    """Widths that the head and the first part of a table ask for; kept with the table."""
    if table.natural is None or table.natural[0] != len(definitions):
        drawn = [_cells(artist, cells, definitions, base) for cells in (table.head, *table.rows)]
        table.natural = (len(definitions), _widest(drawn, len(table.head)))
    return table.natural[1]


def _widest(rows: Sequence[_Drawn], columns: int, least: Sequence[int] = ()) -> tuple[int, ...]:
    widths = list(least) or [LEAST_COLUMN] * columns
    for row in rows:
        for n, runs in enumerate(row):
            widths[n] = max(widths[n], width_of(runs))
    return tuple(widths)


def _fit(natural: Sequence[int], width: int) -> list[int]:
    """Column widths: natural if there is room, else wide columns share what narrow ones leave."""
    room = max(width - 3 * len(natural) - 1, len(natural))
    if sum(natural) <= room:
        return list(natural)
    fair = max(LEAST_COLUMN, room // len(natural))
    spare = max(0, room - sum(min(cells, fair) for cells in natural))
    wanted = sum(cells - fair for cells in natural if cells > fair)
    return [cells if cells <= fair else fair + spare * (cells - fair) // wanted for cells in natural]


class _Table:
    """Draws the rows of a table whose column widths are known."""

    def __init__(self, art: Art, widths: Sequence[int], alignments: Sequence[str], prefix: Sequence[Run]) -> None:
        self._art = art
        self._widths = widths
        self._alignments = alignments
        self._prefix = prefix
        self._border = art.artist.mix("text", "border")

    def rule(self, left: str, middle: str, right: str, prefix: Sequence[Run]) -> None:
        line = left + middle.join("─" * (width + 2) for width in self._widths) + right
        self._art.add([*prefix, Run(line, self._border)])

    def row(self, cells: _Drawn) -> None:
        columns: list[list[list[Run]]] = []
        for n, (runs, width) in enumerate(zip(cells, self._widths, strict=True)):
            placed = self._art.place(runs, "\n" if n == len(cells) - 1 else "\t")
            columns.append(cut_runs(placed, line_breaks(self._art.plain[-1][:-1], width)))
        text, bar = self._art.artist.styles["text"], Run("│", self._border)
        for y in range(max(map(len, columns), default=0)):
            out: list[Run] = [*self._prefix, bar]
            for column, width, alignment in zip(columns, self._widths, self._alignments, strict=True):
                runs = column[y] if y < len(column) else []
                room = max(0, width - width_of(runs))
                left = {"right": room, "center": room // 2}.get(alignment, 0)
                out += [Run(" " * (left + 1), text), *runs, Run(" " * (room - left + 1), text), bar]
            self._art.add(out)
