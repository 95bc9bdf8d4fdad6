"""Bytes of a stream into lines, however the network cut them, in bounded memory."""

from __future__ import annotations

MAX_LINE = 8 * 1024 * 1024
"""Bytes; as long as Ollama's own client allows a line to be."""


class LineTooLongError(ValueError):
    """A line grew beyond the limit; `begins` holds its first bytes."""

    def __init__(self, limit: int, begins: bytes) -> None:
        super().__init__(f"a line of more than {limit} bytes")
        self.begins = begins


class LineSplitter:
    """Feed it chunks of any size; it gives whole lines without their line ends, blank ones left out.

    Args:
        limit: how many bytes one line may have.
    """

    __slots__ = ("_limit", "_tail")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._tail = bytearray()
        self._limit = limit

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes.

        Raises:
            LineTooLongError: when a line, whole or still growing, is longer than the limit.
        """
        if b"\n" not in chunk:
            self._tail += chunk
            self._check(self._tail)
            return []
        # Only the new bytes are searched: a long line that comes byte by byte is looked at once.
        lines = chunk.split(b"\n")
        if self._tail:
            self._tail += lines[0]
            lines[0] = bytes(self._tail)
        self._tail = bytearray(lines[-1])
        for line in lines:
            self._check(line)
        lines.pop()
        return [line for line in lines if line and not line.isspace()]

    def finish(self) -> bytes:
        """What stands after the last line end: a last line without one, or nothing."""
        tail = bytes(self._tail)
        self._tail = bytearray()
        return b"" if tail.isspace() else tail

    def _check(self, line: bytes | bytearray) -> None:
        if len(line) > self._limit:
            raise LineTooLongError(self._limit, bytes(line[:200]))
