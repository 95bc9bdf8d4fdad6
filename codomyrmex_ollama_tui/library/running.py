"""Requests run through a manager's loop, and their results as the library gives them."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codomyrmex_ollama_tui.domain.chat import ChatRequest
from codomyrmex_ollama_tui.domain.errors import OllamaError, Stopped
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.library.requests import checked_model, checked_prompt, prompt_request
from codomyrmex_ollama_tui.library.results import ModelExecutionResult
from codomyrmex_ollama_tui.services.measure import Measured, Measurer

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.chat import AnswerPiece
    from codomyrmex_ollama_tui.domain.models import RunningModel
    from codomyrmex_ollama_tui.library.loop import Core
    from codomyrmex_ollama_tui.services.execution import Request
    from codomyrmex_ollama_tui.services.stopping import Stop

WORDS = 2000
"""Characters of an error message at most."""

_REQUEST_FIELDS = ("system", "format", "keep_alive", "think", "raw", "template", "suffix", "truncate", "shift")


def run_prompt(
    core: Core,
    model_name: str,
    prompt: str,
    options: Mapping[str, Any] | None = None,
    stream: bool = False,
    *,
    on_chunk: Callable[[str], None] | None = None,
    first_byte_timeout: float | None = None,
    stop: Stop | None = None,
) -> ModelExecutionResult:
    """Runs one prompt (`POST /api/generate`) and waits for the whole answer.

    Args:
        options: Ollama's options, and fields of the request (`domain.options.split_options`); `images` may be bytes,
            paths and base64 texts.
        stream: the chunks are handed to `on_chunk` when they arrive; the result is the same.
        on_chunk: called with each piece of text, in the caller's thread; what it raises stops the model and comes out
            here. Given without `stream` it is called once, with the whole text.
        first_byte_timeout: seconds until the answer begins, loading included; None waits for ever.
        stop: stops the model when it is pulled.

    Raises:
        TypeError, ValueError: an argument is wrong (named). A blank prompt is no error: `success` is False.
    """
    request = _request(model_name, prompt, options)
    if isinstance(request, ModelExecutionResult):
        return request
    if stream and on_chunk is not None:
        return _streamed(core, request, on_chunk, first_byte_timeout, stop)
    result = run_request(core, request, first_byte_timeout=first_byte_timeout, stop=stop)
    if on_chunk is not None and result.response:
        on_chunk(result.response)
    return result


async def run_prompt_async(
    core: Core,
    model_name: str,
    prompt: str,
    options: Mapping[str, Any] | None = None,
    *,
    first_byte_timeout: float | None = None,
    stop: Stop | None = None,
) -> ModelExecutionResult:
    """As `run_prompt`, for a caller with an event loop; cancelling the caller's task stops the model."""
    request = await asyncio.to_thread(_request, model_name, prompt, options)  # it may read images
    if isinstance(request, ModelExecutionResult):
        return request
    try:
        measured = await core.wait(
            lambda: measurer_of(core).run(request, first_byte_timeout=first_byte_timeout, stop=stop)
        )
    except OllamaError as error:
        return failed(request.model, request.prompt, error)
    return result_of(measured)


def run_request(
    core: Core, request: Request, *, first_byte_timeout: float | None = None, stop: Stop | None = None
) -> ModelExecutionResult:
    """Runs one request and waits for the whole answer."""
    try:
        measured = core.run(lambda: measurer_of(core).run(request, first_byte_timeout=first_byte_timeout, stop=stop))
    except OllamaError as error:  # the manager was closed meanwhile
        return failed(request.model, prompt_of(request), error)
    return result_of(measured)


def stream_request(
    core: Core,
    request: Request,
    *,
    on_finish: Callable[[ModelExecutionResult], None],
    first_byte_timeout: float | None = None,
    stop: Stop | None = None,
) -> AsyncGenerator[AnswerPiece, None]:
    """The pieces of an answer, for the loop of the manager; `on_finish` is called there at the end, whatever that is.

    Raises:
        OllamaError: after what had come, and after `on_finish`.
    """
    return measurer_of(core).stream(
        request,
        on_finish=lambda measured: on_finish(result_of(measured)),
        first_byte_timeout=first_byte_timeout,
        stop=stop,
    )


def measurer_of(core: Core) -> Measurer:
    """What runs the requests of a manager, on its loop."""
    return Measurer(core.services.execution)


def result_of(measured: Measured) -> ModelExecutionResult:
    """A run as the library gives it."""
    execution = measured.execution
    error = Stopped() if execution.stopped else execution.error
    return ModelExecutionResult(
        model_name=execution.request.model,
        prompt=prompt_of(execution.request),
        response=execution.text,
        execution_time=execution.total_s,
        tokens_used=execution.counters.eval_count,
        success=execution.success,
        error_message=None if error is None else words_of(error),
        metadata=metadata_of(measured, error),
    )


