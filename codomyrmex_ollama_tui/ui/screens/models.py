"""The models screen: what is on the server, what is in memory, and pulls."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.model_query import Column as Sorting
from codomyrmex_ollama_tui.domain.model_query import ModelFacts, facts_of, in_order, parse_query
from codomyrmex_ollama_tui.services.pulls import PullPhase, PullState
from codomyrmex_ollama_tui.services.server import ServerPhase, ServerState
from codomyrmex_ollama_tui.ui import model_words as words
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.messages import OpenChat
from codomyrmex_ollama_tui.ui.screens.model_details import details_of
from codomyrmex_ollama_tui.ui.screens.models_make import MakingRoom
from codomyrmex_ollama_tui.ui.screens.models_pulls import PullingRoom
from codomyrmex_ollama_tui.ui.screens.room import void
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.head_line import HeadLine
from codomyrmex_ollama_tui.ui.widgets.live_table import Cells, LazyRows, LiveTable
from codomyrmex_ollama_tui.ui.widgets.model_table import ModelTable
from codomyrmex_ollama_tui.ui.widgets.pull_panel import PullPanel
from codomyrmex_ollama_tui.ui.widgets.row import WIDE

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelSummary, RunningModel

DETAILS_WIDTH = 36
"""Cells of the panel at the right, as in the style sheet."""
STALE_AFTER = 30.0
"""Seconds after which the list is read again when the screen is shown."""
LOOKED_AFTER = 0.2
"""Seconds that the cursor rests on a model before its details are asked for."""
REDRAWN_EVERY = 0.25
"""Seconds between two drawings while the details of many models come."""


class ModelsScreen(MakingRoom, PullingRoom):
    """Models on the server. What the list does not say is asked for when somebody wants to see or sort it."""

    TAB = "models"
    CSS_PATH = "models.tcss"
    BINDING_GROUP_TITLE = "Models"
    AUTO_FOCUS = ""
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("models.inspect", "i", "inspect", "Details", "All that is known of the model", show=True),
        Command("models.mark", "space", "mark", "Mark", "For what is done with several models", show=True),
        Command("models.delete", "d,delete", "delete", "Delete",
                "Remove the marked models, or this one, from the disk; asks first", show=True),
        Command("models.sort", "s", "sort", "Sort", "By any column, both ways", show=True),
        Command("models.reverse", "S", "reverse", "Turn the order round", "The last one first"),
        Command("models.filter", "slash", "filter", "Filter",
                "Letters of a name or family, size<2GB, params<8B, cap:vision, quant:q4, is:loaded", show=True),
        Command("models.panel", "v", "panel", "Details beside the table", "Show them there, or give the room to it"),
        Command("models.refresh", "ctrl+r", "refresh_list", "Refresh", "Ask the server for its models again"),
        Command("models.back", "escape", "back", "Back", "Out of the filter or the pulls, then without a filter",
                palette=False),
    )  # fmt: skip
    BINDINGS = bindings(ROSTER)

    _filter = ""
    _order: words.Order = words.NEWEST
    _read_at = 0.0
    _reading: list[int] | None = None
    _panel_wanted = True
    _looking: Timer | None = None

    def compose_body(self) -> ComposeResult:
        self._query = parse_query("")
        self._all: dict[str, ModelFacts] = {}
        self._unreadable: set[str] = set()
        with Horizontal(classes="body"):
            with Vertical(id="main"):
                yield HeadLine()
                yield Input(
                    placeholder="letters, size<2GB, params<8B, cap:vision, quant:q4, age<7d, is:loaded, -not",
                    id="filter",
                    compact=True,
                    select_on_focus=False,
                )
                yield ModelTable(id="table")
                yield Static(id="empty")
                yield PullPanel(id="pulls")
            with VerticalScroll(id="details", can_focus=False):
                yield Static(id="details-text")

    def on_mount(self) -> None:
        """Empty until the server has answered."""
        self.query_one("#filter").display = False
        self._show()
        self.query_one(PullPanel).show(self.services.models.pulls.states)
        self.set_interval(1.0, self._count_down)

    # ------------------------------------------------------------------ news

    def server_changed(self, state: ServerState) -> None:
        if state.phase is ServerPhase.READY:
            self.read_list()
        else:
            self._show()

    def pull_changed(self, state: PullState) -> None:
        self.show_pulls()
        if state.phase is PullPhase.DONE:
            self.read_list()

    def running_changed(self, running: tuple[RunningModel, ...]) -> None:
        self._show()

    def on_screen_resume(self) -> None:
        """What another program has changed meanwhile is seen."""
        ready = self.services.server.state.phase is ServerPhase.READY
        if ready and self.models is not None and self.clock() - self._read_at > STALE_AFTER:
            self.read_list()

    def on_resize(self) -> None:
        """Other columns fit."""
        self._show()

    def models_changed(self) -> None:
        self.read_list()
        self.ask_running()

    @work(group="list", exclusive=True, exit_on_error=False)
    async def read_list(self) -> None:
        """Ask for the models; what was shown stays until the answer is there."""
        self.status_line.say("now", "reading the list of models" if self.models is None else "")
        try:
            self.models = await self.services.models.listing(max_age=0.0, refresh=True)
            self._read_at = self.clock()
            self.marked &= {model.name for model in self.models}
        except OllamaError as error:
            tell(self.app, str(error), title="The list of models", severity="error")
        finally:
            self.status_line.say("now", "")
        self._show()

    # ------------------------------------------------------------------ what the list does not say

    @work(group="missing", exclusive=True, exit_on_error=False)
    async def read_missing(self, missing: Sequence[ModelSummary], reading: list[int]) -> None:
        """Ask for the details of these models, two at a time, and show them as they come."""
        from codomyrmex_ollama_tui.services.many_details import read_details  # only when it is wanted

        drawn = self.clock()
        try:
            async with aclosing(read_details(self.services.details, missing)) as told:
                async for model, found in told:
                    if isinstance(found, OllamaError):
                        self._unreadable.add(model.digest)
                    else:
                        self.infos[model.digest] = found
                    reading[0] += 1
                    if self.clock() - drawn >= REDRAWN_EVERY:
                        drawn = self.clock()
                        self._show()
                    else:
                        self._show_head()
        finally:
            if self._reading is reading:
                self._reading = None
        self._show()

    def _needs(self) -> set[str]:
        """What has to be known of every model for the order and the filter in force."""
        column = self._order[0]
        sorted_by = {column.value} if column in (Sorting.CONTEXT, Sorting.CAPABILITIES) else set()
        return {*self._query.needs, *sorted_by}

    def _ask_missing(self) -> None:
        """Once somebody sorts or filters by what only the details tell; opening the screen asks for nothing."""
        needs = self._needs()
        if not needs or self._reading is not None or self.models is None:
            return
        now = self.now()
        missing = [
            model
            for model in self.models
            if model.digest not in self._unreadable
            and self.facts(model).missing & needs
            and self._query.may_keep(self.facts(model), now)
        ]
        if missing and self.services.server.state.phase is ServerPhase.READY:
            self._reading = [0, len(missing)]
            self._show_head()
            self.read_missing(missing, self._reading)

    @work(group="look", exclusive=True, exit_on_error=False)
    async def _look(self, name: str) -> None:
        """The details of the model that the cursor rests on."""
        if (info := await self.info_of(name)) is not None:
            self._show_details()
            if info.capabilities is not None:
                self._show()

    # ------------------------------------------------------------------ drawing

    def facts(self, model: ModelSummary) -> ModelFacts:
        """What is known of a model by now."""
        return facts_of(
            model,
            self.infos.get(model.digest),
            loaded=self.running_of(model) is not None,
            marked=model.name in self.marked,
        )

    def _shown(self) -> list[ModelSummary]:
        now = self.now()
        known = {model.name: model for model in self.models or ()}
        facts = [each for each in map(self.facts, known.values()) if self._query.keeps(each, now)]
        self._all = {each.name: each for each in facts}
        return [known[each.name] for each in in_order(facts, self._order[0], down=self._order[1])]

    def _show(self) -> None:
        if not self.is_mounted:
            return
        if self._reading is not None and not self._needs():  # nobody wants to know any more
            self._reading = None
            self.workers.cancel_group(self, "missing")
        panel = self.query_one("#details")
        panel.display = self._panel_wanted and self.size.width >= WIDE
        shown = {model.name: model for model in self._shown()}
        table = self.query_one(LiveTable)
        room = self.size.width - (DETAILS_WIDTH if panel.display else 0) - 3
        longest = max((len(name) for name in shown), default=0)
        table.set_columns(words.columns(longest, room, self._order, self._query.columns))
        can = next((column.width for column in table.columns if column.key == "can"), 13)

        facts = self._all

        def cells(name: str) -> Cells:
            return words.row(shown[name], facts[name], self.now(), can=can)

        table.show(LazyRows(list(shown), cells))
        empty = self.query_one("#empty", Static)
        empty.update(self._empty_words())
        empty.display = not shown
        table.display = bool(shown)
        if shown and self.focused is None:
            table.focus()
        elif not shown and self.focused is table:
            self.set_focus(None)
        self._show_head()
        self._show_details()
        self._ask_missing()
        self.refresh_bindings()

    def _show_head(self) -> None:
        left = words.filter_words(self._filter, self._query)
        right = Content()
        if self._query.problems:
            right = Content.styled(f"✕ {self._query.problems[0]}", "$error")
        elif self._reading is not None:
            right = Content.styled("reading {} of {}".format(*self._reading), "$accent")
        elif self.models:
            shown = [model for model in self.models if model.name in self._all]
            marked = [model for model in self.models if model.name in self.marked]
            right = words.totals(shown, len(self.models), self._order, marked)
        self.query_one(HeadLine).show(left, right)

    def _empty_words(self) -> Content:
        if self.models is None:
            return words.waiting(self.services.server.state)
        return words.nothing(self._filter, reading=self._reading is not None)

    def _show_details(self) -> None:
        model = self.chosen
        text = Content()
        if model is not None:
            text = details_of(model, self.infos.get(model.digest), self.running_of(model), self.now())
        self.query_one("#details-text", Static).update(text)

    def _count_down(self) -> None:
        """The time until the model in the panel is unloaded."""
        seen = self.is_current and self.query_one("#details").display
        if seen and self.chosen is not None and self.running_of(self.chosen) is not None:
            self._show_details()

    @property
    def chosen(self) -> ModelSummary | None:
        held = self.query_one(LiveTable).held
        return next((model for model in self.models or () if model.name == held), None)

    @on(LiveTable.RowHighlighted)
    def _moved(self, message: LiveTable.RowHighlighted) -> None:
        self._show_details()
        self.refresh_bindings()
        if self._looking is not None:
            self._looking.stop()
        if message.by_person and message.key and self.query_one("#details").display:
            name = message.key
            self._looking = self.set_timer(LOOKED_AFTER, lambda: void(self._look(name)))

    # ------------------------------------------------------------------ filter, order, marks

    def action_filter(self) -> None:
        """Type letters of a name, or what is compared."""
        box = self.query_one("#filter", Input)
        box.display = True
        self.query_one(HeadLine).display = False
        box.value = self._filter
        box.cursor_position = len(self._filter)
        box.focus()

    @on(Input.Changed, "#filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        if event.input.display:
            self._set_filter(event.value.strip())

    @on(Input.Submitted, "#filter")
    def _filter_taken(self) -> None:
        self._close_filter()

    def _set_filter(self, text: str) -> None:
        self._filter = text
        self._query = parse_query(text)
        self._show()

    def _close_filter(self) -> None:
        self.query_one("#filter").display = False
        self.query_one(HeadLine).display = True
        self.query_one(LiveTable).focus()
        self._show()

    def action_back(self) -> None:
        """Out of the filter box or the pulls, then without a filter, then without marks."""
        if self.query_one("#filter").display:
            self._set_filter("")
            self._close_filter()
        elif isinstance(self.focused, PullPanel):
            self.query_one(LiveTable).focus()
        elif self._filter:
            self._set_filter("")
        elif self.marked:
            self.marked.clear()
            self._show()

    @work(group="sort", exclusive=True)
    async def action_sort(self) -> None:
        """Choose a column."""
        from codomyrmex_ollama_tui.ui.screens.models_sort import SortMenu  # not before it is wanted

        if (order := await self.app.push_screen_wait(SortMenu(self._order))) is not None:
            self._order = order
            self._show()

    def action_reverse(self) -> None:
        """The last one first."""
        self._order = (self._order[0], not self._order[1])
        self._show()

    @on(LiveTable.HeaderChosen)
    def _header_chosen(self, message: LiveTable.HeaderChosen) -> None:
        if (column := words.sorting_of(message.column)) is self._order[0]:
            self.action_reverse()
        elif column is not None:
            self._order = (column, words.ORDERS[column][3])
            self._show()

    def action_mark(self) -> None:
        """Mark the model under the cursor, or not, and go on to the next one."""
        if (model := self.chosen) is not None:
            self.marked ^= {model.name}
            self._show()
            self.query_one(LiveTable).action_cursor(1)

    def action_panel(self) -> None:
        """The details beside the table, or more of its columns."""
        self._panel_wanted = not self._panel_wanted
        self._show()

    def action_refresh_list(self) -> None:
        """Ask the server again."""
        if self.services.server.state.phase is ServerPhase.READY:
            self._unreadable.clear()
            self.models_changed()
        else:
            self.app.run_worker(self.services.server.retry_now(), group="retry", exclusive=True)

    @on(LiveTable.RowSelected)
    def chat(self) -> None:
        """Begin a conversation with the model under the cursor."""
        if (model := self.chosen) is not None:
            self.post_message(OpenChat(model.name))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What can be done with what is there."""
        if action in ("mark", "inspect"):
            return self.is_mounted and self.chosen is not None
        return self.check_pulls(action) and self.check_managing(action)
