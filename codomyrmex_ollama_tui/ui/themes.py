"""Themes from TOML files: the shipped ones and those in the person's own folder, proved before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from textual.color import Color, ColorParseError
from textual.theme import Theme

DEFAULT_THEME = "night"

DARK_VARIABLES: Mapping[str, str] = {
    "muted": "#828b9e",
    "faint": "#4b5468",
    "border": "#3a4358",
    "border-blurred": "#262d3c",
    "model-1": "#2bc7df",
    "model-2": "#ea8667",
    "model-3": "#bfe184",
    "model-4": "#d88bbe",
    "model-5": "#f1d367",
    "model-6": "#a69bf2",
}
"""What our style sheets name beside Textual's own variables, for dark themes that do not set it."""

LIGHT_VARIABLES: Mapping[str, str] = {
    "muted": "#5e6471",
    "faint": "#b4b2aa",
    "border": "#a9a79e",
    "border-blurred": "#d3d0c6",
    "model-1": "#14696c",
    "model-2": "#a84431",
    "model-3": "#3b5700",
    "model-4": "#9a398d",
    "model-5": "#7b6100",
    "model-6": "#4b46c4",
}
"""The same for light themes."""

_KEYS = {field.name for field in fields(Theme)} - {"name"}
_PLAIN: Mapping[str, type] = {
    "dark": bool,
    "ansi": bool,
    "luminosity_spread": float,
    "text_alpha": float,
    "variables": dict,
}


class ThemeError(Exception):
    """A theme file that cannot be used; `str(error)` names the file and the reason."""


def shipped_folder() -> Path:
    """Where the themes that come with the program are: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "themes"
    return inside if inside.is_dir() else package.parent / "themes"


def read_theme(path: Path) -> Theme:
    """The theme in one TOML file; its name is the file's stem.

    Keys are the fields of `textual.theme.Theme` (colours as any Textual colour) and a table `[variables]`.

    Raises:
        ThemeError: the file cannot be read, has an unknown key, a value of the wrong type or an unknown colour.
    """
    import tomllib  # read after the first frame as a rule; 4 ms

    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ThemeError(f"{path.name}: {error}") from error
    if unknown := values.keys() - _KEYS:
        raise ThemeError(f"{path.name}: unknown key {', '.join(sorted(unknown))}")
    if "primary" not in values:
        raise ThemeError(f"{path.name}: primary is missing")
    for key, value in values.items():
        _prove(path.name, key, value)
    for key, value in values.get("variables", {}).items():
        _prove(path.name, f"variables.{key}", value, colour=key in DARK_VARIABLES)
    theme = Theme(name=path.stem, **values)
    try:
        theme.to_color_system().generate()
    except (ColorParseError, ValueError, TypeError) as error:
        raise ThemeError(f"{path.name}: {error}") from error
    return theme


def _prove(file: str, key: str, value: object, *, colour: bool = True) -> None:
    kind = _PLAIN.get(key, str)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return
    if not isinstance(value, kind):
        raise ThemeError(f"{file}: {key} is not {_named(kind)}")
    if kind is str and colour:
        try:
            Color.parse(str(value))
        except ColorParseError as error:
            raise ThemeError(f"{file}: {key}: {str(value)!r} is no colour") from error


def _named(kind: type) -> str:
    return {bool: "true or false", float: "a number", dict: "a table", str: "a text"}[kind]


def read_themes(folder: Path | None) -> tuple[list[Theme], list[ThemeError]]:
    """All themes of a folder by name, and what was wrong with the others. A folder that is not there is empty."""
    themes: list[Theme] = []
    errors: list[ThemeError] = []
    if folder is None or not folder.is_dir():
        return themes, errors
    for path in sorted(folder.glob("*.toml")):
        try:
            themes.append(read_theme(path))
        except ThemeError as error:
            errors.append(error)
    return themes, errors


def find_theme(name: str, folders: tuple[Path | None, ...]) -> Theme | None:
    """The theme of that name from the last folder that has a usable one; None where none has."""
    found: Theme | None = None
    if not name or Path(name).name != name:
        return None
    for folder in folders:
        if folder is None or not (path := folder / f"{name}.toml").is_file():
            continue
        try:
            found = read_theme(path)
        except ThemeError:
            continue  # named in one toast when all themes are read
    return found


def variable_defaults(theme: Theme) -> dict[str, str]:
    """Values for the variables of our style sheets that `theme` may not define."""
    return dict(DARK_VARIABLES if theme.dark else LIGHT_VARIABLES)
