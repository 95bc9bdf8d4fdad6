"""What holds for the whole repository: nothing of one machine in it, no file with two jobs, documents that are true."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import codomyrmex_ollama_tui

ROOT = Path(__file__).parent.parent
# what .gitignore names, and git's own folder
NOT_OURS = re.compile(r"\.(git|venv|cache|\w+_cache|hypothesis)$|(__pycache__|build|dist|htmlcov)$|\.egg-info$")
TEXT = {".py", ".md", ".toml", ".tcss", ".sh", ".json", ".svg", ".cfg", ".txt", ""}
MOST_LINES = 400
LONGER = {
    "tests/ui/test_chat.py": "one screen, whose tests share one stage",
    "tests/ui/transcript/test_transcript.py": "one widget, whose tests share one stage",
}
"""Source files that may be longer than MOST_LINES, each with its reason."""

MACHINE_PATH = re.compile(r"(?<![\w.~$}])/(?:home/[a-z]+|Users/[A-Za-z]+|work|root|farm)/|\.\./shar" + "ed")
INDEX_HOST = re.compile(r"https?://[a-z0-9.-]*(?:py" + "pi|python" + "hosted|artifactory|nexus|proxy\\.golang|/simple)")
MOCK = re.compile(r"unittest\.mo" + r"ck|Magic" + r"Mock|Async" + r"Mock|Mock" + r"Transport|monkeypatch\.seta" + "ttr")


def files() -> Iterator[Path]:
    """Every file that is part of the repository (or would be, were it added now)."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if not NOT_OURS.search(name))
        yield from (Path(folder) / name for name in sorted(names) if name != "snapshot_report.html")


def texts(*suffixes: str) -> Iterator[tuple[str, str]]:
    """Name and text of the repository's text files, those with one of the suffixes or all."""
    for file in files():
        if file.suffix in (suffixes or TEXT) and not file.name.startswith(".coverage"):
            yield file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")


def found(pattern: re.Pattern[str], *suffixes: str) -> list[str]:
    """Each line that the pattern is found in, as `file:line: what`."""
    return [
        f"{name}:{number}: {match[0]}"
        for name, text in texts(*suffixes)
        for number, line in enumerate(text.splitlines(), 1)
        if (match := pattern.search(line))
    ]


def test_nothing_names_a_folder_of_the_machine_it_was_written_on() -> None:
    # recorded replies hold the paths of the server they were recorded from
    assert [hit for hit in found(MACHINE_PATH) if not hit.startswith("tests/wire/cases/")] == []


def test_nothing_names_the_host_of_a_package_index() -> None:
    assert found(INDEX_HOST) == []


def test_tests_use_real_servers_and_real_files() -> None:
    assert found(MOCK, ".py") == []


def test_no_source_file_has_two_jobs() -> None:
    lengths = {name: len(text.splitlines()) for name, text in texts(".py", ".tcss", ".sh")}
    longer = {name for name, lines in lengths.items() if lines > MOST_LINES}
    assert longer - set(LONGER) == set(), "longer than they may be"
    assert set(LONGER) - longer == set(), "no longer in need of their reason"


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == codomyrmex_ollama_tui.__version__
    newest = re.search(r"^## \[?([\w.]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] in ("Unreleased", project["version"])


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_the_commands_a_document_names_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`|\$ )make ([a-z][\w-]*)", text, re.MULTILINE))
    assert named <= targets
    modules = set(re.findall(r"-m ((?:benchmarks|codomyrmex_ollama_tui)[\w.]*)", text))
    for module in modules:
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_what_a_document_links_to_exists(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
    inside = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in inside if not (document.parent / link).exists()] == []


def test_the_readme_begins_with_the_two_commands() -> None:
    blocks = re.findall(r"```\w*\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert re.findall(r"^make \w+", blocks[0], re.MULTILINE) == ["make run", "make test"]


def test_the_commands_the_readme_names_can_be_given_other_keys() -> None:
    package = "".join(text for name, text in texts(".py") if name.startswith("codomyrmex_ollama_tui/ui/"))
    named = re.findall(r"`((?:chat|composer|models|app)\.[a-z-]+)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(named) > 10
    assert [name for name in named if f'"{name}"' not in package] == []
