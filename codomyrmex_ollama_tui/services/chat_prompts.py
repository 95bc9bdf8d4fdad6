"""Prompts that were sent before, in whatever conversation: found by their words, and sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.conversations import Prompt

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.chat import ChatService

MOST = 100
"""Prompts that are found at once."""


async def find_prompts(chat: ChatService, words: str) -> list[Prompt]:
    """Prompts that hold all words, case aside; the newest first, each text once.

    Raises:
        OSError: the history cannot be read.
    """
    if chat.history is not None:
        from codomyrmex_ollama_tui.store.history_prompts import find_prompts as kept  # a search is the first to need it

        return await chat.history.run(lambda store: kept(store, words, MOST))
    wanted = words.casefold().split()
    turns = [turn for one in chat.conversations for turn in one.tree.values() if turn.role == "user"]
    found: dict[str, Prompt] = {}
    for turn in sorted(reversed(turns), key=lambda one: (one.asked_at is not None, one.asked_at), reverse=True):
        if turn.text.strip() and all(word in turn.text.casefold() for word in wanted):
            found.setdefault(turn.text, Prompt(turn.id, turn.text, len(turn.text), turn.asked_at))
    return list(found.values())[:MOST]


async def prompt_text(chat: ChatService, prompt: Prompt) -> str:
    """The whole text of a prompt.

    Raises:
        KeyError: it is not there any more.
        OSError: the history cannot be read.
    """
    if len(prompt.text) == prompt.length or chat.history is None:
        return prompt.text
    from codomyrmex_ollama_tui.store.history_prompts import prompt_text as kept

    return await chat.history.run(lambda store: kept(store, prompt.id))
