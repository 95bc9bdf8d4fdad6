"""Where things are on this machine, what time it is, and what is random: handed to the services by who builds them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from codomyrmex_ollama_tui.store.paths import Folders

APP_NAME = "codomyrmex-ollama-tui"


def find_folders(data_dir: str | None = None, config_dir: str | None = None) -> Folders:
    """The folders of this platform, or those that are named (state and cache inside the data folder then)."""
    from platformdirs import PlatformDirs

    dirs = PlatformDirs(APP_NAME, appauthor=False)
    config = _named(config_dir) or dirs.user_config_path
    data = _named(data_dir)
    if data is not None:
        return Folders(config, data, data / "state", data / "cache")
    return Folders(config, dirs.user_data_path, dirs.user_state_path, dirs.user_cache_path)


def local_now() -> datetime:
    """The time of day with the zone of this machine."""
    return datetime.now().astimezone()


def file_token() -> str:
    """Six random hex digits, for the names of new files."""
    import secrets  # not before the first file is written

    return secrets.token_hex(3)


def _named(folder: str | None) -> Path | None:
    return None if folder is None else Path(folder).expanduser().absolute()
