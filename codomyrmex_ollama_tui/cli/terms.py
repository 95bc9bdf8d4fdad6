"""What the command line ends with, and the words it says when something is wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from codomyrmex_ollama_tui.domain.errors import OllamaError

OK = 0
FAILED = 1
USAGE_ERROR = 2
NO_SERVER = 3
CANNOT_RUN = 3
SLOWER = 4
INTERRUPTED = 130

EXIT_CODES = """\
exit codes:
  0    done, or ended by you
  1    something that was asked for failed; the reason is on standard error
  2    wrong usage, or no terminal where one is needed
  3    no server answers; for the screens: it cannot run here (a folder cannot be written, or it failed)
  4    slower than the baseline it was compared with
  130  interrupted
"""

IN_SHORT = "exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server answers, 130 interrupted"


class Failure(Exception):
    """Ends a verb: one clean sentence for standard error ("" for none), and the exit code."""

    def __init__(self, words: str = "", code: int = FAILED) -> None:
        super().__init__(words)
        self.words = words
        self.code = code


class OutputLost(Exception):
    """Nobody reads standard output any more, or it cannot be written; `error` is what the system said."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def tell(words: str, prog: str = "cotui") -> None:
    """One sentence on standard error, made harmless."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"{prog}: {visible(words)}\n")
        sys.stderr.flush()
    except OSError:  # nobody reads it: there is nobody to tell
        pass


def code_of(error: OllamaError) -> int:
    """3 when no server answers, else 1."""
    from codomyrmex_ollama_tui.domain.errors import ServerUnreachable

    return NO_SERVER if isinstance(error, ServerUnreachable) else FAILED


def sentence(error: OllamaError) -> str:
    """What went wrong in one clean sentence with the server's own words, and what can be done where that is known."""
    from codomyrmex_ollama_tui.domain.errors import ServerUnreachable
    from codomyrmex_ollama_tui.domain.text import one_line

    words = one_line(str(error), 600)
    if isinstance(error, ServerUnreachable):
        if error.address in error.reason:  # the service has said all of it
            words = one_line(error.reason, 600)
        words += "; see `cotui doctor`"
    return words


def file_words(error: OSError) -> str:
    """The file and what the system says of it."""
    if error.filename:
        return f"{error.filename}: {error.strerror}"
    return error.strerror or str(error)


def can_ask(given: argparse.Namespace) -> bool:
    """Whether there is a person who can be asked; with --json never."""
    return not given.json and is_terminal(sys.stdin) and is_terminal(sys.stderr)


def ask(question: str) -> bool:
    """Asks a person on the terminal; anything but y or yes is no.

    Raises:
        Failure: it was interrupted.
    """
    import signal

    sys.stdout.flush()
    # While an event loop runs, ctrl+c only asks its task to end, and that would wait for the answer.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.stderr.write(f"{visible(question)} [y/N] ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise Failure(code=INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGINT, before)
    return answer.strip().lower() in ("y", "yes")


def is_terminal(stream: object) -> bool:
    """Whether a person sits at the other end."""
    try:
        return stream is not None and bool(getattr(stream, "isatty", lambda: False)())
    except ValueError:  # it has been closed
        return False


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def visible(text: str) -> str:
    """Text whose control bytes are shown as escapes; line feeds stay."""
    return "".join(letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text)
