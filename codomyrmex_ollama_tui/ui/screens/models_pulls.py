"""The pulls of the models screen: asked for, paused, tried again, taken out of the list."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work

from codomyrmex_ollama_tui.services.pulls import PullPhase, PullState
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.room import Room
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.pull_panel import PullPanel

AGAIN = (PullPhase.FAILED, PullPhase.CANCELLED, PullPhase.WAITING)
"""What can be tried again at once."""
AT_ONCE = tuple("12345678")


class PullingRoom(Room):
    """A screen with a `PullPanel`. Keys mean all pulls; in the panel they mean the one under its cursor."""

    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("models.pull", "p", "pull", "Pull a model", "Fetch a model by its name", show=True, short="pull"),
        Command("models.update", "R", "update", "Update", "Pull the marked models, or this one, again"),
        Command("models.pause", "x", "pause_pulls", "Pause or resume pulls",
                "Closes their connections; what came stays where the server keeps it"),
        Command("models.again", "a", "retry_pulls", "Try pulls again", "Those that failed, stalled or wait, at once"),
        Command("models.clear-pulls", "X", "clear_pulls", "Clear pulls", "Those that are over, out of the list"),
        Command("models.layers", "l", "layers", "Layers of pulls", "A row for each layer of what is being pulled"),
        Command("models.pulls", "w", "watch_pulls", "Go to the pulls", "Into their list, to choose one; esc leaves it"),
        Command("models.at-once", "", "pulls_at_once", "Pulls at the same time", "How many models are pulled at once"),
    )  # fmt: skip
    BINDINGS = bindings(ROSTER)

    def installed_names(self) -> tuple[str, ...]:
        """Hook: the names of the models that the server has, as far as they are known."""
        return ()

    def meant_names(self) -> list[str]:
        """Hook: the names of the models that an action is about."""
        return []

    def action_update(self) -> None:
        """Pull what is there again: the registry may have a newer one."""
        for name in self.meant_names():
            self.pull(name)

    def show_pulls(self) -> None:
        """The panel and the status line, as the pulls are now."""
        self.query_one(PullPanel).show(self.services.models.pulls.states)
        self._show_pulls()
        self.refresh_bindings()

    def action_pull(self) -> None:
        """Ask for a name and pull it."""
        self.ask_pull("")

    @work(group="ask-pull", exclusive=True)
    async def ask_pull(self, name: str) -> None:
        """The name box, filled with `name`."""
        from codomyrmex_ollama_tui.ui.screens.models_pull_box import PullBox  # not before it is wanted

        pulled = await self.services.models.pulls.pulled_names()
        box = PullBox(self.services, name, pulled=pulled, installed=self.installed_names())
        wanted = await self.app.push_screen_wait(box)
        if wanted:
            self.pull(wanted)

    def pull(self, name: str) -> None:
        """Queue a pull; a name that cannot be one is told."""
        try:
            self.services.models.pulls.add(name)
        except ValueError as error:
            tell(self.app, str(error), title="Pull", severity="error")
        self.show_pulls()

    def action_layers(self) -> None:
        """A row for each layer, or not."""
        panel = self.query_one(PullPanel)
        panel.fold(not panel.unfolded)

    def action_watch_pulls(self) -> None:
        """Into the list of pulls."""
        self.query_one(PullPanel).focus()

    def action_pause_pulls(self) -> None:
        """Pause what runs or waits; with nothing to pause, let what is paused go on."""
        pulls = self.services.models.pulls
        active = [state for state in pulls.states if state.phase.running or state.phase is PullPhase.QUEUED]
        for state in active:
            pulls.pause(state.name)
        if not active:
            for state in pulls.states:
                pulls.resume(state.name)
        self.show_pulls()

    def action_retry_pulls(self) -> None:
        """Try again now: what failed, what was cancelled, what waits for its next try, what stalled."""
        for state in self.services.models.pulls.states:
            self._again(state)
        self.show_pulls()

    def _again(self, state: PullState) -> None:
        pulls = self.services.models.pulls
        if state.stalled:  # a new connection, which goes on where the old one stands
            pulls.pause(state.name)
            pulls.resume(state.name)
        elif state.phase in AGAIN:
            pulls.retry(state.name)
        elif state.phase is PullPhase.PAUSED:
            pulls.resume(state.name)

    def action_clear_pulls(self) -> None:
        """Take those that are over out of the list."""
        pulls = self.services.models.pulls
        for state in pulls.states:
            if state.phase.over:
                pulls.dismiss(state.name)
        self.show_pulls()

    @work(group="at-once", exclusive=True)
    async def action_pulls_at_once(self) -> None:
        """Ask for a number and keep it in the configuration."""
        from codomyrmex_ollama_tui.ui.screens.ask import Ask  # seldom needed

        def check(text: str) -> str:
            return "" if text in AT_ONCE else "a whole number from 1 to 8"

        now = str(self.services.models.pulls.at_once)
        text = await self.app.push_screen_wait(
            Ask("Pulls at the same time", "How many models, 1 to 8.", verb="set", check=check, value=now)
        )
        if text is None:
            return
        self.services.models.pulls.at_once = int(text)
        try:
            self.settings.change("ui.pulls_at_once", int(text))
        except (OSError, ValueError) as error:
            tell(self.app, f"it could not be kept: {error}", title="Pulls at the same time", severity="warning")

    @on(PullPanel.Wished)
    def _wished(self, message: PullPanel.Wished) -> None:
        pulls = self.services.models.pulls
        state = next((each for each in pulls.states if each.name == message.name), None)
        if state is None:
            return
        match message.wish:
            case "again":
                self._again(state)
            case "cancel" if state.phase.over or state.phase is PullPhase.PAUSED:
                pulls.dismiss(state.name)
            case "cancel":
                pulls.cancel(state.name)
            case "pause" if state.phase is PullPhase.PAUSED:
                pulls.resume(state.name)
            case "pause":
                pulls.pause(state.name)
        self.show_pulls()

    def check_pulls(self, action: str) -> bool:
        """Whether an action about pulls can be done now."""
        states = self.services.models.pulls.states
        match action:
            case "update":
                return bool(self.meant_names())
            case "pause_pulls":
                return any(not state.phase.over for state in states)
            case "retry_pulls":
                return any(state.stalled or state.phase in AGAIN for state in states)
            case "clear_pulls":
                return any(state.phase.over for state in states)
            case "layers" | "watch_pulls":
                return bool(states)
        return True
