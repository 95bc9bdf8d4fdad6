"""The models screen's dialogs as pictures, compared byte by byte with those that were looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion

from tests.pictures.scenes import SCENES, SIZES, Size, drawn

BOTH = ("models-filter", "models-details", "models-compare", "models-charts")
NARROW = (
    "models-sort",
    "models-pull",
    "models-fields",
    "models-running",
    "models-load",
    "models-create",
    "models-delete",
)


@pytest.fixture
def pictures(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(SVGImageExtension)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", BOTH)
async def test_picture(name: str, size: Size, tmp_path: Path, pictures: SnapshotAssertion) -> None:
    assert await drawn(SCENES[name], tmp_path, size) == pictures


@pytest.mark.parametrize("name", NARROW)
async def test_picture_of_a_dialog(name: str, tmp_path: Path, pictures: SnapshotAssertion) -> None:
    assert await drawn(SCENES[name], tmp_path, (80, 24)) == pictures
