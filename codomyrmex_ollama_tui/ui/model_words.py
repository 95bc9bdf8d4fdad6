"""What the models screen says of models: columns, cells, orders, and the words around the table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content

from codomyrmex_ollama_tui.domain.model_query import Column as Sorting
from codomyrmex_ollama_tui.domain.model_query import ModelFacts, ModelQuery
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.server import ServerPhase, ServerState
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.widgets.live_table import Cells, Column

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelSummary

Order = tuple[Sorting, bool]
"""What is sorted by, and whether the largest is first."""

ORDERS: dict[Sorting, tuple[str, str, str, bool]] = {
    Sorting.NAME: ("Name", "by name", "by name, from the end", False),
    Sorting.FAMILY: ("Family", "by family", "by family, from the end", False),
    Sorting.PARAMETERS: ("Parameters", "fewest parameters first", "most parameters first", True),
    Sorting.QUANTIZATION: ("Quantization", "fewest bits first", "most bits first", True),
    Sorting.SIZE: ("Size", "smallest first", "largest first", True),
    Sorting.CONTEXT: ("Context", "shortest context first", "longest context first", True),
    Sorting.CAPABILITIES: ("Can", "fewest abilities first", "most abilities first", True),
    Sorting.MODIFIED: ("Modified", "oldest first", "newest first", True),
    Sorting.LOADED: ("In memory", "in memory first", "in memory last", False),
}
"""For each column its title, the words for both ways, and which way is the first one to be wanted."""

NEWEST: Order = (Sorting.MODIFIED, True)

_COLUMNS: dict[Sorting, Column] = {
    Sorting.NAME: Column("name", "Name", 0),
    Sorting.FAMILY: Column("family", "Family", 10),
    Sorting.PARAMETERS: Column("params", "Params", 6, "right"),
    Sorting.QUANTIZATION: Column("quant", "Quant", 7),
    Sorting.SIZE: Column("size", "Size", 7, "right"),
    Sorting.CONTEXT: Column("context", "Context", 7, "right"),
    Sorting.CAPABILITIES: Column("can", "Can", 13),
    Sorting.MODIFIED: Column("modified", "Modified", 8, "right"),
}
_ALWAYS = (Sorting.NAME, Sorting.PARAMETERS, Sorting.QUANTIZATION, Sorting.SIZE, Sorting.MODIFIED)
_IF_ROOM = (Sorting.CONTEXT, Sorting.CAPABILITIES, Sorting.FAMILY)
_CAN_SHORT = 7
LONGEST_NAME = 24
"""Cells of a name for which a further column makes room."""


def order_words(order: Order) -> str:
    """ "newest first"."""
    column, down = order
    _, up_words, down_words, _ = ORDERS[column]
    return down_words if down else up_words


def sorting_of(key: str) -> Sorting | None:
    """What a click on the title of a table's column sorts by."""
    return next((sorting for sorting, column in _COLUMNS.items() if column.key == key), Sorting.LOADED)


def columns(longest: int, room: int, order: Order, asked: Collection[Sorting] = ()) -> list[Column]:
    """The columns for `room` cells. Those that are sorted by or that the filter speaks of are always there.

    Args:
        longest: cells of the longest name.
    """
    sorted_by, down = order
    chosen = [*_ALWAYS]
    name = min(max(longest, 18), LONGEST_NAME) + 2
    widths = {sorting: column.width for sorting, column in _COLUMNS.items()}
    wanted = {sorted_by, *asked} - {Sorting.LOADED}
    for sorting in (*(each for each in _IF_ROOM if each in wanted), *(each for each in _IF_ROOM if each not in wanted)):
        used = 4 + name + 2 + sum(widths[each] + 2 for each in chosen if each is not Sorting.NAME)
        rest = room - used - 2
        if sorting is Sorting.CAPABILITIES and _CAN_SHORT <= rest < widths[sorting]:
            widths[sorting] = rest
        if sorting in wanted or widths[sorting] <= rest:
            chosen.append(sorting)
            if widths[sorting] > rest:  # it takes the place of what says least
                drop = next((each for each in (Sorting.MODIFIED, Sorting.QUANTIZATION) if each not in wanted), None)
                chosen = [each for each in chosen if each is not drop]
    arrow = "↓" if down else "↑"
    made = [Column("sign", "", 2)]
    for sorting, column in _COLUMNS.items():
        if sorting in chosen:
            sign = arrow if sorting is sorted_by else ""
            kept = longest if sorting is Sorting.NAME else 0
            made.append(replace(column, width=widths[sorting], longest=kept, sign=sign))
    return made


