"""The transcript of a conversation: a widget that streams, follows, selects and copies Markdown.

Importing it imports neither the Markdown parser nor the lexers; `warm` does that, in a thread after the first frame.
"""

from codomyrmex_ollama_tui.ui.widgets.transcript.items import Status, TurnView
from codomyrmex_ollama_tui.ui.widgets.transcript.selection import COMMANDS
from codomyrmex_ollama_tui.ui.widgets.transcript.widget import Transcript

__all__ = ["COMMANDS", "Status", "Transcript", "TurnView", "warm"]


def warm() -> None:
    """Import what drawing Markdown and code needs, and use it once; safe to call in a thread."""
    from codomyrmex_ollama_tui.ui.widgets.transcript.lexing import find_lexer
    from codomyrmex_ollama_tui.ui.widgets.transcript.splitter import Splitter

    find_lexer("python")
    splitter = Splitter()
    splitter.feed("- [x] **warm** `up` https://example.org\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    splitter.close()
    # the drawing modules import the inline parser with them
    from codomyrmex_ollama_tui.ui.widgets.transcript import tables

    assert tables.draw_table is not None
