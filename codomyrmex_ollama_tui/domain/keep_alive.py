"""How long a model stays in memory, as a person types it and as the server takes it (CONTRACT §5.1)."""

from __future__ import annotations

import re

_DURATION = re.compile(r"-?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+", re.ASCII)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_FOREVER = ("forever", "always", "-1")


def parse_keep_alive(text: str) -> int | float | str:
    """What to send for it: a number of seconds, or a Go duration ("10m", "1h30m"); "forever" is -1.

    A number in a text is refused by the server, so it is sent as one.

    Raises:
        ValueError: neither; one sentence.
    """
    typed = text.strip().lower()
    if typed in _FOREVER:
        return -1
    if _NUMBER.fullmatch(typed):
        seconds = float(typed)
        return int(seconds) if seconds.is_integer() else seconds
    if _DURATION.fullmatch(typed):
        return typed
    raise ValueError(f"{text.strip()[:40]!r} is no time: 10m, 1h30m, 300 (seconds) or forever")
