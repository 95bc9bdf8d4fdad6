"""From the arguments of a verb to its exit code."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.interrupts import as_usual
from codomyrmex_ollama_tui.cli.opening import open_house
from codomyrmex_ollama_tui.cli.parser import Parser, add_house_flags
from codomyrmex_ollama_tui.cli.terms import (
    FAILED,
    INTERRUPTED,
    Failure,
    OutputLost,
    code_of,
    file_words,
    sentence,
    tell,
)
from codomyrmex_ollama_tui.cli.verbs import load
from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.house import House


def add_verbs(parser: Parser, names: Sequence[str]) -> None:
    """Gives a parser these verbs."""
    verbs = parser.add_verbs()
    for name in names:
        load(name).add_parser(verbs)


def call(arguments: Sequence[str], verb: str) -> int:
    """Runs one verb; wrong usage and `--help` end it by SystemExit."""
    parser = Parser(prog="cotui")
    add_house_flags(parser)
    parser.add_argument("--json", action="store_true")
    add_verbs(parser, [verb])
    given, unknown = parser.parse_known_args(parser.arranged(arguments))
    named = getattr(given, "leaf", None)
    if named is None:
        _refuse_bare(parser, verb)
    if unknown:
        named.refuse_unknown(unknown)
    _prepare_output()
    try:
        code = _run(named, given)
        tables.flush()
        return code
    except OutputLost as lost:
        return _give_up_output(lost.error)
    except Exception as error:  # a mistake of ours: whoever typed a command gets a sentence, not our source
        tell(f"a mistake in the program: {type(error).__name__}: {one_line(str(error))} ({_place_of(error)})")
        return FAILED


def _refuse_bare(parser: Parser, verb: str) -> NoReturn:
    """A verb that has verbs of its own, and none was named."""
    assert parser.verbs is not None
    alone = parser.verbs.choices[verb]
    known = list(alone.verbs.choices) if alone.verbs is not None else []
    alone.error(f"say what to do: {', '.join(known)}; see {alone.prog} --help")


def _run(parser: Parser, given: argparse.Namespace) -> int:
    try:
        if given.before is not None:
            code: int | None = given.before(given)
            if code is not None:
                return code
        house = open_house(parser, given, start=given.starts and not given.no_start)
        if not given.own_problems:
            for words in house.settings.problems:
                tell(words)
        as_usual()
        with house.logged():
            return asyncio.run(_work(house, given))
    except Failure as failure:
        return _failed(given, failure.words, failure.code)
    except OSError as error:
        return _failed(given, file_words(error), FAILED)
    except asyncio.CancelledError:  # a signal while all was being closed
        return INTERRUPTED


async def _work(house: House, given: argparse.Namespace) -> int:
    from codomyrmex_ollama_tui.cli.starting import telling_of_starts
    from codomyrmex_ollama_tui.domain.errors import OllamaError

    task = asyncio.current_task()
    # A closed terminal or a polite kill must not leave a server behind that was started here.
    if sys.platform != "win32" and task is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        with telling_of_starts(house.services.server):
            code: int = await given.work(house, given)
        return code
    except OllamaError as error:
        return _failed(given, sentence(error), code_of(error))
    except asyncio.CancelledError:
        return INTERRUPTED
    finally:
        await house.services.aclose()


def _place_of(error: Exception) -> str:
    """File and line where it happened, for whoever is told of it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"


def _failed(given: argparse.Namespace, words: str, code: int) -> int:
    if words:
        if given.json:
            tables.write_json({"error": words})
        tell(words)
    return code


def _prepare_output() -> None:
    """No text of a model may break the program because the other side has no letter for it."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            if stream.isatty():
                reconfigure(errors="replace")
            else:
                reconfigure(encoding="utf-8", errors="replace")


def _give_up_output(error: OSError) -> int:
    """Standard output is gone: a reader that has had enough is no news, a full disk is."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError, ValueError):  # what is still buffered must not be tried again at the end
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, sys.stdout.fileno())
            os.close(nothing)
    if not isinstance(error, BrokenPipeError) and error.errno not in (errno.EPIPE, errno.EINVAL):
        tell(f"standard output cannot be written: {error.strerror or error}")
    return FAILED
