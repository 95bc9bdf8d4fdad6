"""Figures and times in the words a person reads: right digits, a unit, and a sign where nothing is known."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

UNKNOWN = "·"
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_PARAMETERS = re.compile(r"(\d+(?:\.\d+)?)\s*([KMBT])", re.IGNORECASE)


def _scale(amount: float) -> tuple[float, str]:
    """The divisor and unit (powers of 1,000, as Ollama counts) that suit `amount` bytes."""
    divisor = 1.0
    for unit in _UNITS[:-1]:
        # 999.5 would be shown as 1000
        if amount < 999.5 * divisor:
            return divisor, unit
        divisor *= 1000.0
    return divisor, _UNITS[-1]


def size(amount: int) -> str:
    """Bytes, as "358 B", "98 MB", "2.0 GB"."""
    divisor, unit = _scale(amount)
    digits = 1 if unit in ("GB", "TB", "PB") and amount / divisor < 99.95 else 0
    return f"{amount / divisor:.{digits}f} {unit}"


def amounts(completed: int, total: int | None) -> str:
    """Bytes had of bytes wanted, "48.3 / 92.9 MB" or "81 MB / 3.1 GB"; without a total "48.3 MB"."""
    if total is None:
        return size(completed)
    divisor, unit = _scale(max(total, completed))
    digits = 0 if unit == "B" else 1
    if unit in ("GB", "TB", "PB") and 0 < completed < 0.95 * divisor:
        return f"{size(completed)} / {total / divisor:.{digits}f} {unit}"
    return f"{completed / divisor:.{digits}f} / {total / divisor:.{digits}f} {unit}"


def speed(rate: float) -> str:
    """Bytes per second, as "8.1 MB/s"."""
    divisor, unit = _scale(rate)
    return f"{rate / divisor:.{0 if unit == 'B' else 1}f} {unit}/s"


def duration(seconds: float) -> str:
    """Seconds, as "18 s", "4 min", "1 h 5 min", "3 d"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{round(whole / 60)} min" if whole < 3570 else "1 h"
    if whole < 86400:
        hours, minutes = divmod(round(whole / 60), 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{whole // 86400} d"


def countdown(seconds: float) -> str:
    """Seconds that run out, as "4:12" or "1:04:12"."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def age(then: datetime | None, now: datetime) -> str:
    """How long ago, as "now", "2 min", "1 h", "3 d", "2 mo", "1 y"; "·" where unknown. Both with their zones."""
    if then is None:
        return UNKNOWN
    seconds = (now - then).total_seconds()
    if seconds < 60:
        return "now"
    for limit, length, unit in (
        (3600, 60, "min"),
        (86400, 3600, "h"),
        (30 * 86400, 86400, "d"),
        (365 * 86400, 30 * 86400, "mo"),
    ):
        if seconds < limit:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds // (365 * 86400))} y"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def moment(then: datetime | None, now: datetime) -> str:
    """A point in time: "18:20" today, "Sat 18:20" within six days, else "12 Oct 2025"; in the zone of `now`."""
    if then is None:
        return UNKNOWN
    local = then.astimezone(now.tzinfo)
    days = (now.date() - local.date()).days
    if days == 0:
        return f"{local:%H:%M}"
    if 0 < days < 7:
        return f"{_DAYS[local.weekday()]} {local:%H:%M}"
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


FOR_GOOD = timedelta(days=365)
"""A time that lies further ahead than this means for ever."""


def until(then: datetime, now: datetime) -> str:
    """A time ahead, as "4:12 left", "forever", or "any moment" for one that has passed; both with their zones."""
    left = then - now
    if left > FOR_GOOD:
        return "forever"
    return f"{countdown(left.total_seconds())} left" if left > timedelta() else "any moment"


def parameters(text: str) -> str:
    """A server's parameter size ("134.52M", "3.2B") as "135 M", "3.2 B"; other words as they are, "·" for none."""
    if not text:
        return UNKNOWN
    match = _PARAMETERS.fullmatch(text.strip())
    if match is None:
        return text
    number = float(match[1])
    unit = match[2].upper()
    if number >= 999.5 and unit in "KMB":
        number, unit = number / 1000, {"K": "M", "M": "B", "B": "T"}[unit]
    return f"{number:.{1 if number < 99.5 and unit in 'BT' else 0}f} {unit}"


def context(tokens: int | None) -> str:
    """A context length: "128 k" for 131,072 tokens, "·" where unknown."""
    if tokens is None:
        return UNKNOWN
    return f"{tokens / 1024:.0f} k" if tokens >= 1024 else str(tokens)


def count(number: int) -> str:
    """A whole number with its thousands apart: "1,204"."""
    return f"{number:,}"
