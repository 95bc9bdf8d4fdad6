"""Conversations as text for people and for programs, and back: Markdown, JSON, JSONL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from codomyrmex_ollama_tui.domain.chat import Role, Think, ToolCall
from codomyrmex_ollama_tui.domain.conversations import AnswerFacts, Conversation, Turn, TurnStatus
from codomyrmex_ollama_tui.domain.text import clean, one_line

FORMAT = "cotui conversation"
VERSION = 1
ExportFormat = Literal["markdown", "json", "jsonl"]
ENDINGS: Mapping[ExportFormat, str] = {"markdown": "md", "json": "json", "jsonl": "jsonl"}
_STATUSES = get_args(TurnStatus)
_ROLES = get_args(Role)


class NotImportable(ValueError):
    """A text is no export of conversations; one sentence that says where and why."""


def exported(conversations: Iterable[Conversation], format: ExportFormat) -> str:
    """Conversations as one text. JSON and JSONL hold every version of every turn; Markdown what is shown."""
    if format == "markdown":
        return "\n\n".join(map(as_markdown, conversations))
    values = [as_values(conversation) for conversation in conversations]
    if format == "json":
        return json.dumps(values[0] if len(values) == 1 else values, indent=2) + "\n"
    return "".join(json.dumps(value, separators=(",", ":")) + "\n" for value in values)


def as_markdown(conversation: Conversation) -> str:
    """What is shown of a conversation, cleaned: a heading for each turn, thinking as a quotation."""
    parts = [f"# {one_line(conversation.title, 200) or 'Conversation'}"]
    if conversation.system:
        parts += ["## system", clean(conversation.system)]
    for turn in conversation.turns:
        at = "" if turn.asked_at is None else f" · {turn.asked_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        speaker = "you" if turn.role == "user" else one_line(turn.model, 100) or turn.role
        parts.append(f"## {speaker}{at}")
        if turn.thinking:
            parts.append("\n".join(f"> {line}".rstrip() for line in clean(turn.thinking).split("\n")))
        if turn.images:
            parts.append(f"*{len(turn.images)} image{'s' if len(turn.images) > 1 else ''}*")
        parts.append(clean(turn.text).strip("\n"))
        if turn.status not in ("complete", "streaming"):
            parts.append(f"*{turn.status}{f': {clean(turn.words)}' if turn.words else ''}*")
    return "\n\n".join(part for part in parts if part) + "\n"


def as_values(conversation: Conversation) -> dict[str, object]:
    """A conversation as JSON values, with nothing left out but what stands in its composer."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "id": conversation.id,
        "title": conversation.title,
        "named": conversation.named,
        "pinned": conversation.pinned,
        "model": conversation.model,
        "system": conversation.system,
        "options": conversation.options,
        "think": conversation.think,
        "preset": conversation.preset,
        "keep_alive": conversation.keep_alive,
        "answer_format": conversation.format,
        "created_at": _moment(conversation.created_at),
        "changed_at": _moment(conversation.changed_at),
        "turns": [_turn_values(turn) for turn in conversation.tree.values()],
    }


def _turn_values(turn: Turn) -> dict[str, object]:
    return {
        "id": turn.id,
        "parent": turn.parent,
        "chosen": turn.chosen,
        "role": turn.role,
        "model": turn.model,
        "text": turn.text,
        "thinking": turn.thinking,
        "status": turn.status,
        "words": turn.words,
        "asked_at": _moment(turn.asked_at),
        "thought_for": turn.thought_for,
        "facts": None if turn.answer is None else asdict(turn.answer),
        "images": list(turn.images),
        "tool_calls": [asdict(call) | {"arguments": dict(call.arguments)} for call in turn.tool_calls],
    }


def imported(text: str) -> list[Conversation]:
    """The conversations in a JSON or JSONL export.

    Raises:
        NotImportable: it is none; says in which line or conversation.
    """
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise NotImportable("the file is empty")
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        values = _lines(text, error)
    else:
        values = whole if isinstance(whole, list) else [whole]
    if not values:
        raise NotImportable("there is no conversation in it")
    return [_conversation(value, f"conversation {number}") for number, value in enumerate(values, 1)]


def _lines(text: str, error: Exception) -> list[object]:
    values = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                values.append(json.loads(line))
            except (ValueError, RecursionError):
                if number == 1:
                    raise NotImportable(f"it is no JSON: {error}") from None
                raise NotImportable(f"line {number} is no JSON") from None
    return values


