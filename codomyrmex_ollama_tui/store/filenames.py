"""File names made of outside text: they can never leave their folder, and every system can hold them."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

LONGEST = 80
"""Characters of a name made of outside text; a whole path stays below the 260 of Windows in a usual folder."""

_USUAL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]|\.(?!\.|$))*")  # no two dots in a row, none at the end
_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]+|\.{2,}")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(\..*)?")


def safe_name(text: str) -> str:
    """A file name that says what `text` says as well as it can: letters, digits, `.`, `_` and `-`, at most 80.

    `/` and `:` become `_` ("hf.co/a/b:q4" is "hf.co_a_b_q4"). A text that needs more than that gets a short hash at
    its end, so that two odd names do not become one. Never empty, never hidden, never `..`, never a device name.
    """
    name = text.replace("/", "_").replace(":", "_")
    if _USUAL.fullmatch(name) and len(name) <= LONGEST and not _RESERVED.fullmatch(name):
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    name = _UNUSUAL.sub("_", name).strip("._-")[: LONGEST - len(digest) - 2].rstrip(".")
    return f"_{name}-{digest}" if not name or _RESERVED.fullmatch(name) else f"{name}-{digest}"


def day_name(moment: datetime) -> str:
    """The UTC day as a folder: "2026-11-23"."""
    return moment.astimezone(UTC).date().isoformat()


def record_name(moment: datetime, token: str) -> str:
    """The stem of a record's file, UTC to the microsecond: "20261123T184200.123456Z-1f2e3d"; sorts by time."""
    written = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{written.replace('-', '').replace(':', '')}Z-{token}"
