"""What a model is made of besides its weights, as TOML that a person edits: system prompt, parameters, template."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.chat import CreateRequest
from codomyrmex_ollama_tui.domain.names import parse_name, problem_with_name
from codomyrmex_ollama_tui.domain.options import check_options

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo

FIELDS = ("name", "from", "system", "template", "parameters")
_LISTS = ("stop",)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model to make.

    Attributes:
        name: what it will be called.
        source: the model it is made from; its weights are shared.
        system, template: "" for none of its own.
        parameters: Ollama's names and values.
    """

    name: str
    source: str
    system: str = ""
    template: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)


def recipe_of(source: str, info: ModelInfo, name: str = "") -> Recipe:
    """What a model is made of now, as a beginning."""
    return Recipe(name, source, info.system, info.template, parameters_of(info.parameters))


def parameters_of(text: str) -> dict[str, object]:
    """The parameters of `/api/show`: a line for each value, texts in Go's quotes, lists as several lines."""
    found: dict[str, object] = {}
    for line in sorted(text.splitlines()):
        name, _, shown = line.strip().partition(" ")
        shown = shown.strip()
        if not name or not shown:
            continue
        value = _value(shown)
        if name in _LISTS:
            before = found.get(name)
            found[name] = [*(before if isinstance(before, list) else []), value]
        else:
            found[name] = value
    return found


def _value(shown: str) -> object:
    try:
        return tomllib.loads(f"x = {shown}")["x"]  # Go writes numbers, truth and most texts as TOML does
    except tomllib.TOMLDecodeError:
        return shown.strip('"')


def as_toml(recipe: Recipe) -> str:
    """The recipe for an editor; long texts stand on lines of their own."""
    import tomlkit  # only where something is edited

    document = tomlkit.document()
    document.add("name", tomlkit.string(recipe.name))
    document.add("from", tomlkit.string(recipe.source))
    for name, text in (("system", recipe.system), ("template", recipe.template)):
        document.add(name, tomlkit.string(text, multiline=_on_lines(text)))
    document.add("parameters", tomlkit.item(dict(recipe.parameters)))
    return tomlkit.dumps(document)


def _on_lines(text: str) -> bool:
    """Whether a text can stand on lines of its own in TOML and be the same when it is read again."""
    plain = all(sign.isprintable() or sign in "\n\t" for sign in text)
    return "\n" in text and plain and '"' not in text[-1:] and '"""' not in text and not text.startswith("\n")


def parameters_toml(parameters: Mapping[str, object]) -> str:
    """The parameters alone, a line each."""
    import tomlkit

    return tomlkit.dumps(dict(parameters)).strip()


def read_toml(text: str) -> Recipe:
    """The recipe that was written.

    Raises:
        ValueError: it is no TOML, or a field is unknown or of the wrong kind; one sentence.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"that is no TOML: {error}") from None
    for name in table:
        if name not in FIELDS:
            raise ValueError(f"{name[:40]!r} is no field of a recipe; there are {', '.join(FIELDS)}")
    texts = {}
    for name in ("name", "from", "system", "template"):
        value = table.get(name, "")
        if not isinstance(value, str):
            raise ValueError(f"{name} has to be a text in quotes")
        texts[name] = value
    parameters = table.get("parameters", {})
    if not isinstance(parameters, dict):
        raise ValueError("parameters has to be a table")
    return Recipe(texts["name"], texts["from"], texts["system"], texts["template"], read_parameters(parameters))


def read_parameters(parameters: Mapping[str, object] | str) -> dict[str, object]:
    """Parameters that were written, from TOML or as they are, checked by name and range: the server checks neither.

    Raises:
        ValueError: names the parameter, its value and what is allowed.
    """
    if isinstance(parameters, str):
        try:
            parameters = tomllib.loads(parameters)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"the parameters are no TOML (a line each, as in temperature = 0.7): {error}") from None
    return check_options(parameters, "parameters")


def request_of(recipe: Recipe, info: ModelInfo) -> CreateRequest:
    """What has to be sent: only what is otherwise than in the source, of which all the rest is kept.

    Raises:
        ValueError: no model can have that name, or something was taken away that the server can only replace.
    """
    if parse_name(recipe.name) is None:
        raise ValueError(problem_with_name(recipe.name) or f"no model can be called {recipe.name[:60]!r}")
    had = parameters_of(info.parameters)
    gone = [name for name in had if name not in recipe.parameters]
    if gone:
        raise ValueError(f"{', '.join(gone)} cannot be taken away, only given another value: the server keeps the rest")
    texts = (("system prompt", recipe.system, info.system), ("template", recipe.template, info.template))
    for what, now, before in texts:
        if before and not now.strip():
            raise ValueError(f"the {what} cannot be taken away, only replaced: the server keeps an empty one as it was")
    changed = {name: value for name, value in recipe.parameters.items() if had.get(name) != value}
    return CreateRequest(
        model=recipe.name,
        from_model=recipe.source,
        system=recipe.system if recipe.system != info.system else None,
        template=recipe.template if recipe.template != info.template else None,
        parameters=changed,
    )
