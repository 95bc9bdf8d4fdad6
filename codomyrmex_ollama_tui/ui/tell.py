"""The one way to put a toast on the screen: what it says is never markup and holds no control bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from codomyrmex_ollama_tui.domain.text import clean, one_line

if TYPE_CHECKING:
    from textual.app import App

Severity = Literal["information", "warning", "error"]


def tell(
    app: App[Any], text: str, *, title: str = "", severity: Severity = "information", timeout: float | None = None
) -> None:
    """Show a toast. `title` says what was attempted, `text` what happened and which key helps; `timeout` in seconds."""
    app.notify(clean(text[:2000]), title=one_line(title, 60), severity=severity, timeout=timeout, markup=False)
