"""`cotui doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Literal

from codomyrmex_ollama_tui import __version__
from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.parser import leaf
from codomyrmex_ollama_tui.cli.progress import letters
from codomyrmex_ollama_tui.cli.terms import FAILED, NO_SERVER, OK, is_terminal, sentence
from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.models import FIRST_MODEL
from codomyrmex_ollama_tui.services.server import ServerPhase, ServerState, Way
from codomyrmex_ollama_tui.ui import formats

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.cli.parser import Verbs
    from codomyrmex_ollama_tui.house import House
    from codomyrmex_ollama_tui.services.models import ModelsService

State = Literal["well", "note", "wrong"]

LEAST_FREE = 200_000_000
"""Bytes on a disk below which nothing can be kept safely."""
LITTLE_FREE = 5_000_000_000
"""Bytes on a disk below which the next model may not fit."""
SMALLEST = (80, 24)
"""Columns and lines that the screens are made for."""
INDENT = 17
"""Cells before what was found."""
ENGINE_NEEDS = ("xllamacpp", "starlette", "uvicorn")
OLDEST = (0, 12, 6)
"""The version of Ollama that first says when a prompt is too long, instead of cutting it."""
ORIGINS = {
    "flag": "from --host",
    "environment": "from the environment",
    "file": "from config.toml",
    "default": "the usual address",
}


@dataclass(frozen=True, slots=True)
class Check:
    """What was found.

    Attributes:
        name: what was looked at.
        state: "wrong" is to be mended, "note" is worth knowing.
        words: one clean sentence.
        mend: what to do; "" where nothing is to be done.
    """

    name: str
    state: State
    words: str
    mend: str = ""


def add_parser(verbs: Verbs) -> None:
    """`cotui doctor`."""
    leaf(
        verbs,
        "doctor",
        examine,
        help="look for what is wrong, and say how to mend it",
        description="Looks at server, models, disk, terminal and configuration. Nothing is started or changed.",
        epilog="exit code 3 when no server answers, else 1 when something is wrong\n"
        "piped, a line has: well, note or wrong; what was looked at; what was found; how to mend it",
        own_problems=True,
        starts=False,
    )


async def examine(house: House, given: argparse.Namespace) -> int:
    """Looks at everything and says what was found."""
    state = await house.services.server.settled()
    ready = state.phase is ServerPhase.READY
    checks = [_program(), _server(state, starts=house.settings.settings.auto_start_server)]
    if ready:
        checks += await _models(house.services.models)
    checks += [_engine(), *_disk(house), _terminal(os.environ), *_configuration(house)]
    wrong = [check for check in checks if check.state == "wrong"]
    if given.json:
        tables.write_json({"well": not wrong and ready, "server": state.label, "checks": checks})
    elif is_terminal(sys.stdout):
        for check in checks:
            _show(check)
    else:
        tables.write_table((), [(check.state, check.name, check.words, check.mend) for check in checks])
    if not ready:
        return NO_SERVER
    return FAILED if wrong else OK


def _show(check: Check) -> None:
    mark = {
        "well": letters("✓", "+", sys.stdout),
        "note": letters("·", "-", sys.stdout),
        "wrong": letters("✕", "x", sys.stdout),
    }[check.state]
    room = max(20, shutil.get_terminal_size().columns - INDENT)
    mend = f"{letters('→', '>', sys.stdout)} {check.mend}" if check.mend else ""
    lines = [*wrap(check.words, room), *wrap(mend, room, subsequent_indent="  ")]
    tables.write_text(f"{mark} {tables.pad(check.name, INDENT - 3)} {lines[0]}")
    for line in lines[1:]:
        tables.write_text(" " * INDENT + line)


def _program() -> Check:
    words = f"cotui {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    versions = [f"{name} {metadata.version(name)}" for name in ("textual", "httpx") if util.find_spec(name)]
    return Check("program", "well", ", ".join([words, *versions]))


def _server(state: ServerState, *, starts: bool) -> Check:
    where = f"{one_line(state.label)} ({ORIGINS[state.origin]})"
    if state.phase is ServerPhase.READY:
        name = "the embedded engine" if state.kind == "embedded" else f"Ollama {one_line(state.version, 30)}"
        numbers = tuple(int(part) for part in re.findall(r"\d+", state.version.partition("-")[0])[:3])
        if state.kind == "ollama" and (0, 0, 0) < numbers < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            words = f"{name} answers at {where}; before {oldest} it cuts a prompt that is too long without a word"
            return Check("server", "note", words, "update Ollama")
        return Check("server", "well", f"{name} answers at {where}")
    ollama = Way.INSTALL not in state.ways
    engine = Way.EMBEDDED in state.ways
    here = state.phase is ServerPhase.ABSENT  # something started here may stand in for the address
    words = one_line(state.words) or "it does not answer"
    if state.label not in words:
        words = f"{state.label}: {words}"
    words += f" ({ORIGINS[state.origin]})"
    if here and starts and (ollama or engine):
        name = "Ollama" if ollama else "the embedded engine"
        return Check("server", "note", words, f"nothing: {name} is started when it is needed")
    if here and (ollama or engine):
        return Check("server", "wrong", words, "start Ollama, or set auto_start_server = true in [ollama]")
    if here:
        return Check("server", "wrong", words, 'install Ollama, or "codomyrmex-ollama-tui[embedded]", or name a --host')
    return Check("server", "wrong", words, "start Ollama there, or name another server with --host")


async def _models(models: ModelsService) -> list[Check]:
    try:
        listed = await models.list_models()
    except OllamaError as error:
        return [Check("models", "wrong", sentence(error), "look into the server's log")]
    if not listed:
        return [Check("models", "note", "there is none yet", f"cotui models pull {FIRST_MODEL}")]
    size = formats.size(sum(model.size for model in listed))
    checks = [Check("models", "well", f"{len(listed)} model{'' if len(listed) == 1 else 's'}, {size}")]
    try:
        running = await models.running()
    except OllamaError:  # it can be held back while a model loads
        return [*checks, Check("memory", "note", "the server does not say what is in memory: a model may be loading")]
    for model in running:
        share = round(model.gpu_share * 100)
        words = f"{one_line(model.name)} takes {formats.size(model.size)}, {share}% of it on GPUs"
        checks.append(Check("memory", "well", words))
    return checks


def _engine() -> Check:
    missing = [name for name in ENGINE_NEEDS if util.find_spec(name) is None]
    if not missing:
        return Check("engine", "well", f"the embedded engine is installed (xllamacpp {metadata.version('xllamacpp')})")
    words = "the embedded engine is not installed; it is needed only where there is no Ollama"
    return Check("engine", "note", words, 'pip install "codomyrmex-ollama-tui[embedded]"')


def _disk(house: House) -> Iterator[Check]:
    for name, folder in (("data", house.folders.data), ("settings", house.folders.config)):
        yield _folder(name, folder, least=LEAST_FREE)
    named = os.environ.get("OLLAMA_MODELS")
    models = Path(named) if named else Path.home() / ".ollama" / "models"
    if models.is_dir() and house.services.server.state.kind == "ollama":
        yield _folder("Ollama's disk", models, least=LITTLE_FREE, writes=False)


def _folder(name: str, folder: Path, *, least: int, writes: bool = True) -> Check:
    shown = one_line(str(folder), 400)
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Check(name, "wrong", f"{shown}: {error.strerror}", "choose other folders: --data-dir, --config-dir")
    if writes and not place.is_dir():
        return Check(name, "wrong", f"{shown}: {place} is no folder", "move it away, or choose another folder")
    if writes and not os.access(place, os.W_OK | os.X_OK):
        return Check(name, "wrong", f"{shown}: {place} cannot be written", "give yourself the right to write there")
    if free < least:
        return Check(name, "note", f"{shown}: only {formats.size(free)} free", "make room")
    return Check(name, "well", f"{shown}: {formats.size(free)} free")


def _terminal(environment: Mapping[str, str]) -> Check:
    streams = (sys.stdin, sys.stdout, sys.stderr)
    kind = environment.get("TERM", "")
    if not any(map(is_terminal, streams)):
        return Check("terminal", "note", "there is none here; only the screens need one")
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    columns, lines = shutil.get_terminal_size()
    words = f"{columns} × {lines} cells, {one_line(kind, 40) or sys.platform}, {_colours(environment)}"
    if is_terminal(sys.stdout) and encoding != "utf8":
        return Check("terminal", "wrong", f"its text is {encoding or 'of no known kind'}", "set LANG to C.UTF-8, say")
    if sys.platform != "win32" and kind in ("", "dumb"):
        return Check("terminal", "wrong", f"TERM is {kind!r}: nothing can be drawn", "set TERM to xterm-256color, say")
    if columns < SMALLEST[0] or lines < SMALLEST[1]:
        return Check("terminal", "note", words, f"make it {SMALLEST[0]} × {SMALLEST[1]} or larger for the screens")
    return Check("terminal", "well", words)


def _colours(environment: Mapping[str, str]) -> str:
    if environment.get("NO_COLOR"):
        return "no colours (NO_COLOR)"
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "WT_SESSION" in environment:
        return "all colours"
    return "256 colours" if "256" in environment.get("TERM", "") else "16 colours (COLORTERM says no more)"


def _configuration(house: House) -> Iterator[Check]:
    path = house.folders.config_file
    shown = one_line(str(path), 400)
    found = house.settings.validate()
    errors = list(dict.fromkeys((*house.settings.problems, *found.errors)))
    for words in errors:
        variable = words.startswith(("OLLAMA_", "CODOMYRMEX_"))
        mend = "correct the variable, or take it away" if variable else f"correct it; the file is {shown}"
        yield Check("configuration", "wrong", one_line(words, 600), mend)
    for words in found.warnings:
        yield Check("configuration", "note", one_line(words, 600))
    if not errors:
        there = "is in order" if path.is_file() else "is not there: the defaults are in force"
        yield Check("configuration", "well", f"{shown} {there}")
    profiles = house.settings.profiles
    if profiles:
        names = ", ".join(one_line(name, 60) for name in profiles)
        yield Check("profiles", "well", f"{names}: `cotui servers test` asks them")
