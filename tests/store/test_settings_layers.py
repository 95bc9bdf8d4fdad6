"""Which options hold for a model, and where each comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.options import split_options
from codomyrmex_ollama_tui.store.layers import Explained, matching
from tests.store.configuring import WHOLE, open_store


def test_each_layer_stands_over_the_one_below(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)
    found = {
        row.name: row
        for row in store.explain(
            "qwen3:8b",
            "mine",
            {"top_p": 0.3, "max_tokens": 9},
            modelfile={"temperature": 0.1, "stop": ["<|end|>"]},
            server_version="0.32.10",
        )
    }
    assert found["temperature"] == Explained(
        "temperature",
        0.9,
        "preset mine",
        (
            ('[models."qwen3:8b*"]', 0.4),
            ('[models."qwen3*"]', 0.5),
            ("[options]", 0.6),
            ("Modelfile", 0.1),
            ("server default", 0.8),
        ),
    )
    assert found["stop"] == Explained(
        "stop", ["###"], '[models."qwen3:8b"]', (("Modelfile", ["<|end|>"]), ("server default", ()))
    )
    assert found["top_p"].origin == "call"
    assert found["num_predict"] == Explained("num_predict", 9, "call", (("server default", -1),))
    assert found["num_ctx"].origin == '[models."qwen3*"]'
    assert (found["repeat_penalty"].value, found["repeat_penalty"].origin) == (1.0, "server default")
    assert (found["use_mmap"].value, found["use_mmap"].origin) == (None, "server default")
    assert (found["keep_alive"].value, found["keep_alive"].origin) == ("30m", "[options]")
    assert found["system"].origin == "preset mine"


def test_only_what_somebody_configured_is_sent(tmp_path: Path) -> None:
    assert open_store(tmp_path).resolved("llama3") == {}
    store = open_store(tmp_path, WHOLE)
    assert store.resolved("llama3") == {"temperature": 0.6, "keep_alive": "30m"}
    assert store.resolved("QWEN3:8B-q4") == {
        "temperature": 0.4,
        "keep_alive": "30m",
        "num_ctx": 8192,
        "think": True,
    }
    assert store.resolved("hf.co/a/b:q4")["num_gpu"] == 0
    assert store.resolved("qwen3:8b", "fast", {"temperature": None})["temperature"] == 0.2
    assert store.resolved("qwen3:8b", "fast")["seed"] == 7


def test_a_result_can_be_changed_without_changing_the_configuration(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)
    stop = store.resolved("qwen3:8b")["stop"]
    assert isinstance(stop, list)
    stop.append("more")
    assert store.resolved("qwen3:8b")["stop"] == ["###"]


def test_plain_text_stands_over_a_format_that_is_configured(tmp_path: Path) -> None:
    store = open_store(tmp_path, "[options]\nformat = 'json'\n[models.a]\nformat = 'text'\n")
    assert store.resolved("b")["format"] == "json"
    assert store.resolved("a")["format"] == "text"
    assert store.resolved("b", None, {"format": "text"})["format"] == "text"
    assert split_options(store.resolved("b", None, {"format": "text"})) == ({}, {})


def test_the_most_specific_pattern_is_the_strongest() -> None:
    models = dict.fromkeys(["*", "qwen3:8b", "qwen*", "QWEN3:*b", "qwen3*", "*8b", "[pq]wen3:8b", "llama*"])
    assert matching(models, "qwen3:8b") == ["*", "*8b", "qwen*", "qwen3*", "QWEN3:*b", "[pq]wen3:8b", "qwen3:8b"]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("llama3", "llama3:latest"),
        ("llama3:latest", "LLAMA3"),
        ("registry.ollama.ai/library/llama3", "llama3"),
        ("*a3", "llama3:latest"),
        ("llama3:*", "llama3"),
        ("hf.co/*:q4", "hf.co/a/b:Q4"),
    ],
)
def test_names_are_compared_as_ollama_compares_them(name: str, model: str) -> None:
    assert matching({name: None, "other": None}, model) == [name]


@pytest.mark.parametrize(
    ("name", "model"), [("llama", "llama3"), ("llama3", "llama3:8b"), ("llama?", "llama"), ("*", "")]
)
def test_what_does_not_fit(name: str, model: str) -> None:
    assert matching({name: None}, model) == []


def test_an_unknown_preset_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)
    with pytest.raises(ValueError, match=r"no preset 'quick'; there are: fast, creative, .*, mine"):
        store.layers("a", "quick")
    with pytest.raises(ValueError, match=r"options\.temperature = 9"):
        store.resolved("a", None, {"temperature": 9})


@hypothesis_settings(max_examples=50)
@given(st.text(max_size=20), st.text(alphabet="ab*?[]!:-", min_size=1, max_size=12))
def test_no_name_and_no_pattern_is_too_odd(model: str, pattern: str) -> None:
    assert set(matching({pattern: None}, model)) <= {pattern}


@pytest.mark.parametrize(
    ("environment", "flags", "origin"),
    [
        ({}, {}, "file"),
        ({"CODOMYRMEX_OLLAMA_THEME": "contrast"}, {}, "environment"),
        ({"CODOMYRMEX_OLLAMA_THEME": "\x07"}, {}, "file"),
        ({"CODOMYRMEX_OLLAMA_THEME": "contrast"}, {"theme": "day"}, "flag"),
    ],
)
def test_where_a_setting_comes_from(
    tmp_path: Path, environment: dict[str, str], flags: dict[str, str], origin: str
) -> None:
    store = open_store(tmp_path, WHOLE, environment, name="config.toml", **flags)
    assert store.origin("ui.theme") == origin
    assert store.origin("ui.reader_width") == "default"
    rows = {rule.place: (value, where) for rule, value, where in store.rows()}
    assert rows["ui.theme"] == (store.settings.theme, origin)
    assert rows["ollama.cache_ttl"] == (60, "file")
    assert rows["ollama.first_byte_timeout"] == (None, "default")
    with pytest.raises(ValueError, match=r"ui\.thme: there is no such setting; 'theme' is near"):
        store.origin("ui.thme")
