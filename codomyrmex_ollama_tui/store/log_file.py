"""The log of the programs: a file that is made with its first line, for its owner alone, and never grows large."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from codomyrmex_ollama_tui.store.paths import make_private

LOG_NAME: Final = "cotui.log"
MOST_BYTES: Final = 1_000_000
OLDER_FILES: Final = 2


class LogFile(logging.Handler):
    """Writes warnings and errors to a file of at most 1 MB; two older ones are kept beside it (`.1`, `.2`).

    Nothing is opened, and no folder made, before there is something to write. A file that cannot be written is given
    up: a program that works must not fail, nor speak on the person's screen, over its log.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(logging.WARNING)
        self.path = path
        self._file: logging.Handler | None = None
        self._given_up = False

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record; opens the file for the first one."""
        if self._given_up:
            return
        try:
            if self._file is None:
                self._file = self._open()
            self._file.emit(record)
        except OSError:
            self._given_up = True
        except (TypeError, ValueError):  # a message and its values do not fit: no reason to end a program
            pass

    def close(self) -> None:
        """Closes the file, if it was opened."""
        if self._file is not None:
            self._file.close()
        super().close()

    def _open(self) -> logging.Handler:
        from logging.handlers import RotatingFileHandler  # most runs have nothing to say

        make_private(self.path.parent)

        class Private(RotatingFileHandler):
            """Its files are for their owner alone, and what cannot be written comes out."""

            def _open(self) -> object:  # type: ignore[override]  # a text stream, whose class logging does not export
                return open(
                    self.baseFilename, "a", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)
                )

            def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name that logging calls
                raise

        handler = Private(self.path, maxBytes=MOST_BYTES, backupCount=OLDER_FILES, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"))
        return handler


@contextmanager
def logged(logger: logging.Logger, folder: Path) -> Iterator[None]:
    """What `logger` says goes to the log file in `folder`, and nowhere else, until the end of the block."""
    handler = LogFile(folder / LOG_NAME)
    spread = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False  # a handler of the root may write on the screen
    try:
        yield
    finally:
        logger.propagate = spread
        logger.removeHandler(handler)
        handler.close()
