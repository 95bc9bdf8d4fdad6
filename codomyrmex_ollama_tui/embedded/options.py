"""What a request may ask of a model, read and checked as Ollama does: options, keep_alive, format, think, images."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from codomyrmex_ollama_tui.embedded.replies import Json, Refusal

SAMPLING: Mapping[str, Any] = {
    "temperature": 0.8,
    "top_k": 40,
    "top_p": 0.9,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repeat_last_n": 64,
    "repeat_penalty": 1.1,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "seed": -1,
    "num_predict": -1,
    "num_keep": 4,
    "stop": [],
}
RUNNER: Mapping[str, Any] = {
    "num_ctx": 4096,
    "num_batch": 512,
    "num_gpu": -1,
    "main_gpu": 0,
    "use_mmap": None,
    "num_thread": 0,
}
"""These belong to the loaded model: a request that differs in one of them loads it anew."""

_FLOATS = {
    "temperature",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
}
_INT32 = 2**31 - 1
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"\d+\.?\d*|\.\d+")
_UNIT = re.compile(r"[^\d.]+")
_JSON_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_THINK_LEVELS = ("high", "medium", "low", "max")
# loose white space costs small models their tokens
_GUIDANCE = {"x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}}


def merge_options(*layers: Mapping[str, Any] | None) -> Json:
    """Ollama's defaults with each layer over them (the model's parameters, then the request's options).

    Unknown names and nulls are ignored, a float for an integer is cut towards zero.

    Raises:
        Refusal: a value of the wrong type (500, as Ollama has it).
    """
    options: Json = {**SAMPLING, **RUNNER}
    for layer in layers:
        for name, value in (layer or {}).items():
            if value is not None and name in options:
                options[name] = _option(name, value)
    return options


def _option(name: str, value: Any) -> Any:
    if name == "stop":
        if not isinstance(value, list):
            raise Refusal(500, f'option "{name}" must be of type array')
        if not all(isinstance(item, str) for item in value):
            raise Refusal(500, f'option "{name}" must be of an array of strings')
        return value
    if name == "use_mmap":
        if not isinstance(value, bool):
            raise Refusal(500, f'option "{name}" must be of type boolean')
        return value
    is_float = name in _FLOATS
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal(500, f'option "{name}" must be of type {"float32" if is_float else "integer"}')
    return float(value) if is_float else max(-_INT32, min(_INT32, int(value)))


def sampling(options: Json, body: Json, *, room: int, n_ctx: int) -> Json:
    """The engine's sampling fields: all of them, since its own defaults differ.

    Args:
        room: tokens left in the context after the prompt.
        n_ctx: the context in force, in tokens.
    """
    wanted = options["num_predict"]
    limit = wanted if wanted > 0 else 10 * n_ctx  # the engine takes 0 for one token and -1 for no end
    if body.get("shift") is False:
        limit = min(limit, room)
    request: Json = {
        name: options[name]
        for name in ("temperature", "top_k", "top_p", "min_p", "typical_p", "presence_penalty", "frequency_penalty")
    }
    request |= {
        "repeat_last_n": options["repeat_last_n"] if options["repeat_last_n"] >= 0 else n_ctx,
        "repeat_penalty": options["repeat_penalty"] if options["repeat_penalty"] > 0 else 1.0,
        "seed": options["seed"] if options["seed"] >= 0 else -1,
        "n_keep": options["num_keep"],
        "n_predict": limit,
        "stop": options["stop"],
        "cache_prompt": True,
    }
    if body.get("logprobs"):
        request["n_probs"] = max(1, body.get("top_logprobs") or 0)
    return request


def keep_alive(body: Json) -> float | None:
    """Seconds a model stays loaded when idle; negative is for ever, None is not said.

    Raises:
        Refusal: in Go's words (400).
    """
    value = body.get("keep_alive")
    if value is None:
        return None
    if isinstance(value, bool):
        raise Refusal(400, "Unsupported type: 'bool'")
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, str):
        kind = "[]interface {}" if isinstance(value, list) else "map[string]interface {}"
        raise Refusal(400, f"Unsupported type: '{kind}'")
    return _duration(value)


def _duration(text: str) -> float:
    quoted = f'"{text}"'
    sign = -1.0 if text.startswith("-") else 1.0
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0.0
    if not rest:
        raise Refusal(400, f"time: invalid duration {quoted}")
    total = 0.0
    while rest:
        number = _NUMBER.match(rest)
        if number is None:
            raise Refusal(400, f"time: invalid duration {quoted}")
        unit = _UNIT.match(rest, number.end())
        if unit is None:
            raise Refusal(400, f"time: missing unit in duration {quoted}")
        if unit[0] not in _UNITS:
            raise Refusal(400, f'time: unknown unit "{unit[0]}" in duration {quoted}')
        total += float(number[0]) * _UNITS[unit[0]]
        rest = rest[unit.end() :]
    return sign * total


def schema_of(body: Json) -> Json | None:
    """The JSON schema that `format` asks for; None for free text.

    Raises:
        Refusal: neither "json" nor a schema (500, as Ollama has it).
    """
    wanted = body.get("format")
    if wanted is None or wanted == "":
        return None
    if wanted == "json":
        return {"type": "object", **_GUIDANCE}
    if not isinstance(wanted, dict):
        shown = json.dumps(json.dumps(wanted) if isinstance(wanted, str) else str(wanted))
        raise Refusal(500, f'invalid format: {shown}; expected "json" or a valid JSON Schema object')
    kind = wanted.get("type")
    if kind is not None and kind not in _JSON_TYPES and not isinstance(kind, list):
        raise Refusal(500, "invalid JSON schema in format")
    closed: Json = _closed(wanted)
    return {**closed, **_GUIDANCE}


def _closed(schema: Any) -> Any:
    """Ollama's grammars allow no property that the schema does not name; the engine's would."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(closed.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


def check_think(body: Json, name: str) -> None:
    """Refuse thinking, which no model here can do; `false` is fine everywhere."""
    value = body.get("think")
    if value is None or value is False:
        return
    if isinstance(value, str) and value not in _THINK_LEVELS:
        words = f'invalid think value: "{value}" (must be "high", "medium", "low", "max", true, or false)'
        raise Refusal(400, words)
    if not isinstance(value, str | bool):
        raise Refusal(400, 'think must be a boolean or string ("high", "medium", "low", "max", true, or false)')
    raise Refusal(400, f'"{name}" does not support thinking')


def check_images(images: list[str] | None) -> None:
    """Refuse what is not plain base64; good images are then ignored, as Ollama does for models without eyes."""
    for image in images or []:
        try:
            base64.b64decode(image, validate=True)
        except (binascii.Error, ValueError):
            bad = re.search(r"[^A-Za-z0-9+/=]", image)
            raise Refusal(400, f"illegal base64 data at input byte {bad.start() if bad else len(image)}") from None
