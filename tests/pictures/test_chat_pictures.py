"""The chat screen as pictures, compared byte by byte with those that were looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion

from tests.pictures.chat_scenes import CHAT_SCENES, chat_scene
from tests.pictures.scenes import SIZES, Size, drawing, drawn


@pytest.fixture
def pictures(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(SVGImageExtension)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", ["chat", "chat-answering"])
async def test_picture(name: str, size: Size, tmp_path: Path, pictures: SnapshotAssertion) -> None:
    assert await drawn(CHAT_SCENES[name], tmp_path, size) == pictures


@pytest.mark.parametrize("name", ["chat-waiting", "chat-trouble", "chat-models", "chat-empty"])
async def test_picture_of_a_state(name: str, tmp_path: Path, pictures: SnapshotAssertion) -> None:
    assert await drawn(CHAT_SCENES[name], tmp_path, (80, 24)) == pictures


async def test_picture_without_colours(
    tmp_path: Path, pictures: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with chat_scene(tmp_path, (120, 40)) as seen:
        assert drawing(seen) == pictures


async def test_picture_in_light_colours(tmp_path: Path, pictures: SnapshotAssertion) -> None:
    async with chat_scene(tmp_path, (120, 40), config='[ui]\ntheme = "day"\n') as seen:
        assert drawing(seen) == pictures
