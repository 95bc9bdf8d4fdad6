"""The transcript of a conversation: a widget that streams, follows, selects and copies Markdown.

Importing it imports neither the Markdown parser nor the lexers; `warm` does that, in a thread after the first frame.
"""

from codomyrmex_ollama_tui.ui.widgets.transcript.items import Status, TurnView
from codomyrmex_ollama_tui.ui.widgets.transcript.selection import COMMANDS
from codomyrmex_ollama_tui.ui.widgets.transcript.widget import Transcript

__all__ = ["COMMANDS", "Status", "Transcript", "TurnView", "warm"]


_WARMING = """\
- [x] **warm** *up* `now` https://example.org/a [a](b) &amp; wide 終 <https://a.b> www.c.de f@g.hi [x][y]

| a | b |
|---|---|
| 1 | 2 |

```python
x = 1
```
"""


def warm() -> None:
    """Import what drawing Markdown and code needs, and use it once; safe to call in a thread."""
    from rich.style import Style

    from codomyrmex_ollama_tui.ui.widgets.transcript.drawing import Artist
    from codomyrmex_ollama_tui.ui.widgets.transcript.splitter import Splitter
    from codomyrmex_ollama_tui.ui.widgets.transcript.styles import NAMES

    splitter = Splitter()
    splitter.feed(_WARMING)
    splitter.close()
    artist = Artist(80, dict.fromkeys(("text", *NAMES), Style()), {})
    for block in splitter.blocks:
        artist.draw(block, splitter.definitions)
