"""The help: every key and command of a screen, from the same declarations that make the keys work."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from codomyrmex_ollama_tui.ui.commands import Command, bindings, offered_by, shown_key, title_of
from codomyrmex_ollama_tui.ui.screens.ask import keys_line

WIDTH = 96
"""Cells of the dialog at most."""
FRAME = 7
"""Cells of it that are border, padding and scrollbar."""

Group = tuple[str, Sequence[tuple[str, Command]]]


class HelpScreen(ModalScreen[None]):
    """Groups of keys, each with its command and one sentence."""

    BINDING_GROUP_TITLE = "Help"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("help.close", "escape,f1,question_mark,q", "close", "Close", "Back to where you were"),
        Command("help.down", "j", "scroll('down')", "Down", "Scroll down", palette=False),
        Command("help.up", "k", "scroll('up')", "Up", "Scroll up", palette=False),
    )
    BINDINGS = bindings(ROSTER)

    def __init__(self, groups: Sequence[Group]) -> None:
        super().__init__()
        self._groups = groups

    @classmethod
    def of(cls, screen: Screen[object], keymap: dict[str, str]) -> HelpScreen:
        """The help for a screen as it is now, with the person's own keys."""
        groups: dict[str, list[tuple[str, Command]]] = {}
        for node, command in offered_by(screen):
            keys = " ".join(shown_key(key.strip()) for key in keymap.get(command.id, command.key).split(",") if key)
            same = next(
                (i for i, (_, c) in enumerate(groups.get(title_of(node), [])) if c.action == command.action), None
            )
            rows = groups.setdefault(title_of(node), [])
            if same is None:
                rows.append((keys, command))
            else:
                rows[same] = (f"{rows[same][0]} {keys}".strip(), rows[same][1])
        return cls([(title, rows) for title, rows in groups.items()])

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help", classes="dialog") as dialog:
            dialog.border_title = "Help"
            dialog.border_subtitle = keys_line(("j k", "scroll"), ("esc", "close")).markup
            yield Static()

    def on_resize(self) -> None:
        """The sentences are wrapped beside their keys."""
        self.query_one(Static).update(self._text(min(WIDTH, self.app.size.width) - FRAME))

    def _text(self, width: int) -> Content:
        key_width = max((len(keys) for _, rows in self._groups for keys, _ in rows), default=0)
        title_width = max((len(command.title) for _, rows in self._groups for _, command in rows), default=0)
        lines: list[Content] = []
        for title, rows in self._groups:
            if lines:
                lines.append(Content())
            lines.append(Content.styled(title, "bold"))
            for keys, command in rows:
                head = Content.assemble((keys.ljust(key_width), "$primary"), f"  {command.title.ljust(title_width)}  ")
                first, *rest = wrap(command.help, max(20, width - head.cell_length)) or [""]
                lines.append(Content.assemble(head, (first, "$muted")))
                lines += [Content.assemble(" " * head.cell_length, (more, "$muted")) for more in rest]
        return Content("\n").join(lines)

    def action_close(self) -> None:
        """Back to where the person was."""
        self.dismiss()

    def action_scroll(self, way: str) -> None:
        """One line up or down."""
        help_text = self.query_one("#help", VerticalScroll)
        if way == "down":
            help_text.scroll_down(animate=False)
        else:
            help_text.scroll_up(animate=False)
