"""Models as the library gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from codomyrmex_ollama_tui.domain.names import same_model

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary, RunningModel

ID_LENGTH = 12
BYTES_PER_MB = 1024 * 1024


@dataclass
class OllamaModel:
    """Represents an Ollama model with metadata.

    Attributes:
        name: with its tag ("llama3:latest").
        id: the first 12 digits of the digest, as `ollama list` shows it.
        size: bytes of all layers on disk.
        modified: when it was pulled or made, RFC 3339; "" where the server does not say.
        parameters: number of parameters as the server writes it ("7.6B").
        family: e.g. "llama".
        format: e.g. "gguf".
        status: "available", "loaded" (in memory), or "remote" (it runs elsewhere).
    """

    name: str
    id: str
    size: int
    modified: str
    parameters: str | None = None
    family: str | None = None
    format: str | None = None
    status: str = "available"


def models_of(listed: Iterable[ModelSummary], running: Sequence[RunningModel]) -> list[OllamaModel]:
    """A list of models with what is in memory."""
    return [
        OllamaModel(
            name=model.name,
            id=model.digest[:ID_LENGTH],
            size=model.size,
            modified=_time(model.modified_at) or "",
            parameters=model.details.parameter_size or None,
            family=model.details.family or None,
            format=model.details.format or None,
            status=_status(model, running),
        )
        for model in listed
    ]


def stats_of(listed: Sequence[ModelSummary], running: Sequence[RunningModel]) -> dict[str, Any]:
    """What `OllamaManager.get_model_stats` gives."""
    total = sum(model.size for model in listed)
    return {
        "total_models": len(listed),
        "total_size_bytes": total,
        "total_size_mb": total / BYTES_PER_MB,
        "models_by_family": _names_by(listed, lambda model: model.details.family),
        "by_quantization": _names_by(listed, lambda model: model.details.quantization_level),
        "largest_model": max(listed, key=lambda model: model.size).name if listed else None,
        "smallest_model": min(listed, key=lambda model: model.size).name if listed else None,
        "running": [model.name for model in running],
    }


def running_of(running: Iterable[RunningModel]) -> list[dict[str, Any]]:
    """What `OllamaManager.list_running_models` gives."""
    return [
        {
            "name": model.name,
            "id": model.digest[:ID_LENGTH],
            "size": model.size,
            "size_vram": model.size_vram,
            "gpu_share": model.gpu_share,
            "context_length": model.context_length,
            "expires_at": _time(model.expires_at),
        }
        for model in running
    ]


def details_of(name: str, info: ModelInfo) -> dict[str, Any]:
    """What `OllamaManager.get_model_details` gives."""
    details = info.details
    return {
        "name": name,
        "format": details.format or None,
        "family": details.family or None,
        "families": list(details.families),
        "parameters": details.parameter_size or None,
        "quantization": details.quantization_level or None,
        "parent_model": details.parent_model or None,
        "context_length": info.context_length,
        "capabilities": None if info.capabilities is None else list(info.capabilities),
        "modified": _time(info.modified_at),
        "system": info.system,
        "template": info.template,
        "default_options": info.parameters,
        "license": info.license,
        "modelfile": info.modelfile,
        "requires": info.requires or None,
        "remote_host": info.remote_host or None,
        "remote_model": info.remote_model or None,
        "model_info": _plain(info.model_info),
    }


def _status(model: ModelSummary, running: Sequence[RunningModel]) -> str:
    if model.remote_host or model.remote_model:
        return "remote"
    # Names of one digest share one loaded model, but only the name it was asked by is shown as running.
    return "loaded" if any(same_model(model.name, other.name) for other in running) else "available"


def _names_by(listed: Iterable[ModelSummary], what: Callable[[ModelSummary], str]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for model in listed:
        names.setdefault(what(model) or "unknown", []).append(model.name)
    return names


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _plain(value: Any) -> Any:
    """A copy as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
