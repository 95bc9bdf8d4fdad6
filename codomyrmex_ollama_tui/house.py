"""Where everything is put together: flags, environment and settings become services; what was opened is closed."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from codomyrmex_ollama_tui.library.places import file_token, local_now
from codomyrmex_ollama_tui.library.places import find_folders as folders_in
from codomyrmex_ollama_tui.services.addresses import access_of, choose_address, profile_address
from codomyrmex_ollama_tui.services.build import Services, build_services
from codomyrmex_ollama_tui.services.launch import Launcher
from codomyrmex_ollama_tui.services.state import ClientSettings
from codomyrmex_ollama_tui.store.log_file import logged
from codomyrmex_ollama_tui.store.paths import Folders, make_private
from codomyrmex_ollama_tui.store.settings import Settings, SettingsStore

ENDED_BY_SIGNAL = 130
FAILED = 3


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line said; None and the defaults where it said nothing."""

    host: str | None = None
    server: str | None = None
    screen: str = "chat"
    model: str | None = None
    data_dir: str | None = None
    config_dir: str | None = None
    theme: str | None = None
    start: bool = True


class House:
    """One run of the program.

    Attributes:
        folders: where things are kept.
        settings: the configuration in force.
        services: the work; nothing of it has begun.
        editor: the command line of the person's editor; () for none.
    """

    def __init__(self, flags: Flags, environment: Mapping[str, str]) -> None:
        """Reads the settings; starts nothing. The host of the flags wins over their server profile.

        Raises:
            ValueError: the host of the flags cannot be an address, there is no such profile, or a variable that it
                names is not set; one sentence.
        """
        self.flags = flags
        self.folders = find_folders(flags)
        shown = {"theme": flags.theme} if flags.theme is not None else {}
        self.editor = editor_of(environment)
        self.settings = SettingsStore(self.folders.config_file, environment, now=local_now, flags=shown)
        settings = self.settings.settings
        access = None
        if flags.server is not None and flags.host is None:
            profile = self.settings.profile(flags.server)
            address, origin, problems = profile_address(profile)
            access = access_of(profile, environment)
        else:
            address, origin, problems = choose_address(flags.host, environment.get("OLLAMA_HOST", ""), settings)
        for words in problems:
            self.settings.note(words)
        launcher = Launcher(
            allowed=flags.start and settings.auto_start_server,
            python=sys.executable,
            environment=dict(environment),
            state_folder=self.folders.state,
            models_folder=self.folders.models,
            package_folder=Path(__file__).parent.parent,
            ollama=settings.ollama_binary,
            search_path=environment.get("PATH", ""),
        )
        self.services: Services = build_services(
            address=address,
            origin=origin,
            launcher=launcher,
            now=local_now,
            client_settings=ClientSettings(request_timeout=float(settings.request_timeout)),
            access=access,
            clock=time.monotonic,
            pulls_at_once=settings.pulls_at_once,
            token=file_token,
            data=self.folders.data,
            cache=self.folders.cache,
            outputs=outputs_folder(settings.output_directory),
            layered=self.settings.resolved,
        )

    def open_ui(self) -> int:
        """Runs the terminal program until the person leaves; returns the exit code. Closes what it opened.

        Raises:
            OSError: a folder that it needs cannot be made.
        """
        for folder in (self.folders.data, self.folders.state):
            make_private(folder)
        try:
            with self.logged():
                return asyncio.run(self._run_ui())
        except KeyboardInterrupt:
            return ENDED_BY_SIGNAL

    def logged(self) -> AbstractContextManager[None]:
        """What goes wrong in this block, and is no news for the person, is written to `cotui.log` in the state folder.

        Prompts and answers are never in it.
        """
        return logged(logging.getLogger(__package__), self.folders.state)

    async def _run_ui(self) -> int:
        from codomyrmex_ollama_tui.ui.app import CotuiApp  # Textual: only where a screen is shown

        app = CotuiApp(
            self.services,
            self.settings,
            start_screen=self.flags.screen,
            model=self.flags.model,
            themes_folder=self.folders.config / "themes",
            editor=self.editor,
            now=local_now,
            clock=time.monotonic,
        )
        ended: list[int] = []

        def end() -> None:
            ended.append(ENDED_BY_SIGNAL)
            app.exit()

        # A closed terminal or a polite kill must not leave a server behind that was started here.
        if sys.platform != "win32":
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, end)
        try:
            await app.run_async()
        finally:
            await self.services.aclose()
        if ended:
            return ended[0]
        return FAILED if app.return_code else 0


def outputs_folder(named: str) -> Path | None:
    """The folder of the saved records; None (inside the data folder) where the setting was left as it is."""
    return None if named == Settings().output_directory else Path(named).expanduser().absolute()


def find_folders(flags: Flags) -> Folders:
    """The folders of this platform, or those that the flags name (state and cache inside the data folder then)."""
    return folders_in(flags.data_dir, flags.config_dir)


def editor_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The words of `$VISUAL`, else of `$EDITOR`; () where neither says anything that can be run."""
    for name in ("VISUAL", "EDITOR"):
        try:
            # on Windows a backslash is part of a path
            words = shlex.split(environment.get(name, ""), posix=os.name != "nt")
        except ValueError:
            continue
        if words:
            return tuple(word.strip('"') for word in words)
    return ()
