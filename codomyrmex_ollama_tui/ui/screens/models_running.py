"""The models in memory: what they take, where they run, when they go; one or all of them can be unloaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import keys_line
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.live_table import Cells, Column, LiveTable
from codomyrmex_ollama_tui.ui.widgets.status_line import processor

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelSummary, RunningModel
    from codomyrmex_ollama_tui.services.build import Services

ASK_EVERY = 2.0
"""Seconds between two looks at the server's memory."""
COLUMNS = (
    Column("name", "Name", 0),
    Column("memory", "Memory", 7, "right"),
    Column("where", "Runs on", 9, "right"),
    Column("context", "Context", 8, "right"),
    Column("until", "Unloads", 14, "right"),
)


class RunningScreen(ModalScreen[None]):
    """What `/api/ps` says, asked again and again; the countdown goes on between.

    Args:
        models: what the server has on disk, for other names of the same weights.
    """

    BINDING_GROUP_TITLE = "In memory"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("running.unload", "u,enter", "unload", "Unload", "Take the model under the cursor out of memory"),
        Command("running.unload-all", "U", "unload_all", "Unload all", "Take all models out of memory"),
        Command("running.close", "escape,t,q", "close", "Close", "Back to the table"),
    )
    BINDINGS = bindings(ROSTER)
    CSS = "RunningScreen .dialog { width: 96; }"
    DEFAULT_CSS = """
    RunningScreen {
        & LiveTable { height: 10; background: $surface; }
        & LiveTable > .live-table--header { background: $surface; }
        & #aliases { height: auto; color: $muted; padding: 1 1 0 1; }
    }
    """

    def __init__(
        self,
        services: Services,
        running: Sequence[RunningModel],
        models: Sequence[ModelSummary],
        *,
        now: Callable[[], datetime],
    ) -> None:
        super().__init__()
        self._services, self._models, self._now = services, models, now
        self._shown = {model.name: model for model in running}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "In memory"
            dialog.border_subtitle = keys_line(("u", "unload"), ("U", "unload all"), ("esc", "close")).markup
            yield LiveTable()
            yield Static(id="aliases")

    def on_mount(self) -> None:
        """What was known already first."""
        self.query_one(LiveTable).set_columns(COLUMNS)
        self._show()
        self.set_interval(1.0, self._show)
        self.set_interval(ASK_EVERY, self.ask)
        self.ask()

    @work(group="running", exclusive=True, exit_on_error=False)
    async def ask(self) -> None:
        """Ask the server; an answer that does not come changes nothing."""
        try:
            running = await self._services.models.running()
        except OllamaError:
            return
        self._shown = {model.name: model for model in running}
        self._show()

    def _show(self) -> None:
        now = self._now()
        table = self.query_one(LiveTable)
        table.show({name: _row(model, now) for name, model in self._shown.items()})
        self.query_one("#aliases", Static).update(self._below())

    def _below(self) -> Content:
        if not self._shown:
            return Content("No model is in memory. On the table, o loads one.")
        lines = []
        for running in self._shown.values():
            others = [each.name for each in self._models if each.digest == running.digest and each.name != running.name]
            if others and running.digest:
                names = ", ".join(one_line(name, 60) for name in others[:6])
                lines.append(f"{one_line(running.name, 60)} is in memory for {names} too: the same weights")
        total = sum(model.size for model in self._shown.values())
        gpu = sum(model.size_vram for model in self._shown.values())
        words = f"{formats.size(total)} in all" + (f", {formats.size(gpu)} of it on graphics cards" if gpu else "")
        return Content("\n".join([*lines, words]))

    def action_unload(self) -> None:
        """The one under the cursor."""
        if (name := self.query_one(LiveTable).held) is not None:
            self.unload([name])

    def action_unload_all(self) -> None:
        """All of them."""
        self.unload(list(self._shown))

    @work(group="unload", exit_on_error=False)
    async def unload(self, names: Sequence[str]) -> None:
        """One after the other; what the server says against it is told."""
        for name in names:
            try:
                await self._services.models.unload(name)
            except OllamaError as error:
                tell(self.app, str(error), title=f"Unload {one_line(name, 40)}", severity="error")
        self.ask()

    def action_close(self) -> None:
        """Back to the table."""
        self.dismiss()


def _row(model: RunningModel, now: datetime) -> Cells:
    until = formats.UNKNOWN if model.expires_at is None else formats.until(model.expires_at, now)
    return {
        "name": Content(one_line(model.name, 80)),
        "memory": Content(formats.size(model.size) if model.size else formats.UNKNOWN),
        "where": Content.styled(processor(model), "$muted"),
        "context": Content(formats.count(model.context_length) if model.context_length else formats.UNKNOWN),
        "until": Content.styled(until, "$muted"),
    }
