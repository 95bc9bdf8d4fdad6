"""What flags, environment and settings become."""

from __future__ import annotations

from pathlib import Path

import pytest

from codomyrmex_ollama_tui.house import Flags, House, find_folders, local_now
from codomyrmex_ollama_tui.services.server import ServerPhase


def test_named_folders_hold_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = find_folders(Flags(data_dir="d", config_dir="c"))
    assert (folders.config, folders.data, folders.state) == (tmp_path / "c", tmp_path / "d", tmp_path / "d" / "state")
    assert folders.cache == tmp_path / "d" / "cache"
    assert list(tmp_path.iterdir()) == []


def test_the_folders_of_the_platform_carry_the_name() -> None:
    folders = find_folders(Flags())
    for folder in (folders.config, folders.data, folders.state, folders.cache):
        assert folder.is_absolute()
        assert "codomyrmex-ollama-tui" in folder.parts


def test_a_house_is_built_and_nothing_is_done(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[ollama]\nserver_port = 9999\n[ui]\ntheme = "day"\n', encoding="utf-8")
    flags = Flags(data_dir=str(tmp_path / "data"), config_dir=str(tmp_path), theme="contrast")
    house = House(flags, {"OLLAMA_HOST": "http://me@host"})
    state = house.services.server.state
    assert (state.phase, state.label, state.origin) == (ServerPhase.STARTING, "127.0.0.1:9999", "file")
    assert house.settings.settings.theme == "contrast"
    assert len(house.settings.problems) == 1
    assert house.settings.problems[0].startswith("OLLAMA_HOST is passed over: ")
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.toml"]


def test_the_flag_wins_and_must_be_an_address(tmp_path: Path) -> None:
    folder = str(tmp_path)
    house = House(Flags(host="far.away:1", data_dir=folder, config_dir=folder), {"OLLAMA_HOST": "near"})
    assert (house.services.server.state.label, house.services.server.state.origin) == ("far.away:1", "flag")
    with pytest.raises(ValueError, match="user name"):
        House(Flags(host="me@host", data_dir=folder, config_dir=folder), {})


def test_the_time_of_day_has_its_zone() -> None:
    assert local_now().tzinfo is not None
