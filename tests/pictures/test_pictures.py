"""The screens as pictures, compared byte by byte with those that were looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion

from tests.pictures.scenes import SCENES, SIZES, Size, drawing, drawn, models_scene


@pytest.fixture
def pictures(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(SVGImageExtension)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", ["models", "first-run", "offer"])
async def test_picture(name: str, size: Size, tmp_path: Path, pictures: SnapshotAssertion) -> None:
    assert await drawn(SCENES[name], tmp_path, size) == pictures


async def test_picture_of_the_help(tmp_path: Path, pictures: SnapshotAssertion) -> None:
    assert await drawn(SCENES["help"], tmp_path, (80, 24)) == pictures


@pytest.mark.parametrize("theme", ["day", "contrast"])
async def test_picture_in_other_colours(theme: str, tmp_path: Path, pictures: SnapshotAssertion) -> None:
    async with models_scene(tmp_path, (80, 24), config=f'[ui]\ntheme = "{theme}"\n') as seen:
        assert drawing(seen) == pictures


async def test_picture_without_colours(
    tmp_path: Path, pictures: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with models_scene(tmp_path, (80, 24)) as seen:
        assert drawing(seen) == pictures


async def test_a_picture_is_the_same_every_time_and_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    first = await drawn(SCENES["models"], tmp_path / "one", (80, 24))
    assert first == await drawn(SCENES["models"], tmp_path / "two", (80, 24))
    assert "http" not in first.replace("http://www.w3.org/2000/svg", "").replace("https://www.textualize.io", "")
