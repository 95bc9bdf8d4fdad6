"""What is asked of a model and what it answers, as the chat and generate endpoints have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from codomyrmex_ollama_tui.domain.models import NOTHING, Extra

Role = Literal["system", "user", "assistant", "tool"]
Think = bool | Literal["low", "medium", "high", "max"]
KeepAlive = float | str
"""Seconds, or a Go duration ("10m"); negative is for ever, 0 unloads after the answer."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function call that a model asks for."""

    name: str
    arguments: Mapping[str, object]
    id: str = ""
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat. `images` are base64 texts without a `data:` prefix."""

    role: str
    content: str = ""
    thinking: str = ""
    images: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """`POST /api/chat`. A field that is None is not sent, so that the server's own default stands.

    Attributes:
        options: Ollama option names, e.g. {"temperature": 0.2, "num_ctx": 8192}.
        format: "json", or a JSON schema.
        truncate: False: an error instead of silently dropping the oldest messages (from 0.12.6).
        shift: False: stop with "length" instead of silently dropping the oldest tokens (from 0.12.6).
    """

    model: str
    messages: tuple[Message, ...]
    options: Mapping[str, object] = field(default_factory=dict)
    format: str | Mapping[str, object] | None = None
    keep_alive: KeepAlive | None = None
    think: Think | None = None
    tools: tuple[Mapping[str, object], ...] = ()
    truncate: bool | None = None
    shift: bool | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """`POST /api/generate`. A field that is None is not sent. An empty prompt would load the model: see `load`."""

    model: str
    prompt: str
    system: str | None = None
    template: str | None = None
    suffix: str | None = None
    context: tuple[int, ...] | None = None
    raw: bool | None = None
    images: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    format: str | Mapping[str, object] | None = None
    keep_alive: KeepAlive | None = None
    think: Think | None = None
    truncate: bool | None = None
    shift: bool | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """`POST /api/create`: a model made from another one, or from files. A field that is empty or None is not sent.

    Attributes:
        model: the name to make; the same as `from_model` changes that model in place.
        from_model: the model to start from.
        files, adapters: file names with the digests of blobs that the server has ("sha256:<hex>").
        license: added to those of `from_model`.
        quantize: e.g. "q4_K_M", from F16, BF16 and F32 only.
        requires: the oldest version of Ollama that can run it.
    """

    model: str
    from_model: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None
    system: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    license: tuple[str, ...] = ()
    quantize: str | None = None
    renderer: str | None = None
    parser: str | None = None
    requires: str | None = None


@dataclass(frozen=True, slots=True)
class Counters:
    """The figures of an answer's last line. Durations in nanoseconds, counts in tokens; None where absent.

    `eval_count` includes the end token; `eval_duration` leaves out the first token (CONTRACT §5.10).
    """

    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None

    @property
    def eval_rate(self) -> float | None:
        """Tokens per second while generating, as Ollama's own tools have it: eval_count / eval_duration."""
        if not self.eval_count or not self.eval_duration:
            return None
        return self.eval_count / (self.eval_duration / 1e9)


@dataclass(frozen=True, slots=True)
class AnswerPiece:
    """What one line of a streaming answer brings (a line is not a token).

    Attributes:
        at: when its bytes arrived, in seconds of a monotonic clock.
    """

    text: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[Mapping[str, object], ...] = ()
    at: float = 0.0
    extra: Extra = NOTHING


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """The last line of an answer; whatever text it carries has been handed over as an `AnswerPiece` before it.

    Attributes:
        done_reason: "stop", "length", "load", "unload", or a word not known yet; "" where absent.
        context: all tokens of prompt and answer (generate only).
        created_at: when the server wrote the line, by its own clock; None where absent or unreadable.
    """

    model: str
    done_reason: str
    counters: Counters
    context: tuple[int, ...] = ()
    at: float = 0.0
    created_at: datetime | None = None
    extra: Extra = NOTHING


@dataclass(frozen=True, slots=True)
class Embeddings:
    """`POST /api/embed`.

    Attributes:
        vectors: one for each input, in its order, of length 1; none where the call only loaded the model.
        counters: total_duration, load_duration and prompt_eval_count, where the server says them.
    """

    model: str
    vectors: tuple[tuple[float, ...], ...]
    counters: Counters
    extra: Extra = NOTHING
