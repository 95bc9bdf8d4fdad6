"""
Everything that can go wrong between us and a server, as one tree:

* OllamaError
  x ServerUnreachable    nothing answers there
  x NoAnswer             something took the request there, but no answer began
  x ServerRefused        it answered with a status or an error line we did not want
    + ModelNotFound
    + NotSupported       the model or the server cannot do this
    + ContextTooLong     the prompt does not fit into the context
  x StreamBroken         an answer that had begun did not come to its end
    + StreamCut          the connection broke
    + StreamFailed       the server sent an error line in the middle
    + StreamUnfinished   the stream ended properly, but without its last line
  x BadReply             it said something we cannot read
  x Stopped              it was stopped on this side before its end

`str(error)` is one clear sentence for a person, with the server's own words where it has any.
"""

from __future__ import annotations


class OllamaError(Exception):
    """The base of all errors that talking to a server can raise. All can be copied and pickled."""

    def __reduce__(self) -> tuple[object, ...]:
        # The usual way would call the class with the sentence alone.
        return _again, (type(self), self.args, self.__dict__.copy())


def _again(kind: type[OllamaError], args: tuple[object, ...], attributes: dict[str, object]) -> OllamaError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class ServerUnreachable(OllamaError):
    """Nothing answers at the address (no listener, no route, TLS failed, no answer within the connect timeout)."""

    def __init__(self, address: str, reason: str) -> None:
        words = f"no server answers at {address}: "
        reason = reason.removeprefix(words)  # told on from another one of these
        super().__init__(words + reason)
        self.address = address
        self.reason = reason


class NoAnswer(OllamaError):
    """The server took the request, but gave no answer: it was silent for longer than allowed, or hung up.

    Attributes:
        silent: a limit of time was over, and nothing else. For an answer of a model this says nothing about the
            server's health: loading and waiting are silent too.
    """

    def __init__(self, address: str, reason: str, *, silent: bool = False) -> None:
        super().__init__(f"the server at {address} gave no answer: {reason}")
        self.address = address
        self.reason = reason
        self.silent = silent


class ServerRefused(OllamaError):
    """The server answered with an error.

    Attributes:
        status: the HTTP status, or None for an error line in a stream whose status was already 200.
        words: the server's own words, as it sent them (raw: clean them before they reach a terminal).
    """

    def __init__(self, status: int | None, words: str) -> None:
        super().__init__(f"the server says: {words}" if status is None else f"the server says ({status}): {words}")
        self.status = status
        self.words = words


class ModelNotFound(ServerRefused):
    """The model is not on that server (or, in a pull, not in the registry)."""

    def __init__(self, status: int | None, words: str, model: str) -> None:
        super().__init__(status, words)
        self.model = model


class NotSupported(ServerRefused):
    """The model or the server cannot do what was asked (tools, thinking, images, embeddings, 501 …)."""


class ContextTooLong(ServerRefused):
    """The prompt is longer than the context in force and truncation was not allowed."""


class StreamBroken(OllamaError):
    """An answer that had begun did not come to its end.

    Attributes:
        partial: the answer's text that had come.
        thinking: the thinking text that had come.
    """

    def __init__(self, message: str, *, partial: str = "", thinking: str = "") -> None:
        super().__init__(message)
        self.partial = partial
        self.thinking = thinking


class StreamCut(StreamBroken):
    """The connection broke in the middle of a stream."""


class StreamFailed(StreamBroken):
    """The server sent an error line in the middle of a stream.

    Attributes:
        words: the server's own words.
    """

    def __init__(self, words: str, *, partial: str = "", thinking: str = "") -> None:
        super().__init__(f"the server says: {words}", partial=partial, thinking=thinking)
        self.words = words


class StreamUnfinished(StreamBroken):
    """The stream ended properly but without its last line (Ollama's guard against repeated tokens does that)."""


class BadReply(OllamaError):
    """The server sent something that is not the protocol.

    Attributes:
        where: the endpoint, e.g. "/api/tags".
        excerpt: the beginning of what it sent (raw), at most 200 characters.
        partial: the answer's text that had come before.
        thinking: the thinking text that had come before.
    """

    def __init__(self, where: str, problem: str, excerpt: str = "", *, partial: str = "", thinking: str = "") -> None:
        super().__init__(f"{where} sent something unreadable: {problem}")
        self.where = where
        self.problem = problem
        self.excerpt = excerpt[:200]
        self.partial = partial
        self.thinking = thinking


class Stopped(OllamaError):
    """Somebody on this side stopped the work before its end."""

    def __init__(self) -> None:
        super().__init__("it was stopped before its end")


def casts_doubt(error: OllamaError) -> bool:
    """Whether an error makes it likely that the server is gone, so that it is worth a look; silence alone does not."""
    if isinstance(error, NoAnswer):
        return not error.silent
    return isinstance(error, ServerUnreachable | StreamCut)
