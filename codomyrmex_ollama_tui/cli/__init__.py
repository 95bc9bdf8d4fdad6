"""The command line, `cotui`: the screens, and verbs for whoever types or writes scripts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from codomyrmex_ollama_tui import __version__
from codomyrmex_ollama_tui.cli.interrupts import as_usual, leave_at_once
from codomyrmex_ollama_tui.cli.parser import Parser, add_house_flags, meant
from codomyrmex_ollama_tui.cli.terms import EXIT_CODES, INTERRUPTED, is_terminal
from codomyrmex_ollama_tui.cli.verbs import VERBS

SCREENS = ("models", "chat")
LATER_SCREENS = ("bench", "outputs")

USAGE = """\
cotui [flags]                 open the screens
       cotui VERB … [flags]          do one thing; cotui VERB --help says more"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of `cotui` with all its verbs, for what is made from it (completion, manuals)."""
    from codomyrmex_ollama_tui.cli.calling import add_verbs

    parser = screen_parser()
    add_verbs(parser, list(VERBS))
    return parser


def screen_parser() -> Parser:
    """The parser of the screens' flags; verbs are only named in its help."""
    verbs = "\n".join(f"  {name:<12} {words}" for name, words in VERBS.items())
    parser = Parser(
        prog="cotui",
        usage=USAGE,
        description="Chat with language models that run on your own machines with Ollama, and look after them.",
        epilog=f"verbs:\n{verbs}\n\n{EXIT_CODES}",
    )
    parser.add_argument("--screen", default="chat", metavar="NAME", help="begin with models or chat (default: chat)")
    parser.add_argument("--model", metavar="NAME", help="begin a new chat with this model")
    parser.add_argument("--theme", metavar="NAME", help="colours for this run: night, day, contrast or one of yours")
    add_house_flags(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code; wrong usage, `--help` and `--version` end it by SystemExit."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    leave_at_once()
    try:
        parser = screen_parser()
        verb = parser.first_word(arguments)
        if verb is not None and verb in VERBS:
            from codomyrmex_ollama_tui.cli.calling import call  # what only verbs need

            return call(arguments, verb)
        return _open(parser, arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        as_usual()


def _open(parser: Parser, arguments: Sequence[str]) -> int:
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        _refuse(parser, unknown)
    if given.screen in LATER_SCREENS:
        parser.error(f"--screen {given.screen}: not in this version")
    if given.screen not in SCREENS:
        parser.error(f"--screen {given.screen!r}: allowed are {' and '.join(SCREENS)}")
    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        parser.error("a terminal is needed: standard input and output must not be redirected")
    from codomyrmex_ollama_tui.cli.opening import open_house, open_screens  # with the rest of the program

    house = open_house(
        parser, given, start=not given.no_start, screen=given.screen, model=given.model, theme=given.theme
    )
    return open_screens(parser, house)


def _refuse(parser: Parser, unknown: Sequence[str]) -> NoReturn:
    """What nobody knows: a verb that is nearly one, else whatever argparse was left with."""
    if not unknown[0].startswith("-") and (near := meant(unknown[0], list(VERBS))):
        parser.error(f"unknown verb {unknown[0]!r}{near}")
    parser.refuse_unknown(unknown)
