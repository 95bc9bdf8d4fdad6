"""One pull as everybody sees it: a value, made anew for each moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.tally import LayerState, PullPhase

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.errors import OllamaError


@dataclass(frozen=True, slots=True)
class PullState:
    """One pull at one moment.

    Attributes:
        name: the model, in the short form with its tag ("llama3:latest").
        completed: bytes of all layers seen so far; never goes down, also from one try to the next.
        total: bytes of all layers seen so far: the server names each layer only when it begins it, so this grows, and
            a percentage is one of the largest total known ("≥"); None before the first layer.
        speed: bytes per second over the last 10 s, without what had been on disk before; None while unknown.
        eta: seconds until `total` at that speed; None while unknown.
        stalled: downloading, but no new byte for 15 s.
        status: the server's own words, cleaned; while waiting for the next try, why the last one failed.
        error: one sentence of why it failed; "" otherwise.
        failure: the error itself.
        received: bytes that came over the network in this run; 0 at the end: the model was current already.
        retrying: the server fetches again what it had already; `completed` stands meanwhile.
        resumed_at: bytes that the server still had when an interrupted pull went on; None for others.
        began_again: it had next to nothing left of it.
        retry_in: seconds until the next try, while waiting for it.
    """

    name: str
    phase: PullPhase = PullPhase.QUEUED
    completed: int = 0
    total: int | None = None
    layers: tuple[LayerState, ...] = ()
    speed: float | None = None
    eta: float | None = None
    stalled: bool = False
    status: str = ""
    error: str = ""
    failure: OllamaError | None = None
    received: int = 0
    retrying: bool = False
    resumed_at: int | None = None
    began_again: bool = False
    retry_in: float | None = None

    @property
    def total_is_final(self) -> bool:
        """Every layer is known: the server has gone on to check what it fetched."""
        return self.phase in (PullPhase.VERIFYING, PullPhase.WRITING, PullPhase.DONE)


def at_rest(state: PullState, phase: PullPhase) -> PullState:
    """The state with what has come, and nothing of what goes on."""
    return PullState(state.name, phase, state.completed, state.total, state.layers)


def key_of(name: str) -> tuple[str, str]:
    """What two names of one model have in common, and the name as it is shown."""
    from codomyrmex_ollama_tui.domain.names import parse_name, parse_reference, problem_with_name  # not at start

    reference = parse_reference(name)
    parsed = None if reference is None else parse_name(reference.pull_name)
    if parsed is None:
        raise ValueError(problem_with_name(name) or f"no model can be called {one_line(name, 80)!r}")
    return parsed.key, parsed.short
