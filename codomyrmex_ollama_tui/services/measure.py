"""Runs with all that is known of them, and rounds of runs that can be compared."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.counters import RELOADED_AFTER
from codomyrmex_ollama_tui.domain.errors import (
    ModelNotFound,
    NotSupported,
    OllamaError,
    ServerUnreachable,
    casts_doubt,
)
from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.statistics import median
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.figures import Figures, Flag, figures_of
from codomyrmex_ollama_tui.services.monitor import ProcessUse, model_in
from codomyrmex_ollama_tui.services.parallel import in_parallel

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.chat import AnswerPiece
    from codomyrmex_ollama_tui.domain.models import RunningModel
    from codomyrmex_ollama_tui.services.execution import Execution, ExecutionService, Request
    from codomyrmex_ollama_tui.services.stopping import Stop

FAILURES = 3
"""How many runs of a model may fail in a row before the rest of them is not tried."""


@dataclass(frozen=True, slots=True)
class Measured:
    """An execution and what is known of it.

    Attributes:
        digest: the model's, 64 hex digits; "" where not known.
        memory: the model in the server's memory right after the run; None where it was not there, or not said.
        others: names of other models in memory then.
        process: what the server's processes took; None unless the server is local and can be seen.
    """

    execution: Execution
    figures: Figures
    digest: str = ""
    memory: RunningModel | None = None
    others: tuple[str, ...] = ()
    process: ProcessUse | None = None


class Measurer:
    """Runs requests and finds out what they cost."""

    def __init__(self, execution: ExecutionService) -> None:
        self._execution = execution
        self.monitor = execution.monitor

    async def run(
        self,
        request: Request,
        *,
        on_piece: Callable[[AnswerPiece], None] | None = None,
        first_byte_timeout: float | None = None,
        stop: Stop | None = None,
        cold: bool = False,
    ) -> Measured:
        """Runs one request to its end, as `ExecutionService.run`.

        Args:
            cold: nothing of the prompt can be in the server's cache.
        """
        missing = await self._missing(stop)
        if missing is not None:
            return self._unsent(request, missing)
        async with self.monitor.watch() as watch:
            execution = await self._execution.run(
                request, on_piece=on_piece, first_byte_timeout=first_byte_timeout, stop=stop
            )
        return await self._measured(execution, watch.use, cold=cold)

    async def stream(
        self,
        request: Request,
        *,
        on_finish: Callable[[Measured], None],
        first_byte_timeout: float | None = None,
        stop: Stop | None = None,
    ) -> AsyncGenerator[AnswerPiece, None]:
        """The pieces of one answer, as `ExecutionService.stream`; `on_finish` is called at its end, whatever that is.

        Raises:
            OllamaError: after what had come, and after `on_finish`.
        """
        ended: list[Execution] = []
        watch = None
        missing = await self._missing(stop)
        if missing is not None:
            on_finish(self._unsent(request, missing))
            raise missing
        try:
            async with self.monitor.watch() as watch:
                pieces = self._execution.stream(
                    request, first_byte_timeout=first_byte_timeout, on_finish=ended.append, stop=stop
                )
                async with aclosing(pieces):
                    async for piece in pieces:
                        yield piece
        finally:
            for execution in ended:
                on_finish(await self._measured(execution, watch.use if watch is not None else None))

    async def batch(
        self,
        requests: Sequence[Request],
        *,
        max_concurrent: int = 1,
        first_byte_timeout: float | None = None,
        stop: Stop | None = None,
    ) -> AsyncGenerator[tuple[int, Measured], None]:
        """Many runs, as `ExecutionService.batch`."""
        work = in_parallel(
            lambda number: self.run(requests[number], first_byte_timeout=first_byte_timeout, stop=stop),
            len(requests),
            max_concurrent,
        )
        async with aclosing(work) as ended:
            async for number, measured in ended:
                yield number, measured

    async def _missing(self, stop: Stop | None) -> OllamaError | None:
        """Waits for the server, which may have to be started first; the error if it is not there."""
        try:
            if stop is None:
                await self._execution.server.client()
            else:
                async with stop.scope():
                    await self._execution.server.client()
        except OllamaError as error:
            return error
        except TimeoutError:
            if stop is None or not stop.pulled:
                raise
        return None

    def _unsent(self, request: Request, error: OllamaError) -> Measured:
        execution = self._execution.unsent(request, error)
        return Measured(execution, figures_of(execution))

    async def _measured(self, execution: Execution, process: ProcessUse | None, *, cold: bool = False) -> Measured:
        figures = figures_of(execution, cold=cold)
        model, error = execution.request.model, execution.error
        answered = execution.end is not None or bool(execution.arrivals)
        if execution.stopped or not answered or (error is not None and casts_doubt(error)):
            return Measured(execution, figures, process=process)
        running = await self.monitor.in_memory()
        entry = model_in(running, model)
        digest = entry.digest if entry is not None else ""
        return Measured(
            execution,
            figures,
            digest=digest or await self.monitor.digest(model),
            memory=entry,
            others=tuple(other.name for other in running if not same_model(other.name, model)),
            process=process,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured.

    Attributes:
        models: whose runs are compared; of one alone the rounds are measured all the same.
        prompts: how many there are.
        request: makes the request for a model and the number of a prompt; a text is the reason why there is none.
        warm_up: makes the request that is sent before a model is measured; with a nonce of its own, and the same
            options wherever they would load the model anew.
        rounds: how often each model answers each prompt.
        first_byte_timeout: as in `ExecutionService.run`.
    """

    models: tuple[str, ...]
    prompts: int
    request: Callable[[str, int], Request | str]
    warm_up: Callable[[str], Request]
    rounds: int = 1
    first_byte_timeout: float | None = None


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The unmeasured run before those of a model."""

    model: str
    measured: Measured


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a plan.

    Attributes:
        prompt, round: numbers from 0 on.
        measured: the run; None if it was not tried.
        words: why it failed, or was not tried; "" for one that came to its end.
        flags: those of its figures, and what only the other runs could tell.
        interleaved: the models took turns at each prompt; else at each round.
    """

    model: str
    prompt: int
    round: int
    measured: Measured | None
    words: str = ""
    flags: tuple[Flag, ...] = ()
    interleaved: bool = True

    @property
    def success(self) -> bool:
        """Whether the answer came to its end."""
        return self.measured is not None and self.measured.execution.success

    @property
    def counts(self) -> bool:
        """Whether it enters the statistics: whole, and without loading in between."""
        return self.success and Flag.RELOADED not in self.flags


