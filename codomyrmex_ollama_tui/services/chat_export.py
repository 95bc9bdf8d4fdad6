"""Conversations out of the history and into it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.conversation_export import ENDINGS, ExportFormat, NotImportable, exported, imported

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.conversations import Conversation
    from codomyrmex_ollama_tui.services.chat import ChatService

LARGEST = 1 << 30
"""Bytes of a file that is read for an import."""


@dataclass(frozen=True, slots=True)
class ChatsImported:
    """What an import did.

    Attributes:
        taken: the ids of the new conversations.
        known: how many were there already.
    """

    taken: tuple[str, ...]
    known: int


async def export_chats(chat: ChatService, conversation_ids: Iterable[str], format: ExportFormat) -> str:
    """Conversations as one text. Raises what `ChatService.open` raises."""
    opened = [await chat.open(one) for one in conversation_ids]
    return await asyncio.to_thread(exported, opened, format)


async def save_chat(chat: ChatService, conversation_id: str, format: ExportFormat) -> Path:
    """Saves one conversation as a new file in the folder `exports` beside the history; gives the file.

    Raises:
        RuntimeError: there is no history.
        OSError: the file cannot be written. And what `ChatService.open` raises.
    """
    if chat.history is None:
        raise RuntimeError("conversations are not kept here")
    conversation = await chat.open(conversation_id)
    folder = chat.history.path.parent / "exports"
    return await asyncio.to_thread(_write, folder, conversation, format)


def _write(folder: Path, conversation: Conversation, format: ExportFormat) -> Path:
    from codomyrmex_ollama_tui.store.atomic import write_new
    from codomyrmex_ollama_tui.store.filenames import safe_name

    text = exported([conversation], format)
    words = " ".join(conversation.title.split()[:8]) or "conversation"
    number = 1
    while True:
        stem = safe_name("-".join(words.split())) + (f"-{number}" if number > 1 else "")
        file = folder / f"{stem}.{ENDINGS[format]}"
        try:
            write_new(file, text)
        except FileExistsError:
            number += 1
        else:
            return file


async def import_chats(chat: ChatService, file: Path) -> ChatsImported:
    """Takes in the conversations of a JSON or JSONL export; those that are there already stay as they are.

    All of them or, if anything is wrong with the file, none.

    Raises:
        NotImportable: the file is no such export.
        OSError: it cannot be read, or the history cannot be written.
        RuntimeError: there is no history.
    """
    history = chat.history
    if history is None:
        raise RuntimeError("conversations are not kept here")
    found = await asyncio.to_thread(_read, file)
    taken = await history.run(lambda store: store.take_in(found))
    await chat.load()
    return ChatsImported(taken, len(found) - len(taken))


def _read(file: Path) -> list[Conversation]:
    if file.stat().st_size > LARGEST:
        raise NotImportable(f"{file.name} is larger than {LARGEST:,} bytes")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise NotImportable(f"{file.name} is no text") from None
    return imported(text)
