"""The server as the app sees it: found or started, watched, and stopped only if it was started here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.client.address import Address, parse_address
from codomyrmex_ollama_tui.domain.errors import ServerUnreachable
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.launch import Launcher, read_engine_report
from codomyrmex_ollama_tui.services.listeners import Listeners
from codomyrmex_ollama_tui.services.pipe import Check, Pipe
from codomyrmex_ollama_tui.services.state import Access, ClientSettings, Kind, Origin, ServerPhase, ServerState, Way

if TYPE_CHECKING:  # httpx is behind it: not before the first frame
    from codomyrmex_ollama_tui.client.ollama import OllamaClient
    from codomyrmex_ollama_tui.services.child import Child

__all__ = ["Access", "ClientSettings", "Kind", "Origin", "ServerPhase", "ServerService", "ServerState", "Way"]

log = logging.getLogger(__name__)

CHECK_EVERY = 2.0
"""Seconds between health checks while all is well; with CHECK_LIMIT a lost server is noticed within 5 s."""
FIRST_DELAY = 0.5
LONGEST_DELAY = 10.0
"""Seconds between tries: doubled each time from the first to the longest."""
START_LIMIT = 60.0
"""Seconds that a server of our own has to come up."""
STARTS = 3
"""How often a server of our own that keeps ending is started again before a person is asked."""


class ServerService:
    """Finds the server, starts one where that is allowed, and watches it until `aclose()`.

    Nothing here raises for what a server does: it becomes a `ServerState`.
    """

    def __init__(
        self,
        address: Address,
        origin: Origin,
        launcher: Launcher,
        client_settings: ClientSettings | None = None,
        access: Access | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        check_every: float = CHECK_EVERY,
    ) -> None:
        self._launcher = launcher
        self._clock = clock
        self._named = address
        self._origin: Origin = origin
        self._engine_only = False
        self._pipe = Pipe(address, client_settings or ClientSettings(), access, clock=clock)
        self._child: Child | None = None
        self._launched: Kind = "none"
        self._shares = False  # the child is not a server: it holds one of another program open
        self._starts = 0
        self._why = ""  # why the last start came to nothing
        self._was_ready = False
        self._asked_again = False
        self._closed = False
        self._leaving = False
        self._moving = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._streams = 0
        self._heard_at = -check_every
        self._check_every = check_every
        self._listeners: Listeners[ServerState] = Listeners()
        self._state = ServerState(ServerPhase.STARTING, address.label, origin=origin)

    @property
    def state(self) -> ServerState:
        """The newest state."""
        return self._state

    def listen(self, callback: Callable[[ServerState], None]) -> Callable[[], None]:
        """Calls `callback` on the loop with every new state (not with the present one). Returns what unsubscribes."""
        return self._listeners.add(callback)

    async def start(self) -> None:
        """Begins to look for the server and to watch it; returns at once. A second call does nothing."""
        # While one address is left for another, whoever asks must not bring the old one back.
        if self._task is None and not self._closed and not self._leaving:
            self._pipe.address = self._named
            self._publish(ServerPhase.STARTING, words=f"looking for a server at {self._named.label}")
            self._task = asyncio.get_running_loop().create_task(self._watch(), name="server watch")

    async def settled(self) -> ServerState:
        """Waits until the server is neither starting nor restarting and returns that state."""
        await self.start()
        while self._state.phase in (ServerPhase.STARTING, ServerPhase.RESTARTING):
            await self._news.wait()
        return self._state

    async def retry_now(self) -> None:
        """Asks again at once instead of waiting for the next try; starts a server again where that is allowed."""
        await self.start()
        if self._state.phase is not ServerPhase.READY:
            self._starts = 0
            self._asked_again = True
        self._wake.set()

    async def use_host(self, text: str, access: Access | None = None) -> None:
        """Goes to another server, as `--host` would have: it is never replaced by one started here.

        Raises:
            ValueError: the text cannot be an address; one sentence for a person.
        """
        address = parse_address(text)
        self._pipe.grant(address, access)
        await self._go(f"going to {address.label}", "flag", address)

    async def use_embedded(self) -> None:
        """Leaves the address and starts the embedded engine, whatever may be started unasked."""
        await self._go("going to the embedded engine", "default", None)

    async def _go(self, words: str, origin: Origin, address: Address | None) -> None:
        self._publish(ServerPhase.STARTING, words=words)
        async with self._moving:
            await self._leave()
            self._origin, self._engine_only = origin, address is None
            self._named = address or self._named
            await self.start()

    async def client(self) -> OllamaClient:
        """The client of the present server; waits while it is starting, and looks again if it is lost.

        Raises:
            ServerUnreachable: it is lost or absent.
        """
        state = await self.settled()
        for tries in range(1 + self._pipe.settings.max_retries):
            # What could not be started here will not be there in a moment either.
            if state.phase is ServerPhase.READY or self._closed or (tries and self._why):
                break
            await asyncio.sleep(self._pipe.settings.delay(tries))
            self._wake.set()
            await self._news.wait()
            state = await self.settled()
        if state.phase is not ServerPhase.READY or self._pipe.client is None:
            raise ServerUnreachable(state.label, state.words or "it is not there")
        return self._pipe.client

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Around a stream: while `heard()` keeps being called, health checks pause."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def heard(self) -> None:
        """Bytes of a stream have just arrived."""
        self._heard_at = self._clock()

    def doubt(self) -> None:
        """A request failed to reach the server: look at once."""
        self._wake.set()

    async def aclose(self) -> None:
        """Ends the watch and stops the server if, and only if, it was started here and no other program shares it."""
        self._closed = True
        self._listeners.clear()
        try:
            async with self._moving:
                await self._leave()
        except asyncio.CancelledError:  # also while it waited for its turn: no orphan
            await self._leave()
            raise
        finally:  # whoever still waits is told
            self._publish(ServerPhase.LOST, words="the program is ending")

    # The watch

    async def _watch(self) -> None:
        delay = FIRST_DELAY
        failed: Check | None = None
        while True:
            try:
                missing, failed = await self._find(failed), None
                if missing is None:
                    delay = FIRST_DELAY
                    failed = await self._while_well()
                    continue
                words = self._why if self._why and missing.nobody else missing.words
            except Exception as error:  # the watch must outlive whatever it meets; it says so and goes on
                log.exception("watching the server")
                words = f"watching the server failed: {one_line(str(error))}"
            self._publish_missing(words, delay)
            await self._rest(delay)
            delay = min(LONGEST_DELAY, delay * 2)

    async def _find(self, failed: Check | None) -> Check | None:
        """None when a server answers, found or started; else what is wrong. `failed` is a check just made."""
        if self._pipe.client is None:
            await self._pipe.connect(self._named)
        if self._engine_only and self._launched == "none":
            check = Check(False, "the embedded engine is not running", nobody=True)
        else:
            check = failed or await self._check()
        if check.nobody and self._may_start():
            self._asked_again = False
            check = await self._start_one()
        return None if check.well else check

    async def _while_well(self) -> Check:
        """Returns the health check that failed. While the bytes of a stream arrive there is none."""
        since = self._clock()
        while True:
            woken = await self._rest(self._check_every)
            if not woken and self._streams and self._clock() - self._heard_at < self._check_every:
                continue
            check = await self._check()
            if not check.well:
                return check
            if self._clock() - since > START_LIMIT:
                self._starts = 0

    async def _check(self) -> Check:
        """One health check; publishes READY when all is well."""
        check = await self._pipe.check()
        if not check.well:
            return check
        if self._child is not None and self._child.ended.is_set():
            if self._launched == "embedded":  # what still answers there is about to end
                return Check(False, "the embedded engine ended", nobody=True)
            # Ours has ended, yet somebody answers there: a server that was quicker.
            self._child, self._launched = None, "none"
        self._was_ready, self._why = True, ""
        kind: Kind = "embedded" if check.engine else "ollama"
        self._publish(ServerPhase.READY, version=check.version, engine=check.engine, kind=kind)
        return check

    async def _rest(self, seconds: float) -> bool:
        """Waits, at most until somebody wants a look; whether somebody did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        woken = self._wake.is_set()
        self._wake.clear()
        return woken

    # Starting one

    def _replaceable(self) -> bool:
        """Whether something started here may stand in for the address."""
        if self._engine_only:
            return True
        plain = self._named.scheme == "http" and not self._named.path and self._named.port > 0
        return self._origin != "flag" and self._named.is_loopback and plain

    def _may_start(self) -> bool:
        if not self._replaceable() or self._starts >= STARTS:
            return False
        if self._launched != "none" or self._engine_only:
            return True
        # A server of somebody else that went away may be restarting: its place is not taken unasked.
        return self._launcher.allowed and (self._asked_again or not self._was_ready)

    async def _start_one(self) -> Check:
        again = self._launched
        if again != "none":
            said = self._child.last_words() if self._child is not None else ""
            name = "the embedded engine" if again == "embedded" else "Ollama"
            words = f"{name} ended, starting it again" + (f"; its last words: {said}" if said else "")
            delay = FIRST_DELAY * 2**self._starts
            self._publish(ServerPhase.RESTARTING, words=words, retry_in=delay)
            await self._stop_child()
            await asyncio.sleep(delay)
        self._starts += 1
        binary = None if self._engine_only or again == "embedded" else self._launcher.find_ollama()
        try:
            if binary is not None:
                check = await self._start_ollama(binary)
            elif self._launcher.has_engine():
                check = await self._start_engine()
            elif self._engine_only:
                check = Check(False, "the embedded engine is not installed here")
            else:
                check = Check(
                    False,
                    f"nobody answers at {self._named.label}, and neither Ollama nor the embedded engine is installed",
                )
        except (OSError, ValueError) as error:
            check = Check(False, f"it cannot be started: {one_line(str(error))}")
        if not check.well:
            # What never came up will not by itself: the next start is a person's.
            self._starts, self._why = STARTS, check.words
            await self._stop_child()
            self._launched = "none"
            if self._pipe.address != self._named:
                await self._pipe.connect(self._named)
        return check

    async def _start_ollama(self, binary: str) -> Check:
        self._publish_starting("starting Ollama")
        child = self._child = self._launcher.start_ollama(binary, self._named)
        child.on_end = self.doubt
        self._launched = "ollama"
        deadline = self._clock() + START_LIMIT
        while not child.ended.is_set() and self._clock() < deadline:
            check = await self._check()
            if check.well:
                return check
            await self._rest(0.1)
        check = await self._check()  # another program may have been quicker to start one
        if check.well:
            return check
        if child.ended.is_set():
            return Check(False, f"`ollama serve` ended: {child.last_words() or 'it wrote nothing'}")
        return Check(False, f"`ollama serve` does not answer after {START_LIMIT:.0f} s: {child.last_words()}")

    async def _start_engine(self) -> Check:
        self._publish_starting("starting the embedded engine")
        child = self._child = self._launcher.start_engine()
        line = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_LIMIT):
                line = await child.first_line()
        report = read_engine_report(line, child.last_words())
        if report.address is None:
            return Check(False, report.words)
        # Shared: the engine of another program, which our process holds open until it is stopped.
        self._shares = report.shared
        child.on_end = self.doubt
        self._launched = "embedded"
        await self._pipe.connect(report.address)
        return await self._check()

    async def _stop_child(self, *, hurry: bool = False) -> None:
        child, self._child = self._child, None
        self._shares = False
        if child is not None:
            child.on_end = None
            await child.stop(hurry=hurry)

    # States

    async def _leave(self) -> None:
        """Back to where nothing has begun."""
        task, self._task = self._task, None
        self._leaving = True
        hurry = True
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
            hurry = False
        finally:  # also when this is cancelled: no orphan then, and no waiting for it either
            try:
                await self._stop_child(hurry=hurry)
            finally:
                self._leaving = False
                await self._pipe.close()
        self._launched = "none"
        self._starts, self._why = 0, ""
        self._was_ready = self._asked_again = False
        self._pipe.address = self._named
        self._wake.clear()

    def _publish_starting(self, words: str) -> None:
        phase = ServerPhase.RESTARTING if self._was_ready else ServerPhase.STARTING
        self._publish(phase, words=words)

    def _publish_missing(self, words: str, delay: float) -> None:
        absent = self._replaceable() and not self._was_ready
        phase = ServerPhase.ABSENT if absent else ServerPhase.LOST
        self._publish(phase, words=words, retry_in=delay, ways=self._launcher.ways(self._named))

    def _publish(
        self,
        phase: ServerPhase,
        *,
        words: str = "",
        version: str = "",
        engine: str = "",
        kind: Kind = "none",
        retry_in: float | None = None,
        ways: tuple[Way, ...] = (),
    ) -> None:
        label, ours = self._pipe.address.label, self._child is not None and not self._shares
        state = ServerState(phase, label, version, engine, self._origin, ours, kind, words, retry_in, ways)
        if state == self._state and phase is ServerPhase.READY:
            return
        self._state = state
        waiting, self._news = self._news, asyncio.Event()
        waiting.set()
        self._listeners.tell(state)
