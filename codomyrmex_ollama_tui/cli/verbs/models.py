"""`cotui models …`: what there is, what is in memory, and the parsers of the verbs that change it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.parser import leaf
from codomyrmex_ollama_tui.cli.tables import Cell, Column
from codomyrmex_ollama_tui.cli.terms import FAILED, OK, USAGE_ERROR, Failure, is_terminal, listed, tell
from codomyrmex_ollama_tui.domain.names import problem_with_name, same_model
from codomyrmex_ollama_tui.library.places import local_now
from codomyrmex_ollama_tui.services.models import FIRST_MODEL, near_names
from codomyrmex_ollama_tui.ui import formats

if TYPE_CHECKING:
    from datetime import datetime

    from codomyrmex_ollama_tui.cli.parser import Parser, Verbs
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary, RunningModel
    from codomyrmex_ollama_tui.house import House

Named = TypeVar("Named", "ModelSummary", "RunningModel")

PARTS = ("license", "modelfile", "parameters", "system", "template")
"""What `show` can give alone, as it is."""
FOREVER_S = 50 * 365 * 86400
"""Seconds ahead beyond which a server means "for ever"."""

MODEL_COLUMNS = (
    Column("NAME"),
    Column("ID", spare=True),
    Column("SIZE", right=True),
    Column("PARAMS", right=True, spare=True),
    Column("QUANT", spare=True),
    Column("MODIFIED", right=True, spare=True),
)
RUNNING_COLUMNS = (
    Column("NAME"),
    Column("ID", spare=True),
    Column("MEMORY", right=True),
    Column("PROCESSOR"),
    Column("CONTEXT", right=True, spare=True),
    Column("UNTIL", right=True),
)


def add_parser(verbs: Verbs) -> None:
    """`cotui models` and its verbs."""
    parser = verbs.add_parser(
        "models",
        help="list, show, pull, push, remove, copy, create and unload models",
        description="Look after models.",
    )
    inner = parser.add_verbs()
    listing = leaf(
        inner,
        "list",
        list_models,
        help="the models on the server, newest first",
        epilog="piped, a line has: name, digest, bytes, parameters, quantization, time of change",
    )
    listing.add_argument(
        "words", metavar="WORD", nargs="*", default=[], help="only those with all of these in the name"
    )
    showing = leaf(inner, "show", show_model, help="all that is known of a model")
    showing.add_argument("model", metavar="MODEL")
    part = showing.add_mutually_exclusive_group()
    for name in PARTS:
        part.add_argument(f"--{name}", dest="part", action="store_const", const=name, help=f"only its {name}, as it is")
    showing.add_argument("--verbose", action="store_true", help="with --json: also the large arrays and the tensors")
    leaf(
        inner,
        "ps",
        list_running,
        help="the models in memory",
        epilog="piped, a line has: name, digest, bytes in memory, bytes of them on GPUs, context, time of unloading",
    )
    _add_changes(inner)


def _add_changes(inner: Verbs) -> None:
    from codomyrmex_ollama_tui.cli.verbs import model_changes as changes
    from codomyrmex_ollama_tui.cli.verbs import model_transfers as transfers
    from codomyrmex_ollama_tui.cli.verbs.model_creating import add_creating

    pulling = leaf(inner, "pull", transfers.pull, help="fetch models, or bring them up to date", before=_check_names)
    _several(pulling)
    pushing = leaf(inner, "push", transfers.push, help="send models to their registry", before=_check_names)
    _several(pushing)
    pushing.add_argument("--insecure", action="store_true", help="let the server talk to the registry without TLS")
    removing = leaf(inner, "rm", changes.remove, help="remove models from the server's disk", before=_check_names)
    _several(removing)
    _yes(removing, "do not ask")
    copying = leaf(inner, "cp", changes.copy, help="give a model a second name")
    copying.add_argument("source", metavar="MODEL")
    copying.add_argument("destination", metavar="NEW_NAME")
    _yes(copying, "replace a model that has the new name already")
    stopping = leaf(inner, "stop", changes.stop, help="take models out of memory", before=_check_names)
    stopping.add_argument("models", metavar="MODEL", nargs="*", default=[])
    stopping.add_argument("--all", action="store_true", help="all that are in memory")
    add_creating(inner)


def _several(parser: Parser) -> None:
    parser.add_argument("models", metavar="MODEL", nargs="+")


def _yes(parser: Parser, words: str) -> None:
    parser.add_argument("-y", "--yes", action="store_true", help=words)


def _check_names(given: argparse.Namespace) -> int | None:
    """No name that cannot be one is sent to a server."""
    for name in given.models:
        if problem := problem_with_name(name):
            raise Failure(f"{name!r}: {problem}", USAGE_ERROR)
    return None


def find_named(names: Iterable[str], models: Sequence[Named]) -> tuple[list[Named], list[str]]:
    """The models with these names, each once, and the names that none has."""
    found: list[Named] = []
    missing: list[str] = []
    for name in names:
        one = next((model for model in models if same_model(model.name, name)), None)
        if one is None:
            missing.append(name)
        elif one not in found:
            found.append(one)
    return found, missing


def tell_missing(names: Iterable[str], models: Sequence[ModelSummary]) -> list[str]:
    """Says of each name that there is no such model, and what may be meant; returns the sentences."""
    said = []
    for name in names:
        near = near_names(name, [model.name for model in models])
        said.append(f"there is no model {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
        tell(said[-1])
    return said


async def list_models(house: House, given: argparse.Namespace) -> int:
    """`cotui models list`."""
    wanted = [word.casefold() for word in given.words]
    models = [
        model
        for model in await house.services.models.list_models()
        if all(word in model.name.casefold() for word in wanted)
    ]
    if given.json:
        tables.write_json(models)
        return OK
    if models or not is_terminal(sys.stdout):
        now = local_now()
        tables.write_table(MODEL_COLUMNS, [_model_row(model, now) for model in models])
    elif wanted:
        tell(f"no model has {listed(given.words)} in its name")
    else:
        tell(f"no model is here yet; `cotui models pull {FIRST_MODEL}` fetches a small one")
    return OK


def _model_row(model: ModelSummary, now: datetime) -> list[Cell | str]:
    details = model.details
    return [
        model.name,
        Cell(model.digest[:12], model.digest),
        Cell("remote" if model.remote_host else formats.size(model.size), str(model.size)),
        Cell(formats.parameters(details.parameter_size), details.parameter_size),
        Cell(details.quantization_level or formats.UNKNOWN, details.quantization_level),
        _time(model.modified_at, formats.age(model.modified_at, now)),
    ]


def _time(then: datetime | None, shown: str) -> Cell:
    return Cell(shown, "" if then is None else then.isoformat())


async def show_model(house: House, given: argparse.Namespace) -> int:
    """`cotui models show`."""
    from codomyrmex_ollama_tui.domain.errors import ModelNotFound

    if problem := problem_with_name(given.model):
        raise Failure(f"{given.model!r}: {problem}", USAGE_ERROR)
    try:
        if given.verbose:
            info = await (await house.services.server.client()).show(given.model, verbose=True)
        else:
            info = await house.services.models.details(given.model)
    except ModelNotFound:
        said = tell_missing([given.model], await house.services.models.list_models())
        if given.json:
            tables.write_json({"error": said[0]})
        return FAILED
    if given.json:
        whole = tables.to_json(info)
        assert isinstance(whole, dict)
        if not given.verbose:
            whole.pop("tensors")
        tables.write_json(whole[given.part] if given.part else {"name": given.model, **whole})
    elif given.part:
        text = getattr(info, given.part)
        if not text:
            raise Failure(f"{given.model} has no {given.part}")
        tables.write_text(text)
    else:
        tables.write_pairs(_facts(given.model, info))
    return OK


def _facts(name: str, info: ModelInfo) -> list[tuple[str, Cell | str]]:
    details = info.details
    embedding = details.embedding_length or info.model_info.get(f"{details.family}.embedding_length")
    pairs: list[tuple[str, Cell | str | None]] = [
        ("name", name),
        ("family", details.family),
        ("parameters", Cell(formats.parameters(details.parameter_size), details.parameter_size)),
        ("quantization", details.quantization_level),
        ("format", details.format),
        ("context", None if info.context_length is None else _tokens(info.context_length)),
        ("embedding length", str(embedding) if embedding else None),
        ("capabilities", None if info.capabilities is None else ", ".join(info.capabilities)),
        ("made from", details.parent_model),
        ("runs at", f"{info.remote_model} on {info.remote_host}" if info.remote_host else None),
        ("needs Ollama", info.requires),
        ("modified", _time(info.modified_at, formats.moment(info.modified_at, local_now()))),
    ]
    pairs += [("option", line) for line in sorted(info.parameters.splitlines()) if line.strip()]
    pairs += [("system", info.system), ("template", _excerpt(info.template)), ("license", _excerpt(info.license))]
    return [(name, value) for name, value in pairs if value]


def _tokens(count: int) -> Cell:
    return Cell(f"{formats.context(count)} tokens", str(count))


def _excerpt(text: str) -> Cell | None:
    """The first line that says something, and how many follow, for a person."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    more = f" … ({len(lines)} lines)" if len(lines) > 1 else ""
    return Cell(lines[0].strip()[:60] + more, text)


async def list_running(house: House, given: argparse.Namespace) -> int:
    """`cotui models ps`."""
    running = await house.services.models.running()
    if given.json:
        tables.write_json(running)
        return OK
    if running or not is_terminal(sys.stdout):
        now = local_now()
        tables.write_table(RUNNING_COLUMNS, [_running_row(model, now) for model in running])
    else:
        tell("no model is in memory")
    return OK


def _running_row(model: RunningModel, now: datetime) -> list[Cell | str]:
    gpu = round(model.gpu_share * 100)
    processor = {0: "100% CPU", 100: "100% GPU"}.get(gpu, f"{100 - gpu}%/{gpu}% CPU/GPU")
    left = None if model.expires_at is None else (model.expires_at - now).total_seconds()
    if left is None:
        until = formats.UNKNOWN
    elif left > FOREVER_S:
        until = "for ever"
    else:
        until = formats.duration(left) if left > 0 else "in use"
    length = model.context_length
    return [
        model.name,
        Cell(model.digest[:12], model.digest),
        Cell(formats.size(model.size), str(model.size)),
        Cell(processor, str(model.size_vram)),
        Cell(formats.UNKNOWN, "") if length is None else Cell(formats.count(length), str(length)),
        _time(model.expires_at, until),
    ]
