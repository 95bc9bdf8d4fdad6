"""Details of many models, a few at a time, told as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.errors import OllamaError

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary
    from codomyrmex_ollama_tui.services.details import DetailsService

AT_ONCE = 2
LISTED = float("inf")
"""The list that the models came from tells their digests, however old it is."""

Told = tuple["ModelSummary", "ModelInfo | OllamaError"]


async def read_details(
    details: DetailsService, models: Sequence[ModelSummary], *, at_once: int = AT_ONCE
) -> AsyncGenerator[Told, None]:
    """The details of each model, or why there are none, in the order in which they come.

    Closing the generator ends the questions that are under way.
    """
    waiting = list(reversed(models))
    asked: dict[asyncio.Task[ModelInfo], ModelSummary] = {}
    try:
        while waiting or asked:
            while waiting and len(asked) < at_once:
                model = waiting.pop()
                asked[asyncio.create_task(details.of(model.name, max_age=LISTED))] = model
            done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                model = asked.pop(task)
                try:
                    info = task.result()
                except OllamaError as error:
                    yield model, error
                else:
                    yield model, info
    finally:
        for task in asked:
            task.cancel()
        if asked:
            await asyncio.wait(asked)
