"""Running models: with options, as a stream, in batches, as a conversation, with documents; and measuring them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codomyrmex_ollama_tui.domain.errors import OllamaError, Stopped
from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.library.measuring import run_plan
from codomyrmex_ollama_tui.library.options import ExecutionOptions
from codomyrmex_ollama_tui.library.reports import Sources, benchmark_report, comparison_report
from codomyrmex_ollama_tui.library.requests import (
    chat_request,
    checked_model,
    checked_prompt,
    checked_prompts,
    checked_seconds,
    checked_whole,
    generate_request,
    listed,
    messages_of,
    messages_with_context,
)
from codomyrmex_ollama_tui.library.results import ModelExecutionResult
from codomyrmex_ollama_tui.library.running import (
    failed,
    measurer_of,
    refused_prompt,
    result_of,
    run_request,
    stream_request,
)
from codomyrmex_ollama_tui.services.measure import Plan
from codomyrmex_ollama_tui.services.stopping import Stop

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.chat import AnswerPiece, GenerateRequest, Message
    from codomyrmex_ollama_tui.library.ollama_manager import OllamaManager
    from codomyrmex_ollama_tui.services.execution import Request

__all__ = ["ExecutionOptions", "ModelExecutionResult", "ModelRunner"]

KEEP_ALIVE = "30m"
"""How long a model stays in memory after each measured run: longer than the turns of the others take."""


class ModelRunner:
    """Runs models on the server of a manager. Safe to use from several threads, also inside a running event loop.

    What the server or the network does is `success=False` with `error_message`; wrong arguments raise `TypeError` or
    `ValueError` that name them. Nothing that is passed is ever changed.
    """

    def __init__(self, ollama_manager: OllamaManager) -> None:
        """
        Args:
            ollama_manager: whose server is used; it is neither started nor asked yet.
        """
        self._manager = ollama_manager
        self._core = ollama_manager.core
        self._lock = threading.Lock()
        self._stops: set[Stop] = set()

    def run_with_options(
        self,
        model_name: str,
        prompt: str,
        execution_options: ExecutionOptions,
        *,
        first_byte_timeout: float | None = None,
    ) -> ModelExecutionResult:
        """Runs one prompt (`POST /api/generate`) and waits for the whole answer.

        Args:
            first_byte_timeout: seconds until the answer begins, loading included; None: as the manager is configured,
                which by itself is no limit.

        Raises:
            TypeError, ValueError: an argument is wrong. A blank prompt is no error: `success` is False.
        """
        name, text = checked_model(model_name), checked_prompt(prompt)
        request = generate_request(name, text, execution_options)
        return refused_prompt(name, text) or self._run(request, self._limit(first_byte_timeout))

    def run_streaming(
        self,
        model_name: str,
        prompt: str,
        execution_options: ExecutionOptions | None = None,
        *,
        on_finish: Callable[[ModelExecutionResult], None] | None = None,
        first_byte_timeout: float | None = None,
    ) -> Iterator[str]:
        """The answer in pieces, each handed over when it arrives. Nothing is sent before the first is asked for.

        Closing the iterator, or leaving a loop over it, stops the model. Thinking is not among the pieces: it is in
        the result that `on_finish` gets.

        Args:
            on_finish: called once at the end, whatever that is, in the thread that reads the pieces.
            first_byte_timeout: as in `run_with_options`.

        Raises:
            TypeError, ValueError: an argument is wrong, or the prompt is blank; at once.
            OllamaError: where the pieces are read, after those that came.
        """
        name, text = checked_model(model_name), checked_prompt(prompt)
        request = generate_request(name, text, execution_options)
        if not text.strip():
            raise ValueError("prompt: empty, nothing was sent")
        return self._texts(request, on_finish, self._limit(first_byte_timeout))

    def run_batch(
        self,
        model_name: str,
        prompts: list[str],
        execution_options: ExecutionOptions | None = None,
        *,
        max_concurrent: int = 1,
        first_byte_timeout: float | None = None,
    ) -> list[ModelExecutionResult]:
        """Runs many prompts, and gives their results in their order; one that fails ends no other.

        Args:
            max_concurrent: how many at a time. Ollama works at one at a time for each model unless its
                OLLAMA_NUM_PARALLEL says otherwise; the others wait there.
            first_byte_timeout: as in `run_with_options`, for each; waiting for its turn included.

        Raises:
            TypeError, ValueError: an argument is wrong. A blank prompt is no error: `success` is False.
        """
        name, texts = checked_model(model_name), checked_prompts(prompts, "prompts")
        most = checked_whole(max_concurrent, "max_concurrent")
        limit = self._limit(first_byte_timeout)
        requests = [generate_request(name, text, execution_options) for text in texts]
        results = {
            number: refused
            for number, text in enumerate(texts)
            if (refused := refused_prompt(name, text, f"prompts[{number}]")) is not None
        }
        numbers = [number for number in range(len(texts)) if number not in results]

        async def work(stop: Stop) -> None:
            batch = measurer_of(self._core).batch(
                [requests[number] for number in numbers],
                max_concurrent=most,
                first_byte_timeout=limit,
                stop=stop,
            )
            async with aclosing(batch) as ended:
                async for place, measured in ended:
                    results[numbers[place]] = result_of(measured)

        closed: OllamaError = Stopped()
        if numbers:
            with self._stopping() as stop:
                try:
                    self._core.run(lambda: work(stop))
                except OllamaError as error:  # the manager was closed meanwhile: what had ended is kept
                    closed = error
        return [results.get(number) or failed(name, text, closed) for number, text in enumerate(texts)]

    def run_conversation(
        self,
        model_name: str,
        messages: list[dict[str, str]],
        execution_options: ExecutionOptions | None = None,
        *,
        first_byte_timeout: float | None = None,
    ) -> ModelExecutionResult:
        """Lets the model answer a conversation (`POST /api/chat`); the prompt of the result is the last message.

        Args:
            messages: each with `role` ("system", "user", "assistant" or "tool") and `content`; also `images` (bytes,
                paths or base64 texts), `thinking` and `tool_name`. Nothing is dropped where they do not fit into the
                context: the server refuses them.
            first_byte_timeout: as in `run_with_options`.

        Raises:
            TypeError, ValueError: an argument is wrong: no messages, an unknown role, a message without content.
        """
        name, talk = checked_model(model_name), messages_of(messages)
        return self._chat(name, talk, execution_options, f"messages[{len(talk) - 1}].content", first_byte_timeout)

    def run_with_context(
        self,
        model_name: str,
        prompt: str,
        context: list[str],
        execution_options: ExecutionOptions | None = None,
        *,
        first_byte_timeout: float | None = None,
    ) -> ModelExecutionResult:
        """Runs a prompt with documents (`POST /api/chat`): they stand, numbered, in the system message.

        Args:
            context: the documents' texts; none leave the model's own system message.
            first_byte_timeout: as in `run_with_options`.

        Raises:
            TypeError, ValueError: an argument is wrong. A blank prompt is no error: `success` is False.
        """
        name, talk = checked_model(model_name), messages_with_context(checked_prompt(prompt), context)
        return self._chat(name, talk, execution_options, "prompt", first_byte_timeout)

    def benchmark_model(
        self,
        model_name: str,
        test_prompts: list[str],
        execution_options: ExecutionOptions | None = None,
        *,
        rounds: int = 1,
        first_byte_timeout: float | None = None,
    ) -> dict[str, Any]:
        """Measures a model with prompts that are sent as they are, after one warm-up that does not count.

        The model stays in the server's memory for 30 minutes. Times are in seconds, rates in tokens per second as the
        server counts them; None is what cannot be known, also an average of no runs.

        Args:
            rounds: how often each prompt is sent; an interval needs 6 runs altogether.
            first_byte_timeout: as in `run_with_options`, for each run.

        Returns:
            model_name, total_prompts, rounds, successful_runs, failed_runs, counted_runs (whole, and without loading
            in between), total_time, avg_execution_time (mean of the whole runs), avg_tokens_per_second (all their
            tokens by all their generating time), figures (of the counted runs, for tokens_per_second,
            prompt_tokens_per_second, ttft, ttfa, execution_time, time_per_token and tokens: n, median, min, max, the
            95 % interval low–high, spread, variation, noise, indicative, and for times p95), flags (how many runs had
            each), notes, warm_up, detailed_results (each run as `ModelExecutionResult` has it, with prompt_index and
            round), environment.

        Raises:
            TypeError, ValueError: an argument is wrong. What the server does is in the results.
        """
        name = checked_model(model_name)
        sources = self._measure([name], test_prompts, execution_options, rounds, first_byte_timeout)
        return benchmark_report(name, sources)

    def create_model_comparison(
        self,
        model_names: list[str],
        test_prompts: list[str],
        execution_options: ExecutionOptions | None = None,
        *,
        rounds: int = 1,
        first_byte_timeout: float | None = None,
    ) -> dict[str, Any]:
        """Measures models in turns and says what that proves.

        They take turns at each prompt, in an order and its reverse, where all fit into memory together; else each is
        loaded once a round. Each stays in memory for 30 minutes. A model that is missing stays in the results with its
        error.

        Args:
            rounds: how often each model gets each prompt; a verdict needs 6 pairs of runs, more with three models.
            first_byte_timeout: as in `run_with_options`, for each run.

        Returns:
            test_prompts, models_compared, rounds, total_time, environment;
            results, by model: success (all runs whole), error (the first), execution_time (median), response_length
            (median characters), tokens_per_second (median), responses (of the first round, by prompt), rank (1 + the
            number of models proven faster; None without figures), and what `benchmark_model` gives;
            summary: fastest_model and slowest_model by their medians, which proves nothing by itself, verdicts (for
            each pair: model, against, verdict "faster", "equal" within 3 %, or "undecided", ratio with its interval
            low–high, pairs, more_pairs, reason), indicative (no interval at all), success_rate (share of the runs,
            0–1), interleaved, notes.

        Raises:
            TypeError, ValueError: an argument is wrong; a model is named twice.
        """
        names = [checked_model(name, f"model_names[{n}]") for n, name in enumerate(listed(model_names, "model_names"))]
        for number, name in enumerate(names):
            if any(same_model(name, other) for other in names[:number]):
                raise ValueError(f"model_names: {name} is named twice")
        return comparison_report(
            names, self._measure(names, test_prompts, execution_options, rounds, first_byte_timeout)
        )

    def cancel(self) -> int:
        """Stops everything that this runner has running, from any thread; returns at once.

        Their results have `success=False`, what had come as `response`, and `metadata["stopped"]`.

        Returns:
            how many calls there were to stop.
        """
        with self._lock:
            stops = list(self._stops)
        for stop in stops:
            stop.pull()
        return len(stops)

    @contextmanager
    def _stopping(self) -> Generator[Stop, None, None]:
        """A stop that `cancel` pulls."""
        stop = Stop()
        with self._lock:
            self._stops.add(stop)
        try:
            yield stop
        finally:
            with self._lock:
                self._stops.discard(stop)

    def _limit(self, first_byte_timeout: float | None) -> float | None:
        given = checked_seconds(first_byte_timeout, "first_byte_timeout")
        return self._manager.first_byte_timeout if given is None else given

    def _run(self, request: Request, first_byte_timeout: float | None) -> ModelExecutionResult:
        with self._stopping() as stop:
            return run_request(self._core, request, first_byte_timeout=first_byte_timeout, stop=stop)

    def _chat(
        self,
        model: str,
        talk: tuple[Message, ...],
        execution_options: ExecutionOptions | None,
        where: str,
        first_byte_timeout: float | None,
    ) -> ModelExecutionResult:
        request = chat_request(model, talk, execution_options)
        last = talk[-1]
        refused = None if last.images else refused_prompt(model, last.content, where)
        return refused or self._run(request, self._limit(first_byte_timeout))

    def _texts(
        self,
        request: Request,
        on_finish: Callable[[ModelExecutionResult], None] | None,
        first_byte_timeout: float | None,
    ) -> Generator[str, None, None]:
        ended: list[ModelExecutionResult] = []

        def pieces(stop: Stop) -> AsyncGenerator[AnswerPiece, None]:
            return stream_request(
                self._core, request, on_finish=ended.append, first_byte_timeout=first_byte_timeout, stop=stop
            )

        try:
            with self._stopping() as stop, closing(self._core.iterate(lambda: pieces(stop))) as items:
                for item in items:
                    if item.text:
                        yield item.text
        finally:
            if on_finish is not None and ended:
                on_finish(ended[0])

    def _measure(
        self,
        names: list[str],
        test_prompts: list[str],
        execution_options: ExecutionOptions | None,
        rounds: int,
        first_byte_timeout: float | None,
    ) -> Sources:
        prompts = checked_prompts(test_prompts, "test_prompts")
        times, limit = checked_whole(rounds, "rounds"), self._limit(first_byte_timeout)

        def request(model: str, number: int) -> Request | str:
            text = prompts[number]
            if not text.strip():
                return f"test_prompts[{number}]: empty, nothing was sent"
            return measured(generate_request(model, text, execution_options))

        def warm_up(model: str) -> Request:
            # Its beginning is new each time, so that no later prompt finds it in the cache; the options that belong
            # to the loaded model are those of the runs.
            text = f"{secrets.token_hex(4)} Say hello."
            return measured(generate_request(model, text, execution_options, num_predict=8))

        def measured(request: GenerateRequest) -> GenerateRequest:
            return replace(request, keep_alive=KEEP_ALIVE, shift=False)

        options = generate_request("any", "any", execution_options).options
        sources = Sources(prompts, times, options, seed=secrets.randbelow(2**31))
        plan = Plan(tuple(names), len(prompts), request, warm_up, times, limit)
        if names and prompts:
            with self._stopping() as stop:
                run_plan(self._core, plan, sources, stop)
        return sources
