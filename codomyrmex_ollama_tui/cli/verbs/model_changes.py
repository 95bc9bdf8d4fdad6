"""Models removed, copied, taken out of memory."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.terms import FAILED, OK, USAGE_ERROR, Failure, ask, can_ask, listed, sentence, tell
from codomyrmex_ollama_tui.cli.verbs.models import find_named, tell_missing
from codomyrmex_ollama_tui.domain.errors import OllamaError, ServerUnreachable
from codomyrmex_ollama_tui.domain.names import parse_name, problem_with_name, same_model
from codomyrmex_ollama_tui.ui import formats

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from codomyrmex_ollama_tui.domain.models import ModelSummary
    from codomyrmex_ollama_tui.house import House


async def remove(house: House, given: argparse.Namespace) -> int:
    """`cotui models rm`."""
    models = await house.services.models.list_models()
    found, missing = find_named(given.models, models)
    errors = tell_missing(missing, models)
    if found:
        allow(given, _question(found, models), "removing is for good")
    removed = await _each([model.name for model in found], house.services.models.delete, errors)
    return _report(given, "removed", removed, errors)


def _question(found: list[ModelSummary], models: Iterable[ModelSummary]) -> str:
    """What would be removed, how large it is, and who shares the weights."""
    names = {model.name for model in found}
    digests = {model.digest for model in found if model.digest}
    same = [model.name for model in models if model.digest in digests and model.name not in names]
    words = f"remove {listed([model.name for model in found])} ({formats.size(sum(model.size for model in found))})?"
    if same:
        words += f" The weights stay for {listed(same)}, which {'has' if len(same) == 1 else 'have'} them too."
    return words


async def copy(house: House, given: argparse.Namespace) -> int:
    """`cotui models cp`."""
    models = await house.services.models.list_models()
    destination = plain_name(given.destination)
    found, missing = find_named([given.source], models)
    errors = tell_missing(missing, models)
    if found and same_model(found[0].name, destination):
        raise Failure(f"{found[0].name} has that name already", USAGE_ERROR)
    if found:
        allow_replacing(given, destination, models)
        await house.services.models.copy(found[0].name, destination)
    return _report(given, "copied", [destination] if found else [], errors)


async def stop(house: House, given: argparse.Namespace) -> int:
    """`cotui models stop`."""
    if bool(given.models) == given.all:
        raise Failure("name the models, or say --all", USAGE_ERROR)
    models = house.services.models
    running = await models.running()
    errors: list[str] = []
    idle: list[str] = []
    names = [model.name for model in running]
    if given.models:
        found, others = find_named(given.models, running)
        names = [model.name for model in found]
        if others:
            listing = await models.list_models()
            here, missing = find_named(others, listing)
            errors = tell_missing(missing, listing)
            idle = [model.name for model in here]
    stopped = await _each(names, models.unload, errors)
    for name in await _each(idle, models.unload, errors):  # it may be there under the name of one with the same weights
        tell(f"{name} was not in memory by that name")
    return _report(given, "unloaded", stopped, errors)


def plain_name(text: str) -> str:
    """A name that a model can be given, in its short form.

    Raises:
        Failure: none can be called that.
    """
    name = parse_name(text)
    if name is None:
        raise Failure(f"{text!r}: {problem_with_name(text) or 'no model can be called that'}", USAGE_ERROR)
    return name.short


def allow_replacing(given: argparse.Namespace, name: str, models: Iterable[ModelSummary]) -> None:
    """Asks before a name that is in use is given to another model.

    Raises:
        Failure: it is not to be.
    """
    if any(same_model(model.name, name) for model in models):
        allow(given, f"there is a model {name} already; replace it?", "it would be replaced")


def allow(given: argparse.Namespace, question: str, why: str) -> None:
    """Asks a person, unless --yes was given.

    Raises:
        Failure: the answer is no, or there is nobody to ask.
    """
    if given.yes:
        return
    if not can_ask(given):
        raise Failure(f"{why}: say --yes where nobody can be asked", USAGE_ERROR)
    if not ask(question):
        raise Failure("nothing was changed")


async def _each(names: Iterable[str], act: Callable[[str], Awaitable[object]], errors: list[str]) -> list[str]:
    """Does something with each; what goes wrong with one is said and gathered, and the next one has its turn."""
    done = []
    for name in names:
        try:
            await act(name)
        except ServerUnreachable:
            raise
        except OllamaError as error:
            errors.append(f"{name}: {sentence(error)}")
            tell(errors[-1])
        else:
            done.append(name)
    return done


def _report(given: argparse.Namespace, what: str, names: list[str], errors: list[str]) -> int:
    if given.json:
        tables.write_json({what: names, "errors": errors})
    else:
        for name in names:
            tables.write_text(f"{what} {name}")
    return FAILED if errors else OK
