"""Two versions side by side as pictures, compared byte by byte with those that were looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion

from tests.pictures.compare_scenes import COMPARE_SCENES
from tests.pictures.scenes import SIZES, Size, drawn


@pytest.fixture
def pictures(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(SVGImageExtension)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", ["versions", "versions-diff"])
async def test_picture(name: str, size: Size, tmp_path: Path, pictures: SnapshotAssertion) -> None:
    assert await drawn(COMPARE_SCENES[name], tmp_path, size) == pictures


async def test_picture_of_answers_on_their_way(tmp_path: Path, pictures: SnapshotAssertion) -> None:
    assert await drawn(COMPARE_SCENES["versions-live"], tmp_path, (120, 40)) == pictures


async def test_picture_of_models_marked(tmp_path: Path, pictures: SnapshotAssertion) -> None:
    assert await drawn(COMPARE_SCENES["versions-models"], tmp_path, (80, 24)) == pictures


async def test_picture_of_a_diff_without_colours(
    tmp_path: Path, pictures: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert await drawn(COMPARE_SCENES["versions-diff"], tmp_path, (120, 40)) == pictures
