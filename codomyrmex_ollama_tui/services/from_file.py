"""A model made from a GGUF file of this machine: its digest, its bytes to the server, then the model."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.chat import CreateRequest

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.models import ModelsService
    from codomyrmex_ollama_tui.services.server import ServerService

CHUNK = 8 * 1024 * 1024
TELL_EVERY = 0.2
"""Seconds between two looks at how much has been sent."""
MAGIC = b"GGUF"


@dataclass(frozen=True, slots=True)
class FileStep:
    """Where it stands.

    Attributes:
        doing: "reading", "sending", or the server's own words.
        done, total: bytes; total is 0 where nothing is counted.
    """

    doing: str
    done: int = 0
    total: int = 0


def problem_with_file(path: Path) -> str:
    """Why a file cannot be a model; "" if it may be one."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(MAGIC))
    except OSError as error:
        return f"{path.name}: {(error.strerror or str(error)).lower()}"
    return "" if begins == MAGIC else f"{path.name} is no GGUF file"


async def create_from_file(
    server: ServerService, models: ModelsService, name: str, path: Path
) -> AsyncGenerator[FileStep, None]:
    """Makes a model; ends when the server has it. Closing the generator stops what is under way.

    Raises:
        OSError: the file cannot be read, or changes meanwhile.
        OllamaError: what the server says against it.
    """
    total = await asyncio.to_thread(lambda: path.stat().st_size)
    hasher = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while block := await asyncio.to_thread(file.read, CHUNK):
            await asyncio.to_thread(hasher.update, block)
            done += len(block)
            yield FileStep("reading", done, total)
    digest = f"sha256:{hasher.hexdigest()}"
    client = await server.client()
    if not await client.blob_exists(digest):
        sent = [0]
        sending = asyncio.create_task(
            client.upload_blob(digest, path, on_sent=lambda count: sent.__setitem__(0, count))
        )
        try:
            while not sending.done():
                await asyncio.wait([sending], timeout=TELL_EVERY)
                yield FileStep("sending", sent[0], total)
            sending.result()
        finally:
            sending.cancel()
            await asyncio.wait([sending])
    async with aclosing(models.create(CreateRequest(name, files={"model.gguf": digest}))) as lines:
        async for progress in lines:
            yield FileStep(progress.status, progress.completed or 0, progress.total or 0)
