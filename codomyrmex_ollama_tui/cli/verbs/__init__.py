"""
The verbs of the command line. A module here is imported only when its verb is named, so it may import what it likes,
but for textual and rich.

A verb module has one function, `add_parser(verbs: Verbs) -> None`. It adds what can be typed:

    def add_parser(verbs: Verbs) -> None:
        parser = leaf(verbs, "doctor", work, help="look for what is wrong")       # a verb that does something
        parser.add_argument("--quick", action="store_true", help="ask no server")

    def add_parser(verbs: Verbs) -> None:
        parser = verbs.add_parser("models", help="look after models")             # a verb with verbs of its own
        inner = parser.add_verbs()
        listing = leaf(inner, "list", list_models, help="the models on the server")
        listing.add_argument("words", nargs="*", metavar="WORD")

`leaf` gives every verb --host, --no-start, --data-dir, --config-dir and --json; flags may stand anywhere between the
words. The work is done by

    async def work(house: House, given: argparse.Namespace) -> int

which returns the exit code (`cli.terms`: OK, FAILED, …). `house.services`, `house.settings` and `house.folders` are
there; nothing has been asked or started before a service is asked, and all is closed afterwards. What it may raise:

    Failure("one clean sentence", code)    ends it with that sentence on standard error
    OllamaError                            its sentence, exit code 3 when no server answers, else 1
    OSError                                the file and the system's words, exit code 1
    asyncio.CancelledError                 ctrl+c, or a signal: 130; let it through, or return INTERRUPTED yourself

Standard output is written through `cli.tables` only (`write_table`, `write_pairs`, `write_text`, `write_json`): a table
on a terminal, tab-separated values elsewhere, and with --json exactly one JSON value. Words for a person go to standard
error by `terms.tell`, progress by `progress.Lines`. A question is put by `terms.ask`, only where standard input and
standard error are terminals (`terms.is_terminal`), and never with --json.

What has to wait for a person or a pipe before the event loop runs (reading standard input) is done by `leaf(before=…)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.cli.parser import Verbs

VERBS: Mapping[str, str] = MappingProxyType(
    {
        "run": "answer a prompt, or open the chat with a model",
        "doctor": "look for what is wrong, and say how to mend it",
        "models": "list, show, pull, push, remove, copy, create and unload models",
        "batch": "ask many prompts of one or more models, and check the answers",
        "runs": "list, show, resume, verify and export what batches wrote down",
        "outputs": "list, search, show, export and clean up what was saved",
        "config": "show, explain, change, check and carry the configuration",
        "servers": "list, add, test and remove named servers",
        "completion": "the completion script of a shell",
    }
)
"""Every verb and its line in the list of verbs; the module of the same name has its parser."""


class VerbModule(Protocol):
    """What each module of this package offers."""

    def add_parser(self, verbs: Verbs) -> None:
        """Adds the parser of the verb."""


def load(name: str) -> VerbModule:
    """The module of a verb."""
    return cast(VerbModule, importlib.import_module(f"{__name__}.{name}"))
