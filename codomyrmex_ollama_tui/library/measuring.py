"""A plan of measurements run on a manager's loop, with what has to be known beside the runs."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.library.running import measurer_of, words_of
from codomyrmex_ollama_tui.services.machine import machine_facts
from codomyrmex_ollama_tui.services.measure import Plan, Sample, WarmUp, measure

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.library.loop import Core
    from codomyrmex_ollama_tui.library.reports import Sources
    from codomyrmex_ollama_tui.services.stopping import Stop


def run_plan(core: Core, plan: Plan, sources: Sources, stop: Stop) -> None:
    """Runs a plan and puts everything into `sources`; every planned sample is there in the end, run or not."""
    words = ""
    try:
        core.run(lambda: _gather(core, plan, sources, stop))
    except OllamaError as error:  # the manager was closed meanwhile
        words = words_of(error)
    there = {(sample.model, sample.round, sample.prompt) for sample in sources.samples}
    sources.samples += [
        Sample(model, prompt, round_, None, words)
        for model in plan.models
        for round_ in range(plan.rounds)
        for prompt in range(plan.prompts)
        if (model, round_, prompt) not in there
    ]


async def _gather(core: Core, plan: Plan, sources: Sources, stop: Stop) -> None:
    services = core.services
    clock = services.execution.clock
    sources.machine = await asyncio.to_thread(machine_facts)
    await _describe_server(core, sources)
    begun = clock()
    shuffle = random.Random(sources.seed).shuffle
    async with aclosing(measure(measurer_of(core), plan, shuffle=shuffle, stop=stop)) as events:
        async for event in events:
            if isinstance(event, WarmUp):
                sources.warm_ups.append(event)
                if not sources.samples:
                    begun = clock()
            else:
                sources.samples.append(event)
                sources.total_time = clock() - begun


async def _describe_server(core: Core, sources: Sources) -> None:
    server = core.services.server
    local: bool | None = None
    try:
        client = await server.client()
        local = client.address.is_loopback
        sources.listed = await client.list_models()
    except OllamaError:
        pass  # what is wrong is told by every run
    state = server.state
    sources.server = {
        "server": state.label,
        "server_version": state.version or None,
        "engine": state.engine or None,
        "server_is_local": local,
    }
