"""The header of a GGUF file: metadata and tensor list, without the weights and without numpy.

Every count and length is held against the file's size before anything is read or kept, so that a damaged or hostile
file is refused in milliseconds. Numbers and quantization names are written as Ollama writes them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_UINT32, _STRING, _ARRAY, _UINT64 = 4, 8, 9, 10
_LONGEST_READ = 64 << 20  # bytes; the longest templates and lists of scores have some hundred thousand
_MAX_ENTRIES = 1 << 20
_MAX_DIMENSIONS = 8
_MAX_DEPTH = 2
# by their number in the file; "?" and "unknown" stand where no number is in use
_TENSOR_NAMES = """
F32 F16 Q4_0 Q4_1 ? ? Q5_0 Q5_1 Q8_0 Q8_1 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ2_XXS IQ2_XS IQ3_XXS IQ1_S IQ4_NL IQ3_S
IQ2_S IQ4_XS I8 I16 I32 I64 F64 IQ1_M BF16 ? ? ? TQ1_0 TQ2_0 ? ? ? MXFP4
"""
_FILE_NAMES = """
F32 F16 Q4_0 Q4_1 unknown unknown unknown Q8_0 Q5_0 Q5_1 Q2_K Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K
IQ2_XXS IQ2_XS Q2_K_S IQ3_XS IQ3_XXS IQ1_S IQ4_NL IQ3_S IQ3_M IQ2_S IQ2_M IQ4_XS IQ1_M BF16 unknown unknown unknown
TQ1_0 TQ2_0 MXFP4
"""
_TENSOR_TYPES = dict(enumerate(_TENSOR_NAMES.split()))
_FILE_TYPES = dict(enumerate(_FILE_NAMES.split()))


class BadGGUF(ValueError):
    """The file is not a GGUF file, or its header is damaged; `str()` says what is wrong with it."""


class NotGGUF(BadGGUF):
    """The file does not even begin like one."""


class LeftOut(int):
    """An array that was not kept; the value is its length."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the file: `shape` in GGUF's order (fastest first), `type` as "Q4_1"."""

    name: str
    type: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        product = 1
        for side in self.shape:
            product *= side
        return product


@dataclass(frozen=True, slots=True)
class Header:
    """Metadata (GGUF keys) and tensors of a file."""

    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]

    @property
    def architecture(self) -> str:
        """E.g. "llama"; "" where the file does not say."""
        value = self.metadata.get("general.architecture", "")
        return value if isinstance(value, str) else ""

    @property
    def parameter_count(self) -> int:
        """How many numbers all tensors hold together."""
        return sum(tensor.elements for tensor in self.tensors)

    def details(self) -> dict[str, Any]:
        """The `details` object of /api/tags."""
        family = self.architecture
        file_type = self.metadata.get("general.file_type")
        return {
            "parent_model": "",
            "format": "gguf",
            "family": family,
            "families": [family] if family else None,
            "parameter_size": human_number(self.parameter_count),
            "quantization_level": _FILE_TYPES.get(file_type, "unknown") if isinstance(file_type, int) else "unknown",
        }


def human_number(number: int) -> str:
    """A count of parameters as Ollama shows it: 134515008 is "134.52M", 8030261312 is "8.0B"."""
    for limit, unit, digits in ((10**12, "T", 1), (10**9, "B", 1), (10**6, "M", 2), (10**3, "K", 0)):
        if number >= limit:
            return f"{number / limit:.{digits}f}{unit}"
    return str(number)


def read_header(path: Path, *, keep: int = 0) -> Header:
    """Read the header of a file.

    Args:
        keep: arrays of up to so many items are kept, longer ones become `LeftOut`.

    Raises:
        BadGGUF: damaged, or no GGUF file.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        return _Reader(file, size, keep).header()


class _Reader:
    def __init__(self, file: BinaryIO, size: int, keep: int) -> None:
        self._file = file
        self._size = size
        self._keep = keep

    def header(self) -> Header:
        if self._file.read(4) != b"GGUF":
            raise NotGGUF("not a GGUF file")
        version = self._number(_UINT32)
        if version not in (2, 3):
            raise BadGGUF(f"GGUF version {version}")
        tensors, entries = self._number(_UINT64), self._number(_UINT64)
        if max(tensors, entries) > _MAX_ENTRIES:
            raise BadGGUF("too many entries")
        metadata: dict[str, Any] = {}
        for _ in range(entries):
            key = self._string()
            metadata[key] = self._value(self._number(_UINT32), 0)
        return Header(metadata, tuple(self._tensor() for _ in range(tensors)))

    def _take(self, count: int) -> bytes:
        if count > min(self._size, _LONGEST_READ):
            raise BadGGUF("a length beyond the end of the file")
        data = self._file.read(count)
        if len(data) != count:
            raise BadGGUF("the file ends in its header")
        return data

    def _skip(self, count: int) -> None:
        if count > self._size - self._file.tell():
            raise BadGGUF("a length beyond the end of the file")
        self._file.seek(count, 1)

    def _number(self, kind: int) -> Any:
        code = _SCALARS[kind]
        return struct.unpack("<" + code, self._take(struct.calcsize("<" + code)))[0]

    def _string(self) -> str:
        return self._take(self._number(_UINT64)).decode("utf-8", "replace")

    def _value(self, kind: int, depth: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind in _SCALARS:
            return self._number(kind)
        if kind != _ARRAY or depth > _MAX_DEPTH:
            raise BadGGUF(f"a value of type {kind}")
        item_kind, count = self._number(_UINT32), self._number(_UINT64)
        if count > self._size:
            raise BadGGUF("an array longer than the file")
        if item_kind in _SCALARS:
            layout = f"<{count}{_SCALARS[item_kind]}"
            if count > self._keep:
                self._skip(struct.calcsize(layout))
                return LeftOut(count)
            return list(struct.unpack(layout, self._take(struct.calcsize(layout))))
        if count <= self._keep:
            return [self._value(item_kind, depth + 1) for _ in range(count)]
        for _ in range(count):
            self._value(item_kind, depth + 1)
        return LeftOut(count)

    def _tensor(self) -> Tensor:
        name = self._string()
        dimensions = self._number(_UINT32)
        if dimensions > _MAX_DIMENSIONS:
            raise BadGGUF("a tensor with too many dimensions")
        shape = tuple(self._number(_UINT64) for _ in range(dimensions))
        kind = self._number(_UINT32)
        self._number(_UINT64)  # where its data begin
        return Tensor(name, _TENSOR_TYPES.get(kind, str(kind)), shape)
