"""Names offered while somebody types what to pull: pulled before, recommended by the server, well known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.server import ServerService

RECOMMENDED_WITHIN = 5.0
"""Seconds for what the server recommends; who types does not wait for it."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A name that could be pulled; whether the registry has it is for the registry to say.

    Attributes:
        note: what is known of it: family and parameters, "pulled before", the server's own description.
    """

    name: str
    note: str = ""


def _known(family: str, *names: str) -> tuple[Suggestion, ...]:
    """`name=parameters` each."""
    made = []
    for text in names:
        name, _, size = text.partition("=")
        made.append(Suggestion(name, f"{family} · {size}" if size else family))
    return tuple(made)


KNOWN: tuple[Suggestion, ...] = (
    *_known("SmolLM2", "smollm2:135m=135 M", "smollm2:360m=362 M", "smollm2:1.7b=1.7 B"),
    *_known("Gemma 3", "gemma3:270m=268 M", "gemma3:1b=1.0 B", "gemma3:4b=4.3 B, vision", "gemma3:12b=12.2 B, vision",
            "gemma3:27b=27.4 B, vision"),
    *_known("Gemma 3n", "gemma3n:e2b=4.5 B", "gemma3n:e4b=6.9 B"),
    *_known("Llama 3.2", "llama3.2:1b=1.2 B", "llama3.2:3b=3.2 B", "llama3.2-vision:11b=10.7 B, vision"),
    *_known("Llama 3.1", "llama3.1:8b=8.0 B", "llama3.1:70b=70.6 B"),
    *_known("Llama 3.3", "llama3.3:70b=70.6 B"),
    *_known("Qwen 3", "qwen3:0.6b=752 M, thinking", "qwen3:1.7b=2.0 B, thinking", "qwen3:4b=4.0 B, thinking",
            "qwen3:8b=8.2 B, thinking", "qwen3:14b=14.8 B, thinking", "qwen3:30b=30.5 B, thinking",
            "qwen3:32b=32.8 B, thinking"),
    *_known("Qwen 3 Coder", "qwen3-coder:30b=30.5 B"),
    *_known("Qwen 2.5", "qwen2.5:0.5b=494 M", "qwen2.5:1.5b=1.5 B", "qwen2.5:3b=3.1 B", "qwen2.5:7b=7.6 B",
            "qwen2.5:14b=14.8 B", "qwen2.5:32b=32.8 B"),
    *_known("Qwen 2.5 Coder", "qwen2.5-coder:1.5b=1.5 B", "qwen2.5-coder:7b=7.6 B", "qwen2.5-coder:14b=14.8 B",
            "qwen2.5-coder:32b=32.8 B"),
    *_known("Qwen 2.5 VL", "qwen2.5vl:3b=3.8 B, vision", "qwen2.5vl:7b=8.3 B, vision"),
    *_known("DeepSeek R1", "deepseek-r1:1.5b=1.8 B, thinking", "deepseek-r1:7b=7.6 B, thinking",
            "deepseek-r1:8b=8.2 B, thinking", "deepseek-r1:14b=14.8 B, thinking", "deepseek-r1:32b=32.8 B, thinking"),
    *_known("gpt-oss", "gpt-oss:20b=20.9 B, thinking", "gpt-oss:120b=117 B, thinking"),
    *_known("Phi", "phi4:14b=14.7 B", "phi4-mini:3.8b=3.8 B", "phi3.5:3.8b=3.8 B"),
    *_known("Mistral", "mistral:7b=7.2 B", "mistral-nemo:12b=12.2 B", "mistral-small:24b=23.6 B",
            "mistral-small3.2:24b=24.0 B, vision", "magistral:24b=23.6 B, thinking", "devstral:24b=23.6 B"),
    *_known("Mixtral", "mixtral:8x7b=46.7 B"),
    *_known("Codestral", "codestral:22b=22.2 B"),
    *_known("Granite", "granite3.3:2b=2.5 B", "granite3.3:8b=8.2 B"),
    *_known("OLMo 2", "olmo2:7b=7.3 B", "olmo2:13b=13.7 B"),
    *_known("Command R", "command-r7b:7b=8.0 B", "aya-expanse:8b=8.0 B"),
    *_known("LLaVA", "llava:7b=7.2 B, vision", "llava:13b=13.0 B, vision", "moondream:1.8b=1.4 B, vision",
            "minicpm-v:8b=7.6 B, vision"),
    *_known("StarCoder 2", "starcoder2:3b=3.0 B", "starcoder2:7b=7.2 B"),
    *_known("TinyLlama", "tinyllama:1.1b=1.1 B"),
    *_known("embedding", "nomic-embed-text:latest=137 M", "mxbai-embed-large:latest=334 M", "bge-m3:latest=567 M",
            "all-minilm:latest=23 M", "snowflake-arctic-embed2:568m=567 M", "embeddinggemma:300m=308 M",
            "qwen3-embedding:0.6b=596 M"),
)  # fmt: skip
"""Well-known names of Ollama's own registry with family and parameters, from its pages; not a list of all."""

PULLED_BEFORE = "pulled before"


async def recommended(server: ServerService) -> tuple[Suggestion, ...]:
    """What the server recommends.

    Raises:
        OllamaError: it does not do that (before 0.22.1, and the embedded engine), or cannot be asked.
    """
    found = await (await server.client()).recommendations(timeout=RECOMMENDED_WITHIN)
    return tuple(Suggestion(one.model, one.description or "recommended") for one in found if one.model)


def suggest(
    text: str,
    *,
    pulled: Sequence[str] = (),
    recommended: Sequence[Suggestion] = (),
    installed: Iterable[str] = (),
    limit: int = 50,
) -> tuple[Suggestion, ...]:
    """What `text` may become, best first: names that begin with it, then those that hold it.

    Among these names pulled before come first, then the server's recommendations, then those that are well known.
    Models that are installed are offered too (a pull brings them up to date), and marked so.
    """
    letters = text.strip().casefold()
    here = {name.casefold() for name in installed}
    notes = {known.name.casefold(): known.note for known in KNOWN}
    before = [
        Suggestion(name, " · ".join(part for part in (PULLED_BEFORE, notes.get(name.casefold(), "")) if part))
        for name in pulled
    ]
    begins: list[Suggestion] = []
    holds: list[Suggestion] = []
    seen: set[str] = set()
    for one in (*before, *recommended, *KNOWN):
        key = one.name.casefold()
        if key in seen or letters not in f"{key} {one.note.casefold()}":
            continue
        seen.add(key)
        if key in here:
            one = Suggestion(one.name, f"here · {one.note}" if one.note else "here")
        (begins if key.startswith(letters) else holds).append(one)
    return tuple([*begins, *holds][:limit])
