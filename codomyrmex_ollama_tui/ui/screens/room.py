"""What the main screens have in common: three rows, and news of server and pulls."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.services.server import ServerPhase, ServerState
from codomyrmex_ollama_tui.ui.widgets.key_row import KeyRow
from codomyrmex_ollama_tui.ui.widgets.row import WIDE
from codomyrmex_ollama_tui.ui.widgets.status_line import StatusLine, memory_part, pulls_part
from codomyrmex_ollama_tui.ui.widgets.top_row import TopRow

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import RunningModel
    from codomyrmex_ollama_tui.services.build import Services
    from codomyrmex_ollama_tui.services.pulls import PullState
    from codomyrmex_ollama_tui.store.settings import SettingsStore

RUNNING_EVERY = 5.0
"""Seconds between two looks at what is in memory."""


def local_now() -> datetime:
    """The time of day with this machine's zone."""
    return datetime.now(UTC).astimezone()


class Room(Screen[None]):
    """A main screen. Subclasses compose their body and override the hooks whose names end in `_changed`."""

    TAB: ClassVar[str] = ""
    """The mode whose tab is lit."""

    @dataclass
    class ServerChanged(Message):
        """The server is now so."""

        state: ServerState

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Room.ServerChanged)

    @dataclass
    class PullChanged(Message):
        """A pull is now so."""

        state: PullState

        def can_replace(self, message: Message) -> bool:
            # the same phase too: that a pull is done must not be lost
            return (
                isinstance(message, Room.PullChanged)
                and message.state.name == self.state.name
                and message.state.phase == self.state.phase
            )

    def __init__(
        self,
        services: Services,
        settings: SettingsStore,
        *,
        now: Callable[[], datetime] = local_now,
        clock: Callable[[], float] = time.monotonic,
        tab: str | None = None,
    ) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
        self.services = services
        self.settings = settings
        self.now = now
        self.clock = clock
        self.running_models: tuple[RunningModel, ...] = ()
        self.top_row = TopRow(tab or self.TAB, services.server.state, clock=clock)
        self.status_line = StatusLine()
        self._unsubscribe: list[Callable[[], None]] = []
        self._clockwork: list[Timer] = []

    def compose(self) -> ComposeResult:
        # Known before there are children: when the first size arrives, nothing has to be styled a second time.
        narrow = self.app.size.width < WIDE
        self.update_classes({"-narrow": narrow, "-wide": not narrow})
        yield self.top_row
        yield from self.compose_body()
        yield self.status_line
        yield KeyRow()

    def compose_body(self) -> ComposeResult:
        """What stands between the row on top and the status row; its height is 1fr."""
        yield from ()

    def server_changed(self, state: ServerState) -> None:
        """Hook: the server is now so. Also called once when the screen is mounted."""

    def pull_changed(self, state: PullState) -> None:
        """Hook: a pull is now so."""

    def running_changed(self, running: tuple[RunningModel, ...]) -> None:
        """Hook: other models are in memory than before, or their times have changed."""

    def on_mount(self) -> None:
        """Listen to server and pulls. Textual calls the `on_mount` of subclasses as well: no `super()` there."""
        services = self.services
        self._unsubscribe = [
            services.server.listen(lambda state: void(self.post_message(self.ServerChanged(state)))),
            services.models.pulls.listen(lambda state: void(self.post_message(self.PullChanged(state)))),
        ]
        self._clockwork = [self.set_interval(RUNNING_EVERY, self.ask_running), self.set_interval(1.0, self._tick)]
        self._show_pulls()
        self.post_message(self.ServerChanged(services.server.state))

    def on_unmount(self) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()

    def on_room_server_changed(self, message: ServerChanged) -> None:
        state = message.state
        self.top_row.show(state)
        self.status_line.say("server", state.words)
        if state.phase is ServerPhase.READY:
            self.ask_running()
        else:
            self._show_running(())
        self.server_changed(state)

    def on_room_pull_changed(self, message: PullChanged) -> None:
        self._show_pulls()
        self.pull_changed(message.state)

    def _show_pulls(self) -> None:
        self.status_line.put("pulls", pulls_part(self.services.models.pulls.states))

    def on_screen_resume(self) -> None:
        for timer in self._clockwork:
            timer.resume()
        self.ask_running()

    def on_screen_suspend(self) -> None:
        for timer in self._clockwork:
            timer.pause()

    def _tick(self) -> None:
        """Once a second: whatever counts down."""
        if self.top_row.counting:
            self.top_row.refresh()
        if self.running_models:
            self.status_line.put("memory", memory_part(self.running_models, self.now()))

    @work(group="running", exclusive=True, exit_on_error=False)
    async def ask_running(self) -> None:
        """Ask what is in memory and show it; an answer that does not come changes nothing."""
        if self.services.server.state.phase is not ServerPhase.READY:
            return
        try:
            running = await self.services.models.running()
        except OllamaError:
            return  # a server that loads a model holds this answer back; the state of the server is told elsewhere
        self._show_running(running)

    def _show_running(self, running: tuple[RunningModel, ...]) -> None:
        changed = running != self.running_models
        self.running_models = running
        self.status_line.put("memory", memory_part(running, self.now()))
        if changed:
            self.running_changed(running)


def void(_value: object) -> None:
    """Drops a value where a callback must return none."""
