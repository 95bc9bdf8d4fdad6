"""What running a model gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class ModelExecutionResult:
    """Result of a model execution.

    Attributes:
        model_name: the model as it was asked for.
        prompt: the prompt as it was sent; of a conversation its last message.
        response: the answer's text; what had come of it where it failed.
        execution_time: seconds from sending to the last byte.
        tokens_used: generated tokens (`eval_count`); None where the server gave no number.
        success: whether the answer came to its end.
        error_message: why it did not, one sentence; None on success.
        metadata: counters, rates, times and the options that were sent; passes `json.dumps`.
    """

    model_name: str
    prompt: str
    response: str
    execution_time: float
    tokens_used: int | None = None
    success: bool = True
    error_message: str | None = None
    metadata: dict[str, Any] | None = None
