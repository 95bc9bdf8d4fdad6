"""A manager and a runner at a real local server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codomyrmex_ollama_tui.library.config import OllamaConfig
from codomyrmex_ollama_tui.library.model_runner import ModelRunner
from codomyrmex_ollama_tui.library.ollama_manager import OllamaManager
from tests.services.asking import MODEL, in_memory, on_disk
from tests.services.rooms import ollama
from tests.support.server import LocalServer


@dataclass
class Place:
    """A manager, its runner, and the server, which runs in the loop of the test: call the others in threads."""

    real: LocalServer
    manager: OllamaManager
    runner: ModelRunner

    def sent(self, path: str = "/api/generate") -> list[dict[str, Any]]:
        """The bodies that a path was sent."""
        return [request.json for request in self.real.asked(path)]


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    async with ollama() as real:
        real.route("GET", "/api/ps", in_memory(MODEL))
        real.route("GET", "/api/tags", on_disk(MODEL))
        manager = OllamaManager(
            auto_start_server=False, base_url=real.url, config=OllamaConfig(max_retries=0), data_dir=str(folder)
        )
        with manager:
            yield Place(real, manager, ModelRunner(manager))
