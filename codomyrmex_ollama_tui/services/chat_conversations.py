"""The conversations of a person: listed, opened, named, pinned, deleted; in the history if there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.conversations import TITLE_LENGTH, Conversation, Summary, Turn, Unsent
from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.history import History


class Conversations:
    """All conversations; without a history they are kept in memory alone.

    Attributes:
        history: where they are kept, on a thread of its own.
    """

    def __init__(self, *, now: Callable[[], datetime], history: History | None = None) -> None:
        self.history = history
        self._now = now
        self._numbers = count(1)
        self._conversations: dict[str, Conversation] = {}
        self._listed: dict[str, Summary] = {}
        self._asked: set[str] = set()  # those in which an answer is being written by us
        self._deleted: dict[str, tuple[Conversation | None, Summary | None]] = {}

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        """All conversations that were begun or opened in this run, in that order."""
        return tuple(self._conversations.values())

    @property
    def listed(self) -> tuple[Summary, ...]:
        """All conversations that hold anything, those of the history as far as it has been read; newest first."""
        found = dict(self._listed)
        for conversation in self._conversations.values():
            if conversation.turns or conversation.draft.text:
                found[conversation.id] = self.summary_of(conversation)
        newest_last = list(found.values())
        return tuple(sorted(reversed(newest_last), key=lambda one: one.changed_at, reverse=True))

    async def load(self) -> None:
        """Reads the list of conversations from the history. Raises OSError if it cannot be read."""
        if self.history is not None:
            found = await self.history.run(lambda store: store.summaries())
            self._listed = {one.id: one for one in reversed(found) if one.id not in self._deleted}

    async def open(self, conversation_id: str) -> Conversation:
        """A conversation with all its turns, as the history has it now; the same object each time.

        Raises:
            KeyError: there is none (any more).
            OSError: the history cannot be read.
        """
        held = self._conversations.get(conversation_id)
        if self.history is None or (held is not None and conversation_id in self._asked):
            return self._conversations[conversation_id]
        from codomyrmex_ollama_tui.domain.outputs import OutputNotFound  # not before the first frame

        try:
            found = await self.history.run(lambda store: store.load(conversation_id))
        except OutputNotFound:
            if held is not None:  # deleted by another program, but not yet here
                return held
            self._listed.pop(conversation_id, None)
            raise KeyError(conversation_id) from None
        if held is None:
            return self._conversations.setdefault(conversation_id, found)
        if conversation_id not in self._asked and not self.history.is_behind:  # else it knows more than the disk
            held.tree, held.title = found.tree, found.title
            held.named, held.pinned = found.named, found.pinned
            held.retrace()
        return held

    def new_conversation(self, model: str) -> Conversation:
        """Begins an empty conversation; it is kept from its first question on."""
        conversation = Conversation(self._new_id("conversation"), "", model, created_at=self._now())
        self._conversations[conversation.id] = conversation
        return conversation

    def summary_of(self, conversation: Conversation) -> Summary:
        """A conversation that is in memory, as the list shows it."""
        statuses = [turn.status for turn in conversation.tree.values() if turn.role == "assistant"]
        return Summary(
            conversation.id,
            conversation.title,
            conversation.model,
            conversation.changed_at or conversation.created_at or self._now(),
            pinned=conversation.pinned,
            turns=len(conversation.tree),
            status=statuses[-1] if statuses else "complete",
            draft=one_line(conversation.draft.text, TITLE_LENGTH),
        )

    def keep(self, conversation: Conversation) -> None:
        """Keeps what was changed about a conversation: its model, system prompt, options, thinking."""
        if conversation.turns:
            self._post(conversation)

    async def rename(self, conversation_id: str, title: str) -> None:
        """Gives a conversation a title. Raises ValueError for a blank one, and what `open` raises."""
        if not title.strip():
            raise ValueError("a title cannot be blank")
        conversation = await self.open(conversation_id)
        conversation.title, conversation.named = one_line(title), True
        self._post(conversation)

    async def pin(self, conversation_id: str, pinned: bool) -> None:
        """Pins a conversation, or takes the pin away. Raises what `open` raises."""
        conversation = await self.open(conversation_id)
        conversation.pinned = pinned
        self._post(conversation)

    def delete(self, conversation_id: str) -> None:
        """Deletes a conversation; `put_back` undoes it until the program ends. Stop its answer before.

        Raises:
            ValueError: an answer is being written in it.
        """
        held = self._conversations.get(conversation_id)
        if held is not None and is_answering(held):
            raise ValueError("an answer is still being written in this conversation")
        self._conversations.pop(conversation_id, None)
        self._deleted[conversation_id] = (held, self._listed.pop(conversation_id, None))
        if self.history is not None:
            self.history.post(lambda store: store.delete(conversation_id))

    def put_back(self, conversation_id: str) -> None:
        """Brings back what `delete` deleted. Raises KeyError if it did not."""
        held, summary = self._deleted.pop(conversation_id)
        if held is not None:
            self._conversations[conversation_id] = held
        if summary is not None:
            self._listed[conversation_id] = summary
        if self.history is not None and (summary is not None or (held is not None and held.turns)):
            self.history.post(lambda store: store.put_back(conversation_id))

    def keep_draft(self, conversation: Conversation, draft: Unsent) -> None:
        """Keeps what stands in the composer of a conversation; nothing happens where it is kept already."""
        if draft == conversation.draft or conversation.id in self._deleted:
            return
        conversation.draft = draft
        if self.history is not None:
            kept = replace(conversation, turns=[], tree={})
            self.history.post(lambda store: store.keep_draft(kept, draft))

    def choose(self, conversation: Conversation, turn: Turn) -> None:
        """Shows a turn in the place of its siblings, with what followed it, wherever it is in the tree."""
        chosen = [replace(one) for one in conversation.choose(turn)]
        if self.history is not None and chosen:
            self.history.post(lambda store: store.choose(chosen))

    def drop(self, conversation: Conversation, turn: Turn) -> None:
        """Deletes a turn and what follows it."""
        gone = [one.id for one in conversation.remove(turn)]
        if not conversation.tree and not conversation.named:
            conversation.title = ""
        if self.history is not None:
            self.history.post(lambda store: store.remove(gone))

    def _post(self, conversation: Conversation) -> None:
        if self.history is not None:
            kept = replace(conversation, turns=[], tree={})
            self.history.post(lambda store: store.save(kept))

    def _new_id(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}" if self.history is None else self.history.new_id()


def is_answering(conversation: Conversation) -> bool:
    """Whether an answer is being written in a conversation."""
    return any(turn.status == "streaming" for turn in conversation.tree.values())
