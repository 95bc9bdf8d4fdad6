"""The server as the app sees it: found or started, watched, and stopped only if it was started here."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from codomyrmex_ollama_tui.client.address import Address, parse_address
from codomyrmex_ollama_tui.domain.errors import OllamaError, ServerUnreachable
from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:  # httpx is behind it: not before the first frame
    from codomyrmex_ollama_tui.client.ollama import OllamaClient
    from codomyrmex_ollama_tui.services.launch import Launcher

log = logging.getLogger(__name__)

Origin = Literal["flag", "environment", "file", "default"]
Kind = Literal["ollama", "embedded", "none"]


class ServerPhase(StrEnum):
    """Where the server stands."""

    STARTING = "starting"
    READY = "ready"
    LOST = "lost"
    RESTARTING = "restarting"
    ABSENT = "absent"


class Way(StrEnum):
    """What a person can do when no server answers."""

    RETRY = "retry"
    """ask the same address again now: `retry_now()`"""
    HOST = "host"
    """name a server elsewhere: `use_host(text)`"""
    EMBEDDED = "embedded"
    """use the engine that comes with the program: `use_embedded()`"""
    INSTALL = "install"
    """install Ollama, or the `embedded` extra: words only"""


@dataclass(frozen=True, slots=True)
class ServerState:
    """What is known of the server at one moment.

    Attributes:
        label: "127.0.0.1:11434", for people.
        version: as `/api/version` says it; "" while nobody answered yet.
        engine: what the embedded engine says of itself; "" for a real Ollama.
        origin: where the address came from.
        ours: this program started it and will stop it.
        words: one clean sentence of what is wrong or going on; "" when ready.
        retry_in: seconds until the next try, counted from the moment of this state; None when none is planned.
        ways: what a person can do now; empty unless lost or absent.
    """

    phase: ServerPhase
    label: str
    version: str = ""
    engine: str = ""
    origin: Origin = "default"
    ours: bool = False
    kind: Kind = "none"
    words: str = ""
    retry_in: float | None = None
    ways: tuple[Way, ...] = ()


class ServerService:
    """Finds the server, starts one where that is allowed, and watches it until `aclose()`.

    Nothing here raises for what a server does: it becomes a `ServerState`.
    """

    def __init__(
        self,
        address: Address,
        origin: Origin,
        launcher: Launcher,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        raise NotImplementedError

    @property
    def state(self) -> ServerState:
        """The newest state."""
        raise NotImplementedError

    def listen(self, callback: Callable[[ServerState], None]) -> Callable[[], None]:
        """Calls `callback` on the loop with every new state (not with the present one). Returns what unsubscribes."""
        raise NotImplementedError

    async def start(self) -> None:
        """Begins to look for the server and to watch it; returns at once. A second call does nothing."""
        raise NotImplementedError

    async def settled(self) -> ServerState:
        """Waits until the server is neither starting nor restarting and returns that state."""
        raise NotImplementedError

    async def retry_now(self) -> None:
        """Asks again at once instead of waiting for the next try; starts a server again where that is allowed."""
        raise NotImplementedError

    async def use_host(self, text: str) -> None:
        """Goes to another server, as `--host` would have: it is never replaced by one started here.

        Raises:
            ValueError: the text cannot be an address; one sentence for a person.
        """
        raise NotImplementedError

    async def use_embedded(self) -> None:
        """Leaves the address and starts the embedded engine."""
        raise NotImplementedError

    async def client(self) -> OllamaClient:
        """The client of the present server; waits while it is starting.

        Raises:
            ServerUnreachable: it is lost or absent.
        """
        raise NotImplementedError

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Around a stream: while `heard()` keeps being called, health checks pause."""
        raise NotImplementedError
        yield

    def heard(self) -> None:
        """Bytes of a stream have just arrived."""
        raise NotImplementedError

    def doubt(self) -> None:
        """A request failed to reach the server: look at once."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Ends the watch and stops the server if, and only if, it was started here."""
        raise NotImplementedError
