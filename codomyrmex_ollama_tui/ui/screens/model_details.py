"""All that is known of one model: a panel beside the table, and a screen with its texts and its tree of keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from codomyrmex_ollama_tui.domain.model_memory import estimate, ladder
from codomyrmex_ollama_tui.domain.text import clean, one_line
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.model_tree import found_in, tree_of
from codomyrmex_ollama_tui.ui.screens.ask import keys_line
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.bar import bar
from codomyrmex_ollama_tui.ui.widgets.status_line import processor

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary, RunningModel

LABEL = 12
BAR = 11
"""Cells of the bars of memory."""


def details_of(
    model: ModelSummary, info: ModelInfo | None, running: RunningModel | None, now: datetime, *, bars: int = BAR
) -> Content:
    """Name, facts of the list, of the details if they are known, and of the memory if the model is loaded."""
    details = model.details
    heading = [one_line(details.family, 16), formats.parameters(one_line(details.parameter_size, 12))]
    heading.append(one_line(details.quantization_level, 12))
    lines = [
        Content.styled(one_line(model.name, 120), "bold"),
        Content.styled(" · ".join(part for part in heading if part and part != formats.UNKNOWN), "$muted"),
        Content(),
    ]
    lines += [_fact(label, value) for label, value in facts_of(model, info, now)]
    if running is not None:
        lines += [Content(), *_in_memory(running, now, alias=running.name != model.name)]
    else:
        lines += [Content(), Content.styled("○ not in memory", "$muted")]
    if info is None:
        return Content("\n").join([*lines, Content(), Content.styled("i reads the rest", "$muted")])
    lines += memory_lines(info, model.size, running, bars)
    parameters = info.parameters.strip().splitlines()
    if parameters:
        lines += [Content(), Content.styled("parameters", "$muted")]
        lines += [_parameter(line) for line in sorted(parameters)[:8]]
    if licence := licence_name(info):
        lines += [Content(), Content.styled("licence", "$muted"), Content(licence)]
    if bars == BAR:
        lines += [Content(), Content.styled("i: template, system, licence, all fields", "$muted")]
    return Content("\n").join(lines)


def facts_of(model: ModelSummary, info: ModelInfo | None, now: datetime) -> list[tuple[str, str]]:
    """Label and value of what list and details say; "·" where nothing is known."""
    details = model.details
    facts = [("size", formats.size(model.size) if model.size else formats.UNKNOWN)]
    if model.remote_host:
        facts.append(("runs at", one_line(model.remote_host, 60)))
    context = details.context_length or (info.context_length if info else None)
    facts.append(("context", f"{formats.count(context)} tokens" if context else formats.UNKNOWN))
    able = model.capabilities if model.capabilities is not None else info.capabilities if info else None
    can = " ".join(one_line(word, 16) for word in able) if able else formats.UNKNOWN if able is None else "nothing told"
    facts.append(("can", can))
    facts.append(("format", one_line(details.format, 16) or formats.UNKNOWN))
    facts.append(("digest", one_line(model.digest[:12]) or formats.UNKNOWN))
    modified = formats.moment(model.modified_at, now)
    facts.append(("modified", f"{modified} · {formats.age(model.modified_at, now)}" if model.modified_at else modified))
    if details.parent_model:
        facts.append(("made from", one_line(details.parent_model, 60)))
    if info is not None and info.requires:
        facts.append(("needs", f"Ollama {one_line(info.requires, 20)}"))
    return facts


def _in_memory(running: RunningModel, now: datetime, *, alias: bool) -> list[Content]:
    words = f"in memory as {one_line(running.name, 60)}" if alias else "in memory"
    lines = [Content.assemble(("● ", "$success"), (words, "bold"))]
    lines.append(_fact("memory", formats.size(running.size)))
    lines.append(_fact("runs on", processor(running)))
    if running.context_length:
        lines.append(_fact("context", f"{formats.count(running.context_length)} tokens"))
    if running.expires_at is not None:
        lines.append(_fact("until", formats.until(running.expires_at, now)))
    return lines


def memory_lines(info: ModelInfo, size: int, running: RunningModel | None, width: int) -> list[Content]:
    """Bars of the memory that some contexts will take, and beside them what the loaded model really takes."""
    made = [each for context in ladder(info) if (each := estimate(info, size, context)) is not None]
    if not made:
        return []
    largest = max([each.total for each in made] + ([running.size] if running else []))
    lines = [Content(), Content.styled("memory for context, estimated", "$muted")]
    for each in made:
        context = (formats.count(each.context).rjust(8), "$muted")
        drawn = bar(each.total / largest, width, "$primary")
        lines.append(Content.assemble(context, "  ", drawn, f" ≈ {formats.size(each.total)}"))
    if running is not None and running.context_length:
        context = (formats.count(running.context_length).rjust(8), "$success")
        drawn = bar(running.size / largest, width, "$success")
        lines.append(
            Content.assemble(context, "  ", drawn, f" = {formats.size(running.size)}{' now' if width > BAR else ''}")
        )
    return lines


def licence_name(info: ModelInfo) -> str:
    """The first line of the licence that says something, or the word that the weights carry."""
    for line in clean(info.license[:4000]).splitlines():
        if line.strip():
            return one_line(line, 80)
    word = info.model_info.get("general.license")
    return one_line(word, 80) if isinstance(word, str) else ""


def _fact(label: str, value: str) -> Content:
    return Content.assemble((label.ljust(LABEL), "$muted"), value)


def _parameter(line: str) -> Content:
    name, _, value = one_line(line, 200).partition(" ")
    return Content.assemble((name.ljust(max(LABEL, len(name) + 1)), "$muted"), value.strip())


Texts = Mapping[str, Callable[[], str]]


class DetailsScreen(ModalScreen[None]):
    """One model, a section at a time; what is typed after `/` is looked for in the section."""

    BINDING_GROUP_TITLE = "Details"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("details.next", "right,tab,l", "section(1)", "Next section", "Template, system prompt, licence …"),
        Command("details.previous", "left,shift+tab,h", "section(-1)", "Section before", "The one at the left"),
        Command("details.down", "j,down", "scroll(1)", "Down", "A line down", palette=False),
        Command("details.up", "k,up", "scroll(-1)", "Up", "A line up", palette=False),
        Command("details.page-down", "pagedown,space", "scroll(10)", "A page down", "Ten lines", palette=False),
        Command("details.page-up", "pageup", "scroll(-10)", "A page up", "Ten lines", palette=False),
        Command("details.copy", "y", "copy", "Copy the section", "As the server sent it, whole"),
        Command("details.search", "slash", "search", "Search in the section", "Lines that hold some letters"),
        Command("details.close", "escape,i,q", "close", "Close", "Out of the search, then back to the table"),
    )
    BINDINGS = bindings(ROSTER)
    AUTO_FOCUS = ""
    CSS = "DetailsScreen .dialog { width: 110; height: 90%; }"
    DEFAULT_CSS = """
    DetailsScreen {
        & #sections { height: auto; margin: 0 0 1 0; }
        & #search { height: 1; padding: 0; margin: 0 0 1 0; border: none; background: $panel; }
        & VerticalScroll { height: 1fr; }
        & #text { height: auto; }
    }
    """

    def __init__(
        self, model: ModelSummary, info: ModelInfo, running: RunningModel | None, *, now: Callable[[], datetime]
    ) -> None:
        super().__init__()
        self._model, self._info, self._in_memory_now, self._now = model, info, running, now
        self._texts: Texts = {
            "summary": lambda: details_of(model, info, running, now()).plain,
            "parameters": lambda: info.parameters,
            "system": lambda: info.system,
            "template": lambda: info.template,
            "licence": lambda: info.license,
            "modelfile": lambda: info.modelfile,
            "fields": lambda: tree_of(info),
        }
        self._at = 0
        self._letters = ""

    @property
    def section(self) -> str:
        """The name of the section that is shown."""
        return tuple(self._texts)[self._at]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(one_line(self._model.name, 80)).markup
            dialog.border_subtitle = keys_line(
                ("← →", "section"), ("/", "search"), ("y", "copy"), ("esc", "close")
            ).markup
            yield Static(id="sections")
            yield Input(id="search", placeholder="letters", compact=True)
            with VerticalScroll(can_focus=False):
                yield Static(id="text")

    def on_mount(self) -> None:
        """The summary first."""
        self.query_one("#search").display = False
        self._show()

    def _show(self) -> None:
        names = [
            Content.styled(f" {name} ", "$background on $primary" if place == self._at else "$muted")
            for place, name in enumerate(self._texts)
        ]
        self.query_one("#sections", Static).update(Content(" ").join(names))
        self.query_one("#text", Static).update(self._body())

    def _body(self) -> Content:
        if self.section == "summary" and not self._letters:
            return details_of(self._model, self._info, self._in_memory_now, self._now(), bars=30)
        text = clean(self._texts[self.section]())
        if not text.strip():
            return Content.styled(f"This model has no {self.section} of its own.", "$muted")
        return found_in(text, self._letters, tree=self.section == "fields")

    def action_section(self, step: int) -> None:
        """Another section, from its beginning."""
        self._at = (self._at + step) % len(self._texts)
        self._show()
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_scroll(self, lines: int) -> None:
        """Up or down."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_search(self) -> None:
        """Type letters that a line must hold."""
        box = self.query_one("#search", Input)
        box.display = True
        box.focus()

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        self._letters = event.value.strip()
        self._show()

    @on(Input.Submitted, "#search")
    def _taken(self) -> None:
        self.set_focus(None)

    def action_copy(self) -> None:
        """The whole section, as the server sent it, onto the clipboard."""
        text = clean(self._texts[self.section]())
        self.app.copy_to_clipboard(text)
        tell(self.app, f"{formats.count(len(text))} characters copied.", title=self.section.capitalize(), timeout=4)

    def action_close(self) -> None:
        """Out of the search first."""
        box = self.query_one("#search", Input)
        if box.display:
            box.value = ""
            box.display = False
            self.set_focus(None)
        else:
            self.dismiss()
