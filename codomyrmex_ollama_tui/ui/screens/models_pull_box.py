"""The box in which the name of a model to pull is typed, with names that could be meant below it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.names import problem_with_name
from codomyrmex_ollama_tui.domain.text import clean, one_line
from codomyrmex_ollama_tui.services.server import ServerPhase
from codomyrmex_ollama_tui.services.suggestions import Suggestion, recommended, suggest
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import keys_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.build import Services

HINT = Content.styled("Its name, as the registry has it, or one of those below.", "$muted")
NAME_CELLS = 30
SHOWN = 40
"""Names offered at a time."""


class PullBox(ModalScreen[str]):
    """Dismissed with a name that could be one, or with None on esc.

    Args:
        text: what stands in the box to begin with.
        pulled: names pulled before, the newest first.
        installed: names of models that the server has.
    """

    BINDING_GROUP_TITLE = "Pull a model"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("pull-box.take", "tab,right", "take", "Take it over", "The name under the cursor, to go on typing",
                palette=False),
        Command("pull-box.down", "down", "move(1)", "Down", "The next name", palette=False),
        Command("pull-box.up", "up", "move(-1)", "Up", "The name before", palette=False),
        Command("pull-box.cancel", "escape", "cancel", "Cancel", "Pull nothing", palette=False),
    )  # fmt: skip
    BINDINGS = bindings(ROSTER)
    AUTO_FOCUS = "Input"
    CSS = "PullBox .dialog { width: 84; }"
    DEFAULT_CSS = """
    PullBox {
        & OptionList {
            background: transparent; border: none; padding: 0; height: 10; margin: 0; scrollbar-size-vertical: 1;
        }
        & OptionList { text-wrap: nowrap; text-overflow: ellipsis; }
        & OptionList > .option-list--option { padding: 0 1; }
        & OptionList > .option-list--option-highlighted { background: $panel; color: $foreground; text-style: none; }
        & .problem { padding: 0 1; }
    }
    """

    def __init__(
        self, services: Services, text: str = "", *, pulled: Sequence[str] = (), installed: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self._services = services
        self._text = text
        self._pulled = pulled
        self._installed = installed
        self._recommended: tuple[Suggestion, ...] = ()
        self._offered: tuple[Suggestion, ...] = ()
        self._moved = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Pull a model"
            dialog.border_subtitle = keys_line(("enter", "pull"), ("↑↓ tab", "take a name"), ("esc", "cancel")).markup
            yield Static(HINT, classes="words")
            yield Input(self._text, placeholder="name:tag, or hf.co/owner/model", select_on_focus=False)
            yield Static(classes="problem")
            yield OptionList(markup=False)

    def on_mount(self) -> None:
        """The list never has the keys: letters always go into the box."""
        self.query_one(OptionList).can_focus = False
        self._offer()
        if self._services.server.state.phase is ServerPhase.READY:
            self.ask_recommendations()

    @work(group="recommended", exit_on_error=False)
    async def ask_recommendations(self) -> None:
        """What the server itself recommends, where it does that; silence changes nothing."""
        with contextlib.suppress(OllamaError):
            self._recommended = await recommended(self._services.server)
            self._offer()

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one(".problem", Static).update("")
        self._moved = False
        self._offer()

    def _offer(self) -> None:
        text = self.query_one(Input).value
        options = self.query_one(OptionList)
        self._offered = suggest(
            text, pulled=self._pulled, recommended=self._recommended, installed=self._installed, limit=SHOWN
        )
        options.set_options([Option(_line(one)) for one in self._offered])
        options.highlighted = 0 if self._moved and self._offered else None

    def action_move(self, step: int) -> None:
        """To another name; enter pulls it then."""
        if not self._offered:
            return
        options = self.query_one(OptionList)
        at = options.highlighted
        options.highlighted = 0 if at is None else max(0, min(len(self._offered) - 1, at + step))
        self._moved = True

    def action_take(self) -> None:
        """Write the name under the cursor, or the first one, into the box."""
        if self._offered:
            at = self.query_one(OptionList).highlighted or 0
            box = self.query_one(Input)
            box.value = self._offered[at].name
            box.cursor_position = len(box.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        at = self.query_one(OptionList).highlighted
        text = self._offered[at].name if self._moved and at is not None else event.value.strip()
        problem = problem_with_name(text) if text else "nothing is typed yet"
        if problem:
            self.query_one(".problem", Static).update(Content(f"✕ {clean(problem)}"))
        else:
            self.dismiss(text)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._offered[event.option_index].name)

    def action_cancel(self) -> None:
        """Close without a pull."""
        self.dismiss(None)


def _line(one: Suggestion) -> Content:
    name = one_line(one.name, 56)
    gap = " " * max(2, NAME_CELLS - len(name))
    return Content.assemble(name, gap, (one_line(one.note, 60), "$muted"))
