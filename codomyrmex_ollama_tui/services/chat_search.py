"""Finding conversations by their titles and by everything that was said in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.output_hits import Span, snippet
from codomyrmex_ollama_tui.domain.outputs import Kind
from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.output_query import Query
    from codomyrmex_ollama_tui.services.chat import ChatService
    from codomyrmex_ollama_tui.services.outputs import OutputsService

MOST = 200
"""Answers that are looked at for one search, the newest."""
PLACE = "chat:"
"""Before the id of a conversation in the place of its records, and before that of an answer in their keys."""


@dataclass(frozen=True, slots=True)
class FoundChat:
    """A conversation in which something was found.

    Attributes:
        turn_id: the newest answer that it was found in, or whose question; "" where only the title has it.
        snippet: a clean line around it; `hits` are the places in it.
    """

    conversation_id: str
    turn_id: str = ""
    snippet: str = ""
    hits: tuple[Span, ...] = ()


async def find_chats(
    chat: ChatService, outputs: Callable[[], OutputsService], text: str, *, now: datetime, width: int = 80
) -> list[FoundChat]:
    """The conversations that hold some words: those with them in the title first, newest first in each group.

    Args:
        text: words as in the search of outputs: beginnings of words, "whole words", -not, model: since: …
        outputs: gives the records; called only if there is a history.
        width: characters of a snippet.

    Raises:
        QueryError: the text is no query.
        OSError: the history or the index cannot be read.
    """
    from codomyrmex_ollama_tui.domain.output_query import parse_query  # a search is the first to need it

    query = replace(parse_query(text, now), kinds=frozenset({Kind.CHAT}))
    listed = {one.id: one for one in chat.listed}
    if chat.history is None:
        titled = {one.id for one in listed.values() if text.casefold() in one.title.casefold()}
        found = _in_memory(chat, query, width)
    else:
        titled = await chat.history.run(lambda store: store.titled(text))
        found = await _in_index(outputs(), query, width)
    by_id = {one.conversation_id: one for one in found if one.conversation_id in listed}
    first = [by_id.pop(one_id, FoundChat(one_id)) for one_id in listed if one_id in titled]
    return [*first, *by_id.values()]


async def _in_index(outputs: OutputsService, query: Query, width: int) -> list[FoundChat]:
    await outputs.catch_up()
    page = await outputs.search(query, limit=MOST)
    newest: dict[str, str] = {}
    for entry in page.entries:
        newest.setdefault(entry.place, entry.key)
    snippets = await outputs.snippets(newest.values(), query, width)
    return [
        FoundChat(
            place.removeprefix(PLACE),
            key.removeprefix(PLACE),
            snippets[key].text,
            snippets[key].hits,
        )
        for place, key in newest.items()
    ]


def _in_memory(chat: ChatService, query: Query, width: int) -> list[FoundChat]:
    """Without an index: conversations of this run, every word somewhere in one turn."""
    found = []
    for conversation in reversed(chat.conversations):
        for turn in reversed(conversation.tree.values()):
            if query.words and all(_holds(turn.text, [word.text]) for word in query.words):
                line = snippet((turn.text,), query.words, width)
                found.append(FoundChat(conversation.id, turn.id, one_line(line.text, width), line.hits))
                break
    return found


def _holds(text: str, words: Iterable[str]) -> bool:
    folded = text.casefold()
    return all(word.casefold() in folded for word in words)
