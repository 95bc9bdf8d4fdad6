"""`ConfigManager` and its file: export, import, broken and newer files, several threads at once."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.library.config import OllamaConfig
from codomyrmex_ollama_tui.library.config_manager import ConfigManager
from tests.library.test_config_manager import manager

WHOLE = """\
[ollama]
cache_ttl = 60
[options]
seed = 3
[models."a*"]
stop = ["x"]
[presets.mine]
top_k = 3
[servers.office]
address = "https://office"
headers = { X-Key = "sekret" }
[ui]
theme = "day"
[keys]
"chat.send" = "f9"
"""


@pytest.mark.parametrize("ending", [".json", ".toml", ".config"])
def test_export_and_import(tmp_path: Path, ending: str) -> None:
    config = manager(tmp_path, WHOLE)
    config.config.max_retries = 9
    out = tmp_path / f"out{ending}"
    assert config.export_config(str(out))
    assert "sekret" not in out.read_text(encoding="utf-8")
    assert "servers.office.headers.X-Key" in out.read_text(encoding="utf-8")
    if sys.platform != "win32":
        assert out.stat().st_mode & 0o077 == 0
    other = manager(tmp_path, name="other.json")
    assert other.import_config(str(out)), other.last_error
    assert other.config == OllamaConfig(cache_ttl=60, max_retries=9)
    assert other.get_model_config("abc") == {"stop": ["x"]}
    assert other.get_execution_presets()["mine"].top_k == 3
    assert dict(other.servers["office"].headers) == {}
    assert config.import_config(str(out))
    assert dict(config.servers["office"].headers) == {"X-Key": "sekret"}
    assert config.config == other.config


def test_an_export_has_the_names_that_the_library_promises(tmp_path: Path) -> None:
    assert manager(tmp_path, WHOLE).export_config(str(tmp_path / "out.json"))
    data = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert {
        "export_timestamp",
        "main_config",
        "model_configs",
        "execution_presets",
        "schema_version",
        "servers",
        "ui",
        "keys",
    } <= set(data)
    assert set(data["main_config"]) == {field.name for field in fields(OllamaConfig)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "in.json: "),
        ("[1]", "not a table, but list"),
        ("\udcff", "utf-8"),
        ('{"schema_version": 77}', "of version 77"),
        ('{"main_config": {"server_port": 0}}', "ollama.server_port = 0: allowed is"),
    ],
)
def test_what_cannot_be_imported_changes_nothing(tmp_path: Path, text: str, words: str) -> None:
    config = manager(tmp_path, WHOLE)
    (tmp_path / "in.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert config.import_config(str(tmp_path / "in.json")) is False
    assert words in config.last_error
    assert "in.json" in config.last_error
    assert (tmp_path / "config.toml").read_text(encoding="utf-8") == WHOLE


def test_places_that_are_no_files(tmp_path: Path) -> None:
    config = manager(tmp_path, WHOLE)
    for place in (str(tmp_path), str(tmp_path / "none" / "\0")):
        assert config.import_config(place) is False
        assert config.export_config(place) is False
        assert config.last_error.isprintable()
    assert config.import_config(str(tmp_path / "none.json")) is False
    assert "none.json: no such file" in config.last_error
    folder = ConfigManager(str(tmp_path), environment={})
    assert folder.config == OllamaConfig()
    assert folder.load_config() is False
    assert "cannot be read" in folder.last_error
    assert folder.update_config(cache_ttl=1) is False
    assert folder.config.cache_ttl == 3600
    assert folder.validate_config()["valid"] is False


def test_a_newer_file_is_refused_and_left(tmp_path: Path) -> None:
    text = "schema_version = 99\n[ollama]\ncache_ttl = 1\n"
    config = manager(tmp_path, text)
    assert config.load_config() is False
    assert "version 99" in config.last_error
    assert config.config == OllamaConfig()
    for done in (config.update_config(cache_ttl=2), config.save_config(), config.reset_to_defaults()):
        assert done is False
    assert "left as it is" in config.last_error
    assert (tmp_path / "config.toml").read_text(encoding="utf-8") == text


def test_a_half_written_file_is_kept_under_another_name(tmp_path: Path) -> None:
    config = manager(tmp_path, "[ollama\ncache_ttl")
    assert config.config == OllamaConfig()
    assert config.load_config() is False
    (aside,) = tmp_path.glob("config.broken-*.toml")
    assert aside.name in config.last_error
    assert config.update_config(cache_ttl=2)
    assert aside.read_text(encoding="utf-8") == "[ollama\ncache_ttl"


def test_a_bad_value_in_the_file_is_named_and_the_rest_is_in_force(tmp_path: Path) -> None:
    config = manager(tmp_path, "[ollama]\ncache_ttl = -1\nmax_retries = 5\n[options]\nnum_predict = 0\n")
    assert config.load_config() is False
    assert config.config == OllamaConfig(max_retries=5)
    found = config.validate_config()
    assert found["valid"] is False
    assert found["errors"] == ["ollama.cache_ttl = -1: allowed is a whole number of seconds from 0 to 31536000"]
    assert len(found["warnings"]) == 1
    assert "options.num_predict = 0" in found["warnings"][0]
    assert json.loads(json.dumps(found)) == found


def test_reset_keeps_a_copy_and_what_is_not_part_of_it(tmp_path: Path) -> None:
    config = manager(tmp_path, WHOLE)
    assert config.reset_to_defaults()
    assert config.config == OllamaConfig()
    assert config.get_model_config("abc") is None
    assert "mine" not in config.get_execution_presets()
    assert config.servers["office"].address == "https://office"
    (before,) = tmp_path.glob("config.before-reset-*.toml")
    assert before.read_text(encoding="utf-8") == WHOLE
    assert 'theme = "day"' in (tmp_path / "config.toml").read_text(encoding="utf-8")


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    shared = manager(tmp_path)
    failed: list[str] = []

    def work(number: int) -> None:
        config = shared if number % 2 else manager(tmp_path)
        if not config.save_model_config(f"m{number}", {"seed": number}):
            failed.append(config.last_error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    again = manager(tmp_path)
    assert [again.get_model_config(f"m{number}") for number in range(16)] == [{"seed": n} for n in range(16)]


values = st.fixed_dictionaries(
    {},
    optional={
        "server_port": st.integers(1, 65535),
        "max_retries": st.integers(0, 100),
        "retry_delay": st.floats(0, 3600),
        "auto_start_server": st.booleans(),
        "first_byte_timeout": st.none() | st.floats(0.001, 86400),
        "default_model": st.sampled_from(["a", "hf.co/a/b:c"]),
    },
)


@settings(max_examples=30, deadline=None)
@given(values, values, st.sampled_from(["config.toml", "config.json"]))
def test_the_file_says_what_the_object_says(
    tmp_path_factory: pytest.TempPathFactory, updated: dict[str, Any], set_later: dict[str, Any], name: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    config = manager(folder, name=name)
    assert config.update_config(**updated)
    for field, value in set_later.items():
        setattr(config.config, field, value)
    assert config.save_config()
    wanted = OllamaConfig(**{**updated, **set_later})
    assert config.config == wanted
    again = manager(folder, name=name)
    assert again.config == wanted
    out = folder / "out.json"
    assert again.export_config(str(out))
    assert again.import_config(str(out))
    assert again.config == wanted
    assert os.path.exists(folder / name)
