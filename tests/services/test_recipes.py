"""Recipes of models: read from what a server shows, written for an editor, read again, and what is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.models import ModelDetails, ModelInfo
from codomyrmex_ollama_tui.services.recipes import (
    Recipe,
    as_toml,
    parameters_of,
    parameters_toml,
    read_parameters,
    read_toml,
    recipe_of,
    request_of,
)
from tests.support.recorded import case

SHOWN = ModelInfo(
    ModelDetails(),
    {},
    system="Be brief.",
    template="{{ .Prompt }}",
    parameters='stop                           "<|im_end|>"\ntemperature                    0.2\n'
    'stop                           "<|im_start|>"',
)
MINE = recipe_of("a:latest", SHOWN, "mine:1")


def test_parameters_of_a_real_server() -> None:
    text = case("show_created")["response"]["body"]["parameters"]
    found = parameters_of(text)
    assert found
    assert all(name in text for name in found)
    assert read_parameters(found) == found


def test_several_lines_of_one_name_are_a_list() -> None:
    assert parameters_of(SHOWN.parameters) == {"stop": ["<|im_end|>", "<|im_start|>"], "temperature": 0.2}
    assert parameters_of('stop "a\\"b"\nodd\nmirostat 1') == {"stop": ['a"b'], "mirostat": 1}


texts = st.text(max_size=30)


@settings(max_examples=50)
@given(texts, texts, st.floats(0, 2), st.lists(texts.filter(bool), min_size=1, max_size=3))
def test_what_is_written_for_the_editor_is_read_as_it_was(
    system: str, template: str, temperature: float, stop: list[str]
) -> None:
    recipe = Recipe("mine:1", "a:latest", system, template, {"temperature": temperature, "stop": stop})
    again = read_toml(as_toml(recipe))
    assert again == recipe
    assert read_parameters(parameters_toml(recipe.parameters)) == recipe.parameters


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "no TOML"),
        ("nmae = 'x'", "'nmae' is no field"),
        ("system = 3", "system has to be a text"),
        ("parameters = 3", "parameters has to be a table"),
        ("[parameters]\ntemprature = 1", "there is no option .temprature.; .temperature. is near"),
        ("[parameters]\ntemperature = 'hot'", "parameters.temperature"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_toml(text)
    with pytest.raises(ValueError, match="no TOML"):
        read_parameters("temperature 0.7")


def test_only_what_is_otherwise_is_sent() -> None:
    recipe = recipe_of("a:latest", SHOWN, "mine:1")
    request = request_of(recipe, SHOWN)
    assert (request.model, request.from_model) == ("mine:1", "a:latest")
    assert (request.system, request.template, request.parameters) == (None, None, {})
    changed = replace(recipe, system="Be long.", parameters={**recipe.parameters, "temperature": 1, "top_k": 5})
    request = request_of(changed, SHOWN)
    assert (request.system, request.template) == ("Be long.", None)
    assert request.parameters == {"temperature": 1, "top_k": 5}


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (replace(MINE, name=""), "name is needed"),
        (replace(MINE, name="a b"), "may hold only"),
        (replace(MINE, parameters={}), "stop, temperature cannot be taken away"),
        (replace(MINE, system=" "), "system prompt cannot be taken away"),
        (replace(MINE, template=""), "template cannot be taken away"),
    ],
)
def test_what_the_server_would_not_do_is_refused(recipe: Recipe, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        request_of(recipe, SHOWN)
