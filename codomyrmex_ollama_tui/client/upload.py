"""A file read piece by piece, beside the event loop, for a request's body."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

_CHUNK = 256 * 1024


class _FileBroken(Exception):
    """Carries an OSError of the file past those who take every OSError for the network's."""


@asynccontextmanager
async def file_chunks(
    path: Path, on_sent: Callable[[int], None] | None
) -> AsyncGenerator[tuple[int, AsyncIterator[bytes]], None]:
    """The size of a file in bytes and its chunks.

    Args:
        on_sent: called with the number of bytes handed over so far, before the next ones are read.

    Raises:
        OSError: when the file cannot be opened or read, or changes its length meanwhile.
    """
    file = await asyncio.to_thread(path.open, "rb")
    try:
        size = os.fstat(file.fileno()).st_size
        yield size, _chunks(file, size, on_sent)
    except _FileBroken as broken:
        raise broken.args[0] from None
    finally:
        await asyncio.to_thread(file.close)


async def _chunks(file: BinaryIO, size: int, on_sent: Callable[[int], None] | None) -> AsyncIterator[bytes]:
    sent = 0
    while True:
        try:
            chunk = await asyncio.to_thread(file.read, _CHUNK)
        except OSError as error:
            raise _FileBroken(error) from None
        sent += len(chunk)
        if sent > size or (sent < size and not chunk):
            raise _FileBroken(OSError(f"{file.name} changed while it was being sent"))
        if not chunk:
            return
        yield chunk
        if on_sent is not None:
            on_sent(sent)
