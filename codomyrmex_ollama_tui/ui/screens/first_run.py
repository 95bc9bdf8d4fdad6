"""The card that helps to a first model, or to a first server; nothing is fetched before its key is pressed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.models import FIRST_MODEL
from codomyrmex_ollama_tui.services.pulls import PullPhase, PullState
from codomyrmex_ollama_tui.services.server import ServerPhase, ServerState, Way
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.messages import OpenChat
from codomyrmex_ollama_tui.ui.screens.ask import ask_host
from codomyrmex_ollama_tui.ui.screens.room import Room, local_now
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.bar import bar
from codomyrmex_ollama_tui.ui.widgets.pull_panel import bytes_words, pull_share

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.build import Services
    from codomyrmex_ollama_tui.store.settings import SettingsStore

ABOUT_MODEL = "135 M parameters · Apache-2.0 · talks, quick, small"
EMBEDDED_SIZE = 92_921_600
"""Bytes that the embedded engine's catalogue fetches for the first model."""
DELIBERATE = 0.4
"""Seconds of quiet after the card has appeared before its keys do anything."""
BAR = 40
"""Cells of the bar at most."""
CARD = 78
"""Cells of the card, as in the style sheet; six of them are padding."""


class FirstRunScreen(Room):
    """One card: one sentence of what is going on, one bar, and the other ways out.

    Args:
        asked: the address where a server was looked for first, as people write it.
        tab: the mode it is shown over.
    """

    CSS_PATH = "first_run.tcss"
    BINDING_GROUP_TITLE = "First steps"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command(
            "first.consent", "enter", "consent", "Download and chat", "Fetch a small model and talk with it", show=True
        ),
        Command(
            "first.engine", "e", "engine", "Built-in engine", "Run models with the engine that comes along", show=True
        ),
        Command("first.host", "h", "host", "Another host", "Use Ollama on another computer", show=True),
        Command(
            "first.install",
            "o",
            "install",
            "Install Ollama",
            "How to install Ollama here",
            show=True,
            short="install Ollama",
        ),
        Command("first.retry", "r", "retry", "Ask again", "Look for the server again", show=True),
        Command("first.leave", "escape", "leave", "Look around", "Close the card; a download goes on", show=True),
    )
    BINDINGS = bindings(ROSTER)

    def __init__(
        self,
        services: Services,
        settings: SettingsStore,
        *,
        asked: str = "",
        tab: str = "chat",
        now: Callable[[], datetime] = local_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(services, settings, now=now, clock=clock, tab=tab)
        self._asked = asked
        self._quiet_since = clock()
        self._consented = False
        self._how_to = False

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(classes="body"):
            yield Static(id="card")

    # ------------------------------------------------------------------ news

    def server_changed(self, state: ServerState) -> None:
        self._draw()
        if state.phase is ServerPhase.READY:
            self._look_for_models()

    def pull_changed(self, state: PullState) -> None:
        self._draw()
        if self._consented and state.phase is PullPhase.DONE and same_model(state.name, FIRST_MODEL):
            self.post_message(OpenChat(FIRST_MODEL))

    @work(group="list", exclusive=True, exit_on_error=False)
    async def _look_for_models(self) -> None:
        """A server that has models makes the card needless."""
        try:
            models = await self.services.models.list_models()
        except OllamaError as error:
            tell(self.app, str(error), title="The list of models", severity="error")
            return
        if models and self._pull is None:
            self.post_message(OpenChat(models[0].name))

    @property
    def _pull(self) -> PullState | None:
        states = self.services.models.pulls.states
        return next((state for state in states if same_model(state.name, FIRST_MODEL)), None)

    # ------------------------------------------------------------------ drawing

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        self.query_one("#card", Static).update(Content("\n").join(self._lines()))
        self.refresh_bindings()

    def _lines(self) -> list[Content]:
        state = self.services.server.state
        lines = [
            Content.assemble(("◆", "bold $accent"), "  ", ("Chat with a model on this computer", "bold")),
            Content(),
        ]
        if self._how_to:
            return lines + how_to_install()
        lines += [self._what_goes_on(state), Content()]
        if state.phase is ServerPhase.READY:
            lines += self._model_lines(state)
        lines += self._ways_out(state)
        return lines

    def _what_goes_on(self, state: ServerState) -> Content:
        match state.phase:
            case ServerPhase.READY if state.kind == "embedded":
                if self._asked and self._asked != state.label:
                    return Content.assemble("No Ollama answers at ", (one_line(self._asked, 60), "bold"),
                                            ", so the built-in engine is running. It needs a model once:")  # fmt: skip
                return Content("The built-in engine is running. It needs a model once:")
            case ServerPhase.READY:
                return Content.assemble("Ollama answers at ", (one_line(state.label, 60), "bold"),
                                        " and has no model yet. It needs one once:")  # fmt: skip
            case ServerPhase.STARTING | ServerPhase.RESTARTING:
                return Content.assemble(
                    ("▶ ", "$accent"), one_line(state.words) or f"looking for {one_line(state.label)}"
                )
            case _:
                words = one_line(state.words, 400) or "there is no server to talk to"
                return Content.assemble(("✕ ", "$error"), words)

    def _model_lines(self, state: ServerState) -> list[Content]:
        head = Content.assemble(("▌", "$primary"), " ", (FIRST_MODEL, "bold"), ("   " + ABOUT_MODEL, "$muted"))
        pull = self._pull
        if pull is None:
            amount = f" {formats.size(EMBEDDED_SIZE)}," if state.kind == "embedded" else ""
            return [
                head,
                Content.assemble("   ", ("enter", "$primary"), f" downloads it,{amount} and opens the chat"),
                Content(),
            ]
        return [head, self._pull_line(pull), Content()]

    def _pull_line(self, pull: PullState) -> Content:
        match pull.phase:
            case PullPhase.FAILED:
                return Content.assemble(
                    "   ",
                    ("✕ ", "$error"),
                    one_line(pull.error, 300),
                    (" · ", "$muted"),
                    ("enter", "$primary"),
                    (" tries again", "$muted"),
                )
            case PullPhase.CANCELLED:
                return Content.assemble(
                    "   ", ("‖ stopped · ", "$muted"), ("enter", "$primary"), (" starts again", "$muted")
                )
            case PullPhase.DONE:
                return Content.assemble(
                    "   ", bar(1.0, BAR, "$success"), ("  ✓ ", "$success"), formats.size(pull.completed)
                )
            case PullPhase.QUEUED | PullPhase.PREPARING if pull.total is None:
                return Content.assemble(
                    "   ", bar(0.0, BAR), ("  " + (one_line(pull.status, 24) or pull.phase.value), "$muted")
                )
        amount, words = bytes_words(pull)
        inside = min(CARD, self.app.size.width - 2) - 6
        room = max(6, min(BAR, inside - 7 - len(amount) - len(words)))
        return Content.assemble("   ", bar(pull_share(pull), room), f"  {amount}  ", (words, "$muted"))

    def _ways_out(self, state: ServerState) -> list[Content]:
        ways = [("h", "use Ollama on another computer"), ("o", "how to install Ollama here")]
        if Way.EMBEDDED in state.ways:
            ways.insert(0, ("e", "use the built-in engine"))
        if self.check_action("retry", ()):
            ways.append(("r", "look for the server again"))
        ways.append(("esc", "look around meanwhile" if self._is_pulling else "look around without a model"))
        first = "or   " if state.phase is ServerPhase.READY else ""
        return [
            Content.assemble(
                (first if number == 0 else " " * len(first), "$muted"), (key, "$primary"), " " * (4 - len(key)), words
            )
            for number, (key, words) in enumerate(ways)
        ]

    @property
    def _is_pulling(self) -> bool:
        pull = self._pull
        return pull is not None and not pull.phase.over

    # ------------------------------------------------------------------ keys

    def _meant(self) -> bool:
        """Whether a key can have been meant for the card: not in the middle of typing that began before it appeared."""
        now = self.clock()
        meant = now - self._quiet_since >= DELIBERATE
        if not meant:
            self._quiet_since = now
        return meant

    def action_consent(self) -> None:
        """Fetch the first model; the chat opens when it is there."""
        if self._how_to:
            self.action_install()
            return
        if not self._meant():
            return
        self._consented = True
        pull = self._pull
        if pull is not None and pull.phase in (PullPhase.FAILED, PullPhase.CANCELLED):
            self.services.models.pulls.retry(pull.name)
        else:
            self.services.models.pulls.add(FIRST_MODEL)
        self._draw()

    def action_host(self) -> None:
        """Name a server elsewhere."""
        if self._meant():
            ask_host(self.app, self.services.server)

    def action_install(self) -> None:
        """Show how Ollama is installed, or the card again."""
        if self._meant():
            self._how_to = not self._how_to
            self._draw()

    def action_engine(self) -> None:
        """Start the engine that comes along."""
        if self._meant():
            self.app.run_worker(self.services.server.use_embedded(), group="host", exclusive=True)

    def action_retry(self) -> None:
        """Look for the server again."""
        self.app.run_worker(self.services.server.retry_now(), group="host", exclusive=True)

    def action_leave(self) -> None:
        """Back to the card from the instructions; from the card to the chat."""
        if self._how_to:
            self.action_install()
        else:
            self.app.pop_screen()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What can be done in the server's state."""
        state = self.services.server.state
        match action:
            case "consent":
                return state.phase is ServerPhase.READY and not self._is_pulling
            case "engine":
                return Way.EMBEDDED in state.ways
            case "retry":
                return state.phase in (ServerPhase.LOST, ServerPhase.ABSENT)
        return True


def how_to_install() -> list[Content]:
    """The ways to Ollama and to the built-in engine, in lines."""
    rows = (
        ("Linux", "curl -fsSL https://ollama.com/install.sh | sh"),
        ("macOS", "brew install ollama, or https://ollama.com/download"),
        ("Windows", "winget install Ollama.Ollama, or https://ollama.com/download"),
    )
    lines = [Content("Ollama is a program of its own. It is found as soon as it runs:"), Content()]
    lines += [Content.assemble((name.ljust(9), "$muted"), words) for name, words in rows]
    lines += [
        Content(),
        Content.assemble(
            ("The built-in engine is the extra ", "$muted"),
            "embedded",
            (": ", "$muted"),
            "make setup",
            (", or", "$muted"),
        ),
        Content("pipx install '.[embedded]'"),
        Content(),
        Content.assemble(("esc", "$primary"), (" back", "$muted")),
    ]
    return lines
