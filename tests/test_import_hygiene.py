"""The doors between the rooms, seen from `sys.modules` of fresh interpreters: who brings what when it is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "codomyrmex_ollama_tui"
ROOT = Path(__file__).parent.parent / PACKAGE
SCREEN = ("textual", "rich")
# Where click is installed, httpx brings its own command line, and that brings rich: not our doing.
NO_CLICK = "sys.modules['click'] = None"
HEAVY = ("httpx", "pydantic", "starlette", "uvicorn", "xllamacpp", "plotext", "markdown_it", "pygments", "tomlkit")


def modules_of(room: str) -> list[str]:
    """Every module of a room by its dotted name, but for `__main__`, which is the program itself."""
    files = sorted((ROOT / room).rglob("*.py"))
    names = [".".join((PACKAGE, *file.relative_to(ROOT).with_suffix("").parts)) for file in files]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


def loaded_by(statement: str) -> set[str]:
    """The names in `sys.modules` after a statement ran in a fresh interpreter."""
    script = f"import sys\n{statement}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT.parent)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def brought(statement: str, unwanted: tuple[str, ...]) -> list[str]:
    """Which of the unwanted packages (or rooms) the statement brings in."""
    loaded = loaded_by(statement)
    return [name for name in unwanted if name in loaded]


def rooms(*names: str) -> tuple[str, ...]:
    return tuple(f"{PACKAGE}.{name}" for name in names)


def test_the_package_itself_brings_nothing_but_itself() -> None:
    """Every entry point runs `__init__`: the console script, `python -m`, the library."""
    ours = {name for name in loaded_by(f"import {PACKAGE}") if name.partition(".")[0] == PACKAGE}
    assert ours == {PACKAGE}
    assert brought(f"import {PACKAGE}", (*SCREEN, *HEAVY, "asyncio")) == []


@pytest.mark.parametrize(
    ("room", "unwanted"),
    [
        ("domain", (*SCREEN, *HEAVY, *rooms("client", "store", "services", "library", "ui", "embedded"))),
        ("client", (*SCREEN, *rooms("store", "services", "library", "ui", "embedded"))),
        ("store", (*SCREEN, "httpx", *rooms("client", "services", "library", "ui", "embedded"))),
        ("services", (*SCREEN, *rooms("library", "ui", "embedded"))),
        ("library", (*SCREEN, "httpx", "pydantic", *rooms("ui", "embedded", "house", "cli"))),
        ("embedded", ("textual", "xllamacpp", *rooms("client", "store", "services", "library", "ui", "house", "cli"))),
    ],
)
def test_no_module_of_a_room_brings_what_is_behind_another_door(room: str, unwanted: tuple[str, ...]) -> None:
    names = modules_of(room)
    assert len(names) > 1
    # the engine's server, uvicorn, cannot be imported without click
    assert brought(f"{'' if room == 'embedded' else NO_CLICK}\nimport {', '.join(names)}", unwanted) == []


def test_services_are_imported_without_the_wire() -> None:
    """The first frame needs the services' types; httpx comes with the first request."""
    assert brought(f"import {', '.join(modules_of('services'))}", ("httpx", "pydantic", "starlette")) == []


@pytest.mark.parametrize("screen", ["chat", "models"])
def test_nothing_before_the_first_frame_brings_the_wire_or_a_renderer_of_markdown(screen: str) -> None:
    """The house, the App and the screen that it begins with."""
    assert brought(f"import {PACKAGE}.house, {PACKAGE}.ui.app, {PACKAGE}.ui.screens.{screen}", HEAVY) == []


def test_the_house_is_built_without_the_wire() -> None:
    """Flags, folders and settings are read before the first frame as well."""
    assert brought(f"import {PACKAGE}.house", ("httpx", "starlette", "uvicorn", "xllamacpp", "plotext")) == []


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_do_not_wait_for_a_user_interface(flag: str) -> None:
    statement = (
        f"import contextlib, io, {PACKAGE}.cli as cli\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        f"    cli.main([{flag!r}])"
    )
    assert brought(statement, (*SCREEN, *HEAVY)) == []
