"""What is known of each model, asked for once: weights of one digest never change."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.names import same_model

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo
    from codomyrmex_ollama_tui.services.models import ModelsService
    from codomyrmex_ollama_tui.services.server import ServerService
    from codomyrmex_ollama_tui.store.details import DetailsStore

LISTING_AGE = 60.0
"""Seconds for which a list of models tells which digest a name stands for."""

log = logging.getLogger(__name__)


class DetailsService:
    """Details by digest: from memory, else from disk, else from the server (`POST /api/show`), once for each digest.

    The digest is that of the manifest: it changes with weights, template, system prompt and parameters. What a
    server makes of it can change with its version, so that details from another version are asked for again.
    """

    def __init__(self, server: ServerService, models: ModelsService, store: DetailsStore | None = None) -> None:
        self._server = server
        self._models = models
        self._store = store
        self._known: dict[str, tuple[str, ModelInfo]] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def of(self, name: str, *, max_age: float = LISTING_AGE, refresh: bool = False) -> ModelInfo:
        """The details of a model.

        Args:
            max_age: seconds for which a kept list of models tells the digest of the name.
            refresh: ask the server in any case.

        Raises:
            ModelNotFound: the server has no such model.
            OllamaError: what else the server or the network did.
        """
        digest = await self._digest(name, max_age, refresh)
        if not digest:  # not listed, which the server says best itself
            return await self._models.details(name)
        async with self._asking.setdefault(digest, asyncio.Lock()):
            version = self._server.state.version
            if not refresh:
                kept = self._known.get(digest) or await self._load(digest)
                if kept is not None and kept[0] == version:
                    self._known[digest] = kept
                    return kept[1]
            info = await self._models.details(name)
            self._known[digest] = version, info
            await self._save(digest, version, info)
            return info

    async def _digest(self, name: str, max_age: float, refresh: bool) -> str:
        listed = await self._models.listing(max_age=max_age, refresh=refresh)
        return next((model.digest for model in listed if same_model(model.name, name)), "")

    async def _load(self, digest: str) -> tuple[str, ModelInfo] | None:
        return None if self._store is None else await asyncio.to_thread(self._store.load, digest)

    async def _save(self, digest: str, version: str, info: ModelInfo) -> None:
        if self._store is None:
            return
        try:
            await asyncio.to_thread(self._store.save, digest, version, info)
        except OSError as error:  # only the next run pays for it
            log.info("details of a model could not be kept: %s", error)
