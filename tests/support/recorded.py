"""Recorded traffic of a real server (`tests/wire/cases`), ready to be answered again by a `LocalServer`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.server import CUT, Part, Reply, Stream

WIRE = Path(__file__).parent.parent / "wire"


@cache
def case(name: str) -> dict[str, Any]:
    """One recorded case, whole."""
    loaded: dict[str, Any] = json.loads((WIRE / "cases" / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def answer(name: str) -> Reply | Stream:
    """The recorded answer: its lines as a stream (cut where the recorded one was cut), or its body."""
    response = case(name)["response"]
    status = response["status"] or 200
    if "lines" in response:
        parts: list[Part] = [line["json"] for line in response["lines"]]
        if "client_exception" in response:
            parts.append(CUT)
        return Stream(*parts, status=status, content_type=response["headers"]["content-type"])
    body = response.get("body")
    headers = {"Content-Type": response["headers"].get("content-type", "")}
    if response.get("body_kind") == "json":
        return Reply(json=body, status=status, headers=headers)
    return Reply(body=body or "", status=status, headers=headers)
