"""The conversations of this session, newest first, grouped by day, two lines each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from textual import on
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui import formats


@dataclass(frozen=True, slots=True)
class Entry:
    """One conversation as the list shows it.

    Attributes:
        at: when it was last asked something; None before the first question.
        answering: an answer is on its way.
        trouble: one word on how its last answer ended, if it did not end well ("stopped", "failed").
    """

    id: str
    title: str
    model: str
    at: datetime | None = None
    answering: bool = False
    trouble: str = ""


class ConversationList(OptionList):
    """Lets one conversation be chosen; the open one has a bar before it."""

    DEFAULT_CSS = """
    ConversationList {
        background: $surface; border: none; padding: 0; height: 1fr; scrollbar-size-vertical: 1;
        &:focus { border: none; background: $surface; }
        & > .option-list--option { padding: 0; }
        & > .option-list--option-disabled { color: $muted; }
        & > .option-list--option-highlighted { background: $surface; color: $foreground; text-style: none; }
        &:focus > .option-list--option-highlighted { background: $panel; color: $foreground; text-style: none; }
        & > .option-list--option-hover { background: $panel; }
    }
    """

    @dataclass
    class Chosen(Message):
        """A conversation is to be opened."""

        list: ConversationList
        id: str

        @property
        def control(self) -> ConversationList:
            """The list it came from."""
            return self.list

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._shown: tuple[tuple[Entry, ...], str, int, str] | None = None

    def show(self, entries: Sequence[Entry], opened: str, now: datetime) -> None:
        """Shows these conversations, newest first; nothing is drawn again when nothing has changed."""
        width = max(10, self.size.width - 1)
        shown = (tuple(entries), opened, width, f"{now:%x %H:%M}")
        if shown == self._shown:
            return
        self._shown = shown
        highlighted = self.highlighted_option.id if self.highlighted_option is not None else None
        options: list[Option] = []
        group = ""
        for entry in entries:
            day = day_of(entry.at, now)
            if day != group:
                options.append(Option(f"\n{day}" if group else day, disabled=True))
                group = day
            options.append(Option(drawn(entry, entry.id == opened, now, width), id=entry.id))
        self.set_options(options)
        ids = [option.id for option in options]
        wanted = highlighted if self.has_focus and highlighted in ids else opened
        self.highlighted = ids.index(wanted) if wanted in ids else None

    def on_resize(self) -> None:
        """Titles are cut to the width."""
        self._shown = None

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_id is not None:
            self.post_message(self.Chosen(self, event.option_id))


def day_of(at: datetime | None, now: datetime) -> str:
    """The group a conversation belongs to: "Today", "Yesterday", "This week", "Earlier"."""
    if at is None:
        return "Today"
    days = (now.date() - at.astimezone(now.tzinfo).date()).days
    if days <= 0:
        return "Today"
    return "Yesterday" if days == 1 else "This week" if days < 7 else "Earlier"


def drawn(entry: Entry, opened: bool, now: datetime, width: int) -> Content:
    """Two lines: the title, then the model and how long ago, or what is going on."""
    title = one_line(entry.title, width - 1)
    first = Content.assemble(("▌", "$primary") if opened else " ", (title, "bold" if opened else ""))
    model = one_line(entry.model, 40) or "no model"
    if entry.answering:
        second = Content.assemble((" ▶ ", "$accent"), (f"{model} is answering", "$accent"))
    elif entry.trouble:
        second = Content.assemble((f" {entry.trouble}", "$warning"), (f" · {model}", "$muted"))
    else:
        age = formats.age(entry.at, now) if entry.at is not None else ""
        second = Content.styled(" " + " · ".join(filter(None, (model, age))), "$muted")
    return Content("\n").join([part.truncate(width, ellipsis=True) for part in (first, second)])
