"""Conversations, two lines each: the pinned ones, then newest first, grouped by day; or what a search has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.commands import Command, Roster, bindings


@dataclass(frozen=True, slots=True)
class Entry:
    """One conversation as the list shows it.

    Attributes:
        at: when it was last asked something; None before the first question.
        answering: an answer is on its way.
        waiting: nothing of that has come yet.
        queued: it has not been sent yet, because so many others stream.
        trouble: how its last answer ended, if it did not end well ("stopped", "failed").
        snippet: a piece of what was found in it; `hits` are the places in it.
    """

    id: str
    title: str
    model: str
    at: datetime | None = None
    answering: bool = False
    waiting: bool = False
    queued: bool = False
    trouble: str = ""
    pinned: bool = False
    snippet: str = ""
    hits: tuple[tuple[int, int], ...] = ()


MOST = 200
"""Conversations that are shown; older ones are found by searching."""


class ConversationList(OptionList):
    """Lets one conversation be chosen; the open one has a bar before it."""

    BINDING_GROUP_TITLE = "Conversations"
    ROSTER: ClassVar[Roster] = (
        Command("list.find", "slash", "screen.find", "Search conversations",
                "Find words in titles, questions and answers", show=True, short="search"),
        Command("list.pin", "p", "screen.pin", "Pin", "Keep the conversation on top, or let it go", show=True),
        Command("list.rename", "e", "screen.rename", "Rename", "Give the conversation another title", show=True),
        Command("list.delete", "d,delete", "screen.delete", "Delete", "Delete the conversation; can be undone",
                show=True),
        Command("list.undo", "u", "screen.undo_delete", "Undo delete", "Bring the last deleted conversation back"),
    )  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = bindings(ROSTER)

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

    def show(self, entries: Sequence[Entry], opened: str, now: datetime, heading: str = "", *, older: int = 0) -> None:
        """Shows these conversations; nothing is drawn again when nothing has changed.

        Args:
            entries: the pinned ones, then newest first; at most MOST are shown.
            older: how many more there are.
            heading: what they are, if they are to stand in this order under one heading.
        """
        width = max(10, self.size.width - 1)
        shown = (tuple(entries), opened, width, f"{now:%x %H:%M}{heading} {older}")
        if shown == self._shown:
            return
        self._shown = shown
        highlighted = self.highlighted_option.id if self.highlighted_option is not None else None
        options: list[Option] = []
        group = ""
        for entry in entries[:MOST]:
            day = heading or ("Pinned" if entry.pinned else day_of(entry.at, now))
            if day != group:
                options.append(Option(f"\n{day}" if group else day, disabled=True))
                group = day
            options.append(Option(drawn(entry, entry.id == opened, now, width), id=entry.id))
        older += max(0, len(entries) - MOST)
        if older:
            options.append(Option(f"\n{older:,} older ones: / finds them", disabled=True))
        if heading and not entries:
            options.append(Option(heading, disabled=True))
        self.set_options(options)
        ids = [option.id for option in options]
        wanted = highlighted if self.has_focus and highlighted in ids else opened
        self.highlighted = ids.index(wanted) if wanted in ids else None

    @property
    def in_hand(self) -> str:
        """The id of the conversation under the cursor; "" where there is none."""
        option = self.highlighted_option
        return option.id or "" if option is not None else ""

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
    star = "★ " if entry.pinned else ""
    title = one_line(entry.title, width - 1)
    first = Content.assemble(
        ("▌", "$primary") if opened else " ", (star, "$warning"), (title, "bold" if opened else "")
    )
    model = one_line(entry.model, 40) or "no model"
    if entry.queued:
        second = Content.styled(" waits for other answers", "$accent")
    elif entry.answering:
        doing = " · waiting" if entry.waiting else " is answering"
        second = Content.assemble((" ▶ ", "$accent"), (f"{model}{doing}", "$accent"))
    elif entry.snippet:
        second = Content.assemble(" ", marked(entry.snippet, entry.hits))
    elif entry.trouble.startswith("!"):
        second = Content.styled(f" {entry.trouble}", "$warning")
    elif entry.trouble:
        second = Content.assemble((f" {entry.trouble}", "$warning"), (f" · {model}", "$muted"))
    else:
        age = formats.age(entry.at, now) if entry.at is not None else ""
        second = Content.styled(" " + " · ".join(filter(None, (model, age))), "$muted")
    return Content("\n").join([part.truncate(width, ellipsis=True) for part in (first, second)])


def marked(text: str, hits: Sequence[tuple[int, int]]) -> Content:
    """A piece of a text with what was found in it."""
    content = Content.styled(text, "$muted")
    for start, end in hits:
        content = content.stylize("$foreground bold", start, end)
    return content
