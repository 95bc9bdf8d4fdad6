"""The App: its screens, its keys, its themes, and what happens after the first frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from textual import on, work
from textual.app import App
from textual.screen import Screen
from textual.theme import Theme

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.services.pulls import PullPhase
from codomyrmex_ollama_tui.services.server import ServerPhase, ServerState
from codomyrmex_ollama_tui.ui import themes
from codomyrmex_ollama_tui.ui.commands import Command, HasKeymap, ScreenCommands, bindings, known_ids, shown_key
from codomyrmex_ollama_tui.ui.messages import OpenChat, OpenFirstRun, OpenModels
from codomyrmex_ollama_tui.ui.screens.room import local_now
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.terminal import lasting

if TYPE_CHECKING:
    from textual.driver import Driver

    from codomyrmex_ollama_tui.services.build import Services
    from codomyrmex_ollama_tui.store.settings import SettingsStore


@runtime_checkable
class BeginsChats(Protocol):
    """The chat screen, as far as the App needs it."""

    def start_chat(self, model: str) -> None:
        """Begin a new conversation with a model."""


class CotuiApp(App[None], HasKeymap, inherit_bindings=False):
    """The terminal program.

    Args:
        services: built by the house; the App starts the server service and never closes anything.
        settings: theme and keys are read from it; a chosen theme is written back.
        start_screen: "models" or "chat".
        model: the model of the first conversation; None: the chat screen chooses.
        themes_folder: the person's own themes.
        editor: the command line of the person's editor, to which a file name is added; () for none.
        now, clock: the time of day with its zone, and a monotonic clock in seconds.
    """

    TITLE = "cotui"
    CSS_PATH = "app.tcss"
    COMMANDS: ClassVar = {ScreenCommands}
    BINDING_GROUP_TITLE = "Everywhere"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command(
            "app.commands",
            "ctrl+p",
            "command_palette",
            "Commands",
            "Search everything that can be done here",
            show=True,
            short="commands",
            priority=True,
            palette=False,
        ),
        Command(
            "app.help",
            "f1,question_mark",
            "help",
            "Help",
            "Every key and command of this screen",
            show=True,
            short="help",
        ),
        Command("app.models", "f5", "go('models')", "Models", "Go to the models screen", priority=True),
        Command("app.models-digit", "1", "go('models')", "Models", "Go to the models screen", palette=False),
        Command("app.chat", "f6", "go('chat')", "Chat", "Go to the chat screen", priority=True),
        Command("app.chat-digit", "2", "go('chat')", "Chat", "Go to the chat screen", palette=False),
        Command("app.host", "", "another_host", "Use another host", "Talk to an Ollama server at another address"),
        Command("app.retry", "", "retry_server", "Ask the server again", "Look for the server now instead of waiting"),
        Command("app.first-steps", "", "first_steps", "First steps", "The card that helps to a first model or server"),
        Command("app.theme", "", "change_theme", "Theme", "Choose other colours"),
        Command(
            "app.screenshot", "", "screenshot", "Picture of the screen", "Save what is on the screen as an SVG file"
        ),
        Command(
            "app.quit",
            "ctrl+q",
            "quit",
            "Quit",
            "Leave; asks if a pull runs or an answer is being written",
            priority=True,
        ),
        Command("app.copy-hint", "ctrl+c", "help_quit", "Copy", "Copy the selection", palette=False),
    )
    BINDINGS = bindings(ROSTER)

    def __init__(
        self,
        services: Services,
        settings: SettingsStore,
        *,
        start_screen: str = "chat",
        model: str | None = None,
        themes_folder: Path | None = None,
        editor: Sequence[str] = (),
        now: Callable[[], datetime] = local_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Textual reads the mode to begin with from the class; an instance begins where its person wants to.
        object.__setattr__(self, "DEFAULT_MODE", start_screen)
        super().__init__()
        self.services = services
        self.settings = settings
        self._now = now
        self._clock = clock
        self._model = model
        self._editor = tuple(editor)
        self._theme_folders = (themes.shipped_folder(), themes_folder)
        self._first_run_offered = False
        self._asked = services.server.state.label
        self._made: set[str] = set()
        self.add_mode("models", self._models_screen)
        self.add_mode("chat", self._chat_screen)
        self.keymap_in_force = self._keys_wanted()
        self.set_keymap(self.keymap_in_force)
        self._choose_theme(settings.settings.theme)
        if settings.settings.reduce_motion:
            self.animation_level = "none"

    def get_driver_class(self) -> type[Driver]:
        """The driver of this platform, which ends the program when its terminal goes away."""
        return lasting(super().get_driver_class())

    def _keys_wanted(self) -> dict[str, str]:
        keymap: dict[str, str] = {}
        if self.settings.settings.send_key == "ctrl+j":
            from codomyrmex_ollama_tui.ui.widgets.composer import SWAPPED_KEYS  # the chat screen brings it anyway

            keymap.update(SWAPPED_KEYS)
        return keymap | dict(self.settings.settings.keys)

    # ------------------------------------------------------------------ screens

    def _models_screen(self) -> Screen[None]:
        from codomyrmex_ollama_tui.ui.screens.models import ModelsScreen  # brings the table: not before it is wanted

        self._made.add("models")
        screen = ModelsScreen(self.services, self.settings, now=self._now, clock=self._clock)
        screen.editor = self._editor
        return screen

    def _chat_screen(self) -> Screen[None]:
        from codomyrmex_ollama_tui.ui.screens.chat import ChatScreen  # brings the transcript: not before it is wanted

        self._made.add("chat")
        return ChatScreen(
            self.services,
            self.settings,
            model=self._model,
            editor=self._editor,
            now=self._now,
            clock=self._clock,
        )

    async def action_go(self, mode: str) -> None:
        """Show a main screen; what covers it when it is already shown goes away."""
        if mode == self.current_mode:
            self._leave_first_run()
        await self.switch_mode(mode)

    @on(OpenChat)
    async def _open_chat(self, message: OpenChat) -> None:
        fresh = "chat" not in self._made
        if fresh and message.model is not None:
            self._model = message.model
        self._leave_first_run()  # it may lie over the screen that is left, or over the chat
        await self.switch_mode("chat")
        self._leave_first_run()
        base = self.screen_stack[0]
        if not fresh and message.model is not None and isinstance(base, BeginsChats):
            base.start_chat(message.model)

    @on(OpenModels)
    async def _open_models(self, message: OpenModels) -> None:
        from codomyrmex_ollama_tui.ui.screens.models import ModelsScreen  # loaded by the mode anyway

        await self.switch_mode("models")
        base = self.screen_stack[0]
        if message.pull and isinstance(base, ModelsScreen):
            base.ask_pull(message.pull)

    # ------------------------------------------------------------------ first run

    @on(OpenFirstRun)
    def _open_first_run(self) -> None:
        self.action_first_steps()

    def action_first_steps(self) -> None:
        """Show the card that helps to a first model or a first server."""
        from codomyrmex_ollama_tui.ui.screens.first_run import FirstRunScreen  # seldom needed

        if not isinstance(self.screen, FirstRunScreen):
            self.push_screen(
                FirstRunScreen(
                    self.services,
                    self.settings,
                    asked=self._asked,
                    tab=self.current_mode,
                    now=self._now,
                    clock=self._clock,
                )
            )

    def _leave_first_run(self) -> None:
        if type(self.screen).__name__ in ("FirstRunScreen", "ChatCompare"):
            self.pop_screen()

    @work(group="first-run", exclusive=True, exit_on_error=False)
    async def _offer_first_run(self, state: ServerState) -> None:
        """Once: when nobody answers and nothing could be started, or the server that answers has no model."""
        if self._first_run_offered:
            return
        if state.phase is ServerPhase.READY:
            try:
                if await self.services.models.list_models():
                    return
            except OllamaError:
                return  # the screens tell of it
        elif state.phase is not ServerPhase.ABSENT:
            return
        self._first_run_offered = True
        self.action_first_steps()

    # ------------------------------------------------------------------ after the first frame

    def on_mount(self) -> None:
        """The first frame must not wait for anything below."""
        self.call_after_refresh(self._after_first_frame)

    def _after_first_frame(self) -> None:
        self.services.server.listen(self._server_said)
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        self._warm_up()

    def _server_said(self, state: ServerState) -> None:
        self.call_later(self._offer_first_run, state)
        if state.phase is ServerPhase.READY:
            self.call_later(self._offer_pulls)

    @work(group="left-over", exclusive=True, exit_on_error=False)
    async def _offer_pulls(self) -> None:
        """What an earlier run of the program did not fetch to the end stands in the list of pulls, paused."""
        if left := await self.services.models.pulls.restore():
            names = ", ".join(state.name for state in left[:3]) + (" …" if len(left) > 3 else "")
            words = f"{names}. On the models screen ({shown_key('f5')}) x lets them go on."
            tell(self, words, title=f"{len(left)} pull{'s were' if len(left) > 1 else ' was'} not finished", timeout=10)

    @work(group="start", exit_on_error=True)
    async def _warm_up(self) -> None:
        """Bring what the first question needs, then look for the server."""
        import asyncio  # loaded by Textual; named here for this one use

        await asyncio.to_thread(_import_for_later)
        await self.services.server.start()
        self._register_themes()
        problems = list(self.settings.problems)
        if keys := self.settings.settings.keys:
            known = await asyncio.to_thread(known_ids)
            problems += [_unknown_command(name, known) for name in keys if name not in known]
        for problem in problems:
            tell(self, problem, title="Configuration", severity="warning", timeout=12)

    # ------------------------------------------------------------------ themes

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Values for our own variables that a theme may leave out."""
        return themes.variable_defaults(self.current_theme)

    def _choose_theme(self, name: str) -> None:
        """Only the theme in use is read before the first frame."""
        chosen: Theme | None = themes.find_theme(name, self._theme_folders)
        self._theme_missing = ""
        if chosen is None and name not in self.available_themes:
            self._theme_missing = name
            chosen = themes.find_theme(themes.DEFAULT_THEME, self._theme_folders[:1])
        if chosen is not None:
            self.register_theme(chosen)
        self.theme = chosen.name if chosen is not None else name if name in self.available_themes else self.theme

    def _register_themes(self) -> None:
        """The other themes; what is wrong with any of them is told in one toast."""
        problems: list[str] = []
        for folder in self._theme_folders:
            found, errors = themes.read_themes(folder)
            for theme in found:
                self.register_theme(theme)
            problems.extend(map(str, errors))
        if self._theme_missing:
            problems.insert(0, f"there is no usable theme {self._theme_missing!r}; {self.theme} is shown instead")
        if problems:
            tell(self, "\n".join(problems), title="Themes", severity="warning", timeout=12)

    def _keep_theme(self, theme: Theme) -> None:
        try:
            self.settings.change("ui.theme", theme.name)
        except (OSError, ValueError) as error:
            tell(self, f"the choice could not be kept: {error}", title="Theme", severity="warning")

    # ------------------------------------------------------------------ actions

    def action_help(self) -> None:
        """Every key and command of the screen."""
        from codomyrmex_ollama_tui.ui.screens.help import HelpScreen  # seldom needed

        self.push_screen(HelpScreen.of(self.screen, self.keymap_in_force))

    def action_help_quit(self) -> None:
        """ctrl+c with nothing to copy or to stop."""
        tell(self, f"Nothing is selected to copy. {shown_key('ctrl+q')} leaves.", timeout=4)

    async def action_quit(self) -> None:
        """Leave; ask first if something would be lost."""
        lost = self._work_in_hand()
        if not lost:
            self.exit()
            return
        from codomyrmex_ollama_tui.ui.screens.ask import Confirm  # seldom needed

        def answered(yes: bool | None) -> None:
            if yes:
                self.exit()

        if not isinstance(self.screen, Confirm):
            self.push_screen(Confirm("Leave?", f"{lost}. Leaving stops that.", yes="leave"), answered)

    def _work_in_hand(self) -> str:
        states = self.services.models.pulls.states
        pulls = [state.name for state in states if state.phase.running or state.phase is PullPhase.QUEUED]
        words = (
            [f"{pulls[0]} is being pulled" if len(pulls) == 1 else f"{len(pulls)} models are being pulled"]
            if pulls
            else []
        )
        if any(turn.status == "streaming" for chat in self.services.chat.conversations for turn in chat.turns[-1:]):
            words.append("an answer is being written")
        return " and ".join(words)

    def action_another_host(self) -> None:
        """Ask for an address and go there."""
        from codomyrmex_ollama_tui.ui.screens.ask import ask_host  # seldom needed

        ask_host(self, self.services.server)

    @work(group="retry", exclusive=True)
    async def action_retry_server(self) -> None:
        """Look for the server now."""
        await self.services.server.retry_now()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """`retry` only where there is something to look for."""
        if action == "retry_server":
            return self.services.server.state.phase in (ServerPhase.LOST, ServerPhase.ABSENT)
        return True


def _unknown_command(name: str, known: set[str]) -> str:
    """A key was given to a command that does not exist."""
    from difflib import get_close_matches  # only for a mistake

    near = get_close_matches(name, known, n=1)
    return f"keys.{name}: there is no such command" + (f"; is {near[0]} meant?" if near else "")


def _import_for_later() -> None:
    """Off the loop: modules that the first answer needs; then everything loaded is left out of garbage collection."""
    import gc
    import importlib

    importlib.import_module("codomyrmex_ollama_tui.client.ollama")
    importlib.import_module("codomyrmex_ollama_tui.ui.widgets.transcript").warm()
    gc.collect()
    gc.freeze()
