"""The presets that the program brings. A person's `[presets.NAME]` of the same name stands over it field by field."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SHIPPED: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "fast": MappingProxyType({"temperature": 0.2, "top_k": 20, "num_predict": 128}),
        "creative": MappingProxyType({"temperature": 1.1, "top_p": 0.95, "top_k": 100, "num_predict": -1}),
        "balanced": MappingProxyType({"temperature": 0.7, "top_p": 0.9, "top_k": 40, "num_predict": -1}),
        "precise": MappingProxyType({"temperature": 0.1, "top_p": 0.5, "top_k": 10, "num_predict": -1}),
        "long_form": MappingProxyType({"temperature": 0.8, "top_p": 0.9, "num_predict": 4096, "num_ctx": 8192}),
    }
)
"""By name; each holds only what makes it what it is. `long_form` loads a model anew that is held at another length."""