def row(model: ModelSummary, facts: ModelFacts, now: datetime, *, can: int = 13) -> Cells:
    """The cells of one model; `can` is the width of the column of abilities."""
    details = model.details
    name = one_line(model.name, 120)
    dot = ("●", "$success") if facts.loaded else " "
    mark = ("✓", "$primary") if facts.marked else " "
    family = one_line(details.family, 20)
    return {
        "sign": Content.assemble(mark, dot),
        "name": Content.styled(name, "bold") if facts.loaded else Content(name),
        "family": Content.styled(family or formats.UNKNOWN, "$muted"),
        "params": Content.styled(formats.parameters(one_line(details.parameter_size, 12)), "$muted"),
        "quant": Content.styled(one_line(details.quantization_level, 12) or formats.UNKNOWN, "$muted"),
        "size": Content("remote" if model.remote_host else formats.size(model.size)),
        "context": Content(formats.context(facts.context)),
        "can": Content.styled(abilities(facts.capabilities, can), "$muted"),
        "modified": Content.styled(formats.age(model.modified_at, now), "$muted"),
    }


_SAID = {"completion": "chat", "embedding": "embed"}


def abilities(capabilities: Sequence[str] | None, room: int = 40) -> str:
    """ "chat tools +1": at most two words and how many more, as `room` has it; "·" where it is not known."""
    if capabilities is None:
        return formats.UNKNOWN
    named = [one_line(_SAID.get(word, word), 12) for word in capabilities]
    for words in (2, 1):
        rest = len(named) - words
        text = " ".join(named[:words]) + (f" +{rest}" if rest > 0 else "")
        if len(text) <= room:
            break
    return text


def filter_words(text: str, query: ModelQuery) -> Content:
    """The filter in force, its parts in their colours, or its key."""
    if not text:
        return Content.styled("/ filter", "$muted")
    styles = {"word": "$foreground", "filter": "$accent", "bad": "$error"}
    made = [Content.styled("/ ", "$primary")]
    at = 0
    for part in query.parts:
        made.append(Content(text[at : part.start]))
        made.append(Content.styled(one_line(text[part.start : part.end], 80), styles[part.role]))
        at = part.end
    return Content.assemble(*made)


def totals(shown: Sequence[ModelSummary], of_all: int, order: Order, marked: Sequence[ModelSummary]) -> Content:
    """How many models are shown of how many, their size, and their order; what is marked, if something is."""
    count = str(of_all) if len(shown) == of_all else f"{len(shown)} of {of_all}"
    words = f"{count} model{'' if of_all == 1 else 's'} · {_sizes(shown)} · {order_words(order)}"
    if not marked:
        return Content.styled(words, "$muted")
    return Content.assemble((f"✓ {len(marked)} marked · {_sizes(marked)}", "$primary"), ("   " + words, "$muted"))


def _sizes(models: Sequence[ModelSummary]) -> str:
    return formats.size(sum(model.size for model in models))


def waiting(state: ServerState) -> Content:
    """Why there is no list yet."""
    if state.phase is ServerPhase.READY:
        return Content.styled("reading the list of models …", "$muted")
    return Content.styled(one_line(state.words) or f"waiting for {one_line(state.label)}", "$muted")


def nothing(text: str, *, reading: bool) -> Content:
    """Why the table is empty, and the key that fills it."""
    if reading:
        return Content.styled("reading what the models can …", "$muted")
    if text:
        said = ((". ", "$muted"), ("esc", "$primary"), (" clears the filter.", "$muted"))
        return Content.assemble(("No model fits ", "$muted"), one_line(text, 80), *said)
    return Content.assemble(("No model is here yet. ", "$muted"), ("p", "$primary"), (" pulls one.", "$muted"))


def same_weights(model: ModelSummary, models: Sequence[ModelSummary]) -> list[str]:
    """The other names of what a model stands for."""
    return [other.name for other in models if other.digest == model.digest and other.name != model.name]


def before_deleting(chosen: Sequence[ModelSummary], models: Sequence[ModelSummary]) -> str:
    """What is deleted, with the listed size, and which other models have the same weights."""
    going = {model.name for model in chosen}
    lines = []
    for model in chosen[:8]:
        same = [one_line(name) for name in same_weights(model, models) if name not in going]
        line = f"{one_line(model.name)} · listed with {formats.size(model.size)}"
        if same:
            line += f"; {', '.join(same)} {'has' if len(same) == 1 else 'have'} the same weights, which stay"
        lines.append(line)
    if len(chosen) > len(lines):
        lines.append(f"and {len(chosen) - len(lines)} more")
    if len(chosen) > 1:
        lines.append(f"together listed with {_sizes(chosen)}; layers that others share stay")
    return "\n".join(lines)
