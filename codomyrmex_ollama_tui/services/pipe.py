"""The clients of the present address, and the health check that goes through one of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.client.address import Address
from codomyrmex_ollama_tui.domain.errors import OllamaError, ServerUnreachable
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.state import Access, ClientSettings

if TYPE_CHECKING:  # httpx is behind it: not before the first frame
    from codomyrmex_ollama_tui.client.ollama import OllamaClient

CHECK_LIMIT = 2.5
"""Seconds for one health check."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one health check found: all well, or `words`; `nobody` means that nothing listens there at all."""

    well: bool
    words: str = ""
    nobody: bool = False
    version: str = ""
    engine: str = ""


class Pipe:
    """One client for the work, one for health checks that never tries twice and needs no connection of the other.

    `clock` is what the pieces of an answer are stamped with.
    """

    def __init__(
        self,
        address: Address,
        settings: ClientSettings,
        access: Access | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self._granted = address, access
        self.client: OllamaClient | None = None
        self._prober: OllamaClient | None = None
        self._problem = ""  # why there are no clients
        self.settings = settings
        self._clock = clock

    def grant(self, address: Address, access: Access | None) -> None:
        """From the next `connect` on that address, and no other, gets these secrets."""
        self._granted = address, access

    async def connect(self, address: Address) -> None:
        """Goes to an address: new clients, nothing is sent. In a thread: for https the certificates are read.

        Where none can be made (unusable certificates or proxy) there are none, and `check` says why.
        """
        await self.close()
        self.address = address
        try:
            self.client, self._prober = await asyncio.to_thread(self._make)
        except ServerUnreachable as error:
            self._problem = one_line(str(error))
        except (OSError, ValueError) as error:
            self._problem = one_line(f"no connection to {address.label} can be made: {error}")

    async def check(self) -> Check:
        """Asks `/api/version`, at most for CHECK_LIMIT seconds."""
        label = self.address.label
        if self._prober is None:
            return Check(False, self._problem or f"{label} has not been asked yet")
        try:
            async with asyncio.timeout(CHECK_LIMIT):
                version = await self._prober.version()
        except TimeoutError:
            return Check(False, f"{label} does not answer")
        except ServerUnreachable as error:
            return Check(False, one_line(str(error)), nobody=True)
        except OllamaError as error:
            return Check(False, one_line(f"{label} does not answer as Ollama does: {error}"))
        return Check(True, version=one_line(version.version), engine=one_line(version.engine or ""))

    async def close(self) -> None:
        """Closes both clients, the second also when the first one's closing is cancelled."""
        first, second = self.client, self._prober
        self.client = self._prober = None
        self._problem = ""
        try:
            if first is not None:
                await first.aclose()
        finally:
            if second is not None:
                await second.aclose()

    def _make(self) -> tuple[OllamaClient, OllamaClient]:
        from codomyrmex_ollama_tui.client.ollama import OllamaClient  # httpx: not before the first frame

        granted, access = self._granted
        if access is None or granted != self.address:
            access = Access()
        headers, token, ca_file = access.headers, access.token, access.ca_file
        client = OllamaClient(
            self.address,
            headers=headers,
            token=token,
            ca_file=ca_file,
            request_timeout=self.settings.request_timeout,
            max_retries=self.settings.max_retries,
            retry_delay=self.settings.retry_delay,
            jitter=self.settings.jitter,
            clock=self._clock,
        )
        prober = OllamaClient(
            self.address, headers=headers, token=token, ca_file=ca_file, connect_timeout=CHECK_LIMIT, max_retries=0
        )
        return client, prober