async def measure(
    measurer: Measurer,
    plan: Plan,
    *,
    shuffle: Callable[[list[str]], None],
    stop: Stop | None = None,
) -> AsyncGenerator[WarmUp | Sample, None]:
    """Runs a plan: a warm-up of each model, then all samples, one at a time.

    Where all models fit into memory together they take turns at each prompt, in an order and then its reverse (ABBA),
    so that a machine that grows slower is no verdict. Where they do not, each is loaded once a round. Every planned
    sample is yielded, also those of a model that is missing.

    Args:
        shuffle: brings a list into a random order in place.
        stop: ends the running sample; those that follow are not tried.
    """
    lost: dict[str, str] = {}
    warm: dict[str, Measured] = {}
    for model in plan.models:
        measured = await measurer.run(plan.warm_up(model), first_byte_timeout=plan.first_byte_timeout, stop=stop)
        warm[model] = measured
        yield WarmUp(model, measured)
        error = measured.execution.error
        if isinstance(error, ModelNotFound | NotSupported | ServerUnreachable):
            lost[model] = one_line(str(error), 400)
    alive = [model for model in plan.models if model not in lost]
    together = len(alive) < 2 or await _fit(measurer, {model: warm[model] for model in alive})
    failures = dict.fromkeys(plan.models, 0)
    loads: dict[str, list[float]] = {model: [] for model in plan.models}
    before = ""
    for round_, model, prompt in steps(plan, interleaved=together, shuffle=shuffle):
        reason = lost.get(model, "")
        if stop is not None and stop.pulled:
            reason = reason or "stopped"
        elif failures[model] >= FAILURES:
            reason = reason or f"not tried after {FAILURES} failures in a row"
        request = reason or plan.request(model, prompt)
        if isinstance(request, str):
            yield Sample(model, prompt, round_, None, request, interleaved=together)
            continue
        if not together and model != before:
            again = await measurer.run(plan.warm_up(model), first_byte_timeout=plan.first_byte_timeout, stop=stop)
            yield WarmUp(model, again)
        before = model
        measured = await measurer.run(request, first_byte_timeout=plan.first_byte_timeout, stop=stop)
        sample = Sample(model, prompt, round_, measured, _words(measured), interleaved=together)
        failures[model] = 0 if sample.success else failures[model] + 1
        yield replace(sample, flags=_flags(measured, loads[model], plan.models))


def steps(plan: Plan, *, interleaved: bool, shuffle: Callable[[list[str]], None]) -> Iterator[tuple[int, str, int]]:
    """(round, model, prompt) of every sample in their order: a random order of the models, its reverse, and again."""
    order: list[str] = []
    turns = [(round_, [prompt]) for round_ in range(plan.rounds) for prompt in range(plan.prompts)]
    if not interleaved:
        turns = [(round_, list(range(plan.prompts))) for round_ in range(plan.rounds)]
    for number, (round_, prompts) in enumerate(turns):
        if number % 2:
            order.reverse()
        else:
            order = list(plan.models)
            shuffle(order)
        for model in order:
            for prompt in prompts:
                yield round_, model, prompt


async def _fit(measurer: Measurer, warm: dict[str, Measured]) -> bool:
    """Whether all models that were loaded are still in memory as they were; what was never there needs no room."""
    running = await measurer.monitor.in_memory()
    for model, measured in warm.items():
        then, now = measured.memory, model_in(running, model)
        if then is not None and (now is None or now.size_vram != then.size_vram):
            return False
    return True


def _flags(measured: Measured, loads: list[float], models: Sequence[str]) -> tuple[Flag, ...]:
    """The run's flags by what the runs before it were like; `loads` are the model's warm ones, and grow here."""
    flags: list[Flag] = [flag for flag in measured.figures.flags if flag is not Flag.RELOADED]
    load = measured.figures.load
    if load is not None:
        if load > max(RELOADED_AFTER, 5 * median(loads) if loads else 0.0):
            flags.append(Flag.RELOADED)
        else:
            loads.append(load)
    if any(not any(same_model(other, model) for model in models) for other in measured.others):
        flags.append(Flag.CONTAMINATED)
    return tuple(flags)


def _words(measured: Measured) -> str:
    execution = measured.execution
    if execution.stopped:
        return "stopped"
    return "" if execution.error is None else one_line(str(execution.error), 400)
