"""Who wants to hear of new states."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

State = TypeVar("State")

log = logging.getLogger(__name__)


class Listeners(Generic[State]):
    """Callbacks that are told of every new state, in the order in which they came."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[State], None]] = []

    def add(self, callback: Callable[[State], None]) -> Callable[[], None]:
        """Adds a callback; returns what takes it away again (also twice)."""
        self._callbacks.append(callback)

        def remove() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return remove

    def tell(self, state: State) -> None:
        """Calls them all."""
        for callback in tuple(self._callbacks):
            try:
                callback(state)
            except Exception:  # a screen's mistake must end neither a watch nor a download; it is logged
                log.exception("a listener failed")

    def clear(self) -> None:
        """Nobody is told any more."""
        self._callbacks.clear()
