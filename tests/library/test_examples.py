"""
docs/library.md: its examples run as they stand there, and what it says of names is what the code has. With the example
of the README, and the commands that documents name.
"""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import EllipsisType
from typing import Any

import pytest

import codomyrmex_ollama_tui
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
from codomyrmex_ollama_tui.cli import build_parser
from codomyrmex_ollama_tui.cli.parser import Parser
from codomyrmex_ollama_tui.cli.verbs import VERBS
from tests.e2e.terminal import bare_environment
from tests.embedded.harness import MODEL, EngineProcess

ROOT = Path(__file__).parent.parent.parent
LIMIT = 300.0

MANAGERS: tuple[type, ...] = (OllamaManager, ModelRunner, ConfigManager, OutputManager)
DATA: tuple[type, ...] = (OllamaModel, ModelExecutionResult, OllamaConfig, ExecutionOptions)

TEXT = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
SECTIONS: Mapping[str, str] = {
    title: body for title, body in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
}


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES: Mapping[str, str] = {
    title: example
    for title, text in {"README": README, "The library": TEXT.partition("\n## ")[0], **SECTIONS}.items()
    for example in blocks(text, "python")
}


# ------------------------------------------------------------------ examples


def test_each_manager_has_an_example() -> None:
    assert set(EXAMPLES) == {"README", "The library", *(manager.__name__ for manager in MANAGERS)}
    assert len(EXAMPLES) == len(blocks(README + TEXT, "python"))
    for manager in MANAGERS:
        assert f"{manager.__name__}(" in EXAMPLES[manager.__name__]


@pytest.mark.engine
@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_runs_as_it_stands(title: str, model_engine: EngineProcess, tmp_path: Path) -> None:
    example = tmp_path / "example.py"
    example.write_text(EXAMPLES[title], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        env=bare_environment(tmp_path, OLLAMA_HOST=model_engine.url, PYTHONPATH=str(ROOT), PYTHONUTF8="1"),
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


# ------------------------------------------------------------------ signatures


@dataclass(frozen=True)
class Told:
    """A signature: (name, kind, annotation, default) of each parameter, and what comes back."""

    parameters: tuple[tuple[str, str, str, str], ...]
    returns: str
    waits: bool = False


def told(title: str) -> Iterator[tuple[str, Told]]:
    """The signatures in the `pyi` blocks of a section."""
    for block in blocks(SECTIONS[title], "pyi"):
        for outer in ast.parse(block).body:
            for node in outer.body if isinstance(outer, ast.ClassDef) else [outer]:
                assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                yield (
                    node.name,
                    Told(tuple(_told(node.args)), _text(node.returns), isinstance(node, ast.AsyncFunctionDef)),
                )


def _told(arguments: ast.arguments) -> Iterator[tuple[str, str, str, str]]:
    plain = arguments.args
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults))
    for argument, default in zip(plain, [*defaults, *arguments.defaults], strict=True):
        if argument.arg != "self":
            yield argument.arg, "POSITIONAL_OR_KEYWORD", _text(argument.annotation), _text(default)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield argument.arg, "KEYWORD_ONLY", _text(argument.annotation), _text(default)
    if arguments.kwarg is not None:
        yield arguments.kwarg.arg, "VAR_KEYWORD", _text(arguments.kwarg.annotation), ""


def _text(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)


def real(function: Any) -> Told:
    """The signature that the code has."""
    signature = inspect.signature(function)
    parameters = tuple(
        (one.name, one.kind.name, _normal(one.annotation), _default(one.default))
        for one in signature.parameters.values()
        if one.name != "self"
    )
    return Told(parameters, _normal(signature.return_annotation), inspect.iscoroutinefunction(function))


def _normal(annotation: str) -> str:
    return ast.unparse(ast.parse(annotation, mode="eval"))


def _default(value: object) -> str:
    if value is inspect.Parameter.empty:
        return ""
    return "..." if isinstance(value, EllipsisType) else repr(value)


def public(manager: type) -> dict[str, Any]:
    """What a manager offers, and how it is made; of a property the function that reads it."""
    found = {name: inspect.getattr_static(manager, name) for name in dir(manager) if not name.startswith("_")}
    return {
        "__init__": inspect.getattr_static(manager, "__init__"),
        **{name: value.fget if isinstance(value, property) else value for name, value in found.items()},
    }


@pytest.mark.parametrize("manager", MANAGERS)
def test_every_method_stands_there_with_its_signature(manager: type) -> None:
    written = list(told(manager.__name__))
    assert len(dict(written)) == len(written), "told twice"
    assert dict(written) == {name: real(function) for name, function in public(manager).items()}


