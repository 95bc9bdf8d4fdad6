"""The servers of a batch: the present one and named ones, each with what runs requests on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.plans import PRESENT, Plan
from codomyrmex_ollama_tui.services.machine import machine_facts

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.client.address import Address
    from codomyrmex_ollama_tui.domain.models import ModelSummary
    from codomyrmex_ollama_tui.services.execution import ExecutionService
    from codomyrmex_ollama_tui.services.launch import Launcher
    from codomyrmex_ollama_tui.services.state import Access, ClientSettings


class NamedServers:
    """Reaches servers by the names of their profiles, each when it is first asked for; nothing is started for them."""

    def __init__(
        self,
        present: ExecutionService,
        profile: Callable[[str], tuple[Address, Access]],
        launcher: Launcher,
        client_settings: ClientSettings | None = None,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            present: for the server without a name.
            profile: address and secrets of a named server; raises ValueError where there is none.
            launcher: what the services need; it is never allowed to start anything here.
        """
        self._reached = {PRESENT: present}
        self._profile = profile
        self._launcher = replace(launcher, allowed=False)
        self._client_settings = client_settings
        self._now = now
        self._clock = clock

    def __call__(self, name: str) -> ExecutionService:
        """What runs requests there. Raises ValueError where no server has that name."""
        if name not in self._reached:
            from codomyrmex_ollama_tui.services.execution import ExecutionService
            from codomyrmex_ollama_tui.services.server import ServerService  # only where there are named servers

            address, access = self._profile(name)
            server = ServerService(address, "flag", self._launcher, self._client_settings, access, clock=self._clock)
            self._reached[name] = ExecutionService(server, now=self._now, clock=self._clock)
        return self._reached[name]

    async def aclose(self) -> None:
        """Lets go of the named ones; the present server belongs to others."""
        for name, execution in self._reached.items():
            if name != PRESENT:
                await execution.server.aclose()


async def environment_of(plan: Plan, reach: Callable[[str], ExecutionService], tool: str) -> dict[str, object]:
    """What there is to be said of machine, servers and models; `{"tool", "machine", "servers": {name: …}}`.

    Raises:
        ServerUnreachable: a server does not answer.
        ModelNotFound: a model is not there.
        ValueError: no server has such a name.
    """
    machine, *servers = await asyncio.gather(
        asyncio.to_thread(machine_facts), *(_server(plan, name, reach(name)) for name in plan.servers)
    )
    return {"tool": tool, "machine": machine, "servers": dict(zip(plan.servers, servers, strict=True))}


async def _server(plan: Plan, name: str, execution: ExecutionService) -> Mapping[str, object]:
    client = await execution.server.client()
    listed = await client.list_models()
    models: dict[str, object] = {}
    for target in plan.targets:
        if target.server == name and target.model not in models:
            found = next((model for model in listed if same_model(model.name, target.model)), None)
            if found is None:
                await client.show(target.model)  # it may be one that answers without being listed
            models[target.model] = _facts(found)
    state = execution.server.state
    return {"label": state.label, "version": state.version, "engine": state.engine, "models": models}


def _facts(model: ModelSummary | None) -> dict[str, object]:
    if model is None:
        return {}
    details = model.details
    return {
        "digest": model.digest,
        "size": model.size,
        "format": details.format,
        "family": details.family,
        "parameter_size": details.parameter_size,
        "quantization_level": details.quantization_level,
    }


def unlike(before: Mapping[str, object], now: Mapping[str, object]) -> tuple[str, ...]:
    """What is not as it was when a run began: versions of servers, models that are others by the same name."""
    words = []
    for name, server in _tables(now, "servers"):
        then = dict(_tables(before, "servers")).get(name, {})
        where = name or str(server.get("label", ""))
        if then and then.get("version") != server.get("version"):
            words.append(f"{where} was version {then.get('version')}, and is {server.get('version')}")
        models = dict(_tables(then, "models"))
        for model, facts in _tables(server, "models"):
            digest = models.get(model, {}).get("digest")
            if digest and digest != facts.get("digest"):
                words.append(f"{model} on {where} is not the model that it was: its digest differs")
    return tuple(words)


def _tables(value: Mapping[str, object], name: str) -> list[tuple[str, Mapping[str, object]]]:
    found = value.get(name)
    if not isinstance(found, Mapping):
        return []
    return [(str(key), part) for key, part in found.items() if isinstance(part, Mapping)]
