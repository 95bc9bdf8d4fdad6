"""`config.toml`: bad values named, broken files set aside, comments kept."""

from __future__ import annotations

import os
import stat
import string
import sys
import threading
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.store.fields import Settings
from codomyrmex_ollama_tui.store.settings import SettingsStore

NOON = datetime(2026, 1, 2, 12, 30, tzinfo=UTC)
CONFIG = """\
# my own words
schema_version = 2

[ollama]
server_host = "gpu.local"  # the big one
default_model = "qwen3:8b"

[ui]
theme = "day"
reduce_motion = true

[keys]
"chat.send" = "ctrl+y"
models.pull = "p,f9"

[servers.office]
address = "https://office"
"""


def open_store(
    folder: Path, text: str | bytes | None = None, environment: Mapping[str, str] | None = None, **flags: object
) -> SettingsStore:
    path = folder / "config.toml"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return SettingsStore(path, environment or {}, now=lambda: NOON, flags=flags)


def test_without_a_file_the_defaults_are_in_force_and_nothing_is_written(tmp_path: Path) -> None:
    store = open_store(tmp_path / "not" / "there")
    assert store.settings == Settings()
    assert store.problems == ()
    assert list(tmp_path.iterdir()) == []


def test_what_the_file_says(tmp_path: Path) -> None:
    store = open_store(tmp_path, CONFIG)
    found = store.settings
    assert store.problems == ()
    assert (found.server_host, found.host_from, found.port_from) == ("gpu.local", "file", "")
    assert (found.theme, found.reduce_motion, found.auto_start_server) == ("day", True, True)
    assert dict(found.keys) == {"chat.send": "ctrl+y", "models.pull": "p,f9"}


def test_the_environment_wins_over_the_file_and_the_flag_over_both(tmp_path: Path) -> None:
    environment = {
        "CODOMYRMEX_OLLAMA_SERVER_PORT": "8080",
        "CODOMYRMEX_OLLAMA_AUTO_START_SERVER": "off",
        "CODOMYRMEX_OLLAMA_THEME": "contrast",
        "CODOMYRMEX_OLLAMA_REQUEST_TIMEOUT": "soon",
        "CODOMYRMEX_OLLAMA_SEND_KEY": "",
    }
    store = open_store(tmp_path, CONFIG, environment)
    assert (store.settings.server_port, store.settings.port_from, store.settings.host_from) == (
        8080,
        "environment",
        "file",
    )
    assert (store.settings.auto_start_server, store.settings.theme) == (False, "contrast")
    assert store.problems == (
        "CODOMYRMEX_OLLAMA_REQUEST_TIMEOUT = 'soon': allowed is a whole number of seconds from 1 to 86400",
    )
    assert open_store(tmp_path, None, environment, theme="night").settings.theme == "night"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[ollama]\nserver_port = 0", "ollama.server_port = 0: allowed is a whole number from 1 to 65535"),
        ("[ollama]\nserver_port = true", "ollama.server_port = True: allowed is a whole number from 1 to 65535"),
        ('[ollama]\nserver_port = "80"', "ollama.server_port = '80': allowed is a whole number from 1 to 65535"),
        ('[ollama]\nserver_host = " "', "ollama.server_host = ' ': allowed is a host name, an IP address or a URL"),
        ("[ollama]\nauto_start_server = 1", "ollama.auto_start_server = 1: allowed is true or false"),
        ("[ui]\nreader_width = 20", "ui.reader_width = 20: allowed is a whole number of cells from 40 to 400"),
        ('[ui]\nsend_key = "f1"', 'ui.send_key = \'f1\': allowed is "enter" or "ctrl+j"'),
        ("ui = 3", "ui = 3: allowed is a table"),
        ("keys = []", "keys = []: allowed is a table"),
        ("[keys]\nx = 1", "keys.x = 1: allowed is a key, or several with commas"),
        ('[ui]\nthem = "day"', "ui.them: there is no such setting; 'theme' is near"),
        ('[ui]\n"a\\u001b" = 1', "ui.'a\\x1b': there is no such setting"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed_and_the_rest_holds(tmp_path: Path, text: str, words: str) -> None:
    store = open_store(tmp_path, text)
    assert store.problems == (words,)
    assert store.settings == Settings()
    assert (tmp_path / "config.toml").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", ["[ui\n", "theme = ", b"\xff\xfe\x00", "a = 1\na = 2"])
def test_a_broken_file_is_set_aside_and_named(tmp_path: Path, text: str | bytes) -> None:
    store = open_store(tmp_path, text)
    aside = tmp_path / "config.broken-20260102-123000-000000.toml"
    assert store.settings == Settings()
    assert aside.read_bytes() == (text.encode() if isinstance(text, str) else text)
    assert not (tmp_path / "config.toml").exists()
    assert len(store.problems) == 1
    assert "config.toml is broken (" in store.problems[0]
    assert aside.name in store.problems[0]
    store.change("ui.theme", "day")
    assert aside.read_bytes() == (text.encode() if isinstance(text, str) else text)
    assert aside.name in store.problems[0], "it is still said"


def test_a_file_that_cannot_be_read_is_named_and_left(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    store = open_store(tmp_path)
    assert store.settings == Settings()
    assert "cannot be read" in store.problems[0]
    with pytest.raises(OSError, match=r"\w"):
        store.change("ui.theme", "day")
    assert (tmp_path / "config.toml").is_dir()


def test_a_change_keeps_comments_and_tables_of_others(tmp_path: Path) -> None:
    store = open_store(tmp_path, CONFIG)
    heard: list[Settings] = []
    stop = store.listen(heard.append)
    assert store.change("ui.theme", "night").theme == "night"
    store.change("keys.chat.send", "f2")
    store.change("keys.models.pull", "f3")
    stop()
    stop()
    store.change("ollama.server_port", 1234)
    assert [one.theme for one in heard] == ["night"] * 3
    text = (tmp_path / "config.toml").read_text(encoding="utf-8")
    expected = CONFIG.replace('"day"', '"night"').replace('"ctrl+y"', '"f2"').replace('"p,f9"', '"f3"')
    assert text.replace("server_port = 1234\n", "") == expected
    again = open_store(tmp_path)
    assert again.settings == store.settings
    assert again.settings.server_port == 1234


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ui.reader_width", 7, "ui.reader_width = 7: allowed is"),
        ("ui.thme", "x", "'theme' is near"),
        ("nothing.at_all", 1, "there is no such setting"),
        ("keys.", "x", "the name is not whole"),
        ("keys.a", "\x1b", "allowed is a key"),
    ],
)
def test_a_change_that_is_not_allowed_changes_nothing(tmp_path: Path, name: str, value: object, words: str) -> None:
    store = open_store(tmp_path, CONFIG)
    with pytest.raises(ValueError, match=words):
        store.change(name, value)
    assert (tmp_path / "config.toml").read_text(encoding="utf-8") == CONFIG


def test_a_change_where_something_else_stands_changes_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path, "ui = 3\n")
    with pytest.raises(ValueError, match="allowed is a table"):
        store.change("ui.theme", "day")
    assert (tmp_path / "config.toml").read_text(encoding="utf-8") == "ui = 3\n"


