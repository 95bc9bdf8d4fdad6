"""Ctrl+c before there is anything to stop: while modules are imported and arguments read."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

from codomyrmex_ollama_tui.cli.terms import INTERRUPTED


def leave_at_once() -> None:
    """From here on ctrl+c ends the program without a word.

    An exception in the middle of an import would come out as one that nobody expects, with a traceback.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        with contextlib.suppress(ValueError):  # not the main thread: nothing is interrupted there
            signal.signal(signal.SIGINT, _leave)


def as_usual() -> None:
    """From here on ctrl+c is an exception again: work begins that has to be ended in order."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)  # nothing has been begun, so that nothing has to be closed
