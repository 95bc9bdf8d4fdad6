"""What servers told of models, a file for each digest, so that it is asked for once. All of it can be asked again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from codomyrmex_ollama_tui.domain.models import ModelDetails, ModelInfo
from codomyrmex_ollama_tui.store.atomic import write_atomically

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SCHEMA = 1


def keepable(digest: str) -> bool:
    """Whether a digest is one: 64 hex digits. Anything else may not become a file name."""
    return _DIGEST.fullmatch(digest) is not None


class DetailsStore:
    """The files `<digest>.json` of one folder, which is made with the first of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, digest: str) -> tuple[str, ModelInfo] | None:
        """The version of the server that was asked, and what it said; None if there is no such file, or no good one."""
        if not keepable(digest):
            return None
        try:
            data = json.loads(self._path(digest).read_text(encoding="utf-8"))
            if data["schema"] != _SCHEMA or not isinstance(data["server_version"], str):
                return None
            return data["server_version"], _info(data["info"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None  # asked for again, and written anew

    def save(self, digest: str, server_version: str, info: ModelInfo) -> None:
        """Keeps what a server said; a digest that is none is passed over.

        Raises:
            OSError: the file cannot be written.
        """
        if keepable(digest):
            data = {"schema": _SCHEMA, "server_version": server_version, "info": asdict(info)}
            write_atomically(self._path(digest), json.dumps(data, default=_plain))

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be kept")


_INFO = tuple(field.name for field in fields(ModelInfo))
_DETAILS = tuple(field.name for field in fields(ModelDetails))
_TEXTS = ("license", "modelfile", "parameters", "template", "system", "renderer", "parser", "requires")
_REMOTE = ("remote_host", "remote_model")


def _info(data: Any) -> ModelInfo:
    """The opposite of `asdict`. Raises ValueError and its like for what was never written here."""
    known: dict[str, Any] = {name: data[name] for name in _INFO}
    details: dict[str, Any] = {name: data["details"][name] for name in _DETAILS}
    details["families"] = _tuple(details["families"])
    known["details"] = ModelDetails(**details)
    for name in (*_TEXTS, *_REMOTE):
        if not isinstance(known[name], str):
            raise TypeError(name)
    for name in ("model_info", "projector_info", "extra"):
        if not isinstance(known[name], dict):
            raise TypeError(name)
    if known["modified_at"] is not None:
        known["modified_at"] = datetime.fromisoformat(known["modified_at"])
    if known["capabilities"] is not None:
        known["capabilities"] = _tuple(known["capabilities"])
    known["messages"] = _tuple(known["messages"])
    known["tensors"] = tuple((name, kind, _tuple(shape)) for name, kind, shape in _tuple(known["tensors"]))
    return ModelInfo(**known)


def _tuple(value: object) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return tuple(value)
