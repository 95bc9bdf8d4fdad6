"""The parsers of the command line: flags anywhere between the words, one sentence for what is wrong."""

from __future__ import annotations

import argparse
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from codomyrmex_ollama_tui.cli.terms import IN_SHORT, USAGE_ERROR, visible

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.house import House

    Verbs: TypeAlias = argparse._SubParsersAction["Parser"]
    Work: TypeAlias = Callable[[House, argparse.Namespace], Awaitable[int]]
    Before: TypeAlias = Callable[[argparse.Namespace], int | None]

_NEGATIVE = re.compile(r"-(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class Parser(argparse.ArgumentParser):
    """argparse, with one sentence for what is wrong and the flag or verb that may have been meant."""

    def __init__(self, **given: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **given)
        self.verbs: Verbs | None = None

    def add_verbs(self) -> Verbs:
        """Makes room for the parsers of verbs: `leaf(parser.add_verbs(), …)`."""
        self.verbs = self.add_subparsers(metavar="VERB", title="verbs", prog=self.prog)
        return self.verbs

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"{self.prog}: {visible(without_user(message))}\n")

    def refuse_unknown(self, unknown: Sequence[str]) -> NoReturn:
        """Ends the program over the first argument nobody knows."""
        first = next((word for word in unknown if word != "--"), "--")
        if not first.startswith("-"):
            self.error(f"unexpected argument {first!r}; see {self.prog} --help")
        word = first.partition("=")[0]
        flags = [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]
        self.error(f"unknown flag {word!r}{meant(word, flags) or f'; see {self.prog} --help'}")

    def first_word(self, arguments: Sequence[str]) -> str | None:
        """The first argument that is neither a flag nor the value of one; None where there is none."""
        waiting = list(arguments)
        while waiting:
            argument = waiting.pop(0)
            if argument == "--":
                return None
            if not self._is_flag(argument):
                return argument
            self._take_flag(argument, waiting)
        return None

    def arranged(self, arguments: Sequence[str]) -> list[str]:
        """The same arguments as argparse can read them: flags before words, each value bound to its flag.

        argparse gives the words behind a flag to nobody, reads a value that begins with `-` as a flag, and takes the
        word behind a flag whose value may be left out.
        """
        flags: list[str] = []
        words: list[str] = []
        waiting = list(arguments)
        while waiting:
            argument = waiting.pop(0)
            if argument == "--":
                words += waiting
                break
            if self._is_flag(argument):
                flags += self._take_flag(argument, waiting)
            elif self.verbs is None:
                words.append(argument)
            else:
                child = self.verbs.choices.get(argument)
                return [*flags, argument, *(waiting if child is None else child.arranged(waiting))]
        return [*flags, "--", *words] if words else flags

    def _is_flag(self, argument: str) -> bool:
        if not argument.startswith("-") or argument == "-" or _NEGATIVE.fullmatch(argument):
            return False
        return argument.partition("=")[0] in self._option_string_actions or " " not in argument

    def _take_flag(self, argument: str, waiting: list[str]) -> list[str]:
        """One flag and its value, taken from what waits, as argparse is to see them."""
        action = self._option_string_actions.get(argument)
        if action is None or action.nargs == 0:
            return [argument]
        if action.nargs == "?":
            return [f"{argument}={action.const}"]
        if not waiting or waiting[0] in self._option_string_actions or waiting[0] == "--":
            return [argument]  # argparse says that its value is missing
        value = waiting.pop(0)
        return [f"{argument}={value}"] if argument.startswith("--") else [argument, value]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action is self.verbs and self.verbs is not None and value not in self.verbs.choices:
            self.error(f"unknown verb {value!r}{meant(value, list(self.verbs.choices)) or f'; see {self.prog} --help'}")
        super()._check_value(action, value)


def leaf(
    verbs: Verbs,
    name: str,
    work: Work,
    *,
    help: str,
    description: str = "",
    epilog: str = "",
    before: Before | None = None,
    own_problems: bool = False,
    starts: bool = True,
) -> Parser:
    """The parser of a verb that does something, with the flags that all verbs have.

    Args:
        verbs: where it belongs: what `add_parser` got, or `parser.add_verbs()` of a verb with verbs of its own.
        name: what is typed.
        work: does it; see `cli.verbs`.
        help: one line, without a full stop, for the list of verbs.
        description: more words above its flags; `help` where there are none.
        before: called with what was given before any folder or setting is read, outside the event loop (so that it
            may wait for a person); an exit code ends the program with it, None goes on.
        own_problems: it tells of what is wrong in config.toml itself; else that is said on standard error.
        starts: whether a server may be started for it when none answers.
    """
    parser = verbs.add_parser(
        name,
        help=help,
        description=description or help[:1].upper() + help[1:] + ".",
        epilog=f"{epilog}\n\n{IN_SHORT}".lstrip(),
    )
    everywhere = parser.add_argument_group("flags of every verb")
    everywhere.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="one JSON value on standard output"
    )
    add_house_flags(everywhere, default=argparse.SUPPRESS)
    parser.set_defaults(leaf=parser, work=work, before=before, own_problems=own_problems, starts=starts)
    return parser


def add_house_flags(parser: argparse.ArgumentParser | argparse._ArgumentGroup, *, default: Any = None) -> None:
    """The flags that say where the server and the folders are."""
    add = parser.add_argument
    add("--host", metavar="URL", default=default, help="the Ollama server to use, as in OLLAMA_HOST; never replaced")
    add("--server", metavar="NAME", default=default, help="the server of this profile in config.toml")
    no_start = default if default is argparse.SUPPRESS else False
    add("--no-start", action="store_true", default=no_start, help="do not start a server when none answers")
    add("--data-dir", metavar="DIR", default=default, help="keep data, state and models in this folder")
    add("--config-dir", metavar="DIR", default=default, help="read config.toml from this folder")


def meant(word: str, known: Sequence[str]) -> str:
    """ "; did you mean --host?", or "" where nothing is near."""
    import difflib  # seldom needed

    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def without_user(message: str) -> str:
    """A message without the user name and password of an address that it quotes, however odd they are."""
    return re.sub(r"""(?s)(['"](?:\w+://)?).*@""", r"\1***@", message)
