"""A stop that any thread can pull."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Stop:
    """Ends what runs under it: `pull` can be called from any thread, as often as one likes, also before the work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pulled = False
        self._scopes: dict[asyncio.Timeout, asyncio.AbstractEventLoop] = {}

    @property
    def pulled(self) -> bool:
        """Whether it was pulled; what begins under it now ends at once."""
        return self._pulled

    def pull(self) -> None:
        """Ends everything that runs under it; returns at once."""
        with self._lock:
            self._pulled = True
            scopes = list(self._scopes.items())
        for scope, loop in scopes:
            with contextlib.suppress(RuntimeError):  # the loop has been closed: nothing runs on it any more
                loop.call_soon_threadsafe(self._end, scope)

    @asynccontextmanager
    async def scope(self) -> AsyncGenerator[None, None]:
        """What is awaited inside is cancelled when the stop is pulled, and `TimeoutError` comes out.

        A `TimeoutError` of the work itself looks the same: see `pulled`.
        """
        async with asyncio.timeout(None) as scope:
            with self._lock:
                self._scopes[scope] = asyncio.get_running_loop()
                late = self._pulled
            try:
                if late:
                    scope.reschedule(0.0)
                    await asyncio.get_running_loop().create_future()  # it ends here
                yield
            finally:
                with self._lock:
                    del self._scopes[scope]

    def _end(self, scope: asyncio.Timeout) -> None:
        with self._lock:
            there = scope in self._scopes
        if there:
            scope.reschedule(0.0)
