"""Request bodies read as Go's encoding/json reads them, with its complaints, word for word where clients see them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from codomyrmex_ollama_tui.embedded.replies import Json, Refusal


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


_FITS: dict[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": _is_int,
    "map[string]interface {}": lambda value: isinstance(value, dict),
    "map[string]string": lambda value: isinstance(value, dict),
    "[]api.Message": _is_list,
    "[]int": _is_list,
    "[]api.ImageData": _is_list,
    "api.Tools": _is_list,
}
_ITEMS = {"[]int": "int", "[]api.ImageData": "string"}
_SHARED = {
    "model": "string",
    "stream": "bool",
    "options": "map[string]interface {}",
    "truncate": "bool",
    "shift": "bool",
    "logprobs": "bool",
    "top_logprobs": "int",
    "_debug_render_only": "bool",
}
_NAMED = {"model": "string", "name": "string", "stream": "bool"}
Struct = tuple[str, Mapping[str, str]]
"""A Go struct: its name in the api package, and the type of each field that is checked."""

GENERATE: Struct = (
    "GenerateRequest",
    {
        **_SHARED,
        "prompt": "string",
        "suffix": "string",
        "system": "string",
        "template": "string",
        "raw": "bool",
        "context": "[]int",
        "images": "[]api.ImageData",
    },
)
CHAT: Struct = ("ChatRequest", {**_SHARED, "messages": "[]api.Message", "tools": "api.Tools"})
EMBED: Struct = (
    "EmbedRequest",
    {"model": "string", "truncate": "bool", "dimensions": "int", "options": "map[string]interface {}"},
)
EMBEDDINGS: Struct = (
    "EmbeddingRequest",
    {"model": "string", "prompt": "string", "options": "map[string]interface {}"},
)
SHOW: Struct = (
    "ShowRequest",
    {**_NAMED, "system": "string", "verbose": "bool", "options": "map[string]interface {}"},
)
PULL: Struct = ("PullRequest", {**_NAMED, "insecure": "bool"})
PUSH: Struct = ("PushRequest", {**_NAMED, "insecure": "bool"})
DELETE: Struct = ("DeleteRequest", _NAMED)
COPY: Struct = ("CopyRequest", {"source": "string", "destination": "string"})
CREATE: Struct = (
    "CreateRequest",
    {
        **_NAMED,
        "from": "string",
        "files": "map[string]string",
        "adapters": "map[string]string",
        "template": "string",
        "system": "string",
        "parameters": "map[string]interface {}",
        "messages": "[]api.Message",
        "quantize": "string",
    },
)


def read_body(raw: bytes, struct: Struct) -> Json:
    """The fields of a request body; `null` counts as an empty object, a field that is null as absent.

    Raises:
        Refusal: no body, broken JSON, or a field of another type (400, in Go's words).
    """
    if not raw:
        raise Refusal(400, "missing request body")
    value = _parse(raw)
    name, fields = struct
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal(400, f"json: cannot unmarshal {_kind(value)} into Go value of type api.{name}")
    for field, wanted in fields.items():
        _check(value.get(field), wanted, f"{name}.{field}")
    for message in value.get("messages") or []:
        _check_message(message, f"{name}.messages")
    return {key: field for key, field in value.items() if field is not None}


def _check(value: object, wanted: str, where: str) -> None:
    if value is None:
        return
    if not _FITS[wanted](value):
        raise Refusal(400, f"json: cannot unmarshal {_kind(value)} into Go struct field {where} of type {wanted}")
    if isinstance(value, list) and (item_type := _ITEMS.get(wanted)):
        for item in value:
            _check(item, item_type, where)


def _check_message(message: object, where: str) -> None:
    if not isinstance(message, dict):
        raise Refusal(400, f"json: cannot unmarshal {_kind(message)} into Go struct field {where} of type api.Message")
    for field in ("role", "content", "thinking", "tool_name"):
        _check(message.get(field), "string", f"{where}.{field}")
    _check(message.get("images"), "[]api.ImageData", f"{where}.images")
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        kind = _kind(calls)
        raise Refusal(
            400, f"json: cannot unmarshal {kind} into Go struct field {where}.tool_calls of type []api.ToolCall"
        )
    for call in calls or []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("arguments"), str):
            raise Refusal(400, "Value looks like object, but can't find closing '}' symbol")


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    return "string" if isinstance(value, str) else "number" if isinstance(value, int | float) else "null"


def _parse(raw: bytes) -> Any:
    text = raw.decode("utf-8", "replace")
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        rest = text[error.pos :].lstrip()
        if not rest or error.msg.startswith("Unterminated"):
            raise Refusal(400, "unexpected EOF") from None
        what = "object key string" if "property name" in error.msg else "value"
        raise Refusal(400, f"invalid character '{rest[0]}' looking for beginning of {what}") from None
    except RecursionError:
        raise Refusal(400, "exceeded max depth") from None
    except ValueError:  # an integer with thousands of digits
        raise Refusal(400, "json: cannot unmarshal number into Go value of type float64") from None
    return _mend(value) if "\\u" in text else value


def _no_constant(word: str) -> float:
    raise Refusal(400, f"invalid character '{word.lstrip('-')[0]}' looking for beginning of value")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Refusal(400, f"json: cannot unmarshal number {digits[:40]} into Go value of type float64")
    return number


def _mend(value: Any) -> Any:
    """Half surrogate pairs cannot be sent on as UTF-8; Go replaces them, too."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_mend(item) for item in value]
    if isinstance(value, dict):
        return {_mend(key): _mend(item) for key, item in value.items()}
    return value
