"""`cotui completion SHELL`: the script with which a shell completes verbs and flags."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.parser import leaf
from codomyrmex_ollama_tui.cli.terms import OK

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.cli.parser import Verbs

SHELLS = ("bash", "zsh", "tcsh")
EPILOG = """\
  bash   cotui completion bash > ~/.local/share/bash-completion/completions/cotui
  zsh    cotui completion zsh > "${fpath[1]}/_cotui"
  tcsh   cotui completion tcsh > ~/.cotui.completion; source it in ~/.tcshrc"""


def add_parser(verbs: Verbs) -> None:
    """`cotui completion`."""
    parser = leaf(
        verbs,
        "completion",
        _nothing_left,
        help="the completion script of a shell",
        epilog=EPILOG,
        before=write_script,
        starts=False,
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}")


def write_script(given: argparse.Namespace) -> int:
    """Writes the script; no folder and no setting is looked at."""
    import shtab

    from codomyrmex_ollama_tui.cli import build_parser

    script = shtab.complete(build_parser(), shell=given.shell)
    if given.json:
        tables.write_json({"shell": given.shell, "script": script})
    else:
        tables.write_text(script)
    return OK


async def _nothing_left(house: object, given: argparse.Namespace) -> int:
    """Never called: the script needs no house."""
    return OK
