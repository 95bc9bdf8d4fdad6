"""What a model is sent of a conversation, and what is kept of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

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


def sent_turns(turns: Sequence[Turn]) -> list[Turn]:
    """The turns whose texts are sent: a question that brought nothing is left out, and so is what was deleted."""
    sent: list[Turn] = []
    for turn, following in zip_longest(turns, turns[1:]):
        if turn.role == "user":
            answer = following if following is not None and following.role == "assistant" else None
            if (turn.text or turn.images) and (answer is None or answer.text or answer.status == "streaming"):
                sent.append(turn)
        elif turn.text:
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
        Message(turn.role, turn.text, images=turn.images)
        for turn in sent_turns(conversation.turns if turns is None else turns)
    ]
    return tuple(messages)


def request_for(conversation: Conversation, model: str, turns: Sequence[Turn], wishes: Wishes) -> ChatRequest:
    """The request for one more answer after `turns`. Without room in the context nothing is dropped silently."""
    from codomyrmex_ollama_tui.domain.chat import ChatRequest  # not before the first frame

    system = conversation.system if wishes.system is None else wishes.system
    return ChatRequest(
        model,
        messages_of(conversation, system, turns),
        options=dict(conversation.options if wishes.options is None else wishes.options),
        format=wishes.format,
        think=conversation.think if wishes.think is None else wishes.think,
        keep_alive=wishes.keep_alive,
        truncate=False,
        shift=False,
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
