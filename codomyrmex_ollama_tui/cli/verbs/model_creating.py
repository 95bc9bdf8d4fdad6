"""`cotui models create`: a model from another one, or from a Modelfile and the files that it names."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.progress import BAR_WIDTH, Lines, bar, letters
from codomyrmex_ollama_tui.cli.terms import FAILED, OK, USAGE_ERROR, Failure, file_words, tell
from codomyrmex_ollama_tui.cli.verbs.model_changes import allow_replacing, plain_name
from codomyrmex_ollama_tui.cli.verbs.model_transfers import follow
from codomyrmex_ollama_tui.domain.chat import CreateRequest
from codomyrmex_ollama_tui.domain.modelfile import Modelfile, parse_modelfile
from codomyrmex_ollama_tui.domain.names import problem_with_name
from codomyrmex_ollama_tui.domain.option_rules import OPTION_RULES
from codomyrmex_ollama_tui.domain.options import check_options, unknown_option
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.blobs import send_file
from codomyrmex_ollama_tui.ui import formats

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.cli.parser import Verbs
    from codomyrmex_ollama_tui.house import House

LARGEST = 4_000_000
"""Bytes of the longest Modelfile that is read."""
DESCRIPTION = """\
Makes a model from another one, with a system prompt, parameters or a template
of its own; or from a Modelfile, as `ollama create` does. Flags stand over what
the Modelfile says. FROM and ADAPTER may name GGUF files, which are sent first."""


def add_creating(verbs: Verbs) -> None:
    """The parser of `create`."""
    from codomyrmex_ollama_tui.cli.parser import leaf

    parser = leaf(
        verbs,
        "create",
        create,
        help="make a model from another one, or from a Modelfile",
        description=DESCRIPTION,
        before=prepare,
    )
    parser.add_argument("name", metavar="NAME", help="what it will be called")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--from", dest="source", metavar="MODEL", help="the model to start from")
    source.add_argument("-f", "--file", metavar="FILE", help="a Modelfile; - reads standard input")
    parser.add_argument("--system", metavar="TEXT", help="the system prompt")
    parser.add_argument("--template", metavar="TEXT", help="the template of its prompts, as Go templates are written")
    parser.add_argument(
        "--parameter", metavar="NAME=VALUE", action="append", default=[], help="an option it is to have; repeatable"
    )
    parser.add_argument("--quantize", metavar="TYPE", help="quantize the weights, such as q4_K_M")
    parser.add_argument("-y", "--yes", action="store_true", help="replace a model that has the name already")


def prepare(given: argparse.Namespace) -> int | None:
    """Reads the Modelfile and the flags; makes the request, and the list of files that it needs.

    Raises:
        Failure: what was given cannot become a model.
    """
    name = plain_name(given.name)
    parameters = _parameters(given.parameter)
    folder = Path()
    if given.file is None:
        file = Modelfile((given.source,))
    else:
        file = _read(given.file)
        folder = Path() if given.file == "-" else Path(given.file).parent
    request = CreateRequest(
        name,
        template=file.template if given.template is None else given.template,
        system=file.system if given.system is None else given.system,
        parameters={**file.parameters, **parameters},
        messages=file.messages,
        license=file.licenses,
        quantize=given.quantize,
        renderer=file.renderer,
        parser=file.parser,
        requires=file.requires,
    )
    given.files = [path for text in file.sources if (path := _file(text, folder)) is not None]
    given.adapters = [_file(text, folder) or Path(text) for text in file.adapters]
    if not given.files:
        if len(file.sources) > 1:
            raise Failure(f"FROM {file.sources[1]}: only files can be named beside another FROM", USAGE_ERROR)
        if problem := problem_with_name(file.sources[0]):
            raise Failure(f"{'--from' if given.file is None else 'FROM'} {file.sources[0]!r}: {problem}", USAGE_ERROR)
        request = replace(request, from_model=file.sources[0])
    elif len(given.files) < len(file.sources):
        raise Failure("FROM: files and names of models do not go together", USAGE_ERROR)
    for path in (*given.files, *given.adapters):
        if not path.is_file():
            raise Failure(f"{path}: there is no such file", USAGE_ERROR)
    if len({path.name for path in given.files}) < len(given.files):
        raise Failure("FROM: two files have the same name", USAGE_ERROR)
    given.request = request
    return None


def _parameters(texts: list[str]) -> dict[str, object]:
    wanted: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        rule = OPTION_RULES.get(name.strip())
        if not equals:
            raise Failure(f"--parameter {text!r}: allowed is NAME=VALUE", USAGE_ERROR)
        if rule is None:
            raise Failure(unknown_option(name.strip(), "--parameter", OPTION_RULES), USAGE_ERROR)
        wanted[rule.name] = rule.from_text(value)
    try:
        return check_options(wanted, "parameter")
    except ValueError as error:
        raise Failure(str(error), USAGE_ERROR) from None


def _read(name: str) -> Modelfile:
    try:
        if name == "-":
            content = b"" if sys.stdin is None else sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(LARGEST + 1)
    except OSError as error:
        raise Failure(f"--file {file_words(error)}", USAGE_ERROR) from None
    if len(content) > LARGEST:
        raise Failure(f"--file {name}: it is longer than {formats.size(LARGEST)}, which no Modelfile is", USAGE_ERROR)
    try:
        read = parse_modelfile(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Failure(f"--file {name}: it is not UTF-8", USAGE_ERROR) from None
    except ValueError as error:
        raise Failure(f"--file {name}: {error}", USAGE_ERROR) from None
    for parameter in read.passed_over:
        tell(f"PARAMETER {parameter} is passed over: no server knows it any more")
    return read


def _file(text: str, folder: Path) -> Path | None:
    """The file that a value names; None for one that can only be the name of a model."""
    path = folder / Path(text).expanduser()
    written_as_path = text.startswith(("./", "../", ".\\", "..\\", "/", "~")) or text.lower().endswith(".gguf")
    return path if written_as_path or path.is_file() else None


async def create(house: House, given: argparse.Namespace) -> int:
    """`cotui models create`."""
    request: CreateRequest = given.request
    allow_replacing(given, request.model, await house.services.models.list_models())
    with Lines() as lines:
        try:
            files = [(path.name, await _sent(house, lines, path)) for path in given.files]
            adapters = [(path.name, await _sent(house, lines, path)) for path in given.adapters]
        except ValueError as problem:
            raise Failure(str(problem)) from None
        request = replace(request, files=dict(files), adapters=dict(adapters))
        error = await follow(house, lines, request.model, house.services.models.create(request), "made")
    if given.json:
        tables.write_json({"name": request.model, "error": error})
    return FAILED if error else OK


async def _sent(house: House, lines: Lines, path: Path) -> str:
    """Brings one file to the server, drawn as a line; returns its digest."""
    shown = one_line(path.name)

    def draw(what: str, done: int, size: int) -> None:
        words = f"{bar(done / size if size else 0.0, BAR_WIDTH)}  {formats.amounts(done, size)}  {what}"
        lines.put(shown, f"{letters('↑', '>')} {shown}  {words}")

    digest = await send_file(house.services.server, path, on_progress=draw)
    lines.put(shown, f"{letters('✓', '+')} {shown}  is on the server", finished=True)
    return digest
