"""
Which options hold for a model, and where each of them comes from.

Server default < the model's own parameters < `[options]` < `[models]` (patterns, the most specific one highest, then
the exact name) < preset < conversation or call. A layer says only what it changes.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from codomyrmex_ollama_tui.domain.names import parse_name, same_model
from codomyrmex_ollama_tui.domain.options import OPTION_RULES, split_options
from codomyrmex_ollama_tui.store.presets import SHIPPED
from codomyrmex_ollama_tui.store.tables import REQUEST_FIELDS, Tables, Values, is_pattern

SERVER_DEFAULT = "server default"
MODELFILE = "Modelfile"
CALL = "call"


@dataclass(frozen=True, slots=True)
class Layer:
    """Some options and where they stand: "[options]", '[models."qwen3*"]', "preset fast", "call" and so on."""

    origin: str
    values: Values


@dataclass(frozen=True, slots=True)
class Explained:
    """One option.

    Attributes:
        name: as Ollama calls it.
        value: in force; None where the server decides.
        origin: the layer that it comes from.
        below: (origin, value) of the layers that it stands over, the highest first.
    """

    name: str
    value: object
    origin: str
    below: tuple[tuple[str, object], ...]


def layers(
    tables: Tables, model: str, preset: str | None = None, call: Mapping[str, object] | None = None
) -> tuple[Layer, ...]:
    """The layers above the model's own parameters, lowest first; none that says nothing.

    Raises:
        ValueError: there is no such preset, or an option of the call is not allowed.
    """
    found = [Layer("[options]", tables.options)]
    found += [Layer(f'[models."{name}"]', tables.models[name]) for name in matching(tables.models, model)]
    if preset is not None:
        found += _preset_layers(tables, preset)
    if call is not None:
        options, fields = split_options(call)
        if call.get("format") is not None:  # plain text, too, stands over what is below
            fields.setdefault("format", "text")
        found.append(Layer(CALL, MappingProxyType(options | fields)))
    return tuple(layer for layer in found if layer.values)


def below(modelfile: Mapping[str, object] | None, server_version: str) -> tuple[Layer, ...]:
    """The two lowest layers: the server's defaults, and the model's own parameters as the server tells them."""
    defaults = {name: rule.default(server_version) for name, rule in OPTION_RULES.items()}
    lowest = Layer(SERVER_DEFAULT, MappingProxyType(defaults))
    return (lowest, Layer(MODELFILE, modelfile)) if modelfile else (lowest,)


def merged(found: Sequence[Layer]) -> dict[str, object]:
    """What the layers come to; a new dict."""
    values: dict[str, object] = {}
    for layer in found:
        values |= layer.values
    return {name: list(value) if isinstance(value, list) else value for name, value in values.items()}


def explain(found: Sequence[Layer]) -> tuple[Explained, ...]:
    """Every option that a layer names: the known ones in the order of `OPTION_RULES`, then the others."""
    stacks: dict[str, list[tuple[str, object]]] = {}
    for layer in found:
        for name, value in layer.values.items():
            stacks.setdefault(name, []).insert(0, (layer.origin, value))
    known = [name for name in (*OPTION_RULES, *REQUEST_FIELDS) if name in stacks]
    names = known + [name for name in stacks if name not in known]
    return tuple(Explained(name, stacks[name][0][1], stacks[name][0][0], tuple(stacks[name][1:])) for name in names)


def matching(models: Mapping[str, object], model: str) -> list[str]:
    """The names and patterns of `[models]` that fit a model, the weakest first.

    A pattern is compared with the name in lower case with and without ":latest"; the more of it is fixed, the more
    specific it is. An exact name is stronger than any pattern.
    """
    if not model.strip():
        return []
    texts = _texts(model)
    patterns = [name for name in models if is_pattern(name) and any(_fits(name, text) for text in texts)]
    patterns.sort(key=lambda name: (_fixed(name), -name.count("*"), name))
    exact = [name for name in models if not is_pattern(name) and same_model(name, model)]
    exact.sort(key=lambda name: (name == model, name))
    return patterns + exact


def presets_in_force(tables: Tables) -> Mapping[str, Values]:
    """The shipped presets with the person's own over them, field by field, then the other ones of the person."""
    names = [*SHIPPED, *(name for name in tables.presets if name not in SHIPPED)]
    return MappingProxyType(
        {name: MappingProxyType({**SHIPPED.get(name, {}), **tables.presets.get(name, {})}) for name in names}
    )


def _preset_layers(tables: Tables, preset: str) -> list[Layer]:
    if preset not in SHIPPED and preset not in tables.presets:
        known = ", ".join([*SHIPPED, *(name for name in tables.presets if name not in SHIPPED)])
        raise ValueError(f"there is no preset {preset!r}; there are: {known}")
    shipped = Layer(f"preset {preset} (shipped)", SHIPPED.get(preset, MappingProxyType({})))
    return [shipped, Layer(f"preset {preset}", tables.presets.get(preset, MappingProxyType({})))]


def _texts(model: str) -> tuple[str, ...]:
    name = parse_name(model.strip())
    text = model.strip().lower() if name is None else name.short.lower()
    return (text, text.removesuffix(":latest"))


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(fnmatch.translate(pattern.lower()), text) is not None


def _fixed(pattern: str) -> int:
    return len(re.sub(r"\[[^\]]*\]|[*?]", "", pattern))
