"""A configuration for another machine: import after export changes nothing, and secrets stay at home."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.store.document import dump
from codomyrmex_ollama_tui.store.migrations.config import SCHEMA_VERSION
from tests.store.configuring import NOON, STAMP, WHOLE, open_store, text_of


def test_an_export_holds_everything_but_secrets(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE, {"CODOMYRMEX_OLLAMA_CACHE_TTL": "1"})
    data = store.export()
    assert json.loads(json.dumps(data)) == data
    assert data["export_timestamp"] == NOON.isoformat()
    assert data["schema_version"] == SCHEMA_VERSION
    assert data["main_config"]["default_model"] == "llama2"
    assert data["main_config"]["cache_ttl"] == 60, "what the file says, not this machine's environment"
    assert data["options"] == {"temperature": 0.6, "keep_alive": "30m"}
    assert data["model_configs"]["qwen3:8b"] == {"stop": ["###"]}
    assert data["execution_presets"]["fast"] == {"seed": 7}
    assert data["servers"]["office"]["headers"] == {"X-Key": "${OFFICE_KEY}"}
    assert data["secrets_left_out"] == ["servers.office.headers.X-Team"]
    assert "red" not in json.dumps(data)
    assert (data["ui"], data["keys"]) == ({"theme": "day"}, {"chat.send": "ctrl+y"})


def test_import_after_export_changes_not_one_letter(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)
    assert store.import_(store.export()) == ()
    assert text_of(store) == WHOLE
    assert (tmp_path / f"config.before-import-{STAMP}.toml").read_text(encoding="utf-8") == WHOLE


def test_on_another_machine_what_was_left_out_is_named(tmp_path: Path) -> None:
    data = open_store(tmp_path, WHOLE).export()
    other = open_store(tmp_path, "# mine\n[ui]\nreduce_motion = true\n[own]\nx = 1\n", name="other.toml")
    (words,) = other.import_(data)
    assert "servers.office.headers.X-Team" in words
    assert other.tables.models == open_store(tmp_path).tables.models
    assert (other.settings.theme, other.settings.reduce_motion) == ("day", False), "tables are taken over whole"
    assert other.raw["own"] == {"x": 1}
    assert text_of(other).startswith("# mine\n")
    assert other.settings.port_from == "file"
    assert [rule.name for rule, _, origin in other.rows() if rule.table == "ollama" and origin == "file"] == [
        "server_host",
        "server_port",
        "cache_ttl",
    ]


def test_secrets_of_this_machine_stay(tmp_path: Path) -> None:
    data = open_store(tmp_path, WHOLE).export()
    data["servers"]["office"]["address"] = "https://new"
    other = open_store(
        tmp_path, "[servers.office]\naddress = 'a'\nheaders = {X-Team = 'green', X-Old = '1'}", name="o.toml"
    )
    assert other.import_(data) == ()
    profile = other.profile("office")
    assert profile.address == "https://new"
    assert dict(profile.headers) == {"X-Key": "${OFFICE_KEY}", "X-Team": "green"}


def test_a_document_laid_out_as_the_file_is_replaces_only_what_it_names(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)
    store.import_({"models": {"a": {"seed": 1}}})
    assert dict(store.tables.models) == {"a": {"seed": 1}}
    assert store.profile("office").address == "https://office:443"
    store.import_({"default_model": "qwen3:8b", "server_port": 80})
    assert (store.settings.default_model, store.settings.server_port) == ("qwen3:8b", 80)


def test_an_older_document_is_brought_up(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.import_({"servers": {"a": {"host": "h"}}})
    assert store.profile("a").address == "h"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "allowed is a table of tables"),
        ({}, "it holds none of these tables: ollama, options"),
        ({"schema_version": 99, "ui": {}}, "it is of version 99, and this program knows 2 at most"),
        ({"schema_version": "x"}, "schema_version = 'x': allowed is a whole number"),
        ({"main_config": 3}, "main_config = 3: allowed is a table"),
        ({"main_config": {"server_port": 0}}, "ollama.server_port = 0: allowed is a whole number from 1 to 65535"),
        ({"main_config": {"sever_port": 1}}, "ollama.sever_port: there is no such setting; 'server_port' is near"),
        ({"main_config": {}, "model_configs": {"../x": {}}}, "models name = '../x'"),
        ({"main_config": {}, "colours": {}}, "colours: an export holds no such table"),
        ({"colours": {}, "ui": {}}, "colours: there is no such table"),
        ({"options": {"top_k": -1}, "presets": {"a": {"seed": "x"}}}, "options.top_k = -1: .*; presets.a.seed = 'x'"),
        ({"keys": {"a": 3}}, "keys.a = 3: allowed is a key"),
        ({"servers": {"a": {"address": "http://x:y@z"}}}, "servers.a.address: an address holds no user name"),
        ({"presets": {str(number): 0 for number in range(30)}}, "and 20 more"),
    ],
)
def test_a_document_that_is_not_allowed_changes_nothing(tmp_path: Path, data: Any, words: str) -> None:
    store = open_store(tmp_path, WHOLE)
    before = copy.deepcopy(data)
    with pytest.raises(ValueError, match=words):
        store.import_(data)
    assert text_of(store) == WHOLE
    assert list(tmp_path.iterdir()) == [store.path]
    assert data == before


option_values = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "num_ctx": st.integers(1, 2**31 - 1),
        "stop": st.lists(st.text(min_size=1, max_size=5), max_size=3),
        "system": st.text(max_size=12),
        "format": st.sampled_from(["text", "json", '{"type": "object"}', {"type": "object"}]),
        "think": st.booleans() | st.just("high"),
        "keep_alive": st.integers(-5, 5) | st.just("1h"),
    },
)
plain_texts = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=8).map(
    lambda text: text.replace("@", "a").strip() or "x"
)
servers = st.fixed_dictionaries(
    {"address": plain_texts},
    optional={
        "headers": st.dictionaries(
            st.sampled_from(["X-A", "x.b", "Authorization"]), plain_texts | st.just("${V}"), max_size=2
        ),
        "token_variable": st.just("TOKEN"),
        "ca_file": plain_texts,
    },
)
configurations = st.fixed_dictionaries(
    {},
    optional={
        "ollama": st.fixed_dictionaries(
            {},
            optional={
                "server_port": st.integers(1, 65535),
                "retry_delay": st.floats(0, 3600),
                "default_model": st.sampled_from(["qwen3:8b", "hf.co/a/b:q4"]),
                "auto_start_server": st.booleans(),
                "first_byte_timeout": st.floats(0.001, 60),
            },
        ),
        "options": option_values,
        "models": st.dictionaries(st.sampled_from(["a", "b.c:d", "qwen3*", "hf.co/x/y"]), option_values, max_size=3),
        "presets": st.dictionaries(st.sampled_from(["fast", "mine", "a.b", "größer"]), option_values, max_size=3),
        "servers": st.dictionaries(st.sampled_from(["one", "two.local"]), servers, max_size=2),
        "ui": st.fixed_dictionaries({}, optional={"theme": plain_texts, "reader_width": st.integers(40, 400)}),
        "keys": st.dictionaries(st.sampled_from(["chat.send", "app.quit", "chat.stop"]), st.just("f9"), max_size=3),
    },
)


@settings(max_examples=50, deadline=None)
@given(configurations, st.sampled_from([".toml", ".json"]), st.booleans())
def test_any_configuration_goes_out_and_comes_back(
    tmp_path_factory: pytest.TempPathFactory, tables: dict[str, Any], ending: str, here: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    store = open_store(folder, dump(tables, as_json=ending == ".json"), name=f"config{ending}")
    assert store.problems == ()
    data = json.loads(json.dumps(store.export()))
    other = store if here else open_store(folder, name=f"other{ending}")
    before = (store.settings, store.tables, store.rows())
    missing = other.import_(data)
    assert other.problems == ()
    if here:
        assert missing == ()
        assert (other.settings, other.tables, other.rows()) == before
        return
    assert len(missing) == len(data["secrets_left_out"])
    assert other.settings == store.settings
    assert other.rows() == store.rows()
    assert other.tables.options == store.tables.options
    assert other.tables.models == store.tables.models
    assert other.tables.presets == store.tables.presets
    again = other.export()
    assert {**again, "secrets_left_out": 0} == {**data, "secrets_left_out": 0}
