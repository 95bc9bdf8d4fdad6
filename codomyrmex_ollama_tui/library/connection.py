"""Which server a manager means, and the services for it, from what it was given and what the machine says."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.library.config import OllamaConfig
    from codomyrmex_ollama_tui.services.build import Services
    from codomyrmex_ollama_tui.store.fields import Settings
    from codomyrmex_ollama_tui.store.settings import SettingsStore

DEFAULT_BINARY: Final = "ollama"
CHECK_EVERY: Final = 15.0
"""Seconds between health checks: a program that asks nothing wants to know less than a screen."""


@dataclass(frozen=True)
class Connection:
    """What a manager was given. Nothing is read before it is asked for.

    Attributes:
        base_url: a server that is named; nothing is ever started in its place.
        config: used instead of the configuration file.
        data_dir: holds data, state and cache instead of the platform's folders.
        server: a server of `config.toml` by its name; nothing is ever started in its place either.
    """

    base_url: str | None
    ollama_binary: str
    auto_start_server: bool
    config: OllamaConfig | None
    data_dir: str | None
    server: str | None

    @cached_property
    def settings(self) -> Settings:
        """The settings in force: what was given, else environment and `config.toml`."""
        return self._file.settings if self.config is None else settings_of(self.config, os.environ)

    @cached_property
    def _file(self) -> SettingsStore:
        # Like all imports in functions here: a program that only names the manager does not wait for its services.
        from codomyrmex_ollama_tui.library.places import find_folders, local_now
        from codomyrmex_ollama_tui.store.settings import SettingsStore

        return SettingsStore(find_folders().config_file, os.environ, now=local_now)

    def build(self) -> Services:
        """The services; nothing of them has begun.

        Raises:
            ValueError: there is no server of that name, or a variable that it needs is not set.
        """
        from codomyrmex_ollama_tui.library.places import file_token, find_folders, local_now
        from codomyrmex_ollama_tui.services.addresses import access_of, choose_address, profile_address
        from codomyrmex_ollama_tui.services.build import build_services
        from codomyrmex_ollama_tui.services.launch import Launcher
        from codomyrmex_ollama_tui.services.state import ClientSettings

        settings, environment = self.settings, dict(os.environ)
        access = None
        if self.server is not None:
            profile = self._file.profile(self.server)
            address, origin, _ = profile_address(profile)
            access = access_of(profile, environment)
        else:
            address, origin, _ = choose_address(self.base_url, environment.get("OLLAMA_HOST", ""), settings)
        folders = find_folders(self.data_dir)
        launcher = Launcher(
            allowed=self.auto_start_server and settings.auto_start_server,
            python=sys.executable,
            environment=environment,
            state_folder=folders.state,
            models_folder=folders.models,
            package_folder=Path(__file__).parents[2],
            ollama=settings.ollama_binary if self.ollama_binary == DEFAULT_BINARY else self.ollama_binary,
            search_path=environment.get("PATH", ""),
        )
        return build_services(
            address=address,
            origin=origin,
            launcher=launcher,
            now=local_now,
            client_settings=ClientSettings(
                float(settings.request_timeout), settings.max_retries, settings.retry_delay, random.random
            ),
            access=access,
            check_every=CHECK_EVERY,
            keep_pulls=False,
            pull_retries=[settings.retry_delay * 2.0**tries for tries in range(settings.max_retries)],
            token=file_token,
            data=folders.data,
            cache=folders.cache,
        )


def settings_of(config: OllamaConfig, environment: Mapping[str, str]) -> Settings:
    """The settings that an object of them means; for the address the environment wins, as it does over the file.

    Host and port count as written where they are not the default ones.
    """
    from codomyrmex_ollama_tui.store.fields import DEFAULTS, Settings
    from codomyrmex_ollama_tui.store.reading import RECORDED, take_environment

    known = {field.name for field in fields(Settings)}
    values: dict[str, Any] = {
        field.name: getattr(config, field.name) for field in fields(config) if field.name in known
    }
    said: dict[str, object] = {}
    take_environment(environment, said)
    for name in RECORDED:
        origin = "file" if values[name] != DEFAULTS[name] else ""
        if name in said:
            values[name], origin = said[name], "environment"
        values[name.removeprefix("server_") + "_from"] = origin
    return Settings(**values)
