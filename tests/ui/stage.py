"""The whole App on a real local server, with a clock that a test moves by hand."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen

from codomyrmex_ollama_tui.client.address import parse_address
from codomyrmex_ollama_tui.services.build import Services, build_services
from codomyrmex_ollama_tui.services.launch import Launcher
from codomyrmex_ollama_tui.services.server import Origin, ServerPhase
from codomyrmex_ollama_tui.store.settings import SettingsStore
from codomyrmex_ollama_tui.ui.app import CotuiApp
from tests.support.server import LIMIT, LocalServer, Reply

NOW = datetime(2026, 11, 23, 10, 42, tzinfo=UTC)
"""The time of day in every test and picture."""


class HandClock:
    """A monotonic clock in seconds that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def go(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def model(
    name: str,
    size: int,
    *,
    age: timedelta = timedelta(minutes=2),
    parameters: str = "134.52M",
    quant: str = "Q4_1",
    family: str = "llama",
    digest: str = "a",
    **more: Any,
) -> dict[str, Any]:
    """One entry of /api/tags. `more` goes into its details."""
    return {
        "name": name,
        "model": name,
        "modified_at": (NOW - age).isoformat(),
        "size": size,
        "digest": (digest * 64)[:64],
        "details": {
            "parent_model": "",
            "format": "gguf",
            "family": family,
            "families": [family],
            "parameter_size": parameters,
            "quantization_level": quant,
            **more,
        },
    }


def loaded(
    name: str, size: int, *, minutes: float = 4.2, vram: int = 0, context: int = 4096, digest: str = "a"
) -> dict[str, Any]:
    """One entry of /api/ps."""
    return {
        "name": name,
        "model": name,
        "size": size,
        "digest": (digest * 64)[:64],
        "details": {"format": "gguf"},
        "expires_at": (NOW + timedelta(minutes=minutes)).isoformat(),
        "size_vram": vram,
        "context_length": context,
    }


def furnish(
    server: LocalServer,
    models: Sequence[Mapping[str, Any]] = (),
    running: Sequence[Mapping[str, Any]] = (),
    *,
    engine: str = "",
    version: str = "0.24.0",
) -> None:
    """Answers to what every screen asks."""
    told = {"version": version} | ({"engine": engine} if engine else {})
    server.route("GET", "/api/version", Reply(json=told))
    server.route("GET", "/api/tags", Reply(json={"models": list(models)}))
    server.route("GET", "/api/ps", Reply(json={"models": list(running)}))


@dataclass
class Stage:
    """What a test holds in its hands."""

    app: CotuiApp
    pilot: Pilot[None]
    services: Services
    settings: SettingsStore
    clock: HandClock

    @property
    def screen(self) -> Screen[object]:
        """The screen that is shown."""
        return self.app.screen

    async def until(self, true: Callable[[], bool]) -> None:
        """Lets the App work until something holds; fails after a while."""
        deadline = time.monotonic() + LIMIT
        while not true():
            assert time.monotonic() < deadline, f"never came true; on the screen:\n{self.text()}"
            await self.pilot.pause(0.01)

    async def ready(self) -> None:
        """Waits for the server and for all that is done when it is there."""
        await self.until(lambda: self.services.server.state.phase is ServerPhase.READY)
        await self.settle()

    async def settle(self) -> None:
        """Waits for the work that has been begun and for its drawing."""
        await self.app.workers.wait_for_complete()
        await self.pilot.pause()
        await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    def text(self) -> str:
        """What stands on the screen, as plain lines."""
        lines = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in lines[: self.app.size.height])


def _write_config(folder: Path, config: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if config:
        (folder / "config.toml").write_text(config, encoding="utf-8")


@asynccontextmanager
async def stage(
    url: str,
    folder: Path,
    *,
    screen: str = "models",
    size: tuple[int, int] = (80, 24),
    config: str = "",
    origin: Origin = "flag",
    launcher: Launcher | None = None,
    model: str | None = None,
    data: Path | None = None,
) -> AsyncGenerator[Stage, None]:
    """The App in a terminal of `size`, with its configuration in `folder`, talking to the server at `url`.

    Args:
        data: where conversations are kept; None keeps them in memory.
    """
    clock = HandClock()
    _write_config(folder, config)
    settings = SettingsStore(folder / "config.toml", {}, now=lambda: NOW)
    launcher = launcher or Launcher(
        allowed=False,
        python=sys.executable,
        environment={},
        state_folder=folder / "state",
        models_folder=folder / "models",
        package_folder=folder,
    )
    services = build_services(
        address=parse_address(url),
        origin=origin,
        launcher=launcher,
        now=lambda: NOW,
        clock=clock,
        token=lambda: secrets.token_hex(3),
        data=data,
        layered=settings.resolved,
    )
    app = CotuiApp(
        services,
        settings,
        start_screen=screen,
        model=model,
        themes_folder=folder / "themes",
        now=lambda: NOW,
        clock=clock,
    )
    try:
        async with app.run_test(size=size, notifications=True) as pilot:
            yield Stage(app, pilot, services, settings, clock)
    finally:
        await services.aclose()
