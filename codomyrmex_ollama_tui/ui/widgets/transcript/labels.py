"""Draw what stands around a turn's text: who speaks, the folded thinking, the note, the waiting cursor."""

from __future__ import annotations

from rich.cells import cell_len

from codomyrmex_ollama_tui.domain.text import clean, one_line
from codomyrmex_ollama_tui.ui.widgets.transcript.drawing import CURSOR, Art, Artist, draw_runs
from codomyrmex_ollama_tui.ui.widgets.transcript.items import Item, Turn
from codomyrmex_ollama_tui.ui.widgets.transcript.styles import MODEL_COLOURS
from codomyrmex_ollama_tui.ui.widgets.transcript.wrapping import Run, chop, width_of

_SIGNS = {"stopped": "! ", "unfinished": "! ", "failed": "✕ "}
_WORDS = {"stopped": "stopped", "unfinished": "interrupted", "failed": "failed"}


def draw_item(artist: Artist, item: Item) -> Art:
    """The rows of an item that is no block."""
    art = Art(artist)
    if item.kind == "label":
        _label(art, item.turn)
    elif item.kind == "fold":
        _fold(art, item.turn)
    elif item.kind == "more":
        _more(art, item.turn)
    elif item.kind == "note":
        _note(art, item.turn)
    elif item.kind == "waiting":
        art.add([Run(CURSOR, artist.mix("text", "cursor"))])
    return art


def _cut(text: str, width: int) -> str:
    rows = chop(text, max(1, width))
    return text if len(rows) == 1 else text[: chop(text, max(1, width - 1))[0][1]] + "…"


def _label(art: Art, turn: Turn) -> None:
    artist, view = art.artist, turn.view
    speaker, suffix = one_line(view.speaker), one_line(view.suffix)
    if view.colour is None:
        runs = [Run(_cut(speaker, artist.width), artist.mix("text", "label"))]
    else:
        style = artist.mix("text", f"model-{view.colour % MODEL_COLOURS + 1}")
        runs = [Run("▌", style), Run(_cut(speaker, artist.width - 1), style)]
    if suffix and width_of(runs) + cell_len(suffix) + 1 <= artist.width:
        runs.append(Run(" " + suffix, artist.mix("text", "suffix")))
    art.add(runs)


def _fold(art: Art, turn: Turn) -> None:
    artist = art.artist
    words, seconds = turn.thought_words, turn.view.thought_for
    text = "thinking" if turn.streaming and seconds is None else "thought"
    if seconds is not None:
        text += f" for {seconds:.1f} s"
    text += f", {words:,} word" + ("s" if words != 1 else "")
    click = artist.action("toggle_turn", turn.number)
    sign = Run("▾ " if turn.unfolded else "▸ ", artist.mix("text", "sign") + click)
    art.add([sign, Run(_cut(text, artist.width - 2), artist.mix("text", "fold") + click)])


def _more(art: Art, turn: Turn) -> None:
    artist, rest = art.artist, turn.rest
    lines = rest.count("\n") + (not rest.endswith("\n"))
    text = f"{len(rest):,} more characters" + (f" in {lines:,} lines" if lines > 1 else "")
    click = artist.action("fold_turn", turn.number)
    sign = Run("▸ ", artist.mix("text", "sign") + click)
    art.add([sign, Run(_cut(text, artist.width - 2), artist.mix("text", "fold") + click)])


def _note(art: Art, turn: Turn) -> None:
    artist, view = art.artist, turn.view
    sign = _SIGNS.get(view.status, "")
    style = artist.mix("text", "failed" if view.status == "failed" else "stopped" if sign else "note")
    text = clean(view.note).replace("\t", " ").strip() or _WORDS.get(view.status, "")
    first = [Run(sign, style)] if sign else []
    draw_runs(art, [Run(text, style)], first, [Run(" " * len(sign), style)] if sign else [])
