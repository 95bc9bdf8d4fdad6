"""`make run` and `make test` on machines of many kinds: which Python is taken, what is said when there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.terminal import ROOT

PARTS = ("Makefile", "pyproject.toml", "README.md", "LICENSE", "scripts", "themes", "codomyrmex_ollama_tui")
VENV = Path(".venv", "bin", "python")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the set-up reads of this repository, in a folder with spaces in its name."""
    place = tmp_path / "a clone with spaces"
    place.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, place / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, place / part)
    return place


def interpreter(folder: Path, name: str, version: str, *, new_enough: bool, venv: bool) -> None:
    """A program that answers the three questions of the set-up as a Python of that kind would."""
    answers = (
        f"*print*) echo {version} ;; *version_info*) exit {int(not new_enough)} ;; *ensurepip*) exit {int(not venv)} ;;"
    )
    program = folder / name
    program.write_text(f'#!/bin/sh\ncase "$2" in {answers} *) exit 9 ;; esac\n')
    program.chmod(0o755)


def set_up(clone: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """Run the set-up where the PATH holds nothing but `path`, and the two tools it needs to begin."""
    for tool in ("sh", "dirname"):
        there = shutil.which(tool)
        assert there is not None
        (path / tool).symlink_to(there)
    command = [str(path / "sh"), "scripts/setup.sh", "run"]
    return subprocess.run(command, cwd=clone, env={"PATH": str(path)}, capture_output=True, text=True, check=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "path"
    folder.mkdir()
    return folder


def test_a_python_that_is_too_old_is_refused_by_name(clone: Path, path: Path) -> None:
    interpreter(path, "python3", "3.9.2", new_enough=False, venv=True)
    interpreter(path, "python", "2.7.18", new_enough=False, venv=False)
    done = set_up(clone, path)
    assert done.returncode == 1
    assert "3.11 or newer" in done.stderr
    assert "python3 is 3.9.2" in done.stderr
    assert "python is 2.7.18" in done.stderr


def test_no_python_at_all_is_said(clone: Path, path: Path) -> None:
    done = set_up(clone, path)
    assert done.returncode == 1
    assert "none is on the PATH" in done.stderr


def test_a_python_without_venv_is_told_which_package_brings_it(clone: Path, path: Path) -> None:
    interpreter(path, "python3.12", "3.12.1", new_enough=True, venv=False)
    interpreter(path, "python3", "3.9.2", new_enough=False, venv=True)
    done = set_up(clone, path)
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr
    assert "python3.12-venv" in done.stderr


def make(clone: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`make` without a terminal, with this test's Python in front of the PATH."""
    folder = Path(sys.executable).resolve().parent
    kept = {name: value for name, value in os.environ.items() if "MAKE" not in name and name != "MFLAGS"}
    return subprocess.run(
        ["make", *words],
        cwd=clone,
        env={**kept, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def has_engine(clone: Path) -> bool:
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('xllamacpp') is None)"
    return subprocess.run([clone / VENV, "-c", look], check=False).returncode == 0


def test_one_command_installs_and_the_second_time_is_quick(clone: Path, tmp_path: Path) -> None:
    # a machine that xllamacpp has no wheel for: here because no version may be both this one and the pinned one
    nowhere = tmp_path / "constraint.txt"
    nowhere.write_text("xllamacpp==0.0.0\n")
    first = make(clone, "run", PIP_CONSTRAINT=str(nowhere))
    assert "Installed without the embedded engine: xllamacpp has no wheel" in first.stdout
    assert not has_engine(clone)
    # no terminal here: it was installed, it started, and it says so
    assert first.returncode == 2, first.stderr
    assert "terminal" in first.stderr

    begun = time.perf_counter()
    asked = subprocess.run([clone / VENV, "-m", "codomyrmex_ollama_tui", "--version"], capture_output=True, check=True)
    direct = time.perf_counter() - begun
    begun = time.perf_counter()
    again = make(clone, "run", "ARGS=--version")
    assert time.perf_counter() - begun - direct < 0.5
    assert again.stdout == asked.stdout.decode()

    # a machine that has the wheel and lacks the system library behind it
    lacking = tmp_path / "lacking"
    lacking.mkdir()
    (lacking / "xllamacpp.py").write_text("raise ImportError('libgomp.so.1: cannot open shared object file')\n")
    lame = make(clone, "setup", PYTHONPATH=str(lacking))
    assert lame.returncode == 0, lame.stderr
    assert "libgomp.so.1 is missing" in lame.stdout
    assert len(lame.stdout.splitlines()) <= 2
    assert not has_engine(clone)
