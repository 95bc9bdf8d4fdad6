"""From a cell of a plan to a request, and from what came of it to a result."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from codomyrmex_ollama_tui.domain.assertions import Answer, check
from codomyrmex_ollama_tui.domain.chat import ChatRequest, GenerateRequest, Message
from codomyrmex_ollama_tui.domain.plans import Asked, Cell
from codomyrmex_ollama_tui.domain.runs import ANSWERED, CellResult, CellStatus, Checked, status_of
from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.execution import Execution, Request

NO_ANSWER = "there is no whole answer"
_CHAT_FIELDS = frozenset({"format", "keep_alive", "think"})


def request_of(cell: Cell, asked: Asked) -> Request:
    """What is sent: a chat where the prompt has messages, else generate. Nothing is cut to fit in silence.

    Raises:
        ValueError: a field that a chat does not have.
    """
    fields: dict[str, Any] = dict(asked.fields)
    if not asked.messages:
        return GenerateRequest(
            cell.target.model, asked.text, options=asked.options, truncate=False, shift=False, **fields
        )
    system = fields.pop("system", "")
    idle = sorted(set(fields) - _CHAT_FIELDS)
    if idle:
        raise ValueError(f"options.{idle[0]}: not for a prompt that has messages")
    messages = [Message(role, text) for role, text in asked.messages]
    if system and messages[0].role != "system":
        messages.insert(0, Message("system", system))
    return ChatRequest(cell.target.model, tuple(messages), options=asked.options, truncate=False, shift=False, **fields)


def result_from(cell: Cell, asked: Asked, execution: Execution, attempt: int) -> CellResult:
    """What came of one try."""
    status = status_of(execution.error, execution.text, execution.done_reason)
    answer = Answer(execution.text, execution.total_s, execution.done_reason)
    if status in ANSWERED:
        outcomes = [(name, check(assertion, answer)) for name, assertion in asked.assertions]
        checks = tuple(Checked(name, outcome.passed, outcome.why) for name, outcome in outcomes)
    else:
        checks = tuple(Checked(name, False, NO_ANSWER) for name, _ in asked.assertions)
    return CellResult(
        cell=cell.number,
        status=status,
        model=cell.target.model,
        started_at=execution.started_at,
        attempt=attempt,
        server=cell.target.server,
        variant=cell.variant.name,
        prompt_id=cell.prompt.id,
        category=cell.prompt.category,
        repeat=cell.repeat,
        prompt=_shown(asked),
        answer=execution.text,
        thinking=execution.thinking,
        words="" if execution.error is None else one_line(str(execution.error), 600),
        done_reason=execution.done_reason,
        total_s=execution.total_s,
        ttft_s=execution.ttft_s,
        ttfa_s=execution.ttfa_s,
        pieces=len(execution.arrivals),
        counters=execution.counters,
        checks=checks,
    )


def cannot_ask(cell: Cell, at: datetime, words: str) -> CellResult:
    """The result of a cell whose request cannot be made."""
    return CellResult(
        cell.number,
        CellStatus.CANNOT_ASK,
        cell.target.model,
        at,
        server=cell.target.server,
        variant=cell.variant.name,
        prompt_id=cell.prompt.id,
        category=cell.prompt.category,
        repeat=cell.repeat,
        prompt=cell.prompt.text,
        words=one_line(words, 600),
    )


def _shown(asked: Asked) -> str:
    """The prompt as text; the messages of a chat one after the other."""
    if not asked.messages:
        return asked.text
    return "\n\n".join(f"{role}: {text}" for role, text in asked.messages)
