"""JSON objects of the wire into the domain's values. Unknown keys are kept, wrong types are a BadReply by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from codomyrmex_ollama_tui.domain.chat import Counters, Embeddings
from codomyrmex_ollama_tui.domain.errors import BadReply
from codomyrmex_ollama_tui.domain.models import (
    NOTHING,
    Extra,
    ModelDetails,
    ModelInfo,
    ModelSummary,
    Progress,
    Recommendation,
    RunningModel,
    ServerVersion,
)

_Item = TypeVar("_Item")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})\Z"
)


def load_object(data: bytes, where: str) -> dict[str, object]:
    """The JSON object that `data` is.

    Raises:
        BadReply: for anything else: broken JSON, invalid UTF-8, other values.
    """
    try:
        value = json.loads(data.decode("utf-8"))
        if b"\\ud" in data or b"\\uD" in data:
            value = _without_surrogates(value)
    except UnicodeDecodeError:
        raise BadReply(where, "text that is not UTF-8", data[:200].decode("utf-8", "replace")) from None
    except (ValueError, RecursionError):
        begin = data[:200].decode("utf-8", "replace")
        problem = "HTML instead of JSON" if begin.lstrip()[:1] == "<" else "JSON that is broken"
        raise BadReply(where, problem if data.strip() else "nothing", begin) from None
    if not isinstance(value, dict):
        raise BadReply(where, "JSON that is no object", data[:200].decode("utf-8", "replace"))
    return value


def _without_surrogates(value: object) -> object:
    """Halves of characters, which JSON can escape but no text may hold, become U+FFFD."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_SURROGATE.sub("\ufffd", key): _without_surrogates(item) for key, item in value.items()}
    return value


def parse_time(text: object) -> datetime | None:
    """An RFC 3339 time with 0–9 (or more) fractional digits; None where absent, unreadable or Go's zero time.

    Digits beyond microseconds are cut off.
    """
    match = _TIME.match(text) if isinstance(text, str) else None
    if match is None:
        return None
    fraction = (match[3] or "")[:6].ljust(6, "0")
    offset = "+00:00" if match[4] in "Zz" else match[4]
    try:
        time = datetime.fromisoformat(f"{match[1]}T{match[2]}.{fraction}{offset}")
    except ValueError:
        return None
    return None if time.year == 1 else time


