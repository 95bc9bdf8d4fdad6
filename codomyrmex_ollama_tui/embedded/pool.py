"""Which models are in memory: loaded on demand, shared by names with the same weights, gone when idle long enough."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from codomyrmex_ollama_tui.embedded.engine import Engine, LoadSettings
from codomyrmex_ollama_tui.embedded.options import RUNNER
from codomyrmex_ollama_tui.embedded.replies import Json, Refusal
from codomyrmex_ollama_tui.embedded.store import Manifest, ModelStore

DEFAULT_KEEP_ALIVE = 300.0
MOST_WAITING = 512
"""Requests that may wait for a load by default, as OLLAMA_MAX_QUEUE has it."""
FOR_EVER = 292 * 365.25 * 86400  # what Ollama's longest duration comes to
_SMALLEST_CONTEXT = 4
_ENGINE_OVERHEAD = 60 << 20  # bytes of a process without weights and context
_KEY_AND_VALUE_BYTES = 2 * 2  # two halves of 16 bits


class Resident:
    """A model in memory.

    Attributes:
        manifest: of the name that loaded it; that name is the one /api/ps lists.
        n_ctx: the context in force for a request, in tokens.
        turn: held by the one request that uses the engine; the others wait in order.
        users: requests that use it or wait for it.
        keep: seconds it stays when idle; negative is for ever.
        expires: when it goes (seconds since 1970), or None if it was never idle.
    """

    def __init__(self, manifest: Manifest, runner: Json, n_ctx: int, engine: Engine) -> None:
        self.manifest = manifest
        self.runner = runner
        self.n_ctx = n_ctx
        self.engine = engine
        self.turn = asyncio.Lock()
        self.users = 0
        self.keep = DEFAULT_KEEP_ALIVE
        self.expires: float | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What two names must have in common to share it."""
        return _key(self.manifest)

    def expiry(self) -> float:
        """When it will go as /api/ps tells it, in seconds since 1970."""
        if self.expires is not None:
            return self.expires
        return time.time() + (self.keep if 0 <= self.keep < FOR_EVER else FOR_EVER)


@dataclass(frozen=True, slots=True)
class Turn:
    """A request's turn at a loaded model.

    Attributes:
        n_ctx: the context in force, in tokens.
        loading: seconds that loading (or making room) took; waiting in line does not count.
    """

    engine: Engine
    n_ctx: int
    loading: float


