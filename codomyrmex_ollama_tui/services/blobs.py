"""Files of this machine brought to the server, to make models from."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.server import ServerService

MAGIC = b"GGUF"
CHUNK = 1 << 20

OnProgress = Callable[[str, int, int], None]
"""What goes on ("reading", "sending"), bytes done, bytes of all."""


async def send_file(server: ServerService, path: Path, *, on_progress: OnProgress | None = None) -> str:
    """Brings a GGUF file to the server, unless it has it already; returns its digest ("sha256:<hex>").

    Raises:
        ValueError: it is no GGUF file; nothing has been sent.
        OSError: it cannot be read.
        OllamaError: the server did not take it.
    """

    def tell(what: str, done: int, size: int) -> None:
        if on_progress is not None:
            on_progress(what, done, size)

    client = await server.client()
    loop = asyncio.get_running_loop()
    size = await asyncio.to_thread(lambda: path.stat().st_size)
    stopped = threading.Event()
    try:
        digest = await asyncio.to_thread(
            _digest, path, stopped, lambda done: loop.call_soon_threadsafe(tell, "reading", done, size)
        )
    finally:  # also when this is cancelled: nobody waits for the rest of a large file
        stopped.set()
    if not await client.blob_exists(digest):
        with server.busy():

            def sent(done: int) -> None:
                server.heard()
                tell("sending", done, size)

            await client.upload_blob(digest, path, on_sent=sent)
    return digest


def _digest(path: Path, stopped: threading.Event, on_read: Callable[[int], object]) -> str:
    found = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while not stopped.is_set() and (piece := file.read(CHUNK)):
            if not done and not piece.startswith(MAGIC):
                raise ValueError(f"{path} is no GGUF file")
            found.update(piece)
            done += len(piece)
            on_read(done)
    if not done:
        raise ValueError(f"{path} is empty")
    return f"sha256:{found.hexdigest()}"
