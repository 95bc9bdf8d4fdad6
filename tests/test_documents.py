"""What documents say about settings and options is what the rules say."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.domain.options import OPTION_RULES
from codomyrmex_ollama_tui.library.options import ExecutionOptions
from codomyrmex_ollama_tui.store.fields import RULES
from codomyrmex_ollama_tui.store.reading import ENVIRONMENT_PREFIX
from tests.store.configuring import open_store

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def documents(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`scripts/documents.py`, run as a person runs it."""
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "documents.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_documents_are_as_the_script_writes_them() -> None:
    done = documents("--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_document_that_says_something_else_is_found_and_written_anew(tmp_path: Path) -> None:
    for name in ("configuration.md", "parameters.md"):
        shutil.copy(DOCS / name, tmp_path)
    changed = tmp_path / "parameters.md"
    changed.write_text(text_of("parameters.md").replace("`0.8`", "`0.9`"), encoding="utf-8")
    done = documents("--check", "--folder", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "parameters.md is not as its rules say\n")
    assert "`0.9`" in changed.read_text(encoding="utf-8")
    assert documents("--folder", str(tmp_path)).returncode == 0
    assert changed.read_text(encoding="utf-8") == text_of("parameters.md")


def test_every_setting_stands_in_the_document_with_its_default() -> None:
    shown = tomllib.loads(text_of("configuration.md").partition("```toml\n")[2].partition("```")[0])
    assert {(rule.table, rule.name): rule.default for rule in RULES if rule.default is not None} == {
        (table, name): value for table in ("ollama", "ui") for name, value in shown[table].items()
    }
    for rule in RULES:
        assert rule.meaning in text_of("configuration.md")
        assert f"`{ENVIRONMENT_PREFIX}{rule.name.upper()}`" in text_of("configuration.md")


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_are_a_configuration_in_which_nothing_is_wrong(tmp_path: Path, number: int) -> None:
    example = text_of("configuration.md").split("```toml\n")[number + 1].partition("```")[0]
    store = open_store(tmp_path, example, {"OFFICE_TOKEN": "t", "OFFICE_TEAM": "red"})
    assert store.problems == ()
    if number:
        assert store.profile("office").credentials(store.environment).token == "t"
        assert store.resolved("qwen3:8b")["num_ctx"] == 8192


def test_every_option_and_every_field_stands_in_the_document() -> None:
    lines = text_of("parameters.md").splitlines()
    for rule in OPTION_RULES.values():
        (line,) = [
            line for line in lines if line.startswith((f"| `{rule.name}` | {rule.meaning}", f"| `{rule.name}` (from"))
        ]
        assert rule.allowed in line
        assert line.endswith("| yes |" if rule.reloads else "| no |")
    for field in fields(ExecutionOptions):
        assert any(line.startswith(f"| `{field.name}` | ") for line in lines)
