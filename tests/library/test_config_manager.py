"""`ConfigManager` and `OllamaConfig`: the seed's methods on the one file that everything else uses."""

from __future__ import annotations

import inspect
import json
import logging
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from codomyrmex_ollama_tui.library.config import OllamaConfig
from codomyrmex_ollama_tui.library.config_manager import ConfigManager
from codomyrmex_ollama_tui.library.options import ExecutionOptions
from codomyrmex_ollama_tui.store.fields import RULES, Settings

SEED = [
    ("ollama_binary", "ollama"),
    ("auto_start_server", True),
    ("default_model", "llama2"),
    ("server_host", "localhost"),
    ("server_port", 11434),
    ("request_timeout", 120),
    ("max_retries", 3),
    ("retry_delay", 1.0),
    ("output_directory", "./ollama_outputs"),
    ("enable_caching", True),
    ("cache_ttl", 3600),
]
METHODS = {
    "load_config": [],
    "save_config": [],
    "create_default_config": [],
    "update_config": ["kwargs"],
    "get_model_config": ["model_name"],
    "save_model_config": ["model_name", "config"],
    "get_execution_presets": [],
    "export_config": ["export_path"],
    "import_config": ["import_path"],
    "reset_to_defaults": [],
    "validate_config": [],
}
ODD_NAMES = ["", "/", "..", "../x", "a\x00b", "x" * 300, "🦙", "a b", "*\\x", "\n"]


def manager(folder: Path, text: str | None = None, *, name: str = "config.toml", **environment: str) -> ConfigManager:
    if text is not None:
        (folder / name).write_text(text, encoding="utf-8")
    return ConfigManager(str(folder / name), environment=environment)


def test_the_methods_of_the_seed() -> None:
    for name, wanted in METHODS.items():
        assert list(inspect.signature(getattr(ConfigManager, name)).parameters)[1:] == wanted
    first, *further = list(inspect.signature(ConfigManager.__init__).parameters.values())[1:]
    assert (first.name, first.default) == ("config_file", None)
    assert all(extra.kind is extra.KEYWORD_ONLY and extra.default is None for extra in further)


def test_the_fields_of_the_seed_come_first_and_every_one_has_a_rule() -> None:
    own = [(field.name, field.default) for field in fields(OllamaConfig)]
    assert own[: len(SEED)] == SEED
    assert {name for name, _ in own} == {rule.name for rule in RULES if rule.table == "ollama"}
    assert [default for _, default in own] == [getattr(Settings(), name) for name, _ in own]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("server_port", 0),
        ("server_port", "11434"),
        ("request_timeout", 0),
        ("max_retries", -1),
        ("retry_delay", -0.5),
        ("cache_ttl", True),
        ("default_model", ""),
        ("first_byte_timeout", 0),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, field: str, value: Any) -> None:
    words = f"{field} = {value!r}: allowed is"
    with pytest.raises(ValueError, match=words):
        OllamaConfig(**{field: value})
    config = manager(tmp_path)
    assert config.update_config(**{"cache_ttl": 5, field: value} if field != "cache_ttl" else {field: value}) is False
    assert words in config.last_error
    assert config.config == OllamaConfig()
    assert list(tmp_path.iterdir()) == []
    setattr(config.config, field, value)
    found = config.validate_config()
    assert found["valid"] is False
    assert any(words in error for error in found["errors"])
    assert config.save_config() is False
    assert config.export_config(str(tmp_path / "out.json")) is False
    assert list(tmp_path.iterdir()) == []


def test_without_a_file_the_defaults_are_in_force_and_nothing_is_written(tmp_path: Path) -> None:
    config = manager(tmp_path)
    assert config.config == config.create_default_config() == OllamaConfig()
    assert config.load_config() is False
    assert "there is no such file" in config.last_error
    assert config.validate_config() == {"valid": True, "errors": [], "warnings": []}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="the folder of a Windows user cannot be named by a variable")
def test_the_usual_place_is_that_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ConfigManager(config_dir=str(tmp_path), environment={}).path == tmp_path / "config.toml"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    usual = ConfigManager(environment={}).path
    assert usual.is_relative_to(tmp_path)
    assert usual.parts[-2:] == ("codomyrmex-ollama-tui", "config.toml")


@pytest.mark.parametrize("name", ["config.toml", "config.json"])
def test_what_is_updated_and_saved_is_found_again(tmp_path: Path, name: str) -> None:
    config = manager(tmp_path, name=name)
    assert config.update_config(server_port=8080, retry_delay=2)
    assert config.config.server_port == 8080
    config.config.default_model = "qwen3:8b"
    config.config.first_byte_timeout = 30.0
    assert manager(tmp_path, name=name).config.default_model == "llama2", "not saved yet"
    assert config.save_config()
    again = manager(tmp_path, name=name)
    assert again.load_config()
    assert again.config == config.config
    assert again.config == OllamaConfig(
        server_port=8080, retry_delay=2.0, default_model="qwen3:8b", first_byte_timeout=30.0
    )
    assert again.update_config(first_byte_timeout=None)
    assert manager(tmp_path, name=name).config.first_byte_timeout is None
    again.config.cache_ttl = 9
    assert again.load_config()
    assert again.config.cache_ttl == 3600, "what was not saved is dropped"


def test_saving_with_nothing_changed_makes_the_file_and_pins_no_default(tmp_path: Path) -> None:
    config = manager(tmp_path, CODOMYRMEX_OLLAMA_SERVER_PORT="99")
    assert config.config.server_port == 99
    assert config.save_config()
    assert (tmp_path / "config.toml").read_text(encoding="utf-8") == "schema_version = 2\n"
    assert manager(tmp_path).config == OllamaConfig()


