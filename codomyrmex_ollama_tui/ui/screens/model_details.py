"""What the list and the memory of a server say of one model, as text for the side panel or a dialog."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import keys_line
from codomyrmex_ollama_tui.ui.widgets.status_line import processor

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelSummary, RunningModel

LABEL = 11


def details_of(model: ModelSummary, running: RunningModel | None, now: datetime) -> Content:
    """Name, facts of the list, and facts of the memory if the model is loaded. Nothing is asked for."""
    details = model.details
    heading = [one_line(details.family, 16), formats.parameters(one_line(details.parameter_size, 12))]
    heading.append(one_line(details.quantization_level, 12))
    lines = [
        Content.styled(one_line(model.name, 120), "bold"),
        Content.styled(" · ".join(part for part in heading if part and part != formats.UNKNOWN), "$muted"),
        Content(),
    ]
    facts = [("size", formats.size(model.size) if model.size else formats.UNKNOWN)]
    if model.remote_host:
        facts.append(("runs at", one_line(model.remote_host, 60)))
    context = details.context_length
    facts.append(("context", f"{formats.count(context)} tokens" if context else formats.UNKNOWN))
    can = " ".join(one_line(word, 16) for word in model.capabilities) if model.capabilities else formats.UNKNOWN
    facts.append(("can", can))
    facts.append(("format", one_line(details.format, 16) or formats.UNKNOWN))
    facts.append(("digest", one_line(model.digest[:12]) or formats.UNKNOWN))
    modified = formats.moment(model.modified_at, now)
    facts.append(("modified", f"{modified} · {formats.age(model.modified_at, now)}" if model.modified_at else modified))
    if details.parent_model:
        facts.append(("made from", one_line(details.parent_model, 60)))
    lines += [_fact(label, value) for label, value in facts]
    if running is not None:
        lines += [Content(), Content.assemble(("● ", "$success"), ("in memory", "bold"))]
        lines.append(_fact("memory", formats.size(running.size)))
        lines.append(_fact("runs on", processor(running)))
        if running.context_length:
            lines.append(_fact("context", f"{formats.count(running.context_length)} tokens"))
        if running.expires_at is not None:
            lines.append(_fact("until", formats.moment(running.expires_at, now)))
    else:
        lines += [Content(), Content.styled("○ not in memory", "$muted")]
    return Content("\n").join(lines)


def _fact(label: str, value: str) -> Content:
    return Content.assemble((label.ljust(LABEL), "$muted"), value)


class DetailsScreen(ModalScreen[None]):
    """The details of one model in a dialog."""

    BINDING_GROUP_TITLE = "Details"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("details.close", "escape,i,enter,q", "close", "Close", "Back to the table"),
    )
    BINDINGS = bindings(ROSTER)

    def __init__(self, title: str, text: Content) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog") as dialog:
            dialog.border_title = Content(self._title).markup
            dialog.border_subtitle = keys_line(("esc", "close")).markup
            yield Static(self._text)

    def action_close(self) -> None:
        """Back to the table."""
        self.dismiss()
