"""When a conversation no longer fits into the context: a larger one, fewer turns, or a summary of the oldest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.conversations import NO_ROOM
from codomyrmex_ollama_tui.services.chat_request import messages_of, sent_part

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.conversations import Conversation, Turn
    from codomyrmex_ollama_tui.services.chat import ChatService

NEARLY = 16
"""Tokens that a full context may be short of its length: the last tokens are not always counted."""
SMALLEST = 4096
"""Tokens of a context where the length in force is not known: the least that Ollama takes by itself."""
ASK_FOR_SUMMARY = (
    "Summarise our conversation so far in at most 200 words, so that it can be continued from the summary alone: "
    "facts, names, numbers, decisions, what is still open. Answer with the summary and nothing else."
)
SUMMARY = "What was said before, in short:"


def is_full(answer: Turn, limit: int | None) -> bool:
    """Whether an answer ended, or was refused, because the context is full.

    Args:
        limit: tokens of the context in force; None where that is not known.
    """
    facts = answer.answer
    if facts is None:
        return False
    if facts.done_reason == NO_ROOM:
        return True
    used = facts.context_used
    return facts.done_reason == "length" and limit is not None and used is not None and used >= limit - NEARLY


def larger_context(limit: int | None, most: int | None) -> int | None:
    """The next length of context to try, in tokens: twice as long, but no longer than the model can; None for none.

    Args:
        limit: the one in force.
        most: what the model was trained for; None where that is not known.
    """
    now = limit or SMALLEST
    wanted = min(2 * now, most) if most is not None else 2 * now
    return wanted if wanted > now else None


def first_to_keep(conversation: Conversation, answer: Turn) -> Turn | None:
    """The question from which on is sent when the older half is left out; None where there is nothing to leave out."""
    sent = sent_part(conversation, conversation.above(answer)[:-1])
    half = len(sent) // 2
    return next((turn for turn in sent[max(1, half) :] if turn.role == "user"), None)


def count_above(conversation: Conversation, first: Turn) -> int:
    """How many turns would be left out if that one were the first to be sent."""
    return len(sent_part(conversation, conversation.above(first)[:-1]))


def leave_out(chat: ChatService, conversation: Conversation, first: Turn) -> None:
    """From now on nothing above that turn is sent; it stays in the conversation."""
    conversation.sent_from = first.id
    chat.keep(conversation)


async def summarise(chat: ChatService, conversation: Conversation, first: Turn) -> str:
    """Has the turns above one summarised into the system prompt, and leaves them out; gives the summary.

    Raises:
        OllamaError: the model did not do it; nothing has changed.
    """
    from codomyrmex_ollama_tui.domain.chat import Message  # not before the first frame
    from codomyrmex_ollama_tui.domain.errors import StreamUnfinished
    from codomyrmex_ollama_tui.domain.options import split_options

    above = sent_part(conversation, conversation.above(first)[:-1])
    options, fields = split_options(chat.values_for(conversation), "")  # the same context: no loading anew
    system = str(fields.get("system", ""))
    messages = (*messages_of(conversation, system, above), Message("user", ASK_FOR_SUMMARY))
    summary = (await chat.answer_apart(conversation.model, messages, options)).strip()
    if not summary:
        raise StreamUnfinished("the summary is empty")
    conversation.system = "\n\n".join(part for part in (system, f"{SUMMARY}\n{summary}") if part)
    leave_out(chat, conversation, first)
    return summary
