"""What a person at a terminal is told while a server is being started for a verb."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.cli.progress import Lines

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.server import ServerService, ServerState


@contextlib.contextmanager
def telling_of_starts(server: ServerService) -> Iterator[None]:
    """A line on standard error as long as a server is coming up; nothing where that is no terminal."""
    lines = Lines()

    def told(state: ServerState) -> None:
        if state.words.startswith("starting"):
            lines.put("server", f"{state.words} …")
        else:
            lines.clear()

    unsubscribe = server.listen(told) if lines.live else None
    try:
        yield
    finally:
        if unsubscribe is not None:
            unsubscribe()
            lines.clear()
