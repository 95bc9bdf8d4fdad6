"""The recorded exchanges: read from their files, without any help of the client."""

from __future__ import annotations

import calendar
import hashlib
import json
import re
from pathlib import Path
from typing import Any

WIRE = Path(__file__).resolve().parent.parent / "wire"
COUNTERS: tuple[str, ...] = (
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
)
COUNTERS += ("eval_duration",)


def load_case(name: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((WIRE / "cases" / f"{name}.json").read_text(encoding="utf-8"))
    return case


def case_names() -> list[str]:
    return sorted(path.stem for path in (WIRE / "cases").glob("*.json"))


def sent_json(case: dict[str, Any]) -> dict[str, Any] | None:
    """What the recorded request says, without the wish to stream or not: our calls leave that to the server."""
    body = case["request"].get("json")
    if not isinstance(body, dict):
        return None
    return {key: value for key, value in body.items() if key != "stream"}


def answer_of(case: dict[str, Any]) -> tuple[int | None, dict[str, str], list[dict[str, Any]] | None, Any]:
    """Status, headers, the lines of a stream (or None), and the body (JSON, text, or None when empty)."""
    response = case["response"]
    if "raw" in response:
        return _read_raw(response["raw"])
    lines = response.get("lines")
    body = response.get("body") if response.get("body_kind") != "empty" else None
    found = None if lines is None else [line["json"] for line in lines]
    return response["status"], response.get("headers", {}), found, body


def _read_raw(raw: str) -> tuple[int, dict[str, str], list[dict[str, Any]] | None, Any]:
    begin, _, body = raw.partition("\r\n\r\n")
    first, *rest = begin.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    if headers.get("transfer-encoding") == "chunked":
        pieces = []
        data = body.encode()
        while True:
            size, _, data = data.partition(b"\r\n")
            if int(size, 16) == 0:
                break
            pieces.append(data[: int(size, 16)])
            data = data[int(size, 16) + 2 :]
        body = b"".join(pieces).decode()
    status = int(first.split()[1])
    if headers.get("content-type") == "application/x-ndjson":
        return status, headers, [json.loads(line) for line in body.splitlines()], None
    if headers.get("content-type", "").startswith("application/json"):
        return status, headers, None, json.loads(body)
    return status, headers, None, body or None


def digest_of(value: Any) -> str:
    """A short text that two equal JSON values share."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def micros(time: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time, digits beyond them cut off."""
    found = re.fullmatch(r"([0-9-]+)T([0-9:]+)(?:\.([0-9]+))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))", time)
    assert found is not None
    day, clock, fraction, sign, hours, minutes = found.groups()
    numbers = [int(part) for part in (*day.split("-"), *clock.split(":"))]
    seconds = calendar.timegm((numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], 0, 0, 0))
    if sign:
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds -= offset if sign == "+" else -offset
    return seconds * 1_000_000 + int((fraction or "0")[:6].ljust(6, "0"))
