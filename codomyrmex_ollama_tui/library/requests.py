"""What a caller passes, checked and made into requests; nothing of the caller is changed."""

from __future__ import annotations

import base64
import binascii
import copy
import difflib
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codomyrmex_ollama_tui.domain.chat import ChatRequest, GenerateRequest, Message
from codomyrmex_ollama_tui.domain.names import problem_with_name
from codomyrmex_ollama_tui.domain.options import split_options
from codomyrmex_ollama_tui.domain.text import one_line, wrong
from codomyrmex_ollama_tui.library.options import ExecutionOptions

ROLES = ("system", "user", "assistant", "tool")
MESSAGE_FIELDS = ("role", "content", "images", "thinking", "tool_name")
MOST_IMAGE = 100 * 1024 * 1024
"""Bytes of an image that are sent."""

_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")
_SURELY_NO_NAME = 256
"""Characters from which on a text that decodes as base64 is taken for an image rather than for a name."""


def checked_model(model_name: str, where: str = "model_name") -> str:
    """The name, if a model can have it.

    Raises:
        TypeError, ValueError: it is no text, or cannot name a model (why).
    """
    if not isinstance(model_name, str):
        raise TypeError(f"{where}: {type(model_name).__name__} is not text")
    problem = problem_with_name(model_name)
    if problem:
        raise ValueError(f"{where}: {one_line(problem, 300)}")
    return model_name


def checked_prompt(prompt: str, where: str = "prompt") -> str:
    """The prompt, if it is text, blank or not. Raises TypeError."""
    if not isinstance(prompt, str):
        raise TypeError(f"{where}: {type(prompt).__name__} is not text")
    return prompt


def checked_prompts(prompts: Sequence[str], where: str) -> list[str]:
    """A copy of the prompts. Raises TypeError for what is not a list of texts."""
    return [checked_prompt(prompt, f"{where}[{number}]") for number, prompt in enumerate(listed(prompts, where))]


def checked_whole(value: int, where: str) -> int:
    """A whole number from 1 on. Raises TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{where}: {type(value).__name__} is not a whole number")
    if value < 1:
        raise ValueError(f"{where}: {value} is less than 1")
    return value


def checked_seconds(value: float | None, where: str) -> float | None:
    """Seconds above 0, or None. Raises TypeError, ValueError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{where}: {type(value).__name__} is not a number of seconds")
    if not 0 < value < math.inf:
        raise ValueError(wrong(where, value, "a number of seconds above 0, or None"))
    return float(value)


def prompt_request(model_name: str, prompt: str, options: Mapping[str, Any] | None) -> GenerateRequest:
    """A request from one dict of options and fields of the request (`split_options`).

    Raises:
        TypeError, ValueError: naming the argument, the value and what is allowed.
    """
    if options is not None and not isinstance(options, Mapping):
        raise TypeError(f"options: {type(options).__name__} is not a dict")
    given = dict(options or {})
    if given.get("images") is not None:
        given["images"] = images_of(given["images"], "options.images")
    plain, fields = copy.deepcopy(split_options(given))
    made: dict[str, Any] = fields
    return GenerateRequest(model_name, prompt, options=plain, truncate=False, **made)


def generate_request(
    model_name: str,
    prompt: str,
    execution_options: ExecutionOptions | None,
    **further: object,
) -> GenerateRequest:
    """A request with execution options; `further` replaces single ones of them.

    Raises:
        TypeError, ValueError: the options are none, or hold what is not allowed.
    """
    plain, form = _options(execution_options)
    return GenerateRequest(model_name, prompt, options={**plain, **further}, format=form, truncate=False)


def chat_request(
    model_name: str, messages: tuple[Message, ...], execution_options: ExecutionOptions | None
) -> ChatRequest:
    """A chat with execution options. Raises as `generate_request`."""
    plain, form = _options(execution_options)
    return ChatRequest(model_name, messages, options=plain, format=form, truncate=False)


