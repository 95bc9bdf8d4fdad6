"""The form of a conversation's options as pictures, compared byte by byte with those that were looked at."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion
from textual.widgets import Input

from codomyrmex_ollama_tui.ui.screens.chat import ChatScreen
from tests.pictures.scenes import MODELS, SIZES, Size, drawn, still
from tests.support.server import LocalServer, Reply
from tests.ui.chat_talk import MODEL, answers, chat, say
from tests.ui.stage import Stage, furnish, stage
from tests.ui.test_chat_options import CONFIG, SHOWN, open_form, put


def chat_below(seen: Stage) -> ChatScreen:
    """The chat screen under the form."""
    below = seen.app.screen_stack[-2]
    assert isinstance(below, ChatScreen)
    return below


@asynccontextmanager
async def options_scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
    """A preset, one value over it, and one that is refused."""
    async with LocalServer() as server:
        furnish(server, MODELS)
        server.route("POST", "/api/show", Reply(json=SHOWN))
        async with stage(server.url, folder, screen="chat", model=MODEL, size=size, config=CONFIG) as seen:
            await seen.ready()
            await open_form(seen)
            await put(seen, "preset", "mine")
            await put(seen, "top_k", "20")
            await put(seen, "min_p", "1.5")
            seen.screen.query_one(Input).cursor_blink = False  # `still` would wait for the form to close
            chat_below(seen).composer.cursor_blink = False
            await seen.pilot.pause()
            yield seen


@asynccontextmanager
async def checked_scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
    """What is said of an answer that was to be JSON."""
    async with LocalServer() as server:
        furnish(server, MODELS)
        answers(server, '```json\n{"name": "Ada", "age": 36}\n```', '{"name": "Ada", "age": 36}')
        async with stage(server.url, folder, screen="chat", model=MODEL, size=size) as seen:
            await seen.ready()
            chat(seen).conversation.format = "json"
            await say(seen, "Ada Lovelace, as JSON")
            await say(seen, "Without the fence")
            await still(seen)
            yield seen


@pytest.fixture
def pictures(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(SVGImageExtension)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_picture_of_the_options(size: Size, tmp_path: Path, pictures: SnapshotAssertion) -> None:
    assert await drawn(options_scene, tmp_path, size) == pictures


async def test_picture_of_an_answer_that_was_checked(tmp_path: Path, pictures: SnapshotAssertion) -> None:
    assert await drawn(checked_scene, tmp_path, (80, 24)) == pictures
