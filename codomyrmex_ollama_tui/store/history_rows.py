"""Conversations and turns as rows of the history, and back."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from codomyrmex_ollama_tui.domain.chat import Role, Think, ToolCall
from codomyrmex_ollama_tui.domain.conversations import (
    NOTHING_UNSENT,
    AnswerFacts,
    Conversation,
    Turn,
    TurnStatus,
    Unsent,
)

CONVERSATION = (
    "id, title, named, model, system, options, think, pinned, draft, pasted, sent_from, created, changed, preset,"
    " keep_alive, format"
)
TURN = (
    "id, parent, chosen, role, text, thinking, model, status, words, asked, thought_for, facts, images, tool_calls,"
    " writer"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FACTS = frozenset(one.name for one in fields(AnswerFacts))


def microseconds(moment: datetime) -> int:
    """Since 1970, rounded down."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(value: int) -> datetime:
    """The UTC time of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)


def kept(text: str) -> str | bytes:
    """A text as a column holds it, nothing lost: half a surrogate pair, which UTF-8 has not, makes it bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def told(value: str | bytes) -> str:
    """The text that `kept` was given."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def as_json(value: object) -> str:
    """JSON in ASCII, so that any text can be in it."""
    return json.dumps(value, separators=(",", ":"))


def conversation_values(conversation: Conversation, now: datetime) -> tuple[object, ...]:
    """The columns CONVERSATION."""
    draft = conversation.draft
    return (
        conversation.id,
        kept(conversation.title),
        conversation.named,
        kept(conversation.model),
        kept(conversation.system),
        as_json(conversation.options),
        as_json(conversation.think),
        conversation.pinned,
        *draft_values(draft),
        conversation.sent_from,
        microseconds(conversation.created_at or now),
        microseconds(conversation.changed_at or now),
        kept(conversation.preset),
        as_json(conversation.keep_alive),
        as_json(conversation.format),
    )


def draft_values(draft: Unsent) -> tuple[object, object]:
    """The columns draft and pasted."""
    return (kept(draft.text) if draft.text else None, as_json(dict(draft.pasted)) if draft.pasted else None)


def conversation_of(row: tuple[Any, ...]) -> Conversation:
    """The columns CONVERSATION, without any turn."""
    id_, title, named, model, system, options, think, pinned, draft, pasted, sent_from, created, changed, *more = row
    preset, keep_alive, format = more
    unsent = NOTHING_UNSENT
    if draft is not None:
        unsent = Unsent(told(draft), json.loads(pasted) if pasted else {})
    return Conversation(
        id_,
        told(title),
        told(model),
        named=bool(named),
        pinned=bool(pinned),
        system=told(system),
        options=json.loads(options),
        think=cast("Think | None", json.loads(think)),
        draft=unsent,
        created_at=moment(created),
        changed_at=moment(changed),
        sent_from=sent_from,
        preset=told(preset),
        keep_alive=json.loads(keep_alive),
        format=json.loads(format),
    )


def turn_of(row: tuple[Any, ...], images: Mapping[str, str]) -> Turn:
    """The columns TURN.

    Args:
        images: base64 texts by their digest.
    """
    (id_, parent, chosen, role, text, thinking, model, status, words, asked, thought_for, facts, pictures, calls, _) = (
        row
    )
    return Turn(
        id_,
        cast(Role, role),
        told(text),
        told(thinking),
        model=told(model),
        status=cast(TurnStatus, status),
        answer=None if facts is None else facts_of(json.loads(facts)),
        words=told(words),
        asked_at=None if asked is None else moment(asked),
        parent=parent,
        chosen=chosen,
        images=tuple(images[digest] for digest in json.loads(pictures) if digest in images) if pictures else (),
        tool_calls=tuple(ToolCall(**call) for call in json.loads(calls)) if calls else (),
        thought_for=thought_for,
    )


def facts_of(value: Mapping[str, Any]) -> AnswerFacts:
    """Figures out of JSON; what a later version may have added is left out."""
    return AnswerFacts(**{name: figure for name, figure in value.items() if name in _FACTS})


def ending_values(turn: Turn) -> tuple[object, ...]:
    """What is known of a turn when it has ended: text, thinking, status, words, thought_for, facts, tool_calls."""
    return (
        kept(turn.text),
        kept(turn.thinking),
        turn.status,
        kept(turn.words),
        turn.thought_for,
        None if turn.answer is None else as_json(asdict(turn.answer)),
        as_json([asdict(call) | {"arguments": dict(call.arguments)} for call in turn.tool_calls])
        if turn.tool_calls
        else None,
    )


def put_images(connection: sqlite3.Connection, images: Iterable[str]) -> str | None:
    """Keeps images, each once however often it is used; gives the column of their digests."""
    digests = []
    for data in images:
        digest = hashlib.sha256(data.encode()).hexdigest()
        connection.execute("INSERT OR IGNORE INTO image VALUES (?, ?)", (digest, data))
        digests.append(digest)
    return as_json(digests) if digests else None


def images_of(connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> dict[str, str]:
    """The images that turns (columns TURN) refer to, by their digest."""
    wanted = {digest for row in rows if row[12] for digest in json.loads(row[12])}
    found = {}
    for digest in wanted:
        if (row := connection.execute("SELECT data FROM image WHERE digest = ?", (digest,)).fetchone()) is not None:
            found[digest] = row[0]
    return found
