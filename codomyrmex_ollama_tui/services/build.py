"""The services, built from plain values."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.services.chat import ChatService, Layered, unlayered
from codomyrmex_ollama_tui.services.history import History
from codomyrmex_ollama_tui.services.models import ModelsService
from codomyrmex_ollama_tui.services.pull_memory import memory_in
from codomyrmex_ollama_tui.services.pulls import RETRY_DELAYS, PullQueue
from codomyrmex_ollama_tui.services.server import CHECK_EVERY, Access, ClientSettings, Origin, ServerService

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.client.address import Address
    from codomyrmex_ollama_tui.services.details import DetailsService
    from codomyrmex_ollama_tui.services.execution import ExecutionService
    from codomyrmex_ollama_tui.services.launch import Launcher
    from codomyrmex_ollama_tui.services.outputs import OutputsService
    from codomyrmex_ollama_tui.store.runs import RunsStore


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the services are given of the world around them.

    Attributes:
        now: the time of day, with its zone.
        clock: a monotonic clock in seconds.
        token: a short random text of letters and digits, for the next file name.
        data: the folder for what must not be lost; None where nothing is kept.
        cache: the folder for what can be made again; None where it is kept in memory alone.
        outputs: the folder of the saved records; None is `outputs` in `data`.
    """

    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    token: Callable[[], str] | None = None
    data: Path | None = None
    cache: Path | None = None
    outputs: Path | None = None


@dataclass(frozen=True)
class Services:
    """All services of one run; made on any thread, used on one event loop. Those not needed at once are made later."""

    server: ServerService
    models: ModelsService
    chat: ChatService
    around: Surroundings = field(repr=False)

    @cached_property
    def execution(self) -> ExecutionService:
        """Requests run to their end, one or many, with their figures."""
        from codomyrmex_ollama_tui.services.execution import ExecutionService  # like all here: not before it is used

        return ExecutionService(self.server, now=self.around.now, clock=self.around.clock)

    @cached_property
    def details(self) -> DetailsService:
        """What is known of each model, asked for once."""
        from codomyrmex_ollama_tui.services.details import DetailsService
        from codomyrmex_ollama_tui.store.details import DetailsStore

        cache = self.around.cache
        return DetailsService(self.server, self.models, None if cache is None else DetailsStore(cache / "details"))

    @cached_property
    def outputs(self) -> OutputsService:
        """The saved records; nothing is read before the first question.

        Raises:
            RuntimeError: these services were built without a data folder or without a source of tokens.
        """
        from codomyrmex_ollama_tui.services.outputs import OutputsService
        from codomyrmex_ollama_tui.services.records import records_in
        from codomyrmex_ollama_tui.store.runs_source import RunsSource

        data, token = self.around.data, self.around.token
        if data is None or token is None:
            raise RuntimeError("the services were built without a folder for outputs")
        history = self.chat.history
        cells = RunsSource(self.runs, now=self.around.now)
        return OutputsService(
            records_in(
                self.around.outputs or data / "outputs",
                index=data / "index.db",
                now=self.around.now,
                token=token,
                sources=(cells,) if history is None else (history.source(), cells),
            )
        )

    @cached_property
    def runs(self) -> RunsStore:
        """The files of batches; nothing is read before the first question.

        Raises:
            RuntimeError: these services were built without a data folder or without a source of tokens.
        """
        from codomyrmex_ollama_tui.store.runs import RunsStore

        data, token = self.around.data, self.around.token
        if data is None or token is None:
            raise RuntimeError("the services were built without a folder for runs")
        return RunsStore(data / "runs", token=token, clock=self.around.clock)

    async def aclose(self) -> None:
        """Closes the running pull and the files that are open, then the server if it was started here."""
        try:
            await self.models.pulls.aclose()
            if "outputs" in self.__dict__:
                # Not on a thread: at the end of the interpreter there are none to be had any more.
                self.outputs.records.close()
            if self.chat.history is not None:
                await self.chat.history.aclose()
        finally:  # also when this is cancelled: no orphan
            await self.server.aclose()


def build_services(
    *,
    address: Address,
    origin: Origin,
    launcher: Launcher,
    now: Callable[[], datetime],
    client_settings: ClientSettings | None = None,
    access: Access | None = None,
    clock: Callable[[], float] = time.monotonic,
    check_every: float = CHECK_EVERY,
    pull_retries: Sequence[float] = RETRY_DELAYS,
    pulls_at_once: int = 1,
    keep_pulls: bool = True,
    token: Callable[[], str] | None = None,
    data: Path | None = None,
    cache: Path | None = None,
    outputs: Path | None = None,
    layered: Layered = unlayered,
) -> Services:
    """Builds the services; nothing is asked, started, read or imported from the client's side yet.

    Args:
        address: where the server is looked for.
        origin: where that address came from; one from the flag is never replaced.
        launcher: what may be started in its place and how.
        access: the secrets of that address; no other one gets them.
        check_every: seconds between health checks while all is well.
        pull_retries: seconds before each further try of a pull when the network fails.
        pulls_at_once: how many models are pulled at a time.
        keep_pulls: whether pulls that are not done are written down, to be offered at the next start.
        layered: what the configuration adds to the options of a conversation.
        now, clock, token, data, cache, outputs: as `Surroundings` has them.
    """
    server = ServerService(address, origin, launcher, client_settings, access, clock=clock, check_every=check_every)
    memory = None if data is None or not keep_pulls else memory_in(data / "state.db", now)
    pulls = PullQueue(server, clock=clock, retry_delays=pull_retries, at_once=pulls_at_once, memory=memory)
    models = ModelsService(server, pulls, clock=clock)
    around = Surroundings(now, clock, token, data, cache, outputs)
    history = None if data is None or token is None else History(data / "history.db", now=now, token=token)
    chat = ChatService(server, now=now, clock=clock, history=history, layered=layered)
    return Services(server, models, chat, around)
