"""Texts to vectors: /api/embed and the older /api/embeddings."""

from __future__ import annotations

import math
import time
from typing import Any

from codomyrmex_ollama_tui.embedded import options as asked
from codomyrmex_ollama_tui.embedded.answers import TOO_LONG
from codomyrmex_ollama_tui.embedded.lookup import find_model
from codomyrmex_ollama_tui.embedded.pool import Pool, Turn
from codomyrmex_ollama_tui.embedded.replies import Json, Refusal, nanoseconds
from codomyrmex_ollama_tui.embedded.store import ModelStore

_MISSING = 'model "{}" not found, try pulling it first'


class Embeddings:
    """The two endpoints."""

    def __init__(self, store: ModelStore, pool: Pool) -> None:
        self._store = store
        self._pool = pool

    async def embed(self, body: Json) -> Json:
        """POST /api/embed: vectors of length 1.

        Raises:
            Refusal: as CONTRACT §3.2 has it.
        """
        started = time.perf_counter()
        name = body.get("model") or ""
        if not name:
            raise Refusal(404, "model '' not found")
        texts = _texts(body.get("input"))
        manifest = find_model(self._store, name, missing=_MISSING).manifest
        options = asked.merge_options(manifest.parameters, body.get("options"))
        vectors: list[list[float]] = []
        count = 0
        async with self._pool.turn(manifest, options, asked.keep_alive(body)) as turn:
            if not texts:
                return {"model": name, "embeddings": []}
            for text in texts:
                tokens = await _tokens(turn, text, strict=body.get("truncate") is False)
                count += len(tokens)
                vector = await turn.engine.embed(tokens, normalize=True)
                vectors.append(_cut(vector, body.get("dimensions") or 0))
        return {
            "model": name,
            "embeddings": vectors,
            "total_duration": nanoseconds(time.perf_counter() - started),
            "load_duration": nanoseconds(turn.loading),
            "prompt_eval_count": count,
        }

    async def embeddings(self, body: Json) -> Json:
        """POST /api/embeddings: one vector, not normalised.

        Raises:
            Refusal: as CONTRACT §3.2 has it.
        """
        name = body.get("model") or ""
        if not name:
            raise Refusal(400, "model is required")
        manifest = find_model(self._store, name, missing=_MISSING).manifest
        options = asked.merge_options(manifest.parameters, body.get("options"))
        async with self._pool.turn(manifest, options, asked.keep_alive(body)) as turn:
            if not body.get("prompt"):
                return {"embedding": []}
            tokens = await _tokens(turn, body["prompt"], strict=False)
            return {"embedding": await turn.engine.embed(tokens, normalize=False)}


def _texts(value: Any) -> list[str]:
    if value is None or value == "":
        return []
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refusal(400, "invalid input type")
    return texts


async def _tokens(turn: Turn, text: str, *, strict: bool) -> list[int]:
    if not text:
        raise Refusal(500, "Failed to create new sequence: no input provided")
    tokens = await turn.engine.tokenize(text, special=True)
    if len(tokens) >= turn.n_ctx:
        if strict:
            raise Refusal(400, TOO_LONG)
        tokens = tokens[: turn.n_ctx - 1]
    return tokens


def _cut(vector: list[float], dimensions: int) -> list[float]:
    """The first numbers of a vector, brought back to length 1."""
    if not 0 < dimensions < len(vector):
        return vector
    head = vector[:dimensions]
    length = math.sqrt(sum(value * value for value in head)) or 1.0
    return [value / length for value in head]