def messages_of(messages: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The messages of a conversation.

    Raises:
        TypeError, ValueError: there are none; one has an unknown role, or no text, or fields that are not known.
    """
    talk = listed(messages, "messages")
    if not talk:
        raise ValueError("messages: the list is empty")
    return tuple(_message(message, f"messages[{number}]") for number, message in enumerate(talk))


def messages_with_context(prompt: str, context: Sequence[str]) -> tuple[Message, ...]:
    """The prompt as it is, after a system message that holds the documents with their numbers."""
    documents = checked_prompts(context, "context")
    question = Message("user", prompt)
    if not documents:
        return (question,)
    numbered = "\n\n".join(f"[{number}]\n{document}" for number, document in enumerate(documents, 1))
    return (Message("system", f"Use these documents to answer.\n\n{numbered}"), question)


def images_of(images: object, where: str) -> tuple[str, ...]:
    """Images as base64 texts.

    Args:
        images: bytes of image files, paths (`Path`, or a text that names a file), base64 texts, `data:` addresses.

    Raises:
        TypeError, ValueError: one is none of these, or cannot be read.
    """
    return tuple(_image(image, f"{where}[{number}]") for number, image in enumerate(listed(images, where)))


def _image(image: object, where: str) -> str:
    if isinstance(image, bytes | bytearray | memoryview):
        return _encoded(bytes(image), where)
    if isinstance(image, os.PathLike):
        return _encoded(_file(Path(os.fspath(image)), where), where)
    if not isinstance(image, str):
        raise TypeError(f"{where}: {type(image).__name__} is neither bytes, a path nor base64 text")
    text = image.partition(",")[2] if image.startswith("data:") else image
    data = _decoded(text)
    # Short names can be base64 by chance: those bytes are no picture.
    if data and (data.startswith(_PICTURES) or text is not image or len(text) >= _SURELY_NO_NAME):
        return _encoded(data, where)
    return _encoded(_file(Path(image).expanduser(), where), where)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _encoded(data: bytes, where: str) -> str:
    if not data:
        raise ValueError(f"{where}: there is nothing in it")
    return base64.b64encode(data).decode("ascii")


def _file(path: Path, where: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_IMAGE + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{where}: {one_line(str(path))} cannot be read ({reason})") from error
    except ValueError as error:  # a NUL in the name
        raise ValueError(f"{where}: no name of a file ({error})") from error
    if len(data) > MOST_IMAGE:
        raise ValueError(f"{where}: {one_line(str(path))} has more than {MOST_IMAGE // 1024**2} MiB")
    return data


def _message(message: Mapping[str, Any], where: str) -> Message:
    if not isinstance(message, Mapping):
        raise TypeError(f"{where}: {type(message).__name__} is not a dict with role and content")
    for name in message:
        if name not in MESSAGE_FIELDS:
            near = difflib.get_close_matches(str(name), MESSAGE_FIELDS, n=1)
            raise ValueError(
                wrong(where, name, " or ".join(MESSAGE_FIELDS)) + (f"; {near[0]!r} is near" if near else "")
            )
    role = message.get("role")
    if not isinstance(role, str) or role.lower() not in ROLES:
        raise ValueError(wrong(f"{where}.role", role, ", ".join(ROLES)))
    texts = {}
    for name in ("content", "thinking", "tool_name"):
        value = message.get(name, None if name == "content" else "")
        if not isinstance(value, str):
            raise ValueError(wrong(f"{where}.{name}", value, "a text"))
        texts[name] = value
    images = message.get("images")
    found = () if images is None else images_of(images, f"{where}.images")
    return Message(role.lower(), texts["content"], texts["thinking"], found, tool_name=texts["tool_name"])


def _options(execution_options: ExecutionOptions | None) -> tuple[dict[str, object], str | dict[str, object] | None]:
    if execution_options is None:
        return {}, None
    if not isinstance(execution_options, ExecutionOptions):
        raise TypeError(f"execution_options: {type(execution_options).__name__} is not ExecutionOptions")
    return copy.deepcopy(execution_options.sent()), copy.deepcopy(execution_options.wire_format())


def listed(values: object, where: str) -> list[Any]:
    """A copy of a list. Raises TypeError for what is none."""
    if isinstance(values, str | bytes | bytearray | memoryview | Mapping) or not isinstance(values, Sequence):
        raise TypeError(f"{where}: {type(values).__name__} is not a list")
    return list(values)
