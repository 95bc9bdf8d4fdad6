"""The services, built from plain values."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.services.chat import ChatService
from codomyrmex_ollama_tui.services.models import ModelsService
from codomyrmex_ollama_tui.services.pulls import PullQueue
from codomyrmex_ollama_tui.services.server import ClientSettings, Origin, ServerService

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.client.address import Address
    from codomyrmex_ollama_tui.services.launch import Launcher


@dataclass(frozen=True, slots=True)
class Services:
    """All services of one run; made on any thread, used on one event loop."""

    server: ServerService
    models: ModelsService
    chat: ChatService

    async def aclose(self) -> None:
        """Closes the running pull, then the server if it was started here."""
        try:
            await self.models.pulls.aclose()
        finally:  # also when this is cancelled: no orphan
            await self.server.aclose()


def build_services(
    *,
    address: Address,
    origin: Origin,
    launcher: Launcher,
    now: Callable[[], datetime],
    client_settings: ClientSettings | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Services:
    """Builds the services; nothing is asked, started or imported from the client's side yet.

    Args:
        address: where the server is looked for.
        origin: where that address came from; one from the flag is never replaced.
        launcher: what may be started in its place and how.
        now: the time of day, with its zone.
    """
    server = ServerService(address, origin, launcher, client_settings, clock=clock)
    return Services(
        server, ModelsService(server, PullQueue(server, clock=clock)), ChatService(server, now=now, clock=clock)
    )
