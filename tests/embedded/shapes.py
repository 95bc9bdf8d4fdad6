"""Answers compared by shape: status, content type, keys and types, the kinds of lines in order, words of errors."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

_HEX = re.compile(r"[0-9a-f]{12,}")
MOST_LINES = 400


@dataclass(slots=True)
class Answer:
    """What came back, recorded or now. `body` is the JSON value or the text of an answer that is not a stream."""

    status: int
    content_type: str
    lines: list[Any] = field(default_factory=list)
    body: Any = None


def ask(client: httpx.Client, request: dict[str, Any], *, most_lines: int = MOST_LINES) -> Answer:
    """Send a recorded request; hang up after so many lines."""
    sent: dict[str, Any] = {"headers": request.get("headers") or {}}
    if "json" in request:
        sent["json"] = request["json"]
    elif "body_text" in request:
        sent["content"] = request["body_text"].encode()
    # put together here, since httpx would take two slashes at the beginning for a host
    url = str(client.base_url).rstrip("/") + request["path"]
    with client.stream(request["method"], url, follow_redirects=False, **sent) as reply:
        kind = reply.headers.get("content-type", "").split(";")[0]
        answer = Answer(reply.status_code, kind)
        if kind == "application/x-ndjson":
            for line in reply.iter_lines():
                answer.lines.append(json.loads(line))
                if len(answer.lines) >= most_lines:
                    break
        else:
            answer.body = _body(reply.read())
    return answer


def recorded(response: dict[str, Any]) -> Answer:
    """A recorded answer."""
    kind = (response["headers"] or {}).get("content-type", "").split(";")[0]
    if "raw" in response:
        return _recorded_bytes(response, kind)
    lines = [line["json"] for line in response.get("lines", ()) if "json" in line]
    body = response.get("body") if "lines" not in response else None
    return Answer(response["status"], kind, lines, body.strip() if isinstance(body, str) else body)


def _recorded_bytes(response: dict[str, Any], kind: str) -> Answer:
    """A recorded answer of which the bytes were kept: with one chunk, if any, for each line."""
    body = response["raw"].partition("\r\n\r\n")[2]
    if kind == "application/x-ndjson":
        lines = [json.loads(part) for part in body.splitlines() if part.startswith("{")]
        return Answer(response["status"], kind, lines)
    return Answer(response["status"], kind, body=_body(body.encode()))


def differences(wanted: Answer, got: Answer, *, any_end: bool = False, first_only: bool = False) -> list[str]:
    """What differs in shape; empty when nothing does.

    Args:
        any_end: another `done_reason` is as good.
        first_only: only the kind of the first line counts (the recorder hung up early).
    """
    found = []
    if wanted.status != got.status:
        found.append(f"status {wanted.status}, not {got.status} ({got.body!r})")
    if wanted.content_type != got.content_type:
        found.append(f"content type {wanted.content_type}, not {got.content_type}")
    if wanted.lines or got.lines:
        kinds, ours = (_steps(answer.lines, any_end) for answer in (wanted, got))
        if first_only:
            kinds, ours = kinds[:1], ours[:1]
        if kinds != ours:
            found.append(
                f"lines {[one for one in kinds if one not in ours]}, not {[o for o in ours if o not in kinds]}"
            )
    elif isinstance(wanted.body, dict) and "error" in wanted.body:
        if wanted.body != got.body:
            found.append(f"body {wanted.body}, not {got.body}")
    elif isinstance(wanted.body, dict):
        found += _compare(_shape(wanted.body), _shape(got.body), "")
        reason = got.body.get("done_reason") if isinstance(got.body, dict) else None
        if not any_end and wanted.body.get("done_reason") != reason:
            found.append(f"done_reason {wanted.body.get('done_reason')}, not {reason}")
    elif (wanted.body or "") != (got.body or ""):
        found.append(f"body {wanted.body!r}, not {got.body!r}")
    return found


def _body(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace").strip()


def _steps(lines: Sequence[Any], any_end: bool) -> list[tuple[Any, ...]]:
    """The kinds of lines in order, equal neighbours as one."""
    steps: list[tuple[Any, ...]] = []
    for line in lines:
        if "status" in line:
            kind: tuple[Any, ...] = (_HEX.sub("…", line["status"]), *sorted(set(line) - {"completed"}))
        elif "error" in line:
            kind = ("error", line["error"])
        else:
            reason = None if any_end else line.get("done_reason")
            kind = ("answer", bool(line.get("done")), reason, *sorted(line), *sorted(line.get("message", ())))
        if not steps or steps[-1] != kind:
            steps.append(kind)
    return steps


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    if isinstance(value, list):
        kinds: list[Any] = []
        for item in value:
            if (kind := _shape(item)) not in kinds:
                kinds.append(kind)
        return kinds[:3]
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else "string"


def _compare(wanted: Any, got: Any, path: str) -> list[str]:
    if isinstance(wanted, dict) and isinstance(got, dict):
        found = [f"{path}{key} is missing" for key in wanted if key not in got]
        found += [f"{path}{key} is new" for key in got if key not in wanted]
        for key in set(wanted) & set(got):
            found += _compare(wanted[key], got[key], f"{path}{key}.")
        return found
    if isinstance(wanted, list) and isinstance(got, list) and wanted and got:
        return _compare(wanted[0], got[0], f"{path}[].")
    return [] if wanted == got else [f"{path} {wanted}, not {got}"]
