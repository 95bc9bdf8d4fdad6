"""A terminal that goes away ends the program, instead of leaving it to wait for ever on what nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from textual.driver import Driver


class Outlet:
    """A file to draw to. When it can no longer be written it says so once, and takes in silence what still comes.

    Textual writes in a thread of its own behind a short queue: an error would end the thread, and the program would
    then stand still at the next full queue, deaf to keys and signals.
    """

    def __init__(self, file: IO[str], gone: Callable[[], None]) -> None:
        self._file = file
        self._gone: Callable[[], None] | None = gone

    def write(self, text: str) -> None:
        """Write, as long as somebody is there."""
        if self._gone is not None:
            self._try(lambda: self._file.write(text))

    def flush(self) -> None:
        """Flush, as long as somebody is there."""
        if self._gone is not None:
            self._try(self._file.flush)

    def fileno(self) -> int:
        """The number of the file behind it."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Whether the file behind it is a terminal."""
        return self._file.isatty()

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError:
            gone, self._gone = self._gone, None
            if gone is not None:
                gone()


@lru_cache(1)
def lasting(driver: type[Driver]) -> type[Driver]:
    """The driver as it is, or for terminals of Linux and macOS one that outlives its terminal and ends the app."""
    try:
        from textual.drivers.linux_driver import LinuxDriver
    except ImportError:  # Windows has no such terminals
        return driver
    if driver is not LinuxDriver:
        return driver

    class LastingDriver(LinuxDriver):
        """Ends the app once nothing can be drawn any more."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            loop = asyncio.get_running_loop()

            def gone() -> None:
                with contextlib.suppress(RuntimeError):  # the loop has ended before
                    loop.call_soon_threadsafe(self._app.exit)

            # Textual asks of it just what `Outlet` has
            self._file = cast(Any, Outlet(cast("IO[str]", self._file), gone))

    return LastingDriver
