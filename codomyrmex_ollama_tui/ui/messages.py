"""Messages that more than one screen posts or the App answers; all others stand beside their sender."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message


@dataclass
class OpenChat(Message):
    """Go to the chat screen; with a model, begin a new conversation with it."""

    model: str | None = None


@dataclass
class OpenModels(Message):
    """Go to the models screen; with a name, offer to pull it."""

    pull: str = ""


@dataclass
class OpenFirstRun(Message):
    """Show the card that helps to a first model or a first server."""
