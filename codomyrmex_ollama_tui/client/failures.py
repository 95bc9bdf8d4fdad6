"""What went wrong, in the words of the error tree: statuses, error lines and broken connections."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Mapping

import httpx

from codomyrmex_ollama_tui.domain.errors import (
    BadReply,
    ContextTooLong,
    ModelNotFound,
    NoAnswer,
    NotSupported,
    OllamaError,
    ServerRefused,
    ServerUnreachable,
    StreamCut,
)

MAX_WORDS = 4000
"""Characters of a server's words that are kept."""

# The wordings differ between endpoints, engines and versions (CONTRACT §3.2): patterns help where the status says
# too little, and never decide against it.
_TOO_LONG = re.compile(
    r"exceeds the (available )?context (length|size)|longer than the (maximum )?context length", re.IGNORECASE
)
_UNSUPPORTED = re.compile(
    r"does not support|not currently supported|missing data required for image input|requires MLX support"
    r"|only supported for",
    re.IGNORECASE,
)
_MISSING = re.compile(r"""model ('.*'|".*") not found""", re.DOTALL)
_MISSING_IN_REGISTRY = re.compile(r"pull model manifest: file does not exist\Z")
_MISSING_TO_PUSH = re.compile(r"open .*manifests.*: (no such file or directory|The system cannot find .*)\Z", re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>([^<]{1,300})</title", re.IGNORECASE)


def words_in(value: object) -> str | None:
    """The server's words in a JSON body or line, None where it holds no error.

    Native endpoints send a string; the OpenAI-like ones, and gateways that imitate them, an object with `message`.
    """
    if not isinstance(value, Mapping) or "error" not in value:
        return None
    error = value["error"]
    if isinstance(error, Mapping) and isinstance(error.get("message"), str):
        error = error["message"]
    words = error if isinstance(error, str) else json.dumps(error)
    return words[:MAX_WORDS]


def words_of_body(body: bytes, fallback: str) -> tuple[str, bool]:
    """The server's words in the body of an error answer, and whether it is an error of the protocol's own shape."""
    text = body.decode("utf-8", "replace").strip()
    for candidate in (text, text.rpartition("\n")[2]):
        try:
            words = words_in(json.loads(candidate))
        except (ValueError, RecursionError):
            continue
        if words is not None:
            return words, True
    if text.startswith("<"):
        title = _TITLE.search(text)
        return (" ".join(title[1].split()) if title else fallback), False
    return text[:MAX_WORDS] or fallback, False


def refusal(status: int | None, words: str, *, model: str = "", native: bool = True) -> ServerRefused:
    """The error for a refusal.

    Args:
        status: the HTTP status; None for an error line of a stream.
        words: the server's own.
        model: the name that was asked for.
        native: whether the words came in the protocol's own shape, `{"error": "..."}`.
    """
    if native and _MISSING.search(words) and status in (None, 404):
        return ModelNotFound(status, words, model or _named(words))
    if _MISSING_IN_REGISTRY.search(words) or (status in (None, 500) and _MISSING_TO_PUSH.match(words)):
        return ModelNotFound(status, words, model)
    if _TOO_LONG.search(words):
        return ContextTooLong(status, words)
    if status == 501 or (native and _UNSUPPORTED.search(words)) or _unknown_path(status, words):
        return NotSupported(status, words)
    return ServerRefused(status, words)


def _named(words: str) -> str:
    found = _MISSING.search(words)
    return found[1][1:-1] if found else ""


def _unknown_path(status: int | None, words: str) -> bool:
    """An endpoint that this server (an older one, or none of Ollama's) does not have."""
    return status == 404 and words == "404 page not found"


def before_the_answer(error: BaseException, label: str, path: str) -> OllamaError:
    """The error for a request that failed before any answer had begun.

    Args:
        label: the server's address, for people.
        path: the endpoint.
    """
    if isinstance(error, httpx.ConnectTimeout):
        return ServerUnreachable(label, "no connection in time")
    if isinstance(error, (httpx.ConnectError, httpx.ProxyError, httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return ServerUnreachable(label, reason_of(error))
    if isinstance(error, UnicodeError):
        return ServerUnreachable(label, "that cannot be the name of a host")
    if isinstance(error, httpx.RemoteProtocolError) and not _hung_up(error):
        return BadReply(path, f"that is not HTTP as we know it ({error})")
    if isinstance(error, httpx.LocalProtocolError):
        return ServerUnreachable(label, f"the request could not be written ({error})")
    if isinstance(error, httpx.TimeoutException):
        return NoAnswer(label, "it did not take the request in time", silent=True)
    return NoAnswer(label, "it closed the connection")


def in_the_answer(error: BaseException, path: str) -> OllamaError:
    """The error for an answer that broke off."""
    if isinstance(error, httpx.RemoteProtocolError) and not _hung_up(error):
        return BadReply(path, f"that is not HTTP as we know it ({error})")
    return StreamCut("the connection broke before the answer was complete")


def _hung_up(error: httpx.RemoteProtocolError) -> bool:
    """Whether the other side closed the connection, rather than sending what is no HTTP; only the text tells."""
    words = str(error)
    return words.startswith(("peer closed", "Server disconnected", "peer unexpectedly closed")) or not words


def reason_of(error: BaseException) -> str:
    """Why a connection could not be made, in a few words; the cause that knows most is deep in the chain."""
    seen: list[BaseException] = []
    waiting: list[BaseException] = [error]
    while waiting and len(seen) < 50:
        item = waiting.pop()
        seen.append(item)
        waiting.extend(other for other in (item.__cause__, item.__context__) if other and other not in seen)
        if isinstance(item, BaseExceptionGroup):
            waiting.extend(item.exceptions)
    for item in seen:
        if isinstance(item, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({item.verify_message})"
        if isinstance(item, ssl.SSLError):
            return f"TLS failed ({item.reason or item})"
        if isinstance(item, socket.gaierror):
            return "no such host is known"
    for item in seen:
        if isinstance(item, ConnectionRefusedError):
            return "nothing listens there"
        if isinstance(item, OSError) and item.strerror:
            return item.strerror.lower()
    if isinstance(error, httpx.UnsupportedProtocol):
        return "only http:// and https:// can be connected to"
    return str(error) or type(error).__name__
