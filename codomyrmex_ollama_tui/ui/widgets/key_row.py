"""The row of keys: the focused widget's own first, as many as there is room for."""

from __future__ import annotations

from textual.content import Content
from textual.screen import Screen

from codomyrmex_ollama_tui.ui.commands import shown_key
from codomyrmex_ollama_tui.ui.widgets.row import WIDE, Row, joined


class KeyRow(Row):
    """`p pull  enter chat  u unload  …  ^p commands  F1 help`."""

    def __init__(self) -> None:
        super().__init__(id="key-row")

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, _screen: Screen[object]) -> None:
        self.refresh()

    def left(self) -> Content:
        limit = 9 if self.app.size.width >= WIDE else 5
        room = self.size.width - 1
        shown: list[Content] = []
        seen: set[str] = set()
        for key, active in self.screen.active_bindings.items():
            binding = active.binding
            if not binding.show or not active.enabled or (name := binding.id or binding.action) in seen:
                continue
            seen.add(name)
            entry = Content.assemble((shown_key(key), "$primary"), " ", (binding.description, "$muted"))
            if entry.cell_length + 2 > room or len(shown) == limit:
                break
            room -= entry.cell_length + 2
            shown.append(entry)
        return Content.assemble(" ", joined(shown, "  "))
