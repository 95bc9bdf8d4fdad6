"""Models of the present server: listed, shown, in memory, loaded, copied, made, deleted; and the queue of pulls."""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.models import NOTHING
from codomyrmex_ollama_tui.services.pulls import LayerState, PullPhase, PullQueue, PullState

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.chat import AnswerEnd, CreateRequest, KeepAlive
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary, Progress, RunningModel
    from codomyrmex_ollama_tui.services.server import ServerService

__all__ = ["FIRST_MODEL", "LayerState", "ModelsService", "PullPhase", "PullQueue", "PullState", "near_names"]

FIRST_MODEL = "smollm2:135m"
"""What a machine without any model is offered to begin with: small, free, and in the embedded engine's catalogue."""

RUNNING_TIMEOUT = 1.0
"""Seconds for `/api/ps`: a server can hold it back while a model loads."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a server said at one moment, and which it was."""

    label: str
    at: float
    models: tuple[ModelSummary, ...] = ()
    running: tuple[RunningModel, ...] = ()

    def fresh(self, label: str, now: float, max_age: float) -> bool:
        return self.label == label and now - self.at < max_age


class ModelsService:
    """Questions about models, asked of whatever server is present. Every method raises only the tree of OllamaError."""

    def __init__(self, server: ServerService, pulls: PullQueue, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._kept: _Kept | None = None
        self._ran: _Kept | None = None
        self._changes = self._uses = 0
        self._asking = asyncio.Lock()
        self._pulled: dict[str, int] = {}
        self.pulls = pulls
        self.pulls.listen(self._pull_changed)

    async def list_models(self) -> tuple[ModelSummary, ...]:
        """The models on the server's disk, newest first (`GET /api/tags`)."""
        return await (await self._server.client()).list_models()

    async def listing(self, *, max_age: float, refresh: bool = False) -> tuple[ModelSummary, ...]:
        """As `list_models`, from memory where the list is not older than `max_age` seconds and nothing changed since.

        Whoever asks at the same time shares one request. What is pulled, made, copied or deleted through this object
        makes the list old; what others do is seen when it has aged, or with `refresh`.
        """
        async with self._asking:
            kept, now = self._kept, self._clock()
            if kept is not None and not refresh and kept.fresh(self._server.state.label, now, max_age):
                return kept.models
            changes = self._changes
            models = await self.list_models()
            if changes == self._changes:
                self._kept = _Kept(self._server.state.label, now, models=models)
            return models

    def forget(self) -> None:
        """The next `listing` asks the server."""
        self._changes += 1
        self._kept = None
        self.forget_running()

    async def running_lately(self, *, max_age: float) -> tuple[RunningModel, ...]:
        """As `running`, from memory where that is not older than `max_age` seconds and nothing was done here since."""
        kept, now, uses = self._ran, self._clock(), self._uses
        if kept is not None and kept.fresh(self._server.state.label, now, max_age):
            return kept.running
        running = await self.running()
        if uses == self._uses:
            self._ran = _Kept(self._server.state.label, now, running=running)
        return running

    def forget_running(self) -> None:
        """The next `running_lately` asks the server: a model has just been used."""
        self._uses += 1
        self._ran = None

    async def running(self) -> tuple[RunningModel, ...]:
        """The models in memory (`GET /api/ps`, at most 1 s)."""
        return await (await self._server.client()).running(timeout=RUNNING_TIMEOUT)

    async def details(self, name: str) -> ModelInfo:
        """All that is known of one model (`POST /api/show`)."""
        return await (await self._server.client()).show(name)

    async def delete(self, name: str) -> None:
        """Removes a model from the server's disk (`DELETE /api/delete`)."""
        try:
            await (await self._server.client()).delete(name)
        finally:  # also where no answer came: it may have been done
            self.forget()

    async def copy(self, source: str, destination: str) -> None:
        """Gives a model a second name (`POST /api/copy`); a model that has that name already is replaced."""
        try:
            await (await self._server.client()).copy(source, destination)
        finally:
            self.forget()

    async def create(self, request: CreateRequest) -> AsyncGenerator[Progress, None]:
        """Makes a model from another one or from files (`POST /api/create`); ends after "success"."""
        try:
            client = await self._server.client()
            async with aclosing(client.create(request)) as lines:
                async for progress in self._heard(lines):
                    yield progress
        finally:
            self.forget()

    async def push(self, name: str, *, insecure: bool = False) -> AsyncGenerator[Progress, None]:
        """Sends a model to its registry (`POST /api/push`); ends after "success". Closing the generator stops it."""
        client = await self._server.client()
        async with aclosing(client.push(name, insecure=insecure)) as lines:
            async for progress in self._heard(lines):
                yield progress

    async def pull(self, name: str) -> AsyncGenerator[PullState, None]:
        """The states of one pull of the queue, the last one DONE; one of the same model that is under way is joined.

        Closing the generator cancels the pull, unless somebody else is following it here.

        Raises:
            ValueError: no model can have that name.
            OllamaError: it failed, or was cancelled.
        """
        states: asyncio.Queue[PullState] = asyncio.Queue()
        state = self.pulls.add(name)
        shown = state.name
        stop_listening = self.pulls.listen(lambda news: states.put_nowait(news) if news.name == shown else None)
        self._pulled[shown] = self._pulled.get(shown, 0) + 1
        try:
            while not state.phase.over:
                yield state
                state = await states.get()
            if state.phase is PullPhase.DONE:
                yield state
            else:
                raise state.failure or OllamaError(f"the pull of {shown} was cancelled")
        finally:
            stop_listening()
            self._pulled[shown] -= 1
            if not self._pulled[shown]:
                del self._pulled[shown]
                self.pulls.cancel(shown)
                self.pulls.dismiss(shown)

    async def load(
        self, name: str, *, options: Mapping[str, object] = NOTHING, keep_alive: KeepAlive | None = None
    ) -> AnswerEnd:
        """Takes a model into memory (`POST /api/generate` without a prompt).

        Args:
            options: those that belong to the loaded model, such as num_ctx; other ones in the requests that follow
                load it again.
        """
        try:
            return await (await self._server.client()).load(name, options=options, keep_alive=keep_alive)
        finally:
            self.forget_running()

    async def unload(self, name: str) -> None:
        """Takes a model out of memory (`POST /api/generate` with keep_alive 0)."""
        try:
            await (await self._server.client()).unload(name)
        finally:
            self.forget_running()

    async def _heard(self, lines: AsyncGenerator[Progress, None]) -> AsyncGenerator[Progress, None]:
        """The lines of a report, during which health checks pause."""
        with self._server.busy():
            async for progress in lines:
                self._server.heard()
                yield progress

    def _pull_changed(self, state: PullState) -> None:
        if state.phase is PullPhase.DONE:
            self.forget()


def near_names(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """The names most like `name`, best first, at most three."""
    return tuple(difflib.get_close_matches(name, list(names), n=3, cutoff=0.5))
