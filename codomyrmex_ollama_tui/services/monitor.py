"""What a run costs: the model's memory as the server tells it, CPU and memory of a local server's processes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.state import ServerPhase

if TYPE_CHECKING:
    import psutil

    from codomyrmex_ollama_tui.client.address import Address
    from codomyrmex_ollama_tui.domain.models import RunningModel
    from codomyrmex_ollama_tui.services.server import ServerService

EVERY = 1.0
"""Seconds between two looks at the processes."""
RUNNING_TIMEOUT = 1.0
"""Seconds for `/api/ps`: a server can hold it back while a model loads."""

_BRIDGES = ("ssh", "docker", "podman", "rootlessport", "slirp", "pasta", "wslrelay", "socat", "kubectl", "vpnkit")
"""Beginnings of names of programs that listen here for a server that runs elsewhere."""


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What the processes of a local server took while they were watched.

    Attributes:
        name, pid: the process that listens.
        processes: how many there were at the end, with its children.
        cpu_seconds: time on processors of all of them.
        cpu_percent: of one core, over the whole time watched; 400 is four cores busy all the time.
        rss, rss_peak: resident memory in bytes at the end and at most; pages that processes share count for each.
        seconds: how long they were watched.
    """

    name: str
    pid: int
    processes: int
    cpu_seconds: float
    cpu_percent: float | None
    rss: int
    rss_peak: int
    seconds: float


@dataclass(slots=True)
class Watch:
    """A watch over a server's processes; `use` is there once it is over, None where they cannot be seen."""

    use: ProcessUse | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at a tree of processes: time on processors in seconds by (pid, start), resident memory in bytes."""

    cpu: Mapping[tuple[int, float], float]
    rss: int


@dataclass(slots=True)
class _Tally:
    root: psutil.Process
    name: str
    begun: float
    first: dict[tuple[int, float], float] = field(default_factory=dict)
    last: dict[tuple[int, float], float] = field(default_factory=dict)
    rss: int = 0
    peak: int = 0
    count: int = 0

    def take(self, look: _Look | None) -> None:
        if look is None:
            return
        for key, seconds in look.cpu.items():
            # what is first seen later was born later: all its time is of this watch
            self.first.setdefault(key, 0.0 if self.count else seconds)
            self.last[key] = seconds
        self.rss, self.count = look.rss, len(look.cpu)
        self.peak = max(self.peak, look.rss)

    def use(self, now: float) -> ProcessUse | None:
        if not self.last:
            return None
        spent = sum(seconds - self.first[key] for key, seconds in self.last.items())
        wall = now - self.begun
        percent = 100 * spent / wall if wall > 0 else None
        return ProcessUse(self.name, self.root.pid, self.count, spent, percent, self.rss, self.peak, wall)


class Monitor:
    """Watches the present server; all looks at processes are made in threads."""

    def __init__(
        self, server: ServerService, *, clock: Callable[[], float] = time.monotonic, every: float = EVERY
    ) -> None:
        self._server = server
        self._clock = clock
        self._every = every
        self._found: tuple[int, psutil.Process] | None = None

    async def in_memory(self) -> tuple[RunningModel, ...]:
        """The models in the server's memory; () also where it does not say so within a second."""
        try:
            return await (await self._server.client()).running(timeout=RUNNING_TIMEOUT)
        except OllamaError:
            return ()

    async def digest(self, model: str) -> str:
        """The digest of a model on the server's disk, 64 hex digits; "" where it is not there or cannot be asked."""
        try:
            listed = await (await self._server.client()).list_models()
        except OllamaError:
            return ""
        return next((summary.digest for summary in listed if same_model(summary.name, model)), "")

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[Watch, None]:
        """Watches the server's processes while the block runs, if the server is there, local, and they can be seen."""
        watch = Watch()
        tally = await self._begin()
        if tally is None:
            yield watch
            return
        looking = asyncio.ensure_future(self._look_often(tally))
        try:
            yield watch
        finally:
            looking.cancel()
            await asyncio.wait([looking])
            tally.take(await asyncio.to_thread(_look, tally.root))
            watch.use = tally.use(self._clock())

    async def _begin(self) -> _Tally | None:
        if self._server.state.phase is not ServerPhase.READY:
            return None
        try:
            address = (await self._server.client()).address
        except OllamaError:
            return None
        if not address.is_loopback:
            return None
        root = await asyncio.to_thread(self._root, address)
        if root is None:
            return None
        look, name = await asyncio.to_thread(lambda: (_look(root), _name(root)))
        tally = _Tally(root, name, self._clock())
        tally.take(look)
        return tally if look is not None else None

    async def _look_often(self, tally: _Tally) -> None:
        while True:
            await asyncio.sleep(self._every)
            tally.take(await asyncio.to_thread(_look, tally.root))

    def _root(self, address: Address) -> psutil.Process | None:
        """The process that listens at a loopback address; the last one found while it lives."""
        known = self._found
        if known is not None and known[0] == address.port and known[1].is_running():
            return known[1]
        root = listener(address.port)
        self._found = None if root is None else (address.port, root)
        return root


def model_in(running: tuple[RunningModel, ...], model: str) -> RunningModel | None:
    """The entry of one model, None where it is not in memory."""
    return next((entry for entry in running if same_model(entry.name, model)), None)


def listener(port: int) -> psutil.Process | None:
    """The process that listens on a port of this machine's loopback, None where that cannot be told.

    Programs that only pass connections on to another machine are none. Where the port belongs to somebody else, whose
    sockets one may not see, the only `ollama serve` of the machine is taken for it.
    """
    import psutil  # costs more than the first frame can pay

    try:
        sockets = [socket for socket in psutil.net_connections(kind="tcp") if _listens(socket, port)]
    except (psutil.Error, OSError):  # macOS shows them all to nobody but root
        found = own_listener(port)
        return _only_ollama() if found is None else _unless_bridge(found)
    seen = [socket.pid for socket in sockets if socket.pid is not None]
    if sockets and not seen:
        return _only_ollama()
    for pid in seen:
        with contextlib.suppress(psutil.Error):
            server = _unless_bridge(psutil.Process(pid))
            if server is not None:
                return server
    return None


def own_listener(port: int) -> psutil.Process | None:
    """The process that listens on a port of loopback, among those whose sockets one may see one by one."""
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(_listens(socket, port) for socket in process.net_connections(kind="tcp")):
                return process
    return None


def _listens(socket: Any, port: int) -> bool:
    """Whether a socket, as psutil tells of it, takes what comes to a port of loopback."""
    if socket.status != "LISTEN" or not socket.laddr or socket.laddr.port != port:
        return False
    host = socket.laddr.ip.removeprefix("::ffff:")
    return host in ("0.0.0.0", "::", "::1") or host.startswith("127.")


def _unless_bridge(process: psutil.Process) -> psutil.Process | None:
    return None if _name(process).lower().startswith(_BRIDGES) else process


def _only_ollama() -> psutil.Process | None:
    import psutil

    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or []
        if (process.info["name"] or "").lower().startswith("ollama") and "serve" in words[1:]:
            found.append(process)
    return found[0] if len(found) == 1 else None


def _look(root: psutil.Process) -> _Look | None:
    import psutil

    cpu: dict[tuple[int, float], float] = {}
    rss = 0
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return None
    for process in family:
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile, or is not ours to see
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
                cpu[process.pid, process.create_time()] = times.user + times.system
            rss += memory.rss
    return _Look(cpu, rss) if cpu else None


def _name(root: psutil.Process) -> str:
    import psutil

    with contextlib.suppress(psutil.Error):
        return one_line(root.name())
    return ""
