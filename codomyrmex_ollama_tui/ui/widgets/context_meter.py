"""The context meter of the status row: tokens in use of those the server keeps."""

from __future__ import annotations

from textual.content import Content

from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.widgets.bar import bar
from codomyrmex_ollama_tui.ui.widgets.status_line import Part

GETTING_FULL = 0.75
NEARLY_FULL = 0.9


def context_part(used: int | None, limit: int | None, *, about: bool = False) -> Part | None:
    """The meter; None where nothing has been counted yet.

    Args:
        used: tokens of prompt and answer in the context after the last answer.
        limit: the context in force, in tokens; None where the server does not say.
        about: the count is not that of the next prompt (thinking is counted in it, but is not sent back).
    """
    if used is None:
        return None
    count = f"{'≈ ' if about else ''}{formats.count(used)}"
    if not limit:
        words = Content.assemble(("context ", "$muted"), count, (" tokens", "$muted"))
        return Part(words, words)
    share = used / limit
    style = "$error" if share >= NEARLY_FULL else "$warning" if share >= GETTING_FULL else "$success"
    figures = Content.assemble(f" {count}", (f" / {formats.count(limit)}", "$muted"))
    if share >= GETTING_FULL:
        figures = Content.assemble(figures, (" nearly full" if share >= NEARLY_FULL else " filling up", style))
    return Part(
        Content.assemble(("context ", "$muted"), bar(share, 20, style), figures),
        Content.assemble(("context ", "$muted"), bar(share, 12, style), figures),
    )
