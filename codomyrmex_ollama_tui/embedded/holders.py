"""Who keeps the engine open: the program that started it, and every one that shares it. Without them it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.responses import Response

from codomyrmex_ollama_tui.embedded.replies import Refusal, begin_lines, disconnected, dump

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send


class Holders:
    """Those who hold the engine open. The starter does until `let_go`, a sharer for as long as its request is open.

    The system closes the connection of a program that ends, however it ends, so none is counted that is not there.

    Attributes:
        on_shared: told with True when the first sharer has come and with False when the last one has gone.
        on_abandoned: told once, when nobody is left.
    """

    def __init__(self) -> None:
        self.on_shared: Callable[[bool], None] = _ignore
        self.on_abandoned: Callable[[], None] = _nothing
        self._started_by_one = True
        self._sharers = 0
        self._over = asyncio.Event()

    def endpoint(self, request: Request) -> Response:
        """The request of a program that wants to share the engine.

        Raises:
            Refusal: it takes us for another process (409), or the engine is about to end (503).
        """
        if request.query_params.get("pid") != str(os.getpid()):
            raise Refusal(409, "this is another embedded engine")
        if self._over.is_set():
            raise Refusal(503, "the embedded engine is stopping")
        return _HeldOpen(self)

    def let_go(self) -> None:
        """The program that started the engine needs it no longer, or has ended."""
        self._started_by_one = False
        self._look()

    def close(self) -> None:
        """The engine ends: open requests of sharers come to their end and new ones are refused."""
        self._over.set()

    async def closed(self) -> None:
        """Returns when the engine ends."""
        await self._over.wait()

    def add(self) -> None:
        """One sharer more."""
        self._sharers += 1
        if self._sharers == 1:
            self.on_shared(True)

    def remove(self) -> None:
        """One sharer less."""
        self._sharers -= 1
        if not self._sharers:
            self.on_shared(False)
        self._look()

    def _look(self) -> None:
        if not self._started_by_one and not self._sharers and not self._over.is_set():
            self._over.set()
            self.on_abandoned()


class _HeldOpen(Response):
    """One line at once, then nothing until the sharer goes or the engine ends."""

    def __init__(self, holders: Holders) -> None:
        super().__init__()
        self._holders = holders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(disconnected(receive))
        closed = asyncio.ensure_future(self._holders.closed())
        self._holders.add()
        try:
            await begin_lines(send)
            await send({"type": "http.response.body", "body": dump({"held": True}) + b"\n", "more_body": True})
            await asyncio.wait((gone, closed), return_when=asyncio.FIRST_COMPLETED)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            closed.cancel()
            self._holders.remove()


def _ignore(shared: bool) -> None:
    """What is told where nobody listens."""


def _nothing() -> None:
    """What is told where nobody listens."""