class Pool:
    """All models in memory, at most `limit` at a time.

    Loads, reloads and evictions go through one gate, in the order they were asked for. Requests for a loaded model wait
    for their turn at it without limit; those that wait before the gate are at most `most_waiting`.
    """

    def __init__(
        self, store: ModelStore, *, limit: int = 1, most_waiting: int = MOST_WAITING, cores: int | None = None
    ) -> None:
        self._store = store
        self._limit = max(1, limit)
        self._most_waiting = max(1, most_waiting)
        self._waiting = 0
        self._cores = cores or os.cpu_count() or 1
        self._gate = asyncio.Lock()
        self._residents: dict[tuple[str, str], Resident] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._closed = False

    def residents(self) -> list[Resident]:
        """The models in memory, the one that expires last first."""
        return sorted(self._residents.values(), key=lambda one: -one.expiry())

    def find(self, manifest: Manifest) -> Resident | None:
        """The loaded model of a name, or of another name with the same weights."""
        return self._residents.get(_key(manifest))

    @asynccontextmanager
    async def use(self, manifest: Manifest, options: Json, keep: float | None) -> AsyncIterator[Resident]:
        """The model in memory for as long as the block runs: loaded, or loaded anew, if it has to be.

        Raises:
            Refusal: it cannot be loaded, or memory does not suffice (500); too many wait for a load (503).
        """
        resident = await self._take(manifest, {name: options[name] for name in RUNNER})
        if keep is not None:
            resident.keep = keep
        try:
            yield resident
        finally:
            self._give_back(resident)

    @asynccontextmanager
    async def turn(self, manifest: Manifest, options: Json, keep: float | None) -> AsyncIterator[Turn]:
        """Loaded as by `use`, and nobody else's turn for as long as the block runs.

        A process that has died since its last request is noticed only now; then the model is loaded once more.

        Raises:
            Refusal: as `use`.
        """
        loading = 0.0
        for last_try in (False, True):
            started = time.perf_counter()
            async with self.use(manifest, options, keep) as resident:
                loading += time.perf_counter() - started
                async with resident.turn:
                    if last_try or await resident.engine.answers():
                        yield Turn(resident.engine, resident.n_ctx, loading)
                        return
            resident.engine.kill()
            await resident.engine.ended()

    async def _take(self, manifest: Manifest, runner: Json) -> Resident:
        async with self._through_the_gate():
            self._check_open()
            resident = self._residents.get(_key(manifest))
            if resident is not None and (resident.runner != runner or not resident.engine.alive):
                await self._evict(resident)
                resident = None
            if resident is None:
                while len(self._residents) >= self._limit:
                    idle_first = min(self._residents.values(), key=lambda one: (one.users, one.expiry()))
                    await self._evict(idle_first)
                resident = await self._load(manifest, runner)
                self._residents[resident.key] = resident
                if self._closed:
                    self._drop(resident)
                    self._check_open()
            resident.users += 1
            if resident.timer is not None:
                resident.timer.cancel()
                resident.timer = None
            return resident

    @asynccontextmanager
    async def _through_the_gate(self) -> AsyncIterator[None]:
        if self._waiting >= self._most_waiting:
            raise Refusal(503, "server busy, please try again.  maximum pending requests exceeded")
        self._waiting += 1
        try:
            await self._gate.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._gate.release()

    def _give_back(self, resident: Resident) -> None:
        resident.users -= 1
        if resident.users or self._residents.get(resident.key) is not resident:
            return
        if resident.keep == 0:
            self._drop(resident)
        elif 0 < resident.keep < FOR_EVER:
            resident.expires = time.time() + resident.keep
            resident.timer = asyncio.get_running_loop().call_later(resident.keep, self._expire, resident)
        else:
            resident.expires = time.time() + FOR_EVER

    async def unload(self, manifest: Manifest) -> None:
        """Let go of a model: at once when idle, else after the request that runs, without waiting for that."""
        resident = self.find(manifest)
        if resident is None:
            return
        if resident.users:
            resident.keep = 0.0
            resident.expires = time.time()
        else:
            self._drop(resident)
            await resident.engine.ended()

    async def aclose(self) -> None:
        """End every child process and wait until they are gone; who uses one is told, and no other is started."""
        self._closed = True
        for resident in list(self._residents.values()):
            self._drop(resident)
        await asyncio.gather(*self._endings)

    def _check_open(self) -> None:
        if self._closed:
            raise Refusal(503, "the embedded engine is stopping")

    async def _evict(self, resident: Resident) -> None:
        async with resident.turn:
            self._drop(resident)
        await resident.engine.ended()  # its memory is needed for the next one

    def _expire(self, resident: Resident) -> None:
        if not resident.users:
            self._drop(resident)

    def _drop(self, resident: Resident) -> None:
        if self._residents.get(resident.key) is resident:
            del self._residents[resident.key]
        if resident.timer is not None:
            resident.timer.cancel()
        resident.engine.kill()
        ending = asyncio.ensure_future(resident.engine.ended())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _load(self, manifest: Manifest, runner: Json) -> Resident:
        weights = self._store.blob_path(manifest.blob)
        if not weights.is_file():
            raise Refusal(500, f'the weights of "{manifest.name}" are missing: pull it again')
        trained = manifest.architecture_number("context_length") or RUNNER["num_ctx"]
        # far more than the memory holds would not fail but fill it
        n_ctx = max(_SMALLEST_CONTEXT, min(runner["num_ctx"], trained))
        await asyncio.to_thread(_check_memory, manifest, n_ctx)
        settings = LoadSettings(
            weights=weights,
            n_ctx=n_ctx,
            n_batch=runner["num_batch"],
            # with a thread on every core, a neighbour on one of them costs more than half the speed
            threads=min(runner["num_thread"], 4 * self._cores) if runner["num_thread"] > 0 else self._cores - 1,
            n_gpu_layers=runner["num_gpu"],
            chat_template=manifest.chat_template,
        )
        return Resident(manifest, runner, n_ctx, await Engine.start(settings, self._store.tmp))


def _key(manifest: Manifest) -> tuple[str, str]:
    return manifest.blob, manifest.chat_template


def memory_needed(manifest: Manifest, n_ctx: int) -> int:
    """Bytes that a loaded model takes: weights, keys and values of the context, and the process itself."""
    layers = manifest.architecture_number("block_count")
    heads = manifest.architecture_number("attention.head_count")
    width = manifest.architecture_number("embedding_length")
    key_length = manifest.architecture_number("attention.key_length") or (width // heads if heads else 0)
    kv_heads = manifest.architecture_number("attention.head_count_kv") or heads
    context = layers * n_ctx * kv_heads * key_length * _KEY_AND_VALUE_BYTES
    return manifest.blob_size + context + _ENGINE_OVERHEAD


def _check_memory(manifest: Manifest, n_ctx: int) -> None:
    import psutil  # only here: it is not needed to start

    needed = memory_needed(manifest, n_ctx)
    available = int(psutil.virtual_memory().available)
    if needed > available:
        words = f"model requires more system memory ({_gib(needed)}) than is available ({_gib(available)})"
        raise Refusal(500, words)


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
