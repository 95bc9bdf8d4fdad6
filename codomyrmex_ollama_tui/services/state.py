"""What is said of the server: its phase, what a person can do, how it is talked to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

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
        ours: this program started it, and stops it when no other shares it.
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


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How the client behaves, whatever the server: seconds and counts as `OllamaClient` has them.

    No retries by default: the watch knows better when the server is back. With retries, a server that may not be
    started here is also looked for that much longer.
    """

    request_timeout: float = 120.0
    max_retries: int = 0
    retry_delay: float = 1.0
    jitter: Callable[[], float] = lambda: 0.5

    def delay(self, tries: int) -> float:
        """Seconds before a further try: none before the first, then exponential, with jitter."""
        return tries and min(30.0, self.retry_delay * 2.0 ** (tries - 1)) * (0.5 + self.jitter())


@dataclass(frozen=True, slots=True)
class Access:
    """What one server wants besides its address: secrets, which are sent to that server alone and never shown.

    Attributes:
        headers: sent with every request.
        token: sent as a bearer token.
        ca_file: PEM file of the authorities to trust for https instead of the usual ones.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: str | None = None
