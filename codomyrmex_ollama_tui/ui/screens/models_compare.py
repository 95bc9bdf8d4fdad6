"""Two models side by side, what differs marked."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from codomyrmex_ollama_tui.domain.text import clean, one_line
from codomyrmex_ollama_tui.services.recipes import parameters_of
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.model_tree import tree_of
from codomyrmex_ollama_tui.ui.screens.ask import keys_line
from codomyrmex_ollama_tui.ui.screens.model_details import facts_of

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary

LABEL = 16
ABSENT = "—"
CONTEXT_LINES = 2
"""Lines shown around what differs in a text."""

One = tuple["ModelSummary", "ModelInfo"]
Row = tuple[str, str, str]


def rows_of(left: One, right: One, now: datetime) -> list[Row]:
    """Label and both values: facts, parameters, and the keys of the weights that differ."""
    (model, info), (other, other_info) = left, right
    facts, other_facts = dict(facts_of(model, info, now)), dict(facts_of(other, other_info, now))
    ours, theirs = model.details, other.details
    rows = [
        ("family", one_line(ours.family, 40), one_line(theirs.family, 40)),
        ("parameters", one_line(ours.parameter_size, 40), one_line(theirs.parameter_size, 40)),
        ("quantization", one_line(ours.quantization_level, 40), one_line(theirs.quantization_level, 40)),
    ]
    rows += [(name, facts.get(name, ABSENT), other_facts.get(name, ABSENT)) for name in {**facts, **other_facts}]
    had, has = parameters_of(info.parameters), parameters_of(other_info.parameters)
    for name in sorted({*had, *has}):
        rows.append((one_line(name, 40), _shown(had.get(name)), _shown(has.get(name))))
    return rows


def keys_that_differ(info: ModelInfo, other: ModelInfo) -> list[Row]:
    """The keys of the weights whose values are not the same."""
    return [
        (one_line(key, 60), _shown(info.model_info.get(key)), _shown(other.model_info.get(key)))
        for key in sorted({*info.model_info, *other.model_info})
        if info.model_info.get(key) != other.model_info.get(key)
    ]


def _shown(value: object) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, list):
        return one_line(" ".join(map(repr, value)), 200)
    return one_line(str(value), 200)


def table_of(rows: list[Row], width: int) -> Iterator[Content]:
    """A line for each row; `≠` before those whose values differ."""
    label = max((min(len(name), 40) for name, _, _ in rows), default=LABEL)
    room = max(10, (width - label - 6) // 2)
    for name, first, second in rows:
        differs = first != second
        sign = ("≠ ", "$warning") if differs else "  "
        style = "$warning" if differs else "$foreground"
        left = Content(one_line(first or ABSENT, 400)).truncate(room, ellipsis=True)
        right = Content(one_line(second or ABSENT, 400)).truncate(room, ellipsis=True)
        gap = " " * (room - left.cell_length + 2)
        yield Content.assemble(
            sign, (name[:label].ljust(label + 2), "$muted"), left.stylize(style), gap, right.stylize(style)
        )


def text_difference(first: str, second: str) -> Iterator[Content]:
    """The lines of two texts that differ, with a few around them: `-` the first one's, `+` the second one's."""
    lines = difflib.unified_diff(
        clean(first).splitlines(), clean(second).splitlines(), n=CONTEXT_LINES, lineterm="", fromfile="", tofile=""
    )
    for number, line in enumerate(lines):
        if number < 2:
            continue  # the names of files
        style = {"-": "$error", "+": "$success", "@": "$faint"}.get(line[:1], "$muted")
        yield Content.styled("  " + ("…" if line.startswith("@") else line), style)


class CompareScreen(ModalScreen[None]):
    """Two models' details."""

    BINDING_GROUP_TITLE = "Two models"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("compare-models.down", "j,down", "scroll(1)", "Down", "A line down", palette=False),
        Command("compare-models.up", "k,up", "scroll(-1)", "Up", "A line up", palette=False),
        Command("compare-models.page-down", "pagedown,space", "scroll(10)", "A page down", "Ten lines", palette=False),
        Command("compare-models.page-up", "pageup", "scroll(-10)", "A page up", "Ten lines", palette=False),
        Command("compare-models.close", "escape,q", "close", "Close", "Back to the table"),
    )
    BINDINGS = bindings(ROSTER)
    CSS = "CompareScreen .dialog { width: 116; height: 90%; }"
    DEFAULT_CSS = "CompareScreen #both { height: auto; }"

    def __init__(self, left: One, right: One, *, now: datetime) -> None:
        super().__init__()
        self._left, self._right, self._at = left, right, now

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = "Two models"
            dialog.border_subtitle = keys_line(("j k", "scroll"), ("esc", "close")).markup
            yield Static(id="both")

    def on_resize(self) -> None:
        """Both columns as wide as there is room."""
        self.query_one("#both", Static).update(self._text(min(116, self.app.size.width) - 7))

    def _text(self, width: int) -> Content:
        (model, info), (other, other_info) = self._left, self._right
        rows: list[Row] = [("", one_line(model.name, 60), one_line(other.name, 60))]
        all_rows = [*rows, *rows_of(self._left, self._right, self._at)]
        count = sum(first != second for _, first, second in all_rows[1:])
        lines = list(table_of(all_rows, width))
        lines[0] = Content.assemble("  ", lines[0][2:].stylize("bold $foreground"))
        for name, first, second in (
            ("system prompt", info.system, other_info.system),
            ("template", info.template, other_info.template),
            ("licence", info.license, other_info.license),
        ):
            same = first == second
            words = "the same" if same and first else "none" if same else "differs"
            lines += [Content(), Content.assemble((name, "bold"), (f"  {words}", "$muted"))]
            lines += text_difference(first, second)
        keys = keys_that_differ(info, other_info)
        lines += [
            Content(),
            Content.assemble(("keys of the weights that differ", "bold"), (f"  {len(keys)}", "$muted")),
        ]
        lines += table_of(keys, width)
        if info.tensors and tree_of(info) == tree_of(other_info):
            lines += [Content(), Content.styled("The weights tell the same of themselves.", "$muted")]
        head = f"{formats.count(count)} of {len(all_rows) - 1} facts and parameters differ"
        return Content("\n").join([Content.styled(head, "$muted"), Content(), *lines])

    def action_scroll(self, lines: int) -> None:
        """Up or down."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_close(self) -> None:
        """Back to the table."""
        self.dismiss()
