"""The command line, `cotui`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from codomyrmex_ollama_tui import __version__

SCREENS = ("models", "chat")
LATER_SCREENS = ("bench", "outputs")
USAGE_ERROR = 2
FAILED = 3

EPILOG = """\
exit codes:
  0    ended by you
  2    wrong usage, or no terminal
  3    it cannot run here (a folder cannot be written, or it failed)
  130  interrupted
"""


class _Parser(argparse.ArgumentParser):
    """argparse, with one sentence for what is wrong and the flag that may have been meant."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"{self.prog}: {_visible(_without_user(message))}\n")

    def refuse_unknown(self, unknown: Sequence[str]) -> NoReturn:
        """Ends the program over the first argument nobody knows."""
        import difflib  # seldom needed

        if not unknown[0].startswith("-"):
            self.error(f"unexpected argument {unknown[0]!r}; see {self.prog} --help")
        word = unknown[0].partition("=")[0]
        flags = [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]
        near = difflib.get_close_matches(word, flags, n=1, cutoff=0.5)
        self.error(f"unknown flag {word!r}" + (f"; did you mean {near[0]}?" if near else f"; see {self.prog} --help"))


def build_parser() -> argparse.ArgumentParser:
    """The parser of `cotui`, for the program itself and for what is made from it (completion, manuals)."""
    return _build()


def _build() -> _Parser:
    parser = _Parser(
        prog="cotui",
        description="Chat with language models that run on your own machines with Ollama, and look after them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--host", metavar="URL", help="the Ollama server to use, as in OLLAMA_HOST; never replaced")
    parser.add_argument("--screen", default="chat", metavar="NAME", help="begin with models or chat (default: chat)")
    parser.add_argument("--model", metavar="NAME", help="begin a new chat with this model")
    parser.add_argument("--theme", metavar="NAME", help="colours for this run: night, day, contrast or one of yours")
    parser.add_argument("--no-start", action="store_true", help="do not start a server when none answers")
    parser.add_argument("--data-dir", metavar="DIR", help="keep data, state and models in this folder")
    parser.add_argument("--config-dir", metavar="DIR", help="read config.toml from this folder")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code; wrong usage, `--help` and `--version` end it by SystemExit."""
    parser = _build()
    given, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.refuse_unknown(unknown)
    if given.screen in LATER_SCREENS:
        parser.error(f"--screen {given.screen}: not in this version")
    if given.screen not in SCREENS:
        parser.error(f"--screen {given.screen!r}: allowed are {' and '.join(SCREENS)}")
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        parser.error("a terminal is needed: standard input and output must not be redirected")
    return _open(parser, given)


def _open(parser: _Parser, given: argparse.Namespace) -> int:
    import os  # with the rest of what only the program itself needs

    from codomyrmex_ollama_tui.house import Flags, House

    flags = Flags(
        host=given.host,
        screen=given.screen,
        model=given.model,
        data_dir=given.data_dir,
        config_dir=given.config_dir,
        theme=given.theme,
        start=not given.no_start,
    )
    try:
        house = House(flags, os.environ)
    except ValueError as error:
        parser.error(f"--host cannot be used: {error}")  # not what was given: it may hold a password
    try:
        return house.open_ui()
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        parser.exit(FAILED, f"{parser.prog}: {_visible(what)}\n")


def _is_terminal(stream: object) -> bool:
    return stream is not None and getattr(stream, "isatty", lambda: False)()


def _without_user(message: str) -> str:
    """A message without the user name and password of an address that it quotes, however odd they are."""
    import re  # only on the way out

    return re.sub(r"""(?s)(['"](?:\w+://)?).*@""", r"\1***@", message)


def _visible(text: str) -> str:
    return "".join(letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text)