def _conversation(value: object, where: str) -> Conversation:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise NotImportable(f"{where} is no conversation that was exported here")
    version = value.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise NotImportable(f"{where} was exported by a later version of this program")
    turns = value.get("turns", [])
    if not isinstance(turns, list):
        raise NotImportable(f"{where}: turns is no list")
    options = value.get("options")
    found = Conversation(
        _text(value, "id", where),
        _text(value, "title", where),
        _text(value, "model", where),
        named=value.get("named") is True,
        pinned=value.get("pinned") is True,
        system=_text(value, "system", where),
        options=options if isinstance(options, dict) else {},
        think=_think(value.get("think")),
        preset=_text(value, "preset", where),
        keep_alive=_one_of(value.get("keep_alive"), int, float, str),
        format=_one_of(value.get("answer_format"), str, dict),
        created_at=_when(value, "created_at", where),
        changed_at=_when(value, "changed_at", where),
    )
    if not found.id:
        raise NotImportable(f"{where} has no id")
    for number, one in enumerate(turns, 1):
        turn = _turn(one, f"{where}, turn {number}")
        if turn.id in found.tree:
            raise NotImportable(f"{where}, turn {number}: its id is there twice")
        if turn.parent not in found.tree:
            turn.parent = None
        found.tree[turn.id] = turn
    found.retrace()
    return found


def _turn(value: object, where: str) -> Turn:
    if not isinstance(value, dict):
        raise NotImportable(f"{where} is no object")
    turn_id, parent, role = _text(value, "id", where), value.get("parent"), value.get("role")
    if not turn_id or role not in _ROLES or not (parent is None or isinstance(parent, str)):
        raise NotImportable(f"{where}: id, parent or role is not what it should be")
    status = value.get("status")
    if status == "streaming" or status not in _STATUSES:
        status = "interrupted" if status == "streaming" else "complete"
    chosen, facts, thought_for = value.get("chosen"), value.get("facts"), value.get("thought_for")
    images, calls = _list(value.get("images")), _list(value.get("tool_calls"))
    return Turn(
        turn_id,
        cast(Role, role),
        _text(value, "text", where),
        _text(value, "thinking", where),
        model=_text(value, "model", where),
        status=cast(TurnStatus, status),
        answer=_facts(facts) if isinstance(facts, dict) else None,
        words=_text(value, "words", where),
        asked_at=_when(value, "asked_at", where),
        parent=parent,
        chosen=chosen if isinstance(chosen, int) and abs(chosen) < 2**53 else 0,
        images=tuple(image for image in images if isinstance(image, str)),
        tool_calls=tuple(call for call in map(_call, calls) if call is not None),
        thought_for=thought_for if isinstance(thought_for, float) else None,
    )


def _facts(value: Mapping[str, Any]) -> AnswerFacts:
    known = {one.name for one in fields(AnswerFacts)} - {"done_reason", "checked"}
    figures: dict[str, Any] = {name: figure for name, figure in value.items() if name in known and _is_figure(figure)}
    words: dict[str, Any] = {
        name: word for name in ("done_reason", "checked") if isinstance(word := value.get(name), str)
    }
    return AnswerFacts(**words | figures)


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _call(value: object) -> ToolCall | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments, index, call_id = value.get("arguments"), value.get("index"), value.get("id")
    return ToolCall(
        value["name"],
        arguments if isinstance(arguments, dict) else {},
        call_id if isinstance(call_id, str) else "",
        index if isinstance(index, int) else None,
    )


def _think(value: object) -> Think | None:
    known = isinstance(value, bool) or (isinstance(value, str) and value in ("low", "medium", "high", "max"))
    return cast("Think", value) if known else None


def _one_of(value: Any, *kinds: type) -> Any:
    """The value if it is of one of these kinds, else None; whether it is allowed is seen when it is used."""
    return value if isinstance(value, kinds) and not isinstance(value, bool) else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: Mapping[str, object], name: str, where: str) -> str:
    text = value.get(name, "")
    if not isinstance(text, str):
        raise NotImportable(f"{where}: {name} is no text")
    return text


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _when(value: Mapping[str, object], name: str, where: str) -> datetime | None:
    text = value.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        raise NotImportable(f"{where}: {name} is no time") from None
    if not 1900 <= at.year <= 9000:
        raise NotImportable(f"{where}: {name} is no time of ours")
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
