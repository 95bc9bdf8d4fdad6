"""Folders and files that are replaced as a whole."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.store.atomic import write_atomically
from codomyrmex_ollama_tui.store.paths import Folders, make_private

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes and links")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.toml"
    write_atomically(path, "one\r\n")
    write_atomically(path, "two\n")
    assert path.read_bytes() == b"two\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.toml"]


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    write_atomically(path, "one")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text(encoding="utf-8") == "one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.toml"]


def test_a_folder_in_the_place_is_left(tmp_path: Path) -> None:
    (tmp_path / "b.toml").mkdir()
    with pytest.raises(OSError, match=r"\w"):
        write_atomically(tmp_path / "b.toml", "one")
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.toml"]


@posix
def test_modes_and_links_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.toml", tmp_path / "config.toml"
    real.write_text("one", encoding="utf-8")
    real.chmod(0o640)
    link.symlink_to(real)
    write_atomically(link, "two")
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == "two"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    write_atomically(tmp_path / "new", "x")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


@posix
def test_private_folders(tmp_path: Path) -> None:
    folder = make_private(tmp_path / "x" / "y")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o755)
    assert stat.S_IMODE(make_private(folder).stat().st_mode) == 0o755


def test_where_things_are(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "c", tmp_path / "d", tmp_path / "s", tmp_path / "k")
    assert folders.config_file == tmp_path / "c" / "config.toml"
    assert folders.models == tmp_path / "d" / "models"