def test_comments_and_what_others_wrote_stay(tmp_path: Path) -> None:
    text = "# mine\nschema_version = 2\n\n[ollama]\ncache_ttl = 60  # short\n\n[ui]\ntheme = 'day'\n"
    config = manager(tmp_path, text)
    (tmp_path / "config.toml").write_text(text + "reduce_motion = true\n", encoding="utf-8")
    assert config.update_config(cache_ttl=61)
    expected = text.replace("60  #", "61  #") + "reduce_motion = true\n"
    assert (tmp_path / "config.toml").read_text(encoding="utf-8") == expected


def test_an_unknown_field_is_refused_with_the_near_one(tmp_path: Path) -> None:
    config = manager(tmp_path)
    assert config.update_config(server_prt=1, cache_ttl=1) is False
    assert config.last_error == "ollama.server_prt: there is no such setting; 'server_port' is near"
    assert config.config.cache_ttl == 3600
    assert config.update_config() is True
    assert config.last_error == ""


def test_why_a_method_failed_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "codomyrmex_ollama_tui"):
        manager(tmp_path).update_config(server_port=0)
    assert "server_port = 0" in caplog.text


@pytest.mark.parametrize("name", ["config.toml", "config.json"])
def test_configurations_of_models(tmp_path: Path, name: str) -> None:
    config = manager(tmp_path, name=name)
    assert config.get_model_config("llama3") is None
    given_config = {"temperature": 0.2, "max_tokens": 50, "system": "brief", "seed": None}
    assert config.save_model_config("llama3", given_config)
    assert given_config == {"temperature": 0.2, "max_tokens": 50, "system": "brief", "seed": None}
    assert config.save_model_config("llama*", {"num_ctx": 4096, "temperature": 0.5})
    again = manager(tmp_path, name=name)
    assert again.get_model_config("LLAMA3:latest") == {
        "num_ctx": 4096,
        "temperature": 0.2,
        "num_predict": 50,
        "system": "brief",
    }
    assert again.get_model_config("llama*") == {"num_ctx": 4096, "temperature": 0.5}
    assert again.get_model_config("qwen3") is None
    assert again.save_model_config("llama3:latest", {"seed": 1}), "the same model"
    assert again.get_model_config("llama3") == {"num_ctx": 4096, "temperature": 0.5, "seed": 1}
    assert again.remove_model_config("llama*")
    assert again.get_model_config("llama3") == {"seed": 1}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_name_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    config = manager(tmp_path)
    assert config.save_model_config(name, {"seed": 1}) is False
    assert "models name = " in config.last_error
    assert config.last_error.isprintable()
    assert config.save_preset(name, {"seed": 1}) is False
    assert "presets name = " in config.last_error
    assert config.get_model_config(name) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"temperature": 3}, "models.a.temperature = 3: allowed is a number from 0 to 2"),
        ({"temprature": 1}, "'temperature' is near"),
        ({"max_tokens": 1, "num_predict": 2}, "given twice"),
        ({"stop": "x"}, "models.a.stop = 'x': allowed is a list"),
    ],
)
def test_a_bad_option_is_refused(tmp_path: Path, values: dict[str, Any], words: str) -> None:
    config = manager(tmp_path)
    assert config.save_model_config("a", values) is False
    assert words in config.last_error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda config: config.save_model_config(3, {}),
        lambda config: config.save_model_config("a", None),
        lambda config: config.get_model_config(None),
        lambda config: config.export_config(None),
        lambda config: config.import_config(5),
        lambda config: type(config)(b"x"),
    ],
)
def test_arguments_of_a_wrong_type(tmp_path: Path, call: Any) -> None:
    with pytest.raises(TypeError, match="must be"):
        call(manager(tmp_path))


def test_presets(tmp_path: Path) -> None:
    config = manager(tmp_path)
    shipped = config.get_execution_presets()
    assert list(shipped) == ["fast", "creative", "balanced", "precise", "long_form"]
    assert all(isinstance(preset, ExecutionOptions) for preset in shipped.values())
    assert shipped["precise"].temperature < shipped["balanced"].temperature < shipped["creative"].temperature
    assert shipped["fast"].num_predict < shipped["long_form"].num_predict
    assert config.save_preset("mine", ExecutionOptions(seed=5, stop=["x"], format="json"))
    assert config.save_preset("fast", {"seed": 3, "min_p": 0.1})
    again = manager(tmp_path).get_execution_presets()
    assert again["mine"] == ExecutionOptions(seed=5, stop=["x"], format="json")
    assert again["fast"].seed == 3
    assert again["fast"].temperature == shipped["fast"].temperature
    assert manager(tmp_path).resolve("a", preset="fast")["min_p"] == 0.1
    again["mine"].stop = ["changed"]
    assert config.get_execution_presets()["mine"].stop == ["x"]
    assert config.remove_preset("fast")
    assert config.get_execution_presets()["fast"] == shipped["fast"]


def test_explain_and_resolve(tmp_path: Path) -> None:
    config = manager(tmp_path, "[options]\nnum_ctx = 4096\n[models.'a*']\nnum_ctx = 8192\n")
    rows = config.explain("abc", preset="fast", options={"top_k": 1}, modelfile={"num_ctx": 2048})
    assert rows["num_ctx"] == {
        "value": 8192,
        "origin": '[models."a*"]',
        "below": [
            {"origin": "[options]", "value": 4096},
            {"origin": "Modelfile", "value": 2048},
            {"origin": "server default", "value": None},
        ],
    }
    assert rows["top_k"]["origin"] == "call"
    assert json.loads(json.dumps(rows)) == rows
    assert config.resolve("xyz", options={"context_window": 99}) == {"num_ctx": 99}
