"""`cotui completion`: scripts that their shells can read, and that know every verb."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.cli.verbs import VERBS
from tests.cli.calling import Program

COMPLETE = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
_shtab_cotui
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def cotui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(tmp_path, capsys)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_verbs_and_flags(cotui: Program) -> None:
    script = cotui.home / "cotui.bash"
    script.write_text(cotui("completion", "bash").out, encoding="utf-8")

    def completed(*words: str) -> set[str]:
        command = ["bash", "--norc", "-c", COMPLETE, "bash", str(script), "cotui", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.stderr == ""
        return set(done.stdout.split())

    assert completed("") >= set(VERBS)
    assert completed("outputs", "") >= {"list", "search", "show", "export", "stats", "clean", "reindex"}
    assert completed("outputs", "clean", "--o") == {"--older-than"}
    assert completed("config", "s") == {"show", "set"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_each_script_names_the_program_and_needs_no_folder(cotui: Program, shell: str) -> None:
    said = cotui("completion", shell)
    assert (said.code, said.err) == (0, "")
    assert "cotui" in said.out
    whole = json.loads(cotui("completion", shell, "--json").out)
    assert (whole["shell"], whole["script"].strip()) == (shell, said.out.strip())
    assert not cotui.data.exists()
    assert not cotui.config.exists()


def test_another_shell_is_refused(cotui: Program) -> None:
    said = cotui("completion", "fish")
    assert (said.code, said.out) == (2, "")
    assert "'fish'" in said.err
