"""The scenes whose pictures stand in screenshots/ and in the README, one or two for each screen."""

from __future__ import annotations

from tests.pictures.chat_scenes import CHAT_SCENES
from tests.pictures.compare_scenes import COMPARE_SCENES
from tests.pictures.scenes import SCENES, Scene

GALLERY: dict[str, Scene] = {
    "first-run": SCENES["first-run"],
    "models": SCENES["models"],
    "chat": CHAT_SCENES["chat"],
    "chat-answering": CHAT_SCENES["chat-answering"],
    "chat-versions": COMPARE_SCENES["versions-diff"],
}
"""Scenes by the name of their files."""
