"""What of the screen is to be written again: as few cells as differ, since each is sent to the terminal.

And what is laid over the text: the style of what is selected or found.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

Mark = tuple[int, int, Style]
"""Start and end of a part of a block's plain text, and the style that is laid over it."""

FEW_ROWS = 6
"""More changed rows than this are painted whole: to compare them would cost more than it saves."""


def dirty_regions(before: Sequence[Strip], now: Sequence[Strip], width: int) -> list[Region]:
    """Regions of a view whose rows have changed.

    Args:
        before, now: as many rows each; a row that is the same object has not changed.
        width: cells of the view.
    """
    changed = [y for y, (old, new) in enumerate(zip(before, now, strict=True)) if old is not new]
    if len(changed) <= FEW_ROWS:
        spans = [(y, *changed_columns(before[y], now[y], width)) for y in changed]
        return [Region(start, y, end - start, 1) for y, start, end in spans if end > start]
    regions: list[Region] = []
    for y in changed:
        if regions and regions[-1].bottom == y:
            regions[-1] = regions[-1].grow((0, 0, 1, 0))
        else:
            regions.append(Region(0, y, width, 1))
    return regions


def changed_columns(before: Strip, now: Strip, width: int) -> tuple[int, int]:
    """(first, last + 1) column in which two rows differ; equal numbers if they don't."""
    old, new = list(before), list(now)
    start = 0
    same = 0
    while same < len(old) and same < len(new) and old[same] == new[same]:
        start += old[same].cell_length
        same += 1
    old, new = old[same:], new[same:]
    if not old and not new:
        return 0, 0
    if old and new and _plain(old[0], new[0]):
        start += _common(old[0].text, new[0].text)
    end = width
    while old and new and old[-1] == new[-1]:
        end -= old.pop().cell_length
        new.pop()
    if old and new and not old[-1].text.strip(" ") and not new[-1].text.strip(" ") and old[-1].style == new[-1].style:
        end -= min(len(old[-1].text), len(new[-1].text))
    return min(start, width), max(min(start, width), min(end, width))


def _plain(old: Segment, new: Segment) -> bool:
    """True if the places in the text of both are columns."""
    return old.style == new.style and old.text.isascii() and new.text.isascii()


def _common(old: str, new: str) -> int:
    """How many first characters two texts share."""
    if new.startswith(old):
        return len(old)
    return next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))


def marked(segments: Sequence[Segment], places: Sequence[int], marks: Sequence[Mark]) -> list[Segment]:
    """The segments of a row with styles laid over parts of the text.

    Args:
        places: where each segment begins in the block's plain text; −1 for ornaments, which are never marked.
        marks: a later one lies over those before it.
    """
    out = list(zip(segments, places, strict=True))
    for start, end, style in marks:
        pieces, out = out, []
        for segment, place in pieces:
            text, own = segment.text, segment.style or Style()
            low, high = max(start - place, 0), max(end - place, 0)
            if place < 0 or low >= len(text) or high <= 0:
                out.append((segment, place))
                continue
            parts = ((0, text[:low], own), (low, text[low:high], own + style), (high, text[high:], own))
            out += [(Segment(part, part_style), place + at) for at, part, part_style in parts if part]
    return [segment for segment, _ in out]
