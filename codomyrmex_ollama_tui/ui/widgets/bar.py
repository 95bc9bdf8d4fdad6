"""A bar one line high: `━` for what is there on `━` for what is missing."""

from __future__ import annotations

from textual.content import Content


def bar(share: float, width: int, style: str = "$accent") -> Content:
    """A bar of `width` cells, `share` (0–1) of it filled. It looks full only when `share` is 1."""
    share = min(1.0, max(0.0, share))
    filled = width if share >= 1.0 else min(width - 1, round(share * width))
    filled = max(0, filled)
    return Content.assemble(("━" * filled, style), ("━" * (width - filled), "$faint"))


def share_of(completed: int, total: int | None) -> float:
    """`completed` of `total` bytes as a share, 0 where the total is unknown."""
    return completed / total if total else 0.0
