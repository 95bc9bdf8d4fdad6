"""Files that are uploaded to make models of: asked for and stored by their SHA-256."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from codomyrmex_ollama_tui.embedded.replies import Refusal
from codomyrmex_ollama_tui.embedded.store import ModelStore

_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")


def blob_path(store: ModelStore, digest: str) -> Path:
    """Where the file of a digest ("sha256:" and 64 hex digits) lies, or would.

    Raises:
        Refusal: not a digest (400).
    """
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise Refusal(400, "invalid digest format")
    return store.blob_path(match[1].lower())


async def receive_blob(store: ModelStore, digest: str, chunks: AsyncIterator[bytes]) -> bool:
    """Store an uploaded file under its digest; nothing of it stays if it breaks off or is another file.

    Returns:
        Whether it is new; if not, nothing was read.

    Raises:
        Refusal: not a digest, or not its file (400).
    """
    path = blob_path(store, digest)
    if path.exists():
        return False
    draft = store.tmp / f"upload-{secrets.token_hex(8)}"
    found = hashlib.sha256()
    try:
        with draft.open("xb") as file:
            async for chunk in chunks:
                found.update(chunk)
                file.write(chunk)
        got = found.hexdigest()
        if not path.name.endswith(got):
            want = path.name.replace("-", ":")
            raise Refusal(400, f'digest mismatch, expected "{want}", got "sha256:{got}"')
        draft.replace(path)
    except OSError as error:
        raise Refusal(500, f"the file cannot be stored: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)
    return True
