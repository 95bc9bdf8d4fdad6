"""Calls of a manager made on its loop, and what became of their errors."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from codomyrmex_ollama_tui.domain.errors import OllamaError, casts_doubt
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.library.loop import Core

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.library.loop import Source, Work
    from codomyrmex_ollama_tui.services.build import Services

T = TypeVar("T")

WORDS = 2000
"""Characters of an error at most."""

log = logging.getLogger("codomyrmex_ollama_tui.library")


class Asking:
    """What asks services on a loop of its own and remembers why the last call failed."""

    def __init__(self, build: Callable[[], Services]) -> None:
        self._core = Core(build)
        self._latest = ""
        self._of_thread = threading.local()

    @property
    def core(self) -> Core:
        """The event loop and the services under this object, for whoever builds on it."""
        return self._core

    @property
    def last_error(self) -> str:
        """Why the last call failed, one sentence; "" if it did not.

        It is the last call of this thread; for a thread that made none, the last one of any.
        """
        error: str = getattr(self._of_thread, "error", self._latest)
        return error

    def _ask(self, work: Work[T]) -> T:
        """Runs work on the loop; its failure is noted, and raised."""
        try:
            result = self._core.run(work)
        except OllamaError as error:
            self._failed(error)
            raise
        self._note("")
        return result

    def _done(self, what: str, work: Callable[[], object]) -> bool:
        """Whether some work came to its end; why not is logged and noted."""
        try:
            work()
        except OllamaError as error:
            log.warning("%s failed: %s", one_line(what, 300), self._failed(error))
            return False
        self._note("")
        return True

    def _did(self, what: str, work: Work[Any]) -> bool:
        return self._done(what, lambda: self._core.run(work))

    def _followed(self, what: str, source: Source[T], on_progress: Callable[[T], None] | None) -> bool:
        """Follows a report to its end, in the caller's thread."""

        def follow() -> None:
            with closing(self._core.iterate(source)) as items:
                for item in items:
                    if on_progress is not None:
                        on_progress(item)

        return self._done(what, follow)

    def _failed(self, error: OllamaError) -> str:
        words = one_line(str(error), WORDS)
        self._note(words)
        if casts_doubt(error) and self._core.begun:
            with contextlib.suppress(OllamaError):  # it is being closed: nobody wants to know any more
                self._core.submit(self._doubt)
        return words

    async def _doubt(self) -> None:
        """The watch looks at once whether the server is still there."""
        self._core.services.server.doubt()

    def _note(self, error: str) -> None:
        self._of_thread.error = self._latest = error