class Fields:
    """An object's fields, taken one by one; what is left at the end is unknown and kept as `extra`.

    A field that is absent or null is its type's empty value; one of a wrong type raises BadReply.
    """

    __slots__ = ("_data", "_where", "name")

    def __init__(self, data: Mapping[str, object], where: str, name: str = "") -> None:
        self._data = dict(data)
        self._where = where
        self.name = name

    def text(self, key: str) -> str:
        value = self._data.pop(key, None)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(key, "no text")
        return value

    def number(self, key: str) -> int | None:
        """A whole number; None where absent."""
        value = self._data.pop(key, None)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(key, "no whole number")
        return value

    def time(self, key: str) -> datetime | None:
        return parse_time(self.text(key))

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts; None where absent or null."""
        value = self._data.pop(key, None)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "no list of texts")
        return tuple(value)

    def mapping(self, key: str) -> Mapping[str, object]:
        value = self._data.pop(key, None)
        if value is None:
            return NOTHING
        if not isinstance(value, dict):
            raise self.wrong(key, "no object")
        return value

    def objects(self, key: str, make: Callable[[Fields], _Item]) -> tuple[_Item, ...]:
        value = self._data.pop(key, None)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.wrong(key, "no list")
        made: list[_Item] = []
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.wrong(f"{key}[{index}]", "no object")
            made.append(make(Fields(item, self._where, f"{self.name}{key}[{index}].")))
        return tuple(made)

    def has(self, key: str) -> bool:
        return key in self._data

    def take(self, key: str) -> object:
        return self._data.pop(key, None)

    def inner(self, key: str) -> Fields:
        return Fields(self.mapping(key), self._where, f"{self.name}{key}.")

    def rest(self) -> Extra:
        return self._data or NOTHING

    def wrong(self, key: str, problem: str) -> BadReply:
        return BadReply(self._where, f"{self.name}{key} is {problem}")


def version_of(fields: Fields) -> ServerVersion:
    """`GET /api/version`."""
    if not fields.has("version"):
        raise fields.wrong("version", "missing")
    engine = fields.text("engine") or None
    return ServerVersion(fields.text("version"), engine, fields.rest())


def tags_of(fields: Fields) -> tuple[ModelSummary, ...]:
    """`GET /api/tags`."""
    if not fields.has("models"):
        raise fields.wrong("models", "missing")
    return fields.objects("models", _summary)


def running_of(fields: Fields) -> tuple[RunningModel, ...]:
    """`GET /api/ps`."""
    if not fields.has("models"):
        raise fields.wrong("models", "missing")
    return fields.objects("models", _running)


def show_of(fields: Fields) -> ModelInfo:
    """`POST /api/show`."""
    if not fields.has("model_info") and not fields.has("details"):
        raise fields.wrong("model_info", "missing")
    return ModelInfo(
        details=_details(fields.inner("details")),
        model_info=fields.mapping("model_info"),
        modified_at=fields.time("modified_at"),
        license=fields.text("license"),
        modelfile=fields.text("modelfile"),
        parameters=fields.text("parameters"),
        template=fields.text("template"),
        system=fields.text("system"),
        renderer=fields.text("renderer"),
        parser=fields.text("parser"),
        requires=fields.text("requires"),
        capabilities=fields.texts("capabilities"),
        messages=fields.objects("messages", Fields.rest),
        tensors=fields.objects("tensors", _tensor),
        projector_info=fields.mapping("projector_info"),
        remote_host=fields.text("remote_host"),
        remote_model=fields.text("remote_model"),
        extra=fields.rest(),
    )


def recommendations_of(fields: Fields) -> tuple[Recommendation, ...]:
    """`GET /api/experimental/model-recommendations`."""
    return fields.objects(
        "recommendations",
        lambda each: Recommendation(
            model=each.text("model"),
            description=each.text("description"),
            context_length=each.number("context_length"),
            vram_bytes=each.number("vram_bytes"),
            extra=each.rest(),
        ),
    )


def progress_of(fields: Fields) -> Progress:
    """A line of pull, push or create."""
    if not fields.has("status"):
        raise fields.wrong("status", "missing")
    return Progress(
        status=fields.text("status"),
        digest=fields.text("digest"),
        total=fields.number("total"),
        completed=fields.number("completed"),
        extra=fields.rest(),
    )


def embeddings_of(fields: Fields, count: int) -> Embeddings:
    """`POST /api/embed` for `count` inputs."""
    vectors = fields.take("embeddings")
    if not isinstance(vectors, list):
        raise fields.wrong("embeddings", "no list")
    made: list[tuple[float, ...]] = []
    for index, vector in enumerate(vectors):
        if not isinstance(vector, list) or not all(type(item) in (int, float) for item in vector):
            raise fields.wrong(f"embeddings[{index}]", "no list of numbers")
        made.append(tuple(map(float, vector)))
    if len(made) != count:
        raise fields.wrong("embeddings", f"of {len(made)} vectors for {count} inputs")
    return Embeddings(fields.text("model"), tuple(made), counters_of(fields), fields.rest())


def counters_of(fields: Fields) -> Counters:
    """The counters, wherever they stand."""
    return Counters(
        total_duration=fields.number("total_duration"),
        load_duration=fields.number("load_duration"),
        prompt_eval_count=fields.number("prompt_eval_count"),
        prompt_eval_duration=fields.number("prompt_eval_duration"),
        eval_count=fields.number("eval_count"),
        eval_duration=fields.number("eval_duration"),
    )


def _details(fields: Fields) -> ModelDetails:
    return ModelDetails(
        format=fields.text("format"),
        family=fields.text("family"),
        families=fields.texts("families") or (),
        parameter_size=fields.text("parameter_size"),
        quantization_level=fields.text("quantization_level"),
        parent_model=fields.text("parent_model"),
        context_length=fields.number("context_length"),
        embedding_length=fields.number("embedding_length"),
        extra=fields.rest(),
    )


def _name(fields: Fields) -> str:
    name, model = fields.text("name"), fields.text("model")
    if not name and not model:
        raise fields.wrong("name", "missing")
    return name or model


def _summary(fields: Fields) -> ModelSummary:
    return ModelSummary(
        name=_name(fields),
        size=fields.number("size") or 0,
        digest=fields.text("digest"),
        modified_at=fields.time("modified_at"),
        details=_details(fields.inner("details")),
        capabilities=fields.texts("capabilities"),
        remote_host=fields.text("remote_host"),
        remote_model=fields.text("remote_model"),
        extra=fields.rest(),
    )


def _running(fields: Fields) -> RunningModel:
    return RunningModel(
        name=_name(fields),
        size=fields.number("size") or 0,
        size_vram=fields.number("size_vram") or 0,
        digest=fields.text("digest"),
        expires_at=fields.time("expires_at"),
        context_length=fields.number("context_length"),
        details=_details(fields.inner("details")),
        extra=fields.rest(),
    )


def _tensor(fields: Fields) -> tuple[str, str, tuple[int, ...]]:
    shape = fields.take("shape")
    if not isinstance(shape, list) or not all(type(item) is int for item in shape):
        raise fields.wrong("shape", "no list of whole numbers")
    return fields.text("name"), fields.text("type"), tuple(shape)
