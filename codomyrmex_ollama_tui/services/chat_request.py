"""What a model is sent of a conversation, and what is kept of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from codomyrmex_ollama_tui.domain.errors import OllamaError

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.chat import ChatRequest, KeepAlive, Message, Think
    from codomyrmex_ollama_tui.domain.conversations import Conversation, Turn


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one answer is asked for with; None where the conversation's own setting holds."""

    system: str | None = None
    options: Mapping[str, object] | None = None
    think: Think | None = None
    keep_alive: KeepAlive | None = None
    format: str | Mapping[str, object] | None = None


class NotSendable(OllamaError):
    """What a conversation is to be asked with is not allowed; nothing was sent. Says what and what is allowed."""


def own_values(conversation: Conversation) -> dict[str, object]:
    """What a conversation itself says about how it is asked: options and fields of the request, one layer."""
    fields = {
        "system": conversation.system or None,
        "think": conversation.think,
        "keep_alive": conversation.keep_alive,
        "format": conversation.format,
    }
    return {**conversation.options, **{name: value for name, value in fields.items() if value is not None}}


def with_wishes(conversation: Conversation, wishes: Wishes) -> Conversation:
    """The conversation as one answer is asked for in it; it is a copy, to be read alone."""
    return replace(
        conversation,
        system=conversation.system if wishes.system is None else wishes.system,
        options=dict(conversation.options if wishes.options is None else wishes.options),
        think=conversation.think if wishes.think is None else wishes.think,
        keep_alive=conversation.keep_alive if wishes.keep_alive is None else wishes.keep_alive,
        format=conversation.format if wishes.format is None else wishes.format,
    )


def sent_turns(turns: Sequence[Turn]) -> list[Turn]:
    """The turns whose texts are sent: a question that brought nothing is left out, and so is what was deleted."""
    sent: list[Turn] = []
    for turn, following in zip_longest(turns, turns[1:]):
        if turn.role == "user":
            answer = following if following is not None and following.role == "assistant" else None
            if (turn.text or turn.images) and (
                answer is None or answer.text or answer.tool_calls or answer.status == "streaming"
            ):
                sent.append(turn)
        elif turn.text or turn.tool_calls:
            sent.append(turn)
    return sent


def messages_of(
    conversation: Conversation, system: str = "", turns: Sequence[Turn] | None = None
) -> tuple[Message, ...]:
    """What the model is sent; thinking is never sent back.

    Args:
        turns: the path that is sent; None for the one that is shown.
    """
    from codomyrmex_ollama_tui.domain.chat import Message  # not before the first frame

    messages = [Message("system", system)] if system else []
    messages += [
        Message(turn.role, turn.text, images=turn.images, tool_calls=turn.tool_calls)
        for turn in sent_turns(conversation.turns if turns is None else turns)
    ]
    return tuple(messages)


def request_for(
    conversation: Conversation, model: str, turns: Sequence[Turn], values: Mapping[str, object]
) -> ChatRequest:
    """The request for one more answer after `turns`. Without room in the context nothing is dropped silently.

    Args:
        values: what all layers come to for that model: options, and `system`, `think`, `keep_alive`, `format`.

    Raises:
        NotSendable: one of them is not allowed.
    """
    from codomyrmex_ollama_tui.domain.chat import ChatRequest  # not before the first frame
    from codomyrmex_ollama_tui.domain.options import split_options

    try:
        options, found = split_options(values, "")
    except ValueError as error:
        raise NotSendable(str(error)) from None
    wanted = ("system", "think", "keep_alive", "format")
    fields: dict[str, Any] = {name: found[name] for name in wanted if name in found}
    return ChatRequest(
        model,
        messages_of(conversation, fields.pop("system", ""), turns),
        options=options,
        truncate=False,
        shift=False,
        **fields,
    )


def sent_part(conversation: Conversation, turns: list[Turn]) -> list[Turn]:
    """What is left of a path when its oldest turns are left out to make room."""
    starts = [place for place, turn in enumerate(turns) if turn.id == conversation.sent_from]
    return turns[starts[0] :] if starts else turns


def record_of(request: ChatRequest, said: Iterable[Turn], turns: Sequence[Turn]) -> dict[str, object]:
    """A request without its messages, but with what they can be made from again: `system` and `left_out`.

    Messages hold all that was said before; kept with every answer they would grow with the square of a conversation.

    Args:
        said: the turns above the answer.
        turns: those of them that were to be sent.
    """
    sent = {turn.id for turn in sent_turns(turns)}
    first = request.messages[0] if request.messages else None
    record: dict[str, object] = {
        "model": request.model,
        "options": dict(request.options),
        "format": request.format,
        "think": request.think,
        "keep_alive": request.keep_alive,
        "truncate": request.truncate,
        "shift": request.shift,
        "system": first.content if first is not None and first.role == "system" else "",
        "left_out": [turn.id for turn in said if turn.id not in sent],
    }
    return {name: value for name, value in record.items() if value not in (None, "", [], {})}
