"""Models of the present server: list, details, in memory, unload, delete; and the queue of pulls."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.services.pulls import LayerState, PullPhase, PullQueue, PullState

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary, RunningModel
    from codomyrmex_ollama_tui.services.server import ServerService

__all__ = ["FIRST_MODEL", "LayerState", "ModelsService", "PullPhase", "PullQueue", "PullState", "near_names"]

FIRST_MODEL = "smollm2:135m"
"""What a machine without any model is offered to begin with: small, free, and in the embedded engine's catalogue."""

RUNNING_TIMEOUT = 1.0
"""Seconds for `/api/ps`: a server can hold it back while a model loads."""


class ModelsService:
    """Questions about models, asked of whatever server is present. Every method raises only the tree of OllamaError."""

    def __init__(self, server: ServerService, pulls: PullQueue) -> None:
        self._server = server
        self.pulls = pulls

    async def list_models(self) -> tuple[ModelSummary, ...]:
        """The models on the server's disk, newest first (`GET /api/tags`)."""
        return await (await self._server.client()).list_models()

    async def running(self) -> tuple[RunningModel, ...]:
        """The models in memory (`GET /api/ps`, at most 1 s)."""
        return await (await self._server.client()).running(timeout=RUNNING_TIMEOUT)

    async def details(self, name: str) -> ModelInfo:
        """All that is known of one model (`POST /api/show`)."""
        return await (await self._server.client()).show(name)

    async def delete(self, name: str) -> None:
        """Removes a model from the server's disk (`DELETE /api/delete`)."""
        await (await self._server.client()).delete(name)

    async def unload(self, name: str) -> None:
        """Takes a model out of memory (`POST /api/generate` with keep_alive 0)."""
        await (await self._server.client()).unload(name)


def near_names(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """The names most like `name`, best first, at most three."""
    return tuple(difflib.get_close_matches(name, list(names), n=3, cutoff=0.5))
