"""The names of the package, and what loading them brings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import codomyrmex_ollama_tui as package
from tests.test_import_hygiene import HEAVY, SCREEN, brought

ROOT = Path(__file__).parent.parent
NAMES = {
    "ConfigManager",
    "ExecutionOptions",
    "ModelExecutionResult",
    "ModelRunner",
    "OllamaConfig",
    "OllamaManager",
    "OllamaModel",
    "OutputManager",
}


def test_the_names_are_those_of_the_specification() -> None:
    assert set(package.__all__) == NAMES
    assert set(dir(package)) >= NAMES | {"__version__"}
    for name in NAMES:
        assert getattr(package, name).__name__ == name
        assert getattr(package, name) is getattr(package, name)


def test_a_name_that_is_none_is_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match="no attribute 'OllamaManger'"):
        package.__getattr__("OllamaManger")
    assert not hasattr(package, "library_of_babel")


def test_all_of_them_can_be_taken_at_once() -> None:
    known: dict[str, object] = {}
    exec("from codomyrmex_ollama_tui import *", known)
    assert known.keys() >= NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_of_the_library_brings_neither_a_screen_nor_the_wire(name: str) -> None:
    """They come with the first call that needs them."""
    assert brought(f"from codomyrmex_ollama_tui import {name}", (*SCREEN, *HEAVY)) == []


def test_a_call_brings_the_wire_and_still_no_screen() -> None:
    statement = (
        "sys.modules['click'] = None\n"  # where it is installed, httpx brings its own command line, and that rich
        "from codomyrmex_ollama_tui import OllamaManager, OllamaConfig\n"
        "with OllamaManager(base_url='127.0.0.1:9', config=OllamaConfig(max_retries=0)) as manager:\n"
        "    assert not manager.is_model_available('m')"
    )
    assert brought(statement, SCREEN) == []
    assert brought(statement, ("httpx",)) == ["httpx"]


def test_the_library_is_silent_unless_asked(tmp_path: Path) -> None:
    """What fails is logged, and no handler of ours, nor Python's last resort, prints it."""
    program = (
        "import logging, sys\n"
        "from codomyrmex_ollama_tui import OllamaManager, OllamaConfig\n"
        "config = OllamaConfig(max_retries=0)\n"
        f"manager = OllamaManager(base_url='127.0.0.1:9', config=config, data_dir={str(tmp_path)!r})\n"
        "assert not manager.download_model('m')\n"
        "print(bool(manager.last_error))\n"
        "logging.basicConfig(stream=sys.stdout, format='%(name)s %(levelname)s')\n"
        "assert not manager.download_model('m')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["True", "codomyrmex_ollama_tui.library WARNING"]
