"""What the chat screen says about answers: pure functions from values to the words and views that are shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.names import parse_reference, same_model
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.models import near_names
from codomyrmex_ollama_tui.services.pulls import PullPhase
from codomyrmex_ollama_tui.services.server import ServerPhase
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.widgets.conversation_list import Entry
from codomyrmex_ollama_tui.ui.widgets.transcript import TurnView
from codomyrmex_ollama_tui.ui.widgets.transcript.items import Status

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.conversations import Summary
    from codomyrmex_ollama_tui.domain.models import ModelSummary, RunningModel
    from codomyrmex_ollama_tui.services.chat import AnswerFacts, Conversation, Turn
    from codomyrmex_ollama_tui.services.chat_search import FoundChat
    from codomyrmex_ollama_tui.services.pulls import PullState
    from codomyrmex_ollama_tui.ui.answers import Answering

MODEL_COLOURS = 6
SNIPPET = 40
"""Characters of what was found in a conversation, as the list shows it."""
LOAD_WORTH_SAYING = 0.5
"""Seconds of loading from which it is told apart from the rest of the wait."""

_ENDS = {"stop": "done", "length": "cut at the limit of its length", "": "done"}


def progress(
    answering: Answering,
    now: float,
    phase: ServerPhase,
    running: Sequence[RunningModel] | None,
    *,
    queued: bool = False,
) -> str:
    """The line under an answer on its way: how long it has been waited for and why, or how fast it comes.

    Args:
        now: seconds of the same clock as `answering`.
        running: what is in memory; None where that is not known.
        queued: it has not been sent yet, because so many others stream.
    """
    waited = elapsed(now - answering.asked_at)
    if answering.first_at is None:
        model = answering.answer.model if answering.answer is not None else answering.conversation.model
        why = "for other answers to end" if queued else waiting_for(model, phase, running)
        words = [f"waiting {waited}", why]
        return " · ".join(filter(None, words))
    words = [waited]
    since = now - answering.first_at
    if answering.pieces > 1 and since >= 1.0:
        words.append(f"≈ {(answering.pieces - 1) / since:.1f} tokens/s")
    return " · ".join(words)


def elapsed(seconds: float) -> str:
    """Seconds that run, as "12 s" or "2:05"."""
    return f"{int(seconds)} s" if seconds < 100 else formats.countdown(seconds)


def waiting_for(model: str, phase: ServerPhase, running: Sequence[RunningModel] | None) -> str:
    """Why nothing has come yet, as far as it is known."""
    if phase in (ServerPhase.STARTING, ServerPhase.RESTARTING):
        return f"the server is {phase.value}"
    if phase is not ServerPhase.READY:
        return "the server does not answer"
    if running is None:
        return ""
    if any(same_model(model, one.name) for one in running):
        return "in memory: queued or reading the prompt"
    return "not in memory yet: loading"


def figures(facts: AnswerFacts | None) -> list[str]:
    """The measured figures of an answer, each with its unit; what was not measured is left out."""
    if facts is None:
        return []
    words = []
    if facts.eval_rate is not None:
        words.append(f"{facts.eval_rate:.1f} tokens/s")
    if facts.ttft is not None:
        load = facts.load_s if facts.load_s is not None and facts.load_s >= LOAD_WORTH_SAYING else None
        words.append(f"first {facts.ttft:.2f} s" + (f" ({load:.2f} s loading)" if load is not None else ""))
    if facts.tokens is not None:
        words.append(f"{formats.count(facts.tokens)} tokens" if facts.tokens != 1 else "1 token")
    return words


def note_of(turn: Turn) -> str:
    """The muted line under an answer: its figures and how it ended."""
    words = figures(turn.answer)
    match turn.status:
        case "complete":
            reason = turn.answer.done_reason if turn.answer is not None else ""
            words.append(_ENDS.get(reason) or one_line(reason, 40))
            if turn.answer is not None and turn.answer.checked:
                words.append(one_line(turn.answer.checked, 160))
        case "stopped":
            words.append("stopped")
        case "interrupted":
            words.append("interrupted")
        case "failed" | "unfinished":
            return " · ".join([one_line(turn.words, 400) or "no answer", *words])
        case "streaming":
            return ""
    return " · ".join(words)


def calls_of(turn: Turn) -> str:
    """The functions that an answer asks to be called, as blocks of JSON to be shown under its text; "" for none.

    Nothing calls them. What stands in them is a model's: the fences are longer than any inside.
    """
    blocks = []
    for call in turn.tool_calls:
        shown = {"name": call.name, "arguments": dict(call.arguments)}
        data = json.dumps(shown, indent=2, ensure_ascii=False, default=str)
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", data)), default=0))
        blocks.append(f"\n\nTool call, not carried out:\n\n{fence}json\n{data}\n{fence}\n")
    return "".join(blocks)


def is_empty(turn: Turn) -> bool:
    """Whether an answer brought nothing at all."""
    brought = turn.text or turn.thinking or turn.tool_calls
    return turn.role == "assistant" and not brought and turn.status != "complete"


def colours(conversation: Conversation) -> dict[str, int]:
    """The colour (0–5) of each model, in the order in which they entered the conversation, on whatever path."""
    found: dict[str, int] = {}
    turns = conversation.tree.values() or conversation.turns
    for model in [*(turn.model for turn in turns), conversation.model]:
        if model and model not in found:
            found[model] = len(found) % MODEL_COLOURS
    return found


def view_of(turn: Turn, colour: int | None, now: datetime, place: tuple[int, int] = (1, 1)) -> TurnView:
    """A turn as the transcript shows it.

    Args:
        place: which of how many siblings it is, from 1.
    """
    suffix = f"‹ {place[0]} of {place[1]} ›" if place[1] > 1 else ""
    if turn.role == "assistant":
        name = one_line(turn.model, 60)
        return TurnView(
            id=turn.id,
            speaker=name,
            text=turn.text + ("" if turn.status == "streaming" else calls_of(turn)),
            thinking=turn.thinking,
            kind="assistant",
            colour=colour,
            note=note_of(turn),
            status=shown_status(turn),
            suffix=suffix,
            thought_for=turn.thought_for,
        )
    speaker = "you" if turn.asked_at is None else f"you · {formats.moment(turn.asked_at, now)}"
    return TurnView(id=turn.id, speaker=speaker, text=turn.text, kind="user", suffix=suffix)


def shown_status(turn: Turn) -> Status:
    """How the transcript draws the end of an answer."""
    return "unfinished" if turn.status == "interrupted" else turn.status


def views_of(conversation: Conversation, now: datetime) -> list[TurnView]:
    """The turns of the path that is shown."""
    found = colours(conversation)
    places: dict[str, tuple[int, int]] = {}
    families: dict[str | None, list[str]] = {}
    for turn in conversation.tree.values():
        families.setdefault(turn.parent, []).append(turn.id)
    for family in families.values():
        places.update({turn_id: (number, len(family)) for number, turn_id in enumerate(family, 1)})
    return [view_of(turn, found.get(turn.model), now, places.get(turn.id, (1, 1))) for turn in conversation.turns]


def can_go_on(turn: Turn) -> bool:
    """Whether an answer has a beginning but no end."""
    if turn.role != "assistant" or not turn.text:
        return False
    cut = turn.answer is not None and turn.answer.done_reason == "length"
    return turn.status in ("stopped", "failed", "unfinished", "interrupted") or cut


def title_of(conversation: Conversation) -> str:
    """What a conversation is called."""
    return one_line(conversation.title, 120) or "New chat"


def context_used(conversation: Conversation) -> tuple[int | None, bool]:
    """Tokens in the context after the last answer that counted them, and whether that is only about right.

    It is about right when the answer's thinking is counted in it, which is not sent back with the next question.
    """
    for turn in reversed(conversation.turns):
        if turn.answer is not None and turn.answer.context_used is not None:
            return turn.answer.context_used, bool(turn.thinking)
    return None, False


def entry_of(summary: Summary, answering: Answering | None = None, *, queued: bool = False) -> Entry:
    """A conversation as the list shows it.

    Args:
        answering: its answer on its way.
        queued: that has not been sent yet, because so many others stream.
    """
    trouble = ""
    if answering is None and summary.status == "interrupted":
        trouble = "! interrupted · continue?"
    elif answering is None and summary.status in ("stopped", "failed", "unfinished"):
        trouble = summary.status
    elif answering is None and not summary.turns and summary.draft:
        trouble = "not sent"
    return Entry(
        summary.id,
        one_line(summary.title, 120) or summary.draft or "New chat",
        summary.model,
        at=summary.changed_at if summary.turns or summary.draft else None,
        answering=answering is not None,
        waiting=answering is not None and answering.first_at is None,
        queued=queued,
        trouble=trouble,
        pinned=summary.pinned,
    )


def found_entry(entry: Entry, found: FoundChat) -> Entry:
    """A conversation as the list shows it when something was found in it."""
    return replace(entry, snippet=found.snippet, hits=found.hits)


def number_of(count: int) -> str:
    """The line over the list, which invites to search."""
    if count == 0:
        return "no conversations yet"
    noun = "conversation" if count == 1 else "conversations" if count < 1000 else "chats"  # the list is narrow
    return f"/ search {formats.count(count)} {noun}"


def first_choice(models: Sequence[ModelSummary], used: Iterable[str] = ()) -> str:
    """The model that a conversation without one gets: used last, else the newest that can write; "" where none is.

    Args:
        used: models in the order in which they were used, the last one first; those that are gone are passed over.
    """
    for name in used:
        for model in models:
            if same_model(model.name, name):
                return model.name
    writers = [model for model in models if model.capabilities is None or "completion" in model.capabilities]
    return (writers or models)[0].name if models else ""


def is_missing(model: str, models: Sequence[ModelSummary] | None) -> bool:
    """Whether a server is known not to have a model. Models that run elsewhere need not be listed."""
    if models is None or not model:
        return False
    reference = parse_reference(model)
    if reference is not None and reference.source == "cloud":
        return False
    return not any(same_model(model, one.name) for one in models)


def trouble_with_model(
    model: str,
    models: Sequence[ModelSummary] | None,
    pull: PullState | None,
    *,
    pull_key: str,
    picker_key: str,
    models_key: str,
) -> tuple[str, str]:
    """The line over the composer: what is wrong with the model, and the keys that help; both "" when nothing is.

    Args:
        models: what the server has; None while that is not known.
        pull: the pull of that model, if there is one.
    """
    name = one_line(model, 60)
    if models is not None and not models and not model:
        return "no model on this server yet", f"{models_key} goes to the models screen, which pulls one"
    if not is_missing(model, models):
        return "", ""
    if pull is not None and pull.phase is PullPhase.FAILED:
        return f"✕ {name} could not be pulled: {one_line(pull.error)}", f"{pull_key} tries again"
    if pull is not None and not pull.phase.over:
        return f"↓ {name} is being pulled", "it can be asked once it is here"
    near = ", ".join(one_line(other, 60) for other in near_names(model, [one.name for one in models or ()]))
    what = f"{name} is not on this server" + (f" · did you mean {near}?" if near else "")
    return what, f"{pull_key} pulls it · {picker_key} chooses another"
