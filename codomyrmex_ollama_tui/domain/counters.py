"""What the counters of an answer's last line mean: Ollama's versions do not agree on it."""

from __future__ import annotations

import re

from codomyrmex_ollama_tui.domain.chat import AnswerEnd, Counters

RELOADED_AFTER = 1.0
"""Seconds of `load_duration` beyond which the model counts as loaded anew. It holds waiting for a turn as well."""

RELIABLE_PROMPT = 256
"""Tokens of a prompt below which its rate is mostly overhead."""

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_LAST_BATCH_ONLY = (0, 12, 7)
_UNCACHED_ONLY = (0, 30, 0)
_UNKNOWN = (0, 0, 0)


def version_numbers(version: str) -> tuple[int, int, int]:
    """(major, minor, patch) of "0.33.0-rc2" and the like; (0, 0, 0), as builds of one's own have it, if unreadable."""
    found = _VERSION.match(version.strip())
    return (int(found[1]), int(found[2]), int(found[3])) if found else _UNKNOWN


def cached_tokens(end: AnswerEnd) -> int | None:
    """Tokens of the prompt that were in the cache (`prompt_eval_cached_count`, from 0.33.3); None where not said."""
    count = end.extra.get("prompt_eval_cached_count")
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


def prompt_rate(counters: Counters, *, cached: int | None, version: str, cold: bool) -> float | None:
    """Prompt tokens per second, where the server's counters allow to say it.

    `prompt_eval_count` is the whole prompt (but in 0.30.0, where cached tokens are left out), `prompt_eval_duration`
    the time for what was not cached (before 0.12.7 with the older runner: for the last batch only).

    Args:
        cached: tokens that were in the cache, where the server says it.
        version: the server's.
        cold: nothing of this prompt can have been in the cache.

    Returns:
        None where cached tokens may have been counted as computed, or the durations mean something else.
    """
    count, duration = counters.prompt_eval_count, counters.prompt_eval_duration
    if not count or not duration:
        return None
    if cached is not None:
        fresh = count - cached
        return fresh / (duration / 1e9) if fresh > 0 else None
    numbers = version_numbers(version)
    if numbers != _UNKNOWN and numbers < _LAST_BATCH_ONLY:
        return None
    if cold or numbers == _UNCACHED_ONLY:
        return count / (duration / 1e9)
    return None
