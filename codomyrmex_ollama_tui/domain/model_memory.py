"""How much memory a model will take with a context of so many tokens: an estimate, from what the server shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo

KV_BYTES = 2
"""Bytes of a number in the cache of keys and values (f16, the default of llama.cpp and Ollama)."""
LADDER = (4096, 8192, 16_384, 32_768, 65_536, 131_072, 262_144)
"""Contexts that people choose from, in tokens."""


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes for one context.

    Attributes:
        context: tokens.
        weights: the file on disk, which is read into memory whole.
        cache: keys and values of every token of the context in every layer.

    Buffers for computing come on top: tens of megabytes for a small model, on a graphics card some hundred.
    """

    context: int
    weights: int
    cache: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache


def estimate(info: ModelInfo, size: int, context: int) -> MemoryEstimate | None:
    """The memory for a context of so many tokens; None where the model does not say what is needed for it.

    The cache takes 2 bytes × context × (key length + value length) × key-value heads, summed over the layers
    (GGUF keys `<arch>.block_count`, `.attention.head_count_kv`, `.attention.key_length`, …). Layers with a sliding
    window keep no more tokens than the window; which ones they are is known for Gemma alone.

    Args:
        size: bytes of the model on disk.
        context: tokens; more than the model was trained for is cut to that, as the server does.
    """
    values = info.model_info
    architecture = values.get("general.architecture")
    if not isinstance(architecture, str) or context <= 0:
        return None
    trained = info.context_length
    context = min(context, trained) if trained else context
    layers = _number(values, architecture, "block_count")
    heads = _number(values, architecture, "attention.head_count")
    kv_heads = _number(values, architecture, "attention.head_count_kv") or heads
    width = _number(values, architecture, "embedding_length")
    if not layers or not kv_heads:
        return None
    head = width // heads if width and heads else 0
    key = _number(values, architecture, "attention.key_length") or head
    value = _number(values, architecture, "attention.value_length") or head
    if not key or not value:
        return None
    tokens = _cached_tokens(values, architecture, layers, context)
    cache = KV_BYTES * kv_heads * (key + value) * tokens
    return MemoryEstimate(context, size, cache)


def ladder(info: ModelInfo, steps: int = 3) -> tuple[int, ...]:
    """Contexts worth comparing: the usual ones up to what the model was trained for, and that itself."""
    longest = info.context_length
    if not longest:
        return LADDER[:steps]
    below = [step for step in LADDER if step < longest]
    chosen = [*below, longest]
    if len(chosen) <= steps:
        return tuple(chosen)
    spread = [chosen[round(place * (len(chosen) - 1) / (steps - 1))] for place in range(steps)]
    return tuple(dict.fromkeys(spread))


_LOCAL_LAYERS = {"gemma2": 2, "gemma3": 6, "gemma3n": 5}
"""Every nth layer sees the whole context, the others a window of it."""


def _cached_tokens(values: Mapping[str, object], architecture: str, layers: int, context: int) -> int:
    """Tokens that are kept, summed over the layers."""
    window = _number(values, architecture, "attention.sliding_window")
    every = _LOCAL_LAYERS.get(architecture)
    if not window or not every or window >= context:
        return layers * context
    whole = layers // every
    return whole * context + (layers - whole) * window


def _number(values: Mapping[str, object], architecture: str, key: str) -> int:
    """A whole number, 0 where there is none. Where layers differ the server sends a list, or null for a long one."""
    value = values.get(f"{architecture}.{key}")
    if isinstance(value, list | tuple):
        numbers = [item for item in value if isinstance(item, int) and not isinstance(item, bool)]
        value = max(numbers, default=0)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