def test_what_is_chosen_later_wins_over_the_flag(tmp_path: Path) -> None:
    store = open_store(tmp_path, CONFIG, theme="contrast")
    assert store.settings.theme == "contrast"
    assert store.change("ui.theme", "night").theme == "night"


def test_what_a_person_changed_meanwhile_is_not_lost(tmp_path: Path) -> None:
    store = open_store(tmp_path, CONFIG)
    (tmp_path / "config.toml").write_text(
        CONFIG.replace("reduce_motion = true", "reduce_motion = false"), encoding="utf-8"
    )
    assert store.change("ui.theme", "night").reduce_motion is False


def test_two_programs_change_the_file_at_once_and_neither_is_lost(tmp_path: Path) -> None:
    open_store(tmp_path, CONFIG)

    def change(name: str) -> None:
        for number in range(5):
            open_store(tmp_path).change(f"keys.{name}.{number}", "x")

    threads = [threading.Thread(target=change, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(open_store(tmp_path).settings.keys) == 2 + 15


def test_a_password_in_an_address_is_refused_and_not_shown(tmp_path: Path) -> None:
    environment = {"CODOMYRMEX_OLLAMA_SERVER_HOST": "http://me:sekret@b"}
    store = open_store(tmp_path, "[ollama]\nserver_host = 'me:sekret@a'\n", environment)
    assert (store.settings.server_host, store.settings.host_from) == ("localhost", "")
    assert [problem.partition(":")[0] for problem in store.problems] == ["ollama.server_host", *environment]
    with pytest.raises(ValueError, match="no user name or password") as caught:
        store.change("ollama.server_host", "https://me:sekret@c/d")
    assert "sekret" not in " ".join([*store.problems, str(caught.value)])


def test_notes_stay_for_the_run(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.note("OLLAMA_HOST is passed over")
    store.change("ui.theme", "day")
    assert store.problems == ("OLLAMA_HOST is passed over",)


@pytest.mark.skipif(sys.platform == "win32", reason="modes")
def test_new_files_and_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    store = open_store(tmp_path / "deep" / "er")
    (tmp_path / "deep").mkdir(0o755)
    store.change("ui.theme", "day")
    assert stat.S_IMODE((tmp_path / "deep" / "er").stat().st_mode) == 0o700
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(string.printable, max_size=12)
    | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_letters, min_size=1), inner, max_size=3)
    ),
    max_leaves=4,
)
names = st.sampled_from(
    ["server_host", "server_port", "auto_start_server", "theme", "reader_width", "reduce_motion", "send_key", "other"]
)
tables = st.dictionaries(
    st.sampled_from(["ollama", "ui", "keys", "servers"]),
    values | st.dictionaries(names, values, max_size=4),
    max_size=4,
)


@settings(max_examples=50, deadline=None)
@given(tables)
def test_whatever_stands_in_the_file_settings_come_out(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, object]
) -> None:
    import tomlkit

    folder = tmp_path_factory.mktemp("any")
    text = tomlkit.dumps(table)
    tomllib.loads(text)
    store = open_store(folder, text)
    found = store.settings
    assert isinstance(found.theme, str)
    assert 1 <= found.server_port <= 65535
    assert 40 <= found.reader_width <= 400
    assert found.send_key in ("enter", "ctrl+j")
    assert all(isinstance(keys, str) for keys in found.keys.values())
    assert all(problem.isprintable() for problem in store.problems)
    assert os.listdir(folder) == ["config.toml"]
