"""Made-up things to pull and to load: small GGUF files, wheels that carry them, catalogues that name them."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codomyrmex_ollama_tui.embedded.catalogue import CatalogueModel, WheelFile

_UINT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 6, 7, 8, 9
METADATA: Mapping[str, Any] = {
    "general.architecture": "llama",
    "general.name": "made up",
    "general.file_type": 3,
    "llama.context_length": 2048,
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["a", "b", "c"],
    "tokenizer.chat_template": "{{ messages }}",
}


def gguf_bytes(
    metadata: Mapping[str, Any] = METADATA, *, version: int = 3, weights: int = 600_000, seed: int = 1
) -> bytes:
    """A GGUF file whose header is right and whose weights are noise that no zip makes smaller.

    Args:
        weights: bytes of noise.
    """
    parts = [b"GGUF", struct.pack("<IQQ", version, 1, len(metadata))]
    for key, value in metadata.items():
        parts += [_string(key), _value(value)]
    parts += [_string("token_embd.weight"), struct.pack("<IQQIQ", 2, 64, 32, 3, 0)]
    return b"".join(parts) + random.Random(seed).randbytes(weights)


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: object) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT32, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _string(value)
    assert isinstance(value, list)
    items = b"".join(_value(item)[4:] for item in value)
    kind = _value(value[0])[:4] if value else struct.pack("<I", _UINT32)
    return struct.pack("<I", _ARRAY) + kind + struct.pack("<Q", len(value)) + items


@dataclass(frozen=True, slots=True)
class MadeWheel:
    """A wheel on disk and how a catalogue pins it."""

    path: Path
    pin: WheelFile


def make_wheel(folder: Path, package: str, members: Mapping[str, bytes]) -> MadeWheel:
    """A wheel that pip accepts, with these members; nothing in it is code."""
    module = package.replace("-", "_")
    path = folder / f"{module}-1.0-py3-none-any.whl"
    info = f"{module}-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(f"{module}/{name}", data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    data = path.read_bytes()
    return MadeWheel(path, WheelFile(package, "1.0", hashlib.sha256(data).hexdigest(), len(data)))


def made_model(data: bytes, *wheels: MadeWheel, **fields: Any) -> CatalogueModel:
    """What a catalogue says of a model whose file is `data`."""
    settings: dict[str, Any] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "license": "MIT"}
    return CatalogueModel(wheels=tuple(wheel.pin for wheel in wheels), **{**settings, **fields})


def write_catalogue(path: Path, models: Mapping[str, CatalogueModel]) -> Path:
    """A catalogue as the engine reads it from a file."""
    path.write_text(json.dumps({name: asdict(model) for name, model in models.items()}), encoding="utf-8")
    return path
