"""Conversations: trees of turns, of which one path is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.chat import KeepAlive, Role, Think, ToolCall

TITLE_LENGTH = 60
"""Characters of a conversation's title, which is the beginning of its first question."""

TurnStatus = Literal["complete", "stopped", "failed", "unfinished", "interrupted", "streaming"]
"""How far a turn is. "unfinished": the server ended it too early; "interrupted": the program that wrote it ended."""


NO_ROOM = "no room"
"""In the place of a server's `done_reason`."""


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """The figures of one answer.

    Attributes:
        tokens: `eval_count`, the unseen end token included; None for an answer without a last line.
        eval_rate: tokens per second, eval_count / eval_duration; None where the server gives no duration.
        ttft: seconds from sending to the first byte; None if none came.
        total: seconds from sending to the last byte.
        done_reason: "stop", "length", …; "" for an answer without a last line; NO_ROOM for one that was refused
            because the prompt is longer than the context.
        load_s: seconds the model took to load.
        context_used: tokens of the context in use after the answer: prompt_eval_count + eval_count.
        prompt_tokens: `prompt_eval_count`.
        prompt_s: seconds of reading the prompt.
        checked: whether an answer that was to be JSON is, in a few words; "" for others.
    """

    tokens: int | None = None
    eval_rate: float | None = None
    ttft: float | None = None
    total: float = 0.0
    done_reason: str = ""
    load_s: float | None = None
    context_used: int | None = None
    prompt_tokens: int | None = None
    prompt_s: float | None = None
    checked: str = ""


@dataclass(slots=True)
class Turn:
    """One turn of a conversation. `text` and `thinking` are raw text from a person or a model: clean before drawing.

    Attributes:
        answer: the figures, once an answer has ended in whatever way; None for a person's turn.
        words: why it failed, one clean sentence; "" otherwise.
        parent: the id of the turn it follows; None for the first.
        chosen: of the turns with the same parent the one with the highest number is shown.
        images: base64 texts without a `data:` prefix.
        thought_for: seconds of thinking, where they were measured.
    """

    id: str
    role: Role
    text: str = ""
    thinking: str = ""
    model: str = ""
    status: TurnStatus = "complete"
    answer: AnswerFacts | None = None
    words: str = ""
    asked_at: datetime | None = None
    parent: str | None = None
    chosen: int = 0
    images: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    thought_for: float | None = None


@dataclass(frozen=True, slots=True)
class Unsent:
    """What stands in the composer of a conversation and has not been sent.

    Attributes:
        text: what is seen; a long paste is one marker in it.
        pasted: the text that each marker stands for.
    """

    text: str = ""
    pasted: Mapping[str, str] = field(default_factory=dict)


NOTHING_UNSENT = Unsent()


@dataclass(slots=True)
class Conversation:
    """Turns with one model at a time; `title` is the beginning of the first question, "" before it.

    Attributes:
        turns: the path that is shown, from the first turn to the last.
        tree: every turn by its id, oldest first; those beside the path too.
        named: a person gave the title.
        system: sent before the first turn; "" leaves it to the configuration.
        preset: the name of a preset of the configuration, under what follows; "" for none.
        options: Ollama's options for every answer, over those of the configuration.
        think: what a model that can think is told; None leaves it to the configuration, else `True`.
        keep_alive: how long the model stays in memory; None leaves it to the configuration.
        format: "json", a JSON schema, or "text" where the configuration has another; None leaves it to that.
        draft: what stands in its composer.
        sent_from: the first turn that is sent, where those above it are left out to make room; "" for all.
    """

    id: str
    title: str
    model: str
    turns: list[Turn] = field(default_factory=list)
    tree: dict[str, Turn] = field(default_factory=dict)
    named: bool = False
    pinned: bool = False
    system: str = ""
    options: dict[str, object] = field(default_factory=dict)
    think: Think | None = None
    draft: Unsent = NOTHING_UNSENT
    created_at: datetime | None = None
    changed_at: datetime | None = None
    sent_from: str = ""
    preset: str = ""
    keep_alive: KeepAlive | None = None
    format: str | Mapping[str, object] | None = None

    def add(self, *turns: Turn) -> None:
        """Takes turns in; they are shown if what they follow is."""
        for turn in turns:
            turn.chosen = self._next_choice()
            self.tree[turn.id] = turn
        self.retrace()

    def remove(self, turn: Turn) -> tuple[Turn, ...]:
        """Takes a turn out, and everything that follows it; gives what went, parents first."""
        gone = tuple(self.below(turn))
        for one in gone:
            self.tree.pop(one.id, None)
        self.retrace()
        return gone

    def choose(self, turn: Turn) -> list[Turn]:
        """Shows a turn, wherever it is in the tree; gives the turns that had to be chosen for it."""
        chosen = []
        for one in self.above(turn):
            if any(other.chosen >= one.chosen for other in self.siblings(one) if other is not one):
                one.chosen = self._next_choice()
                chosen.append(one)
        self.retrace()
        return chosen

    def siblings(self, turn: Turn) -> list[Turn]:
        """The turns that stand in the same place, oldest first, itself among them."""
        return [one for one in self.tree.values() if one.parent == turn.parent]

    def below(self, turn: Turn) -> Iterator[Turn]:
        """A turn and all that follow it, parents first."""
        found = {turn.id}
        yield turn
        for one in self.tree.values():
            if one.parent in found and one.id not in found:
                found.add(one.id)
                yield one

    def above(self, turn: Turn) -> list[Turn]:
        """The turns that lead to a turn, from the first on, itself the last."""
        path = [turn]
        while (parent := self.tree.get(path[-1].parent or "")) is not None:
            path.append(parent)
        return path[::-1]

    def retrace(self) -> None:
        """Finds the path that is shown: from the first turn on always the one chosen last."""
        self.turns[:] = path_shown(self.tree.values())

    def _next_choice(self) -> int:
        return max((one.chosen for one in self.tree.values()), default=0) + 1


def path_shown(turns: Iterable[Turn]) -> list[Turn]:
    """The path through a tree that takes the turn chosen last at every fork.

    Args:
        turns: every turn stands behind its parent.
    """
    shown: dict[str | None, Turn] = {}
    for turn in turns:
        best = shown.get(turn.parent)
        if best is None or turn.chosen >= best.chosen:
            shown[turn.parent] = turn
    path: list[Turn] = []
    turn_id: str | None = None
    while (following := shown.pop(turn_id, None)) is not None:
        path.append(following)
        turn_id = following.id
    return path


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list shows of a conversation.

    Attributes:
        changed_at: when it was last asked something; of one that was never asked when its draft changed.
        turns: how many turns it has, those of every path.
        status: how its newest answer ended; "complete" where there is none.
        draft: the beginning of what has not been sent, on one line.
    """

    id: str
    title: str
    model: str
    changed_at: datetime
    pinned: bool = False
    turns: int = 0
    status: TurnStatus = "complete"
    draft: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question that was asked before.

    Attributes:
        id: of its turn.
        text: the beginning of it, raw; the whole of a short one.
        length: characters of the whole.
    """

    id: str
    text: str
    length: int
    asked_at: datetime | None = None
