"""Links in texts from outside: shown with their target, opened only for http(s) and only after a key."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui.tell import tell

if TYPE_CHECKING:
    from textual.app import App


def is_web_address(href: str) -> bool:
    """Whether an address may be handed to a browser: http or https, with a host, and no control or space in it."""
    if one_line(href, 4000) != href or not href.isprintable():
        return False
    try:
        parts = urlsplit(href)
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname)


def open_link(app: App[None], href: str) -> None:
    """Shows where a link leads and opens it when the person says so."""
    from codomyrmex_ollama_tui.ui.screens.ask import Confirm  # seldom needed

    if not is_web_address(href):
        tell(app, f"Only http and https links are opened, not {one_line(href, 300)}", severity="warning")
        return

    def answered(yes: bool | None) -> None:
        if yes:
            app.open_url(href)

    app.push_screen(Confirm("Open this address?", href, yes="open in the browser", no="stay"), answered)
