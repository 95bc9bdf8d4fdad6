"""The domain's requests into JSON bodies; a field that is None is left out, so that the server's default stands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields

from codomyrmex_ollama_tui.domain.chat import ChatRequest, CreateRequest, GenerateRequest, KeepAlive, Message, ToolCall


def encode(body: Mapping[str, object]) -> bytes:
    """The bytes to send. Half characters are escaped, which no other encoding of them survives.

    Raises:
        TypeError: for values that JSON does not have.
        ValueError: for NaN and infinities.
    """
    return json.dumps(body, allow_nan=False, separators=(",", ":"), default=_plain).encode("ascii")


def chat_body(request: ChatRequest) -> dict[str, object]:
    """`POST /api/chat`."""
    body = _given(request)
    body["messages"] = [message_body(message) for message in request.messages]
    return body


def generate_body(request: GenerateRequest) -> dict[str, object]:
    """`POST /api/generate`."""
    return _given(request)


def load_body(model: str, options: Mapping[str, object], keep_alive: KeepAlive | None) -> dict[str, object]:
    """A generate request without a prompt: it loads the model, or unloads it with keep_alive 0."""
    body: dict[str, object] = {"model": model}
    if options:
        body["options"] = options
    if keep_alive is not None:
        body["keep_alive"] = keep_alive
    return body


def embed_body(
    model: str,
    inputs: Sequence[str],
    truncate: bool | None,
    dimensions: int | None,
    options: Mapping[str, object],
    keep_alive: KeepAlive | None,
) -> dict[str, object]:
    """`POST /api/embed`."""
    if isinstance(inputs, str):
        raise TypeError("inputs is a sequence of texts, not one text")
    body = load_body(model, options, keep_alive)
    body["input"] = list(inputs)
    if truncate is not None:
        body["truncate"] = truncate
    if dimensions is not None:
        body["dimensions"] = dimensions
    return body


def create_body(request: CreateRequest) -> dict[str, object]:
    """`POST /api/create`."""
    body = _given(request)
    if "from_model" in body:
        body["from"] = body.pop("from_model")
    if request.messages:
        body["messages"] = [message_body(message) for message in request.messages]
    return body


def message_body(message: Message) -> dict[str, object]:
    """One message; `content` is always sent, as other servers of this protocol ask for it."""
    body: dict[str, object] = {"role": message.role, "content": message.content}
    if message.thinking:
        body["thinking"] = message.thinking
    if message.images:
        body["images"] = message.images
    if message.tool_calls:
        body["tool_calls"] = [_tool_call_body(call) for call in message.tool_calls]
    if message.tool_name:
        body["tool_name"] = message.tool_name
    if message.tool_call_id:
        body["tool_call_id"] = message.tool_call_id
    return body


def _tool_call_body(call: ToolCall) -> dict[str, object]:
    function: dict[str, object] = {"name": call.name, "arguments": call.arguments}
    if call.index is not None:
        function["index"] = call.index
    return {"id": call.id, "function": function} if call.id else {"function": function}


def _given(request: ChatRequest | GenerateRequest | CreateRequest) -> dict[str, object]:
    """The fields that say something: neither None nor an empty collection (both mean: not asked for)."""
    body: dict[str, object] = {}
    for each in fields(request):
        value = getattr(request, each.name)
        if value is not None and not (isinstance(value, (tuple, Mapping)) and not value):
            body[each.name] = value
    return body


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")
