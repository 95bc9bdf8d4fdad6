"""The library as it was specified: every class, method, parameter, default and return type, typed out here again."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import codomyrmex_ollama_tui as package
from codomyrmex_ollama_tui import (
    ConfigManager,
    ExecutionOptions,
    ModelExecutionResult,
    ModelRunner,
    OllamaConfig,
    OllamaManager,
    OllamaModel,
    OutputManager,
)

NONE: Any = type(None)
NEEDED = inspect.Parameter.empty
Parameters = tuple[tuple[str, Any, Any], ...]
"""Name, type and default of each."""

MODEL = ("model_name", str, NEEDED)
PROMPT = ("prompt", str, NEEDED)
OPTIONS = ("execution_options", ExecutionOptions | None, None)
RESULT = ModelExecutionResult
DICT = dict[str, Any]

METHODS: dict[tuple[type, str], tuple[Parameters, Any]] = {
    (OllamaManager, "__init__"): ((("ollama_binary", str, "ollama"), ("auto_start_server", bool, True)), NONE),
    (OllamaManager, "list_models"): ((("force_refresh", bool, False),), list[OllamaModel]),
    (OllamaManager, "download_model"): ((MODEL,), bool),
    (OllamaManager, "is_model_available"): ((MODEL,), bool),
    (OllamaManager, "get_model_by_name"): ((MODEL,), OllamaModel | None),
    (OllamaManager, "run_model"): (
        (MODEL, PROMPT, ("options", DICT | None, None), ("stream", bool, False)),
        RESULT,
    ),
    (OllamaManager, "run_model_async"): ((MODEL, PROMPT, ("options", DICT | None, None)), RESULT),
    (OllamaManager, "get_model_stats"): ((), DICT),
    (OllamaManager, "cleanup"): ((), NONE),
    (ModelRunner, "__init__"): ((("ollama_manager", OllamaManager, NEEDED),), NONE),
    (ModelRunner, "run_with_options"): ((MODEL, PROMPT, ("execution_options", ExecutionOptions, NEEDED)), RESULT),
    (ModelRunner, "run_streaming"): ((MODEL, PROMPT, OPTIONS), Iterator[str]),
    (ModelRunner, "run_batch"): ((MODEL, ("prompts", list[str], NEEDED), OPTIONS), list[ModelExecutionResult]),
    (ModelRunner, "run_conversation"): ((MODEL, ("messages", list[dict[str, str]], NEEDED), OPTIONS), RESULT),
    (ModelRunner, "run_with_context"): ((MODEL, PROMPT, ("context", list[str], NEEDED), OPTIONS), RESULT),
    (ModelRunner, "benchmark_model"): ((MODEL, ("test_prompts", list[str], NEEDED), OPTIONS), DICT),
    (ModelRunner, "create_model_comparison"): (
        (("model_names", list[str], NEEDED), ("test_prompts", list[str], NEEDED), OPTIONS),
        DICT,
    ),
    (ConfigManager, "__init__"): ((("config_file", str | None, None),), NONE),
    (ConfigManager, "load_config"): ((), bool),
    (ConfigManager, "save_config"): ((), bool),
    (ConfigManager, "create_default_config"): ((), OllamaConfig),
    (ConfigManager, "update_config"): ((), bool),
    (ConfigManager, "get_model_config"): ((MODEL,), DICT | None),
    (ConfigManager, "save_model_config"): ((MODEL, ("config", DICT, NEEDED)), bool),
    (ConfigManager, "get_execution_presets"): ((), dict[str, ExecutionOptions]),
    (ConfigManager, "export_config"): ((("export_path", str, NEEDED),), bool),
    (ConfigManager, "import_config"): ((("import_path", str, NEEDED),), bool),
    (ConfigManager, "reset_to_defaults"): ((), bool),
    (ConfigManager, "validate_config"): ((), DICT),
    (OutputManager, "__init__"): ((("base_output_dir", str | None, None),), NONE),
    (OutputManager, "save_model_output"): (
        (MODEL, PROMPT, ("response", str, NEEDED), ("metadata", DICT | None, None)),
        str,
    ),
    (OutputManager, "save_execution_result"): ((("result", ModelExecutionResult, NEEDED),), str),
    (OutputManager, "save_model_config"): ((MODEL, ("config", DICT, NEEDED)), str),
    (OutputManager, "load_model_config"): ((MODEL,), DICT | None),
    (OutputManager, "save_batch_results"): ((("results", list[ModelExecutionResult], NEEDED),), str),
    (OutputManager, "save_benchmark_report"): ((("benchmark_data", DICT, NEEDED),), str),
    (OutputManager, "save_model_comparison"): ((("comparison_data", DICT, NEEDED),), str),
    (OutputManager, "list_saved_outputs"): ((("model_name", str | None, None),), list[dict[str, Any]]),
    (OutputManager, "get_output_stats"): ((), DICT),
    (OutputManager, "cleanup_old_outputs"): ((("days_old", int, 30),), int),
}

EXTRAS: dict[tuple[type, str], dict[str, object]] = {
    (OllamaManager, "__init__"): {"base_url": None, "config": None},
    (OllamaManager, "download_model"): {"on_progress": None},
    (OllamaManager, "run_model"): {"on_chunk": None},
    (ModelRunner, "run_batch"): {"max_concurrent": 1},
    (ModelRunner, "run_streaming"): {"on_finish": None},
}
"""Further parameters that are promised, with their defaults."""

FIELDS: dict[type, Parameters] = {
    OllamaModel: (
        ("name", str, NEEDED),
        ("id", str, NEEDED),
        ("size", int, NEEDED),
        ("modified", str, NEEDED),
        ("parameters", str | None, None),
        ("family", str | None, None),
        ("format", str | None, None),
        ("status", str, "available"),
    ),
    ModelExecutionResult: (
        ("model_name", str, NEEDED),
        ("prompt", str, NEEDED),
        ("response", str, NEEDED),
        ("execution_time", float, NEEDED),
        ("tokens_used", int | None, None),
        ("success", bool, True),
        ("error_message", str | None, None),
        ("metadata", DICT | None, None),
    ),
    OllamaConfig: (
        ("ollama_binary", str, "ollama"),
        ("auto_start_server", bool, True),
        ("default_model", str, "llama2"),
        ("server_host", str, "localhost"),
        ("server_port", int, 11434),
        ("request_timeout", int, 120),
        ("max_retries", int, 3),
        ("retry_delay", float, 1.0),
        ("output_directory", str, "./ollama_outputs"),
        ("enable_caching", bool, True),
        ("cache_ttl", int, 3600),
    ),
    ExecutionOptions: (
        ("temperature", float, 0.7),
        ("top_p", float, 0.9),
        ("top_k", int, 40),
        ("num_predict", int, 128),
        ("num_ctx", int, 2048),
        ("repeat_penalty", float, 1.1),
        ("repeat_last_n", int, 64),
        ("seed", int | None, None),
        ("stop", list[str] | None, None),
        ("stream", bool, False),
        ("format", str, "text"),
    ),
}

HOMES = {
    "ollama_manager": ("OllamaManager", "OllamaModel", "ModelExecutionResult"),
    "model_runner": ("ModelRunner", "ModelExecutionResult", "ExecutionOptions"),
    "config_manager": ("ConfigManager", "OllamaConfig"),
    "output_manager": ("OutputManager", "ModelExecutionResult"),
}
"""Where else the names can be imported from."""


def hint(written: object, home: str) -> Any:
    """The type that an annotation means in its module."""
    if not isinstance(written, str):
        return NONE if written is None else written
    names = {name: getattr(package, name) for name in package.__all__}
    known = {**vars(typing), **names, "Callable": Callable, "Iterator": Iterator}
    found = eval(written, {**known, **vars(importlib.import_module(home))})
    return NONE if found is None else found


def fits(found: Any, wanted: Any) -> bool:
    """Whether a type is the one that is wanted, or one that takes it and more."""
    return bool(found == wanted) or wanted in typing.get_args(found)


@pytest.mark.parametrize(("owner", "name"), METHODS, ids=lambda part: getattr(part, "__name__", part))
def test_a_method_is_as_specified(owner: type, name: str) -> None:
    wanted, returned = METHODS[owner, name]
    method = getattr(owner, name)
    signature = inspect.signature(method)
    found = list(signature.parameters.values())[1:]
    for (title, kind, default), parameter in zip(wanted, found, strict=False):
        assert parameter.name == title
        assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert parameter.default == default
        assert fits(hint(parameter.annotation, owner.__module__), kind), (title, parameter.annotation)
    rest = found[len(wanted) :]
    assert len(found) >= len(wanted)
    for parameter in rest:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            assert (owner, name) == (ConfigManager, "update_config")
        else:
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
            assert parameter.default is not NEEDED
    further = {parameter.name: parameter.default for parameter in rest}
    assert EXTRAS.get((owner, name), {}).items() <= further.items()
    assert hint(signature.return_annotation, owner.__module__) == returned
    assert inspect.iscoroutinefunction(method) == (name == "run_model_async")
    assert inspect.getdoc(method), "says what it does"


@pytest.mark.parametrize("data", FIELDS, ids=lambda data: data.__name__)
def test_a_data_class_is_as_specified(data: type) -> None:
    assert dataclasses.is_dataclass(data)
    found = dataclasses.fields(data)
    assert len(found) >= len(FIELDS[data])
    for (name, kind, default), field in zip(FIELDS[data], found, strict=False):
        assert field.name == name
        assert fits(hint(field.type, data.__module__), kind), (name, field.type)
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        assert (NEEDED if missing else field.default) == default
    for field in found[len(FIELDS[data]) :]:
        assert field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    needed = [kind("x") if kind is str else kind(1) for _, kind, default in FIELDS[data] if default is NEEDED]
    made = data(*needed)
    assert made == data(*needed)
    for name, _, default in FIELDS[data]:
        if default is not NEEDED:
            assert getattr(made, name) == default


def test_update_config_takes_any_name() -> None:
    kinds = [parameter.kind for parameter in inspect.signature(ConfigManager.update_config).parameters.values()]
    assert inspect.Parameter.VAR_KEYWORD in kinds


@pytest.mark.parametrize("home", HOMES)
def test_the_names_are_also_where_the_specification_has_them(home: str) -> None:
    module = importlib.import_module(f"codomyrmex_ollama_tui.library.{home}")
    for name in HOMES[home]:
        assert getattr(module, name) is getattr(package, name)
