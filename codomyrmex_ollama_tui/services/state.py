"""What is said of the server: its phase, what a person can do, how it is talked to."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How the client behaves, whatever the server: seconds and counts as `OllamaClient` has them.

    No retries by default: the watch knows better when the server is back.
    """

    request_timeout: float = 120.0
    max_retries: int = 0
    retry_delay: float = 1.0
