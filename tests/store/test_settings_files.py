"""The file itself: broken, newer, older, no file at all, JSON, changed by several programs at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from filelock import FileLock

from codomyrmex_ollama_tui.store.document import NewerFile, edit_tables
from codomyrmex_ollama_tui.store.migrations.config import SCHEMA_VERSION, migrate
from tests.store.configuring import NOON, STAMP, WHOLE, open_store, text_of

ROOT = Path(__file__).parent.parent.parent
OLD = """\
# from before versions were written
[servers.office]
host = "https://office"  # the big one
"""


def test_a_file_of_a_newer_version_is_named_not_used_and_never_changed(tmp_path: Path) -> None:
    text = f"schema_version = {SCHEMA_VERSION + 1}\n[ui]\ntheme = 'day'\n[options]\nnew_thing = 1\n"
    store = open_store(tmp_path, text, {"CODOMYRMEX_OLLAMA_THEME": "contrast"})
    assert store.settings.theme == "contrast"
    assert store.tables.options == {}
    assert len(store.problems) == 1
    for words in (str(store.path), f"version {SCHEMA_VERSION + 1}", "left as it is"):
        assert words in store.problems[0]
    for change in (
        lambda: store.change("ui.theme", "night"),
        lambda: store.remove_at("ui.theme"),
        lambda: store.import_({"ui": {"theme": "night"}}),
        lambda: store.reset(),
    ):
        with pytest.raises(NewerFile, match="left as it is"):
            change()
    assert text_of(store) == text
    assert not store.validate().valid


@pytest.mark.parametrize("version", ["0", "-1", "true", "'2'", "1.5"])
def test_a_version_that_is_none_is_named(tmp_path: Path, version: str) -> None:
    store = open_store(tmp_path, f"schema_version = {version}\n[ui]\ntheme = 'day'\n")
    assert store.settings.theme == "day"
    assert any("schema_version = " in error for error in store.validate().errors)
    store.change("ui.theme", "night")
    assert store.validate().valid


def test_an_older_file_is_read_as_it_is_and_copied_before_it_is_changed(tmp_path: Path) -> None:
    store = open_store(tmp_path, OLD)
    assert store.problems == ()
    assert store.profile("office").address == "https://office"
    assert text_of(store) == OLD, "reading changes nothing"
    assert os.listdir(tmp_path) == ["config.toml"]
    store.change("ui.theme", "day")
    assert (tmp_path / f"config.version-1-{STAMP}.toml").read_text(encoding="utf-8") == OLD
    assert tomllib.loads(text_of(store)) == {
        "schema_version": SCHEMA_VERSION,
        "servers": {"office": {"address": "https://office"}},
        "ui": {"theme": "day"},
    }
    assert "# from before versions were written" in text_of(store)
    store.change("ui.theme", "night")
    assert len(list(tmp_path.glob("config.version-1-*"))) == 1


def test_a_migration_does_nothing_to_what_is_new_already() -> None:
    tables = tomllib.loads(WHOLE)
    once = tomllib.loads(WHOLE)
    migrate(once, 1)
    assert once == tables
    old = {
        "host": "x",
        "server_port": 5,
        "ollama": {"server_port": 6},
        "servers": {"a": {"host": "h", "address": "b"}, "c": 3},
    }
    migrate(old, 1)
    again = json.loads(json.dumps(old))
    migrate(again, 1)
    assert again == old


def test_json_where_the_name_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path, '{"server_port": 99, "other": [1]}', name="settings.json")
    assert (store.settings.server_port, store.settings.port_from) == (99, "file"), "fields at its top are of [ollama]"
    store.change("models.qwen3*.num_ctx", 4096)
    assert json.loads(text_of(store)) == {
        "schema_version": SCHEMA_VERSION,
        "ollama": {"server_port": 99},
        "models": {"qwen3*": {"num_ctx": 4096}},
        "other": [1],
    }
    assert (tmp_path / f"settings.version-1-{STAMP}.json").exists()


@pytest.mark.parametrize("text", ["{", "[1]", '{"ui": ', "\xff", "[" * 100_000])
def test_broken_json_is_set_aside(tmp_path: Path, text: str) -> None:
    store = open_store(tmp_path, text.encode("latin-1"), name="settings.json")
    aside = tmp_path / f"settings.broken-{STAMP}.json"
    assert aside.read_bytes() == text.encode("latin-1")
    assert aside.name in store.problems[0]
    store.change("ui.theme", "day")
    assert json.loads(text_of(store))["ui"] == {"theme": "day"}
    assert aside.exists()


def test_an_empty_file_is_an_empty_configuration(tmp_path: Path) -> None:
    for name in ("config.toml", "config.json"):
        assert open_store(tmp_path, "", name=name).problems == ()


@pytest.mark.parametrize("text", ["[models.qwen3", "a = [[[" + "[" * 20_000, 'b = "\n'])
def test_a_half_written_file_is_set_aside_by_the_change_that_meets_it(tmp_path: Path, text: str) -> None:
    store = open_store(tmp_path, WHOLE)
    store.path.write_text(text, encoding="utf-8")
    store.change("ui.theme", "contrast")
    assert (tmp_path / f"config.broken-{STAMP}.toml").read_text(encoding="utf-8") == text
    assert store.settings.theme == "contrast"


def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    store = open_store(tmp_path, name="file/config.toml")
    assert "cannot be read" in store.problems[0]
    with pytest.raises(OSError, match=r"file"):
        store.change("ui.theme", "day")
    folder = open_store(tmp_path, name="")
    assert "cannot be read" in folder.problems[0]
    with pytest.raises(OSError, match=r"\w"):
        folder.change("options.seed", 1)
    odd = open_store(tmp_path, name="a\0b")
    assert "cannot be read" in odd.problems[0]
    assert sorted(os.listdir(tmp_path)) in (["file"], ["file", f"{tmp_path.name}.lock"])


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="modes bind no administrator")
def test_a_file_that_may_not_be_read_is_named_and_left(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(WHOLE, encoding="utf-8")
    (tmp_path / "config.toml").chmod(0)
    store = open_store(tmp_path)
    assert "cannot be read" in store.problems[0]
    with pytest.raises(PermissionError):
        store.change("ui.theme", "day")
    (tmp_path / "config.toml").chmod(0o600)
    assert text_of(store) == WHOLE


def test_a_change_that_changes_nothing_does_not_touch_the_file(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)
    before = store.path.stat()
    store.change("options.temperature", 0.6)
    store.remove_at("presets.nobody")
    after = store.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_that_another_program_holds_is_named_and_left(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)
    with (
        FileLock(f"{store.path}.lock"),
        pytest.raises(TimeoutError, match=r"config\.toml is being changed by another program; nothing was changed"),
    ):
        edit_tables(store.path, lambda tables: tables.clear(), lambda: NOON, wait=0)
    assert text_of(store) == WHOLE


def test_a_change_that_fails_leaves_the_file(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)

    def fail(tables: dict[str, object]) -> None:
        tables.clear()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        edit_tables(store.path, fail, lambda: NOON)
    assert text_of(store) == WHOLE


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_file_that_nobody_can_read_is_named_and_left(tmp_path: Path) -> None:
    (tmp_path / "config.toml").symlink_to(tmp_path / "config.toml")  # not even an administrator gets to its end
    store = open_store(tmp_path, None, {"CODOMYRMEX_OLLAMA_THEME": "day"})
    assert "config.toml cannot be read" in store.problems[0]
    assert store.settings.theme == "day"
    for change in (lambda: store.change("ui.theme", "night"), store.reset, lambda: store.import_({"ui": {}})):
        with pytest.raises(OSError, match=r"config\.toml"):
            change()
    assert (tmp_path / "config.toml").is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "dotfiles"
    elsewhere.mkdir()
    (elsewhere / "mine.toml").write_text(WHOLE, encoding="utf-8")
    (tmp_path / "config.toml").symlink_to(elsewhere / "mine.toml")
    store = open_store(tmp_path)
    store.change("options.seed", 1)
    assert store.path.is_symlink()
    assert "seed = 1" in (elsewhere / "mine.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "[models.a]\nseed = 1\n[ui]\ntheme = 'day'\n[models.b]\nseed = 2 # two\n",
        "models = {a = {seed = 1}, b = {seed = 2}} # inline\n",
        "models.a.seed = 1\nmodels.b = {seed = 2}\n",
        "[models]\na.seed = 1\nb.seed = 2\n",
        "[models]\n[models.a]\nseed=1\n[models.b]\nseed=2\n",
        "[models]\r\n[models.a]\r\nseed=1 # one\r\n\r\n[models.b]\r\nseed=2",
        "\ufeff[models.a]\nseed = 1\n\n[models.b]\nseed = 2\n",
        "[models.a]\nseed = 1\nsystem = '''\n[models.x]\nseed = 3\n'''\n[models.b]\nseed = 2\n",
    ],
)
def test_whatever_way_a_table_is_written_it_can_be_changed(tmp_path: Path, text: str) -> None:
    store = open_store(tmp_path, text)
    store.change("models.a.seed", 5)
    store.change("models.c*.seed", 6)
    store.remove_at("models.b.seed")
    store.change("options.temperature", 1.0)
    again = open_store(tmp_path)
    assert again.problems == ()
    assert {name: values["seed"] for name, values in again.tables.models.items()} == {"a": 5, "c*": 6}
    assert again.tables.options == {"temperature": 1.0}
    assert [comment for comment in ("# inline", "# one") if comment in text and comment not in text_of(store)] == []


def test_whole_tables_are_reset_and_the_file_is_copied_before(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)
    copy = store.reset(["options", "models"])
    assert copy == tmp_path / f"config.before-reset-{STAMP}.toml"
    assert copy.read_text(encoding="utf-8") == WHOLE
    assert (store.tables.options, store.tables.models) == ({}, {})
    assert store.settings.theme == "day"
    with pytest.raises(ValueError, match="there is no table 'colours'"):
        store.reset(["colours"])
    assert open_store(tmp_path, name="none.toml").reset() is None


PROGRAM = """
import datetime, pathlib, sys
from codomyrmex_ollama_tui.store.settings import SettingsStore
path, name = pathlib.Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
store = SettingsStore(path, {}, now=datetime.datetime.now)
for number in range(5):
    store.change(f"models.{name}-{number}.seed", number)
    store.change("options.seed", number)
"""


@pytest.mark.parametrize("name", ["config.toml", "config.json"])
def test_several_programs_change_the_file_at_once_and_nothing_is_lost(tmp_path: Path, name: str) -> None:
    store = open_store(tmp_path, WHOLE if name.endswith("toml") else None, name=name)
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(store.path), who],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for who in ("one", "two", "three")
    ]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
    errors = [program.communicate("go\n", timeout=120)[1] for program in programs]
    assert errors == ["", "", ""]
    store.reload()
    assert store.problems == ()
    made = {f"{who}-{number}" for who in ("one", "two", "three") for number in range(5)}
    assert made <= set(store.tables.models)
    assert store.tables.options["seed"] == 4
    if name.endswith("toml"):
        assert store.tables.presets["mine"]["min_p"] == 0.1
        assert "# the big one" in text_of(store)
