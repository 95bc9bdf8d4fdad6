"""The models screen: what is on the server, what is in memory, and pulls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.names import problem_with_name
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.models import FIRST_MODEL
from codomyrmex_ollama_tui.services.pulls import PullPhase, PullState
from codomyrmex_ollama_tui.services.server import ServerPhase, ServerState
from codomyrmex_ollama_tui.ui import model_words as words
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.messages import OpenChat
from codomyrmex_ollama_tui.ui.model_words import ORDERS
from codomyrmex_ollama_tui.ui.screens.ask import Ask, Confirm
from codomyrmex_ollama_tui.ui.screens.model_details import details_of
from codomyrmex_ollama_tui.ui.screens.room import Room
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.head_line import HeadLine
from codomyrmex_ollama_tui.ui.widgets.live_table import LiveTable
from codomyrmex_ollama_tui.ui.widgets.pull_panel import PullPanel
from codomyrmex_ollama_tui.ui.widgets.row import WIDE

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelSummary, RunningModel

DETAILS_WIDTH = 36
"""Cells of the panel at the right, as in the style sheet."""
STALE_AFTER = 30.0
"""Seconds after which the list is read again when the screen is shown."""


class ModelTable(LiveTable):
    """The models, one row each."""

    BINDING_GROUP_TITLE = "Models"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command(
            "models.chat",
            "enter",
            "select_cursor",
            "Chat with it",
            "Begin a conversation with the model",
            show=True,
            short="chat",
        ),
    )
    BINDINGS = bindings(ROSTER)


class ModelsScreen(Room):
    """Models on the server; everything in the table comes from the list and from what is in memory."""

    TAB = "models"
    CSS_PATH = "models.tcss"
    BINDING_GROUP_TITLE = "Models"
    AUTO_FOCUS = ""
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("models.pull", "p", "pull", "Pull a model", "Fetch a model by its name", show=True, short="pull"),
        Command("models.unload", "u", "unload", "Unload", "Take the model out of memory", show=True),
        Command(
            "models.delete", "d,delete", "delete", "Delete", "Remove the model from the disk; asks first", show=True
        ),
        Command("models.filter", "slash", "filter", "Filter", "Show the names that hold some letters", show=True),
        Command("models.sort", "s", "sort", "Sort", "By age, name, size, parameters", show=True),
        Command("models.inspect", "i", "inspect", "Details", "All that the list says of the model", show=True),
        Command("models.refresh", "ctrl+r", "refresh_list", "Refresh", "Ask the server for its models again"),
        Command("models.layers", "l", "layers", "Layers of pulls", "A row for each layer of what is being pulled"),
        Command(
            "models.stop-pull",
            "x",
            "stop_pull",
            "Stop or clear a pull",
            "Stops the running pull, else clears those that are over",
        ),
        Command("models.again", "a", "retry_pull", "Pull again", "Try the pull that failed again"),
        Command("models.back", "escape", "back", "Back", "Out of the filter, then without a filter", palette=False),
    )
    BINDINGS = bindings(ROSTER)

    _models: tuple[ModelSummary, ...] | None = None
    _filter = ""
    _order = 0
    _read_at = 0.0

    def compose_body(self) -> ComposeResult:
        with Horizontal(classes="body"):
            with Vertical(id="main"):
                yield HeadLine()
                yield Input(placeholder="letters of a name", id="filter", compact=True, select_on_focus=False)
                yield ModelTable(id="table")
                yield Static(id="empty")
                yield PullPanel(id="pulls")
            with VerticalScroll(id="details", can_focus=False):
                yield Static(id="details-text")

    def on_mount(self) -> None:
        """Empty until the server has answered."""
        self._lay_out_columns()
        self.query_one("#filter").display = False
        self._show()
        self.query_one(PullPanel).show(self.services.models.pulls.states)

    # ------------------------------------------------------------------ news

    def server_changed(self, state: ServerState) -> None:
        if state.phase is ServerPhase.READY:
            self.read_list()
        else:
            self._show()

    def pull_changed(self, state: PullState) -> None:
        self.query_one(PullPanel).show(self.services.models.pulls.states)
        self.refresh_bindings()
        if state.phase is PullPhase.DONE:
            self.read_list()

    def running_changed(self, running: tuple[RunningModel, ...]) -> None:
        self._show()

    def on_screen_resume(self) -> None:
        """What another program has changed meanwhile is seen."""
        ready = self.services.server.state.phase is ServerPhase.READY
        if ready and self._models is not None and self.clock() - self._read_at > STALE_AFTER:
            self.read_list()

    def on_resize(self) -> None:
        """Other columns fit."""
        self._lay_out_columns()

    @work(group="list", exclusive=True, exit_on_error=False)
    async def read_list(self) -> None:
        """Ask for the models; what was shown stays until the answer is there."""
        self.status_line.say("now", "reading the list of models" if self._models is None else "")
        try:
            self._models = await self.services.models.list_models()
            self._read_at = self.clock()
        except OllamaError as error:
            tell(self.app, str(error), title="The list of models", severity="error")
        finally:
            self.status_line.say("now", "")
        self._show()

    # ------------------------------------------------------------------ drawing

    def _lay_out_columns(self) -> None:
        room = self.size.width - (DETAILS_WIDTH if self.size.width >= WIDE else 0)
        self.query_one(LiveTable).set_columns(words.columns(self._models or (), room))

    def _shown(self) -> list[ModelSummary]:
        order = ORDERS[self._order]
        letters = self._filter.casefold()
        found = [model for model in self._models or () if letters in model.name.casefold()]
        return sorted(found, key=order.key, reverse=order.down)

    def _show(self) -> None:
        if not self.is_mounted:
            return
        shown = self._shown()
        loaded = frozenset(model.name for model in self.running_models)
        table = self.query_one(LiveTable)
        self._lay_out_columns()
        table.show({model.name: words.row(model, self.now(), is_loaded=model.name in loaded) for model in shown})
        empty = self.query_one("#empty", Static)
        empty.update(self._empty_words())
        empty.display = not shown
        table.display = bool(shown)
        if shown and self.focused is None:
            table.focus()
        elif not shown and self.focused is table:
            self.set_focus(None)
        self._show_head(shown)
        self._show_details()
        self.refresh_bindings()

    def _show_head(self, shown: Sequence[ModelSummary]) -> None:
        left = words.filter_words(self._filter)
        right = words.totals(shown, len(self._models), ORDERS[self._order]) if self._models else Content()
        self.query_one(HeadLine).show(left, right)

    def _empty_words(self) -> Content:
        if self._models is None:
            return words.waiting(self.services.server.state)
        return words.nothing(self._filter)

    def _show_details(self) -> None:
        model = self.chosen
        running = next((one for one in self.running_models if model and one.name == model.name), None)
        text = details_of(model, running, self.now()) if model else Content()
        self.query_one("#details-text", Static).update(text)

    @property
    def chosen(self) -> ModelSummary | None:
        """The model under the cursor."""
        held = self.query_one(LiveTable).held
        return next((model for model in self._models or () if model.name == held), None)

    @on(LiveTable.RowHighlighted)
    def _moved(self) -> None:
        self._show_details()
        self.refresh_bindings()

    # ------------------------------------------------------------------ filter and sort

    def action_filter(self) -> None:
        """Type letters of a name."""
        box = self.query_one("#filter", Input)
        box.display = True
        self.query_one(HeadLine).display = False
        box.value = self._filter
        box.cursor_position = len(self._filter)
        box.focus()

    @on(Input.Changed, "#filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        if event.input.display:
            self._filter = event.value.strip()
            self._show()

    @on(Input.Submitted, "#filter")
    def _filter_taken(self) -> None:
        self._close_filter()

    def _close_filter(self) -> None:
        self.query_one("#filter").display = False
        self.query_one(HeadLine).display = True
        self.query_one(LiveTable).focus()
        self._show()

    def action_back(self) -> None:
        """Out of the filter box, then without a filter."""
        if self.query_one("#filter").display:
            self._filter = ""
            self._close_filter()
        elif self._filter:
            self._filter = ""
            self._show()

    def action_sort(self) -> None:
        """The next order."""
        self._order = (self._order + 1) % len(ORDERS)
        self._show()

    def action_refresh_list(self) -> None:
        """Ask the server again."""
        if self.services.server.state.phase is ServerPhase.READY:
            self.read_list()
            self.ask_running()
        else:
            self.app.run_worker(self.services.server.retry_now(), group="retry", exclusive=True)

    # ------------------------------------------------------------------ what is done with a model

    @on(LiveTable.RowSelected)
    def _row_selected(self) -> None:
        self.chat()

    def chat(self) -> None:
        """Begin a conversation with the model under the cursor."""
        if (model := self.chosen) is not None:
            self.post_message(OpenChat(model.name))

    def action_inspect(self) -> None:
        """The details in a dialog, for terminals too narrow for the panel."""
        from codomyrmex_ollama_tui.ui.screens.model_details import DetailsScreen  # seldom needed

        if (model := self.chosen) is not None:
            running = next((one for one in self.running_models if one.name == model.name), None)
            self.app.push_screen(DetailsScreen(one_line(model.name, 56), details_of(model, running, self.now())))

    def action_pull(self) -> None:
        """Ask for a name and pull it."""
        self.ask_pull("")

    def ask_pull(self, name: str) -> None:
        """The name box, filled with `name`."""

        def answered(text: str | None) -> None:
            if text:
                self.pull(text)

        self.app.push_screen(
            Ask(
                "Pull a model",
                "Its name, as the registry has it.",
                verb="pull",
                check=problem_with_name,
                value=name,
                placeholder=FIRST_MODEL,
                suggestions=words.SUGGESTIONS,
            ),
            answered,
        )

    def pull(self, name: str) -> None:
        """Queue a pull; a name that cannot be one is told."""
        try:
            self.services.models.pulls.add(name)
        except ValueError as error:
            tell(self.app, str(error), title="Pull", severity="error")
        self.query_one(PullPanel).show(self.services.models.pulls.states)

    def action_layers(self) -> None:
        """A row for each layer, or not."""
        panel = self.query_one(PullPanel)
        panel.fold(not panel.unfolded)

    def action_stop_pull(self) -> None:
        """Stop the pull that runs; without one, clear those that are over."""
        pulls = self.services.models.pulls
        active = [state for state in pulls.states if not state.phase.over]
        if active:
            pulls.cancel(active[0].name)
        else:
            for state in pulls.states:
                pulls.dismiss(state.name)
        self.query_one(PullPanel).show(pulls.states)
        self._show_pulls()
        self.refresh_bindings()

    def action_retry_pull(self) -> None:
        """Queue every pull that failed or was stopped again."""
        for state in self.services.models.pulls.states:
            if state.phase in (PullPhase.FAILED, PullPhase.CANCELLED):
                self.services.models.pulls.retry(state.name)

    def action_unload(self) -> None:
        """Take the model under the cursor out of memory."""
        if (model := self.chosen) is not None:
            self._unload(model.name)

    @work(group="unload", exit_on_error=False)
    async def _unload(self, name: str) -> None:
        try:
            await self.services.models.unload(name)
        except OllamaError as error:
            tell(self.app, str(error), title=f"Unload {name}", severity="error")
        self.ask_running()

    def action_delete(self) -> None:
        """Remove the model under the cursor from the disk; asks first."""
        if (model := self.chosen) is None:
            return
        about = words.before_deleting(model, self._models or ())

        def answered(yes: bool | None) -> None:
            if yes:
                self._delete(model.name)

        self.app.push_screen(Confirm(f"Delete {one_line(model.name, 40)}?", about, yes="delete", no="keep"), answered)

    @work(group="delete", exit_on_error=False)
    async def _delete(self, name: str) -> None:
        try:
            await self.services.models.delete(name)
        except OllamaError as error:
            tell(self.app, str(error), title=f"Delete {name}", severity="error")
        self.read_list()
        self.ask_running()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What can be done with what is there."""
        pulls = self.services.models.pulls.states
        match action:
            case "delete" | "inspect":
                return self.is_mounted and self.chosen is not None
            case "unload":
                return self.is_mounted and self.chosen is not None and self._is_loaded(self.chosen.name)
            case "stop_pull" | "layers":
                return bool(pulls)
            case "retry_pull":
                return any(state.phase in (PullPhase.FAILED, PullPhase.CANCELLED) for state in pulls)
        return True

    def _is_loaded(self, name: str) -> bool:
        return any(model.name == name for model in self.running_models)
