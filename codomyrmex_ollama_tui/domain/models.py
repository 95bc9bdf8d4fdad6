"""Models as a server tells of them: listed, shown, in memory, being pulled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn


class _Nothing(Mapping[str, object]):
    """The mapping without entries; hashable, as a dataclass default must be (`MappingProxyType` is not before 3.12)."""

    __slots__ = ()

    def __getitem__(self, key: str) -> NoReturn:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"


Extra = Mapping[str, object]
NOTHING: Extra = _Nothing()


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """`GET /api/version`.

    Attributes:
        version: as the server says it, e.g. "0.24.0" (also "0.33.0-rc2", "0.0.0").
        engine: what the embedded engine says of itself; None for a real Ollama.
    """

    version: str
    engine: str | None = None
    extra: Extra = NOTHING


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """The `details` object of /api/tags, /api/ps and /api/show. Empty strings where the server says nothing."""

    format: str = ""
    family: str = ""
    families: tuple[str, ...] = ()
    parameter_size: str = ""
    quantization_level: str = ""
    parent_model: str = ""
    context_length: int | None = None
    embedding_length: int | None = None
    extra: Extra = NOTHING


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One entry of `GET /api/tags`.

    Attributes:
        name: shortest form, the tag always shown ("llama3:latest").
        size: bytes of all layers on disk.
        digest: 64 hex digits, without "sha256:".
        modified_at: when the manifest was written, with the server's own offset; None where unreadable.
        capabilities: None where the server does not list them (before 0.30); else e.g. ("completion", "tools").
        remote_host, remote_model: set for stubs of models that run elsewhere.
    """

    name: str
    size: int = 0
    digest: str = ""
    modified_at: datetime | None = None
    details: ModelDetails = field(default_factory=ModelDetails)
    capabilities: tuple[str, ...] | None = None
    remote_host: str = ""
    remote_model: str = ""
    extra: Extra = NOTHING


@dataclass(frozen=True, slots=True)
class RunningModel:
    """One entry of `GET /api/ps`.

    Attributes:
        size: estimated memory of the loaded model in bytes (weights, context, buffers), not the file's size.
        size_vram: the part of `size` on GPUs, in bytes.
        expires_at: when it will be unloaded; can lie in the past while busy, and ~292 years ahead for "forever".
        context_length: the context in force, in tokens; None where not said (before 0.10).
    """

    name: str
    size: int = 0
    size_vram: int = 0
    digest: str = ""
    expires_at: datetime | None = None
    context_length: int | None = None
    details: ModelDetails = field(default_factory=ModelDetails)
    extra: Extra = NOTHING

    @property
    def gpu_share(self) -> float:
        """The share of the model's memory that is on GPUs, 0–1."""
        return min(1.0, self.size_vram / self.size) if self.size > 0 else 0.0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """`POST /api/show`, whole.

    Attributes:
        parameters: the text of the server, a line for each value, in random order.
        model_info: GGUF keys with values of any JSON type; large arrays are None unless asked verbosely.
        tensors: (name, type, shape) of each tensor.
        capabilities: e.g. ("completion", "thinking"); unknown ones are kept; None where the server does not say.
    """

    details: ModelDetails
    model_info: Mapping[str, object]
    modified_at: datetime | None = None
    license: str = ""
    modelfile: str = ""
    parameters: str = ""
    template: str = ""
    system: str = ""
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    capabilities: tuple[str, ...] | None = None
    messages: tuple[Mapping[str, object], ...] = ()
    tensors: tuple[tuple[str, str, tuple[int, ...]], ...] = ()
    projector_info: Mapping[str, object] = NOTHING
    remote_host: str = ""
    remote_model: str = ""
    extra: Extra = NOTHING

    @property
    def context_length(self) -> int | None:
        """The longest context the model was trained for, in tokens (`model_info["<arch>.context_length"]`)."""
        architecture = self.model_info.get("general.architecture")
        length = self.model_info.get(f"{architecture}.context_length")
        return length if isinstance(length, int) else None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One entry of `GET /api/experimental/model-recommendations` (from 0.22.1): a model that its makers suggest.

    Attributes:
        model: a name that can be pulled; with ":cloud" it runs elsewhere.
        context_length: in tokens; None where not said.
        vram_bytes: graphics memory that it wants; None where not said.
    """

    model: str
    description: str = ""
    context_length: int | None = None
    vram_bytes: int | None = None
    extra: Extra = NOTHING


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of pull, push or create.

    Attributes:
        status: the server's words, e.g. "pulling manifest", "verifying sha256 digest", "success".
        digest: "sha256:<hex>" of the layer the line is about; "" where it is about none.
        total, completed: bytes; None where absent.
    """

    status: str
    digest: str = ""
    total: int | None = None
    completed: int | None = None
    extra: Extra = NOTHING