def failed(model_name: str, prompt: str, error: OllamaError | str) -> ModelExecutionResult:
    """The result of what was never sent."""
    words = error if isinstance(error, str) else words_of(error)
    kind = None if isinstance(error, str) else type(error).__name__
    return ModelExecutionResult(
        model_name, prompt, "", 0.0, success=False, error_message=words, metadata={"partial": False, "error_type": kind}
    )


def refused_prompt(model_name: str, prompt: str, where: str = "prompt") -> ModelExecutionResult | None:
    """The result for a blank prompt, which is not sent (it would only load the model); None for any other."""
    return None if prompt.strip() else failed(model_name, prompt, f"{where}: empty, nothing was sent")


def words_of(error: OllamaError) -> str:
    """An error in one clean line."""
    return one_line(str(error), WORDS)


def prompt_of(request: Request) -> str:
    """The prompt of a request; of a chat its last message."""
    if isinstance(request, ChatRequest):
        return request.messages[-1].content if request.messages else ""
    return request.prompt


def metadata_of(measured: Measured, error: OllamaError | None) -> dict[str, Any]:
    """All that is known of a run, as JSON values; None where something is not known.

    The server's counters stand under their own names (durations in nanoseconds); times and rates of one's own are in
    seconds and tokens per second, memory in bytes.
    """
    execution, figures = measured.execution, measured.figures
    request, end = execution.request, execution.end
    return {
        "endpoint": "/api/chat" if isinstance(request, ChatRequest) else "/api/generate",
        "started_at": execution.started_at.isoformat(),
        **asdict(execution.counters),
        "prompt_eval_cached_count": figures.cached_tokens,
        "done_reason": execution.done_reason,
        "ttft": figures.ttft,
        "ttfa": figures.ttfa,
        "tokens_per_second": figures.decode_rate,
        "client_tokens_per_second": figures.client_rate,
        "prompt_tokens_per_second": figures.prompt_rate,
        "time_per_token": figures.tpot,
        "load_time": figures.load,
        "reloaded": figures.reloaded,
        "flags": [flag.value for flag in figures.flags],
        "partial": execution.partial,
        "stopped": execution.stopped,
        "error_type": None if error is None else type(error).__name__,
        "thinking": execution.thinking,
        "tool_calls": [_plain(asdict(call)) for call in execution.tool_calls],
        "model_digest": measured.digest or None,
        "server": execution.server or None,
        "server_version": execution.version or None,
        "engine": execution.engine or None,
        "options": _plain(dict(request.options)),
        "request": _fields(request),
        "context_length": None if measured.memory is None else measured.memory.context_length,
        "memory": _memory(measured.memory),
        "server_process": None if measured.process is None else asdict(measured.process),
        "created_at": None if end is None or end.created_at is None else end.created_at.isoformat(),
    }


def _request(model_name: str, prompt: str, options: Mapping[str, Any] | None) -> Any:
    """The request, or the result of one that is not sent."""
    name, text = checked_model(model_name), checked_prompt(prompt)
    request = prompt_request(name, text, options)
    return refused_prompt(name, text) or request


def _streamed(
    core: Core,
    request: Request,
    on_chunk: Callable[[str], None],
    first_byte_timeout: float | None,
    stop: Stop | None,
) -> ModelExecutionResult:
    ended: list[ModelExecutionResult] = []
    try:
        with closing(
            core.iterate(
                lambda: stream_request(
                    core, request, on_finish=ended.append, first_byte_timeout=first_byte_timeout, stop=stop
                )
            )
        ) as pieces:
            for piece in pieces:
                if piece.text:
                    on_chunk(piece.text)
    except OllamaError as error:
        return ended[0] if ended else failed(request.model, prompt_of(request), error)
    return ended[0]


def _fields(request: Request) -> dict[str, Any]:
    """The fields of a request beside its options that were sent; of images only how many."""
    named = {name: getattr(request, name, None) for name in _REQUEST_FIELDS}
    sent: dict[str, Any] = {name: _plain(value) for name, value in named.items() if value is not None}
    if isinstance(request, ChatRequest):
        sent["messages"] = len(request.messages)
        images = sum(len(message.images) for message in request.messages)
    else:
        images = len(request.images)
    return {**sent, "images": images} if images else sent


def _memory(model: RunningModel | None) -> dict[str, Any] | None:
    if model is None:
        return None
    return {
        "size": model.size,
        "size_vram": model.size_vram,
        "gpu_share": model.gpu_share,
        "cpu_share": 1.0 - model.gpu_share,
        "expires_at": None if model.expires_at is None else model.expires_at.isoformat(),
    }


def _plain(value: Any) -> Any:
    """A copy with dicts and lists where mappings and tuples were, as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return copy.copy(value)
