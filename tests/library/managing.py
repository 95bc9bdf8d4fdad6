"""Managers at a real local server with two models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from codomyrmex_ollama_tui import OllamaConfig
from tests.library.running_at import Place, place
from tests.services.asking import in_memory
from tests.support.recorded import answer
from tests.support.server import LocalServer, Reply, Stream

LIMIT = 60.0
SMOL, GEMMA = "smollm2:135m", "gemma3:270m"
GONE = Reply(status=404, json={"error": "model 'x' not found"})
NOTHING = Reply(json={"models": []})
DONE = Stream({"status": "success"})


@asynccontextmanager
async def two_models(folder: Path) -> AsyncIterator[Place]:
    """A manager at a server with two models, one of them in memory."""
    async with place(folder) as at:
        at.real.route("GET", "/api/tags", answer("tags_two"))
        at.real.route("GET", "/api/ps", in_memory(SMOL))
        at.real.route("POST", "/api/show", shown("first"))
        yield at


def shown(system: str) -> Reply:
    return Reply(
        json={
            "system": system,
            "template": "{{ .Prompt }}",
            "parameters": 'stop "<|im_end|>"',
            "details": {"format": "gguf", "family": "llama", "families": ["llama"], "parameter_size": "1B"},
            "model_info": {"general.architecture": "llama", "llama.context_length": 8192, "tokens": None},
            "capabilities": ["completion"],
            "modified_at": "2026-01-01T01:16:46.415376842+01:00",
            "some_later_field": {"deep": [1, None]},
        }
    )


def paths(real: LocalServer) -> list[str]:
    """What was asked for, but for the health checks."""
    return [request.path for request in real.requests if request.path != "/api/version"]


def config(**fields: Any) -> OllamaConfig:
    return OllamaConfig(**{"max_retries": 0, "auto_start_server": False, **fields})
