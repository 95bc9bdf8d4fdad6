"""Themes: what the shipped ones promise the eye, and what happens to files that are wrong."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from textual.theme import BUILTIN_THEMES, Theme

from codomyrmex_ollama_tui.ui import themes
from tests.support.server import LocalServer
from tests.ui.colour_vision import contrast, distance
from tests.ui.stage import furnish, stage

SHIPPED = ("contrast", "day", "night")
SIGNALS = ("primary", "secondary", "accent", "success", "warning", "error")
SAME_COLOUR = 12.0
"""Below this colour difference two names side by side may be taken for one colour."""


def shipped(name: str) -> Theme:
    return themes.read_theme(themes.shipped_folder() / f"{name}.toml")


def grounds(theme: Theme) -> tuple[str, str]:
    assert theme.background is not None
    assert theme.surface is not None
    return theme.background, theme.surface


def test_three_themes_are_shipped() -> None:
    found, errors = themes.read_themes(themes.shipped_folder())
    assert [theme.name for theme in found] == list(SHIPPED)
    assert errors == []


@pytest.mark.parametrize("name", SHIPPED)
def test_every_theme_sets_all_our_variables(name: str) -> None:
    assert set(shipped(name).variables) == set(themes.DARK_VARIABLES)


def test_the_defaults_name_the_same_variables() -> None:
    assert set(themes.DARK_VARIABLES) == set(themes.LIGHT_VARIABLES)


@pytest.mark.parametrize("name", SHIPPED)
def test_body_text_can_be_read(name: str) -> None:
    theme = shipped(name)
    assert theme.foreground is not None
    assert theme.panel is not None
    for ground in (*grounds(theme), theme.panel):
        assert contrast(theme.foreground, ground) >= 7


@pytest.mark.parametrize("name", SHIPPED)
def test_labels_and_signals_can_be_read(name: str) -> None:
    theme = shipped(name)
    for ground in grounds(theme):
        assert contrast(theme.variables["muted"], ground) >= 4.5
        for signal in SIGNALS:
            assert contrast(getattr(theme, signal), ground) >= 4.5, signal


@pytest.mark.parametrize("name", SHIPPED)
def test_the_lit_tab_can_be_read(name: str) -> None:
    theme = shipped(name)
    assert contrast(grounds(theme)[0], theme.primary) >= 4.5


def models(theme: Theme) -> list[str]:
    return [theme.variables[f"model-{number}"] for number in range(1, 7)]


@pytest.mark.parametrize("name", SHIPPED)
def test_models_can_be_read(name: str) -> None:
    theme = shipped(name)
    for ground in grounds(theme):
        for colour in models(theme):
            assert contrast(colour, ground) >= 4.5


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("deuteranopia", [False, True])
def test_models_can_be_told_apart(name: str, deuteranopia: bool) -> None:
    for one, other in combinations(models(shipped(name)), 2):
        assert distance(one, other, deuteranopia=deuteranopia) >= SAME_COLOUR, (one, other)


def test_in_contrast_everything_is_far_from_its_ground() -> None:
    theme = shipped("contrast")
    texts = [theme.foreground, *(getattr(theme, signal) for signal in SIGNALS), *theme.variables.values()]
    for ground in grounds(theme):
        for text in texts:
            assert text is not None
            assert contrast(text, ground) >= 7, text


def test_the_reference_of_the_measure_is_right() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    # What is taken for one colour without green: the measure must see it.
    assert distance("#4fc4cf", "#d78fc9") > 60
    assert distance("#4fc4cf", "#d78fc9", deuteranopia=True) < 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("primary = ", "bad.toml: Invalid value"),
        ('background = "#000"', "bad.toml: primary is missing"),
        ('primary = "#fff"\nshade = 3', "bad.toml: unknown key shade"),
        ('primary = "#fff"\nname = "other"', "bad.toml: unknown key name"),
        ('primary = "blueish"', "bad.toml: primary: 'blueish' is no colour"),
        ("primary = 3", "bad.toml: primary is not a text"),
        ('primary = "#fff"\ndark = "yes"', "bad.toml: dark is not true or false"),
        ('primary = "#fff"\nluminosity_spread = "wide"', "bad.toml: luminosity_spread is not a number"),
        ('primary = "#fff"\n[variables]\nmuted = "greyish"', "bad.toml: variables.muted: 'greyish' is no colour"),
        ('primary = "#fff"\n[variables]\nmuted = 3', "bad.toml: variables.muted is not a text"),
        ('primary = "#fff"\nvariables = "none"', "bad.toml: variables is not a table"),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(themes.ThemeError, match=r"bad\.toml") as caught:
        themes.read_theme(path)
    assert str(caught.value).startswith(says)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(themes.ThemeError, match=r"bad\.toml"):
        themes.read_theme(path)


def test_a_small_theme_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "plum.toml"
    path.write_text('primary = "plum"\nluminosity_spread = 1\n', encoding="utf-8")
    theme = themes.read_theme(path)
    assert theme.name == "plum"
    assert theme.dark


def test_the_persons_theme_wins(tmp_path: Path) -> None:
    (tmp_path / "night.toml").write_text('primary = "plum"', encoding="utf-8")
    found = themes.find_theme("night", (themes.shipped_folder(), tmp_path))
    assert found is not None
    assert found.primary == "plum"


@pytest.mark.parametrize("name", ["", "../night", "none", "nord"])
def test_no_theme_of_that_name(tmp_path: Path, name: str) -> None:
    assert themes.find_theme(name, (themes.shipped_folder(), tmp_path, None)) is None


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert themes.read_themes(tmp_path / "none") == ([], [])
    assert themes.read_themes(None) == ([], [])


async def test_wrong_files_are_told_in_one_toast_and_the_rest_can_be_chosen(tmp_path: Path) -> None:
    folder = tmp_path / "themes"
    folder.mkdir()
    (folder / "plum.toml").write_text('primary = "plum"', encoding="utf-8")
    (folder / "one.toml").write_text("primary = 3", encoding="utf-8")
    (folder / "two.toml").write_text('primary = "[/x] red"', encoding="utf-8")
    async with LocalServer() as server:
        furnish(server)
        async with stage(server.url, tmp_path, config='[ui]\ntheme = "plum"\n') as seen:
            await seen.ready()
            assert seen.app.theme == "plum"
            told = [note for note in seen.app._notifications if note.title == "Themes"]
            assert len(told) == 1
            assert "one.toml" in told[0].message
            assert "two.toml" in told[0].message
            assert {"day", "contrast", "night", "plum"} <= set(seen.app.available_themes)


@pytest.mark.parametrize("name", sorted(BUILTIN_THEMES))
async def test_our_style_sheets_work_with_themes_that_do_not_know_us(tmp_path: Path, name: str) -> None:
    async with LocalServer() as server:
        furnish(server)
        async with stage(server.url, tmp_path, config=f'[ui]\ntheme = "{name}"\n') as seen:
            await seen.ready()
            assert seen.app.theme == name
            assert "1 Models" in seen.text()


async def test_an_unknown_theme_is_told_and_night_is_shown(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server)
        async with stage(server.url, tmp_path, config='[ui]\ntheme = "dusk"\n') as seen:
            await seen.ready()
            assert seen.app.theme == "night"
            assert any("'dusk'" in note.message for note in seen.app._notifications)


async def test_a_chosen_theme_is_kept(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server)
        async with stage(server.url, tmp_path, config="# mine\n[ui]\nreader_width = 90\n") as seen:
            await seen.ready()
            seen.app.theme = "day"
            await seen.until(lambda: seen.settings.settings.theme == "day")
    kept = (tmp_path / "config.toml").read_text("utf-8")
    assert "# mine" in kept
    assert 'theme = "day"' in kept
