"""Models on disk: weights by their SHA-256, one JSON manifest per name.

    blobs/sha256-<hex>     the weights; one file for all names that share them
    manifests/<hash>.json  a manifest; the file's name is a hash, so that no model name is ever a path
    tmp/                   unfinished things; emptied when an engine starts

A model exists from the moment its manifest is in place, and never before its weights are.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from codomyrmex_ollama_tui.domain.names import ModelName, parse_name
from codomyrmex_ollama_tui.embedded.gguf import Header, LeftOut, read_header

_HIDDEN = ("general.name", "tokenizer.chat_template")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is stored about one model name.

    Attributes:
        blob: SHA-256 of the weights, 64 hex digits; `blob_size` in bytes.
        tensors: {"name", "type", "shape"} of each.
        chat_template: Jinja that replaces the one inside the GGUF file; "" for none.
        parent: the model it was created from; "" for none.
        digest, size, modified: of the manifest as it lies on disk; empty before it does.
    """

    name: str
    blob: str
    blob_size: int
    details: dict[str, Any]
    model_info: dict[str, Any]
    tensors: list[dict[str, Any]]
    template: str = ""
    chat_template: str = ""
    system: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    license: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    parent: str = ""
    digest: str = ""
    size: int = 0
    modified: float = 0.0

    @property
    def family(self) -> str:
        """The architecture, e.g. "llama"."""
        return str(self.details.get("family", ""))

    def architecture_number(self, key: str) -> int:
        """A whole number of the architecture's metadata, e.g. "context_length"; 0 where it says none."""
        value = self.model_info.get(f"{self.family}.{key}")
        return value if isinstance(value, int) and not isinstance(value, bool) else 0


_STORED = [name for name in Manifest.__dataclass_fields__ if name not in ("digest", "size", "modified")]


def describe_weights(path: Path, sha256: str) -> Manifest:
    """A nameless manifest with all that the weights say of themselves.

    Raises:
        BadGGUF, OSError: as `read_header`.
    """
    header = read_header(path)
    return Manifest(
        name="",
        blob=sha256,
        blob_size=path.stat().st_size,
        details=header.details(),
        model_info=model_info(header),
        tensors=[{"name": one.name, "type": one.type, "shape": list(one.shape)} for one in header.tensors],
        template=str(header.metadata.get("tokenizer.chat_template", "")),
    )


def model_info(header: Header) -> dict[str, Any]:
    """The `model_info` of /api/show: GGUF keys, arrays that were left out as null."""
    shown = {**header.metadata, "general.parameter_count": header.parameter_count}
    return {key: _sendable(value) for key, value in sorted(shown.items()) if not key.startswith(_HIDDEN)}


def _sendable(value: Any) -> Any:
    if isinstance(value, list):
        return [_sendable(item) for item in value]
    # JSON has no word for an array that was left out, nor for an infinite number
    unsendable = isinstance(value, LeftOut) or (isinstance(value, float) and not math.isfinite(value))
    return None if unsendable else value


class ModelStore:
    """The models of one folder. Its methods are quick (small files); hashing weights is the caller's."""

    def __init__(self, folder: Path) -> None:
        """Make the folder and its parts, and throw away what an earlier run left unfinished."""
        self.folder = folder
        self.blobs = folder / "blobs"
        self.tmp = folder / "tmp"
        self._manifests = folder / "manifests"
        for part in (folder, self.blobs, self.tmp, self._manifests):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)

    def clear_unfinished(self) -> None:
        """Empty tmp/. Only for the one engine that holds the folder's lock."""
        for entry in self.tmp.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                with suppress(OSError):
                    entry.unlink()

    def blob_path(self, sha256: str) -> Path:
        """Where weights lie; `sha256` must be 64 hex digits."""
        return self.blobs / f"sha256-{sha256}"

    def get(self, name: ModelName) -> Manifest | None:
        """The manifest of a name (letter case does not count); None if there is none that can be read."""
        return self._read(self._file(name))

    def all(self) -> list[Manifest]:
        """Every model, the newest first (by whole seconds); damaged manifests are left out."""
        found = (self._read(path) for path in self._manifests.glob("*.json"))
        return sorted((one for one in found if one), key=lambda one: (-int(one.modified), one.name))

    def put(self, name: ModelName, manifest: Manifest) -> None:
        """Store a manifest under a name, in place of what was there; the spelling of an existing name wins."""
        old = self.get(name)
        named = replace(manifest, name=old.name if old else name.short)
        data = json.dumps({key: getattr(named, key) for key in _STORED}, ensure_ascii=False).encode("utf-8", "replace")
        draft = self.tmp / f"manifest-{secrets.token_hex(8)}"
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file(name))
        if old:
            self._drop_unused(old.blob)

    def delete(self, name: ModelName) -> None:
        """Remove a name, and its weights if no other name shares them."""
        manifest = self.get(name)
        self._file(name).unlink(missing_ok=True)
        if manifest:
            self._drop_unused(manifest.blob)

    def _drop_unused(self, blob: str) -> None:
        if not any(one.blob == blob for one in self.all()):
            # Windows refuses while a loaded model has them mapped; they go with the next name that shares them
            with suppress(OSError):
                self.blob_path(blob).unlink(missing_ok=True)

    def _file(self, name: ModelName) -> Path:
        return self._manifests / (hashlib.sha256(name.key.encode()).hexdigest()[:32] + ".json")

    def _read(self, path: Path) -> Manifest | None:
        try:
            data = path.read_bytes()
            manifest = Manifest(**_checked(json.loads(data)))
            modified = path.stat().st_mtime
        except (OSError, ValueError, TypeError, KeyError):
            return None
        digest = hashlib.sha256(data).hexdigest()
        return replace(manifest, digest=digest, size=manifest.blob_size + len(data), modified=modified)


def _checked(value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a manifest that somebody may have edited; raises what its reader takes for damage."""
    fields = {key: value[key] for key in _STORED if key in value}
    if parse_name(fields["name"]) is None or len(fields["blob"]) != 64 or not fields["blob"].isalnum():
        raise ValueError("not a manifest")
    for key, kind in (("blob_size", int), ("details", dict), ("model_info", dict), ("parameters", dict)):
        if not isinstance(fields.get(key, kind()), kind):
            raise ValueError(f"{key} is not of its type")
    return fields