@pytest.mark.parametrize("manager", MANAGERS)
def test_every_method_and_parameter_is_explained(manager: type) -> None:
    section = re.sub(r"^```.*?^```", "", SECTIONS[manager.__name__], flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", section))))
    shared = {"model_name", "prompt", "ollama_manager", "response", "file_path"}  # they explain themselves
    for name, function in public(manager).items():
        parameters = {parameter for parameter, *_ in real(function).parameters}
        assert ({name} - {"__init__"} | parameters - shared) - named == set(), name


# ------------------------------------------------------------------ data


def table(title: str) -> list[list[list[str]]]:
    """The rows of a section's table of fields, each cell as the texts in its back quotes."""
    found = re.search(r"^\| field .*\n\|[-| ]+\n((?:\|.*\n)+)", SECTIONS[title], re.MULTILINE)
    assert found is not None
    rows = [re.split(r"(?<!\\)\|", row)[1:-1] for row in found[1].splitlines()]
    return [[re.findall(r"`([^`]+)`", cell) for cell in row] for row in rows]


@pytest.mark.parametrize("data", DATA)
def test_every_field_of_the_data_is_there_in_its_order(data: Any) -> None:
    names = [name for row in table(data.__name__) for name in row[0]]
    assert names == [field.name for field in fields(data)]


@pytest.mark.parametrize("data", [OllamaConfig, ExecutionOptions])
def test_the_defaults_are_those_of_the_code(data: Any) -> None:
    written = {name: value for row in table(data.__name__) for name, value in zip(row[0], row[1], strict=True)}
    assert {name: ast.literal_eval(value) for name, value in written.items()} == {
        field.name: field.default for field in fields(data) if field.default is not MISSING
    }


# ------------------------------------------------------------------ dicts


def keys_named(section: str) -> set[str]:
    """Everything that stands in back quotes."""
    return set(re.findall(r"`([\w]+)`", section))


@pytest.mark.engine
def test_the_keys_of_what_comes_back_are_named(model_engine: EngineProcess, tmp_path: Path) -> None:
    manager = OllamaManager(
        auto_start_server=False, base_url=model_engine.url, config=OllamaConfig(), data_dir=str(tmp_path)
    )
    with manager:
        runner = ModelRunner(manager)
        short = ExecutionOptions(num_predict=4)
        result = runner.run_with_options(MODEL, "Say hello.", short)
        report = runner.create_model_comparison([MODEL, "cotui-test-missing:1"], ["Say one."], short)
        single = runner.benchmark_model(MODEL, ["Say one."], short)
        models = keys_named(SECTIONS["OllamaManager"])
        assert set(manager.get_model_stats()) - models == set()
        assert set(manager.get_model_details(MODEL)) - models == set()
        assert set(manager.get_server_status()) - models == set()
        assert {key for model in manager.list_running_models() for key in model} - models == set()
    assert result.metadata is not None
    lines = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|.*\|.*\|$", SECTIONS["ModelExecutionResult"], re.MULTILINE)
    written = [name for cell in lines for name in re.findall(r"`(\w+)`", cell)]
    assert set(written) - {field.name for field in fields(ModelExecutionResult)} == set(result.metadata)
    result_words = keys_named(SECTIONS["ModelExecutionResult"])
    assert set(result.metadata["memory"]) - result_words == set()
    assert set(result.metadata["server_process"] or {}) - result_words == set()
    words = keys_named(SECTIONS["ModelRunner"])
    assert set(single) | set(single["figures"]) | set(single["figures"]["ttft"] or {}) <= words
    assert set(report) | set(report["summary"]) | set(report["results"][MODEL]) | set(single["warm_up"]) <= words


def test_the_keys_of_outputs_are_named(tmp_path: Path) -> None:
    words = keys_named(SECTIONS["OutputManager"])
    with OutputManager(str(tmp_path)) as outputs:
        path = outputs.save_model_output(MODEL, "Why?", "Because.", {"seed": 1})
        assert set(outputs.list_saved_outputs()[0]) | set(outputs.search_outputs("because")[0]) <= words
        assert set(outputs.load_output(path)) | set(outputs.get_output_stats()) <= words


def test_the_keys_of_the_configuration_are_named(tmp_path: Path) -> None:
    words = keys_named(SECTIONS["ConfigManager"])
    manager = ConfigManager(str(tmp_path / "config.toml"), environment={})
    assert manager.save_model_config("qwen3*", {"num_ctx": 8192})
    rows = manager.explain("qwen3:8b")
    assert set(manager.validate_config()) | {key for row in rows.values() for key in row} <= words
    assert set(manager.get_execution_presets()) <= words


def test_all_names_of_the_package_have_a_section() -> None:
    assert set(codomyrmex_ollama_tui.__all__) <= set(SECTIONS)
    assert set(codomyrmex_ollama_tui.__all__) == {one.__name__ for one in (*MANAGERS, *DATA)}


# ------------------------------------------------------------------ commands


def typed() -> list[str]:
    """What documents tell a person to type into a shell."""
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    lines = "".join(block for file in documents for block in blocks(file.read_text(encoding="utf-8"), "sh"))
    parts = [part for line in lines.splitlines() for part in line.split(" | ")]
    return [part for part in parts if part.startswith("cotui ")]


def test_the_commands_of_the_documents_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    parser = build_parser()
    assert isinstance(parser, Parser)
    assert len(typed()) > 15
    for command in typed():
        words = shlex.split(command, comments=True)[1:]
        try:
            _, unknown = parser.parse_known_args(parser.arranged(words))
        except SystemExit:
            pytest.fail(f"{command}: {capsys.readouterr().err}")
        assert unknown == [], command


def test_each_verb_is_in_the_readme() -> None:
    assert [verb for verb in VERBS if not re.search(rf"\bcotui {verb}\b", README)] == []
