"""What the models screen says of models: columns, cells, orders, and the words around the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.models import FIRST_MODEL
from codomyrmex_ollama_tui.services.server import ServerPhase, ServerState
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.widgets.live_table import Cells, Column

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelSummary

SUGGESTIONS = (
    FIRST_MODEL, "gemma3:270m", "gemma3:1b", "gemma3:4b", "llama3.2:1b", "llama3.2:3b", "qwen3:0.6b", "qwen3:4b",
    "qwen2.5-coder:7b", "deepseek-r1:8b", "phi4:14b", "mistral:7b", "nomic-embed-text:latest",
)  # fmt: skip
"""Names offered while typing; whether a server has them is for the server to say."""


@dataclass(frozen=True, slots=True)
class Order:
    """How the table is sorted: the words for the head line, and the value that is compared."""

    words: str
    key: Callable[[ModelSummary], tuple[float | str, ...]]
    down: bool


def _newest(model: ModelSummary) -> tuple[float, ...]:
    return (model.modified_at.timestamp() if model.modified_at else 0.0,)


def parameter_count(model: ModelSummary) -> float:
    """Parameters as a number, 0 where the server does not say."""
    text = model.details.parameter_size.strip().upper()
    factor = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1:], 0.0)
    try:
        return float(text[:-1]) * factor
    except ValueError:
        return 0.0


ORDERS: tuple[Order, ...] = (
    Order("newest first", _newest, True),
    Order("by name", lambda model: (model.name.casefold(),), False),
    Order("largest first", lambda model: (model.size,), True),
    Order("smallest first", lambda model: (model.size,), False),
    Order("most parameters first", lambda model: (parameter_count(model),), True),
)


def columns(models: Sequence[ModelSummary], room: int) -> list[Column]:
    """The columns for `room` cells; context and abilities only where the list has them."""
    found = [Column("sign", "", 1), Column("name", "Name", 0), Column("params", "Params", 6, "right")]
    found += [Column("quant", "Quant", 8), Column("size", "Size", 7, "right")]
    if room >= 76 and any(model.details.context_length for model in models):
        found.append(Column("context", "Context", 7, "right"))
    if room >= 82 and any(model.capabilities for model in models):
        found.append(Column("can", "Can", 14))
    return [*found, Column("modified", "Modified", 8, "right")]


def row(model: ModelSummary, now: datetime, *, is_loaded: bool) -> Cells:
    """The cells of one model."""
    details = model.details
    name = one_line(model.name, 120)
    return {
        "sign": Content.styled("●", "$success") if is_loaded else Content(),
        "name": Content.styled(name, "bold") if is_loaded else Content(name),
        "params": Content.styled(formats.parameters(one_line(details.parameter_size, 12)), "$muted"),
        "quant": Content.styled(one_line(details.quantization_level, 12) or formats.UNKNOWN, "$muted"),
        "size": Content("remote" if model.remote_host else formats.size(model.size)),
        "context": Content(formats.context(details.context_length)),
        "can": Content.styled(abilities(model.capabilities), "$muted"),
        "modified": Content.styled(formats.age(model.modified_at, now), "$muted"),
    }


def abilities(capabilities: Sequence[str] | None) -> str:
    """ "chat tools +1": at most two words and how many more; "·" where the server does not say."""
    if capabilities is None:
        return formats.UNKNOWN
    words = {"completion": "chat", "embedding": "embed"}
    named = [one_line(words.get(word, word), 12) for word in capabilities]
    return " ".join(named[:2]) + (f" +{len(named) - 2}" if len(named) > 2 else "")


def filter_words(letters: str) -> Content:
    """The filter in force, or its key."""
    return Content.assemble(("/ ", "$primary"), letters) if letters else Content.styled("/ filter", "$muted")


def totals(shown: Sequence[ModelSummary], of_all: int, order: Order) -> Content:
    """How many models are shown of how many, their size, and their order."""
    count = str(of_all) if len(shown) == of_all else f"{len(shown)} of {of_all}"
    size = formats.size(sum(model.size for model in shown))
    return Content.styled(f"{count} model{'' if of_all == 1 else 's'} · {size} · {order.words}", "$muted")


def waiting(state: ServerState) -> Content:
    """Why there is no list yet."""
    if state.phase is ServerPhase.READY:
        return Content.styled("reading the list of models …", "$muted")
    return Content.styled(one_line(state.words) or f"waiting for {one_line(state.label)}", "$muted")


def nothing(letters: str) -> Content:
    """Why the table is empty, and the key that fills it."""
    if letters:
        said = ((" in its name. ", "$muted"), ("esc", "$primary"), (" clears the filter.", "$muted"))
        return Content.assemble(("No model has ", "$muted"), letters, *said)
    return Content.assemble(("No model is here yet. ", "$muted"), ("p", "$primary"), (" pulls one.", "$muted"))


def before_deleting(model: ModelSummary, models: Sequence[ModelSummary]) -> str:
    """What deleting frees, and which other models have the same weights."""
    same = [one_line(other.name) for other in models if other.digest == model.digest and other.name != model.name]
    words = f"{one_line(model.name)} takes {formats.size(model.size)} on the disk."
    if same:
        words += f" {', '.join(same)} {'has' if len(same) == 1 else 'have'} the same weights, which stay."
    return words
