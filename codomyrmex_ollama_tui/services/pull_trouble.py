"""Why a pull failed: in words for a person, and whether it is worth another try."""

from __future__ import annotations

import re

from codomyrmex_ollama_tui.domain.errors import (
    ModelNotFound,
    NoAnswer,
    OllamaError,
    ServerRefused,
    ServerUnreachable,
    StreamCut,
    StreamFailed,
    StreamUnfinished,
)
from codomyrmex_ollama_tui.domain.text import one_line

# What Go's network library and Ollama say when a connection to the registry fails.
_NETWORK = re.compile(
    r"max retries exceeded|dial tcp|connection re(?:fused|set)|network is (?:unreachable|down)|i/o timeout|"
    r"timeout awaiting|TLS handshake timeout|unexpected EOF|\bEOF$|broken pipe|no route to host|"
    r"temporary failure in name resolution|server misbehaving|client connection lost|\b50[234]\b",
    re.IGNORECASE,
)
_FOR_GOOD = re.compile(r"no such host|proxyconnect|certificate|file does not exist", re.IGNORECASE)
_FULL = re.compile(r"no space left on device|disk quota exceeded|not enough space on the disk", re.IGNORECASE)
_MISMATCH = re.compile(r"digest mismatch", re.IGNORECASE)


def is_passing(error: OllamaError) -> bool:
    """Whether the network failed, which may be otherwise in a moment."""
    if isinstance(error, ServerUnreachable | NoAnswer | StreamCut | StreamUnfinished):
        return True
    if isinstance(error, ModelNotFound) or not isinstance(error, ServerRefused | StreamFailed):
        return False
    if isinstance(error, ServerRefused) and error.status in (502, 503, 504):
        return True
    return bool(_NETWORK.search(error.words)) and not _FOR_GOOD.search(error.words)


def words_of(error: OllamaError, model: str) -> str:
    """One sentence: what, and why in the server's words."""
    said = one_line(error.words, 300) if isinstance(error, ServerRefused | StreamFailed) else ""
    if isinstance(error, ModelNotFound):
        return f"there is no model {model} to pull ({said})"
    if _FULL.search(said):
        return f"the server's disk is full ({said})"
    if _MISMATCH.search(said):
        return f"what came is damaged; pulling again fetches that layer anew ({said})"
    if said and _NETWORK.search(said):
        return f"the registry cannot be reached ({said})"
    return one_line(str(error), 400)
