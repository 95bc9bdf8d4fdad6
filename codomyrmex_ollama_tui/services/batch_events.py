"""What is told of a batch while it runs, and the count of it all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codomyrmex_ollama_tui.domain.plans import Plan
from codomyrmex_ollama_tui.domain.runs import CellResult


@dataclass(frozen=True, slots=True)
class CellBegan:
    """A cell is asked; `attempt` from 1 on."""

    cell: int
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class CellTried:
    """A try came to nothing; another one follows in `wait` seconds."""

    result: CellResult
    wait: float


@dataclass(frozen=True, slots=True)
class CellEnded:
    """A cell has ended, well or not; it stands in the run's file."""

    result: CellResult


@dataclass(frozen=True, slots=True)
class ServerLost:
    """A server has not answered for so long that its cells are left for another time; `server` as in the plan."""

    server: str
    words: str


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """The last event: "done", "stopped" (cells are left because a server is lost) or "cancelled"."""

    status: str


BatchEvent = CellBegan | CellTried | CellEnded | ServerLost | BatchEnded


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a batch is.

    Attributes:
        total: cells of the plan.
        done: those that have ended, also in earlier sessions; `failed` of them without an answer.
        passed, asserted: those of which every assertion holds, of those of which something is asserted.
        running: those that are asked now.
        eta: seconds that the rest will take; None while nothing is known of it, or while it is paused.
        paused: nothing new is begun.
    """

    total: int
    done: int = 0
    failed: int = 0
    passed: int = 0
    asserted: int = 0
    running: int = 0
    eta: float | None = None
    paused: bool = False


class Estimate:
    """How long the rest will take: by the mean time of the cells of each target so far, on each server by itself."""

    def __init__(self, plan: Plan, left: list[int], clock: Callable[[], float]) -> None:
        self._plan = plan
        self._clock = clock
        self._left: dict[int, int] = {}
        self._times: dict[int, tuple[int, float]] = {}
        self._begun: dict[int, float] = {}
        self._per_target = plan.size // len(plan.targets)
        for number in left:
            target = number // self._per_target
            self._left[target] = self._left.get(target, 0) + 1

    def begin(self, number: int) -> None:
        """A cell is taken up."""
        self._begun[number] = self._clock()

    def end(self, number: int, *, done: bool) -> None:
        """A cell is left, done or not."""
        began = self._begun.pop(number)
        if done:
            target = number // self._per_target
            count, total = self._times.get(target, (0, 0.0))
            self._times[target] = count + 1, total + self._clock() - began
            self._left[target] = self._left.get(target, 1) - 1

    @property
    def running(self) -> int:
        """How many cells are taken up now."""
        return len(self._begun)

    @property
    def seconds(self) -> float | None:
        """Until the slowest server is done; None before the first cell has ended."""
        known = {target: total / count for target, (count, total) in self._times.items()}
        if not known:
            return None
        usual = sum(known.values()) / len(known)
        servers: dict[str, float] = {}
        for target, count in self._left.items():
            server = self._plan.targets[target].server
            servers[server] = servers.get(server, 0.0) + count * known.get(target, usual)
        now = self._clock()
        for number, began in self._begun.items():
            target = number // self._per_target
            servers[self._plan.targets[target].server] -= min(now - began, known.get(target, usual))
        return max(0.0, max(servers.values(), default=0.0) / self._plan.concurrency)
