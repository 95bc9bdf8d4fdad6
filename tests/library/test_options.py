"""`ExecutionOptions`: the seed's fields, what is sent of them, what is refused."""

from __future__ import annotations

import copy
from dataclasses import fields, replace
from typing import Any

import pytest

from codomyrmex_ollama_tui.library.options import ExecutionOptions


def test_the_fields_and_their_defaults() -> None:
    assert [(field.name, field.default) for field in fields(ExecutionOptions)] == [
        ("temperature", 0.7),
        ("top_p", 0.9),
        ("top_k", 40),
        ("num_predict", 128),
        ("num_ctx", 2048),
        ("repeat_penalty", 1.1),
        ("repeat_last_n", 64),
        ("seed", None),
        ("stop", None),
        ("stream", False),
        ("format", "text"),
    ]


def test_an_object_is_sent_whole_and_never_changed() -> None:
    options = ExecutionOptions(stop=["END"], num_predict=0)
    before = copy.deepcopy(options)
    sent = options.sent()
    assert sent == {
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 40,
        "num_predict": 0,
        "num_ctx": 2048,
        "repeat_penalty": 1.1,
        "repeat_last_n": 64,
        "stop": ["END"],
    }
    sent["temperature"] = 2
    assert isinstance(sent["stop"], list)
    sent["stop"].append("more")
    assert options == before
    assert options.sent()["stop"] == ["END"]
    assert "seed" not in sent
    assert replace(options, seed=0).sent()["seed"] == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 2.1),
        ("temperature", "hot"),
        ("temperature", None),
        ("top_p", -0.1),
        ("top_k", -1),
        ("num_predict", -3),
        ("num_ctx", 0),
        ("repeat_penalty", 0),
        ("repeat_last_n", -2),
        ("seed", "x"),
        ("stop", "END"),
        ("stream", 1),
        ("format", "yaml"),
    ],
)
def test_what_is_not_allowed_is_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field} = .*allowed is"):
        ExecutionOptions(**{field: value})


def test_a_field_that_is_set_later_is_checked_before_it_is_sent() -> None:
    options = ExecutionOptions()
    options.top_p = 7
    with pytest.raises(ValueError, match="top_p = 7"):
        options.sent()


def test_formats() -> None:
    schema = {"type": "object"}
    assert ExecutionOptions().wire_format() is None
    assert ExecutionOptions(format="json").wire_format() == "json"
    assert ExecutionOptions(format='{"type": "object"}').wire_format() == schema
    assert ExecutionOptions(format=schema).wire_format() == schema


def test_as_a_preset_it_keeps_a_format_that_is_not_text() -> None:
    assert ExecutionOptions(seed=3).preset() == ExecutionOptions(seed=3).sent()
    assert ExecutionOptions(format="json").preset()["format"] == "json"
