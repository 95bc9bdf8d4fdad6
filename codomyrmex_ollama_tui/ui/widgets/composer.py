"""The composer: where a prompt is written, with its history, its pastes and its keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from textual import events, on
from textual.binding import BindingType
from textual.content import Content
from textual.document._document import EditResult, Location
from textual.document._edit import Edit
from textual.message import Message
from textual.reactive import var
from textual.widgets import TextArea

from codomyrmex_ollama_tui.domain.text import clean, one_line
from codomyrmex_ollama_tui.ui.commands import Command, HasKeymap, bindings

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.ui.widgets.slash_menu import Slash, SlashCommand

LONG_PASTE: Final = 50_000
"""Characters from which a paste is kept apart: laying out a megabyte again at every key would hold the keyboard."""
LONG_LINE: Final = 10_000
"""Characters of one line from which a paste is kept apart: each row of a wrapped line costs the whole line."""
REMEMBERED: Final = 200
"""Prompts that the up key goes back to."""
SWAPPED_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {"composer.send": "ctrl+j,shift+enter", "composer.newline": "enter"}
)
"""The keymap of people who want enter to begin a new line."""

_LIKE_A_COMMAND: Final = re.compile(r"//|/[a-z]*(?:[ \t]|\Z)")

Reach = Literal["page-up", "page-down", "top", "end"]


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in a composer.

    Attributes:
        text: what is seen, cleaned; a long paste is one marker in it.
        pasted: the text that each marker stands for, as it was pasted.
    """

    text: str = ""
    pasted: Mapping[str, str] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The whole text, markers replaced by what they stand for."""
        if not self.pasted:
            return self.text
        return re.sub("|".join(map(re.escape, self.pasted)), lambda match: self.pasted[match[0]], self.text)


class Composer(TextArea):
    """A text box that sends: it grows with its text, remembers prompts, and keeps long pastes as one marker each."""

    DEFAULT_CSS = """
    Composer {
        height: auto;
        max-height: 33vh;
        border: round $border-blurred;
        border-title-color: $foreground;
        border-subtitle-color: $muted;
        background: $background;
        padding: 0 1;
        scrollbar-size-vertical: 1;
        &:focus { border: round $primary; }
        & .text-area--placeholder { color: $muted; }
        & .text-area--cursor-line { background: transparent; }
    }
    """

    BINDING_GROUP_TITLE = "Composer"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("composer.send", "enter", "send", "Send", "Send the prompt to the model", palette=False),
        Command("composer.newline", "ctrl+j,shift+enter", "newline", "New line", "Begin a new line", palette=False),
        Command("composer.page_up", "pageup", "reach('page-up')", "Page up", "Scroll a page up", palette=False),
        Command("composer.page_down", "pagedown", "reach('page-down')", "Page down", "Scroll down", palette=False),
        Command("composer.top", "ctrl+home", "reach('top')", "To the start", "Go to the start of the conversation",
                palette=False),
        Command("composer.end", "ctrl+end", "reach('end')", "To the end", "Go to the end and follow the answer",
                palette=False),
    )  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ROSTER)]

    ready: var[bool] = var(True)
    """Whether a prompt can be sent now. When not, sending keeps the text and posts `Held`."""

    @dataclass
    class Submitted(Message):
        """A prompt was sent; the composer is empty again and remembers it."""

        composer: Composer
        draft: Draft

        @property
        def control(self) -> Composer:
            """The composer it came from."""
            return self.composer

    @dataclass
    class Held(Message):
        """Sending was asked for while the composer is not ready; the text stays."""

        composer: Composer

        @property
        def control(self) -> Composer:
            """The composer it came from."""
            return self.composer

    @dataclass
    class Reached(Message):
        """A paging key was pressed, which is for the conversation and not for the text."""

        composer: Composer
        to: Reach

        @property
        def control(self) -> Composer:
            """The composer it came from."""
            return self.composer

    def __init__(
        self, *, model: str = "", colour: int | None = None, placeholder: str = "", id: str | None = None
    ) -> None:
        """An empty composer.

        Args:
            model: the model's name for the border, raw; "" for none.
            colour: which of the six model colours its bar has, 0–5; None for no bar.
            placeholder: what stands in the empty box.
        """
        super().__init__(id=id, placeholder=placeholder, highlight_cursor_line=False)
        self._pasted: dict[str, str] = {}
        self._pastes = 0
        self._past: list[Draft] = []
        self._browsed: list[Draft] = []
        self._place = 0
        self._slash: Slash | None = None
        self._commands: Callable[[], Sequence[SlashCommand]] | None = None
        self.show_model(model, colour)

    def show_model(self, model: str, colour: int | None) -> None:
        """Names the model in the upper border, behind the bar of its colour."""
        name = one_line(model, 60)
        bar = ("▌", f"$model-{colour + 1}") if colour is not None else ""
        self.border_title = Content.assemble(bar, name or "no model")

    def show_hint(self, hint: str) -> None:
        """Says in the lower border what the keys do."""
        self.border_subtitle = Content(hint)

    # ------------------------------------------------------------ text in and out

    @property
    def draft(self) -> Draft:
        """What stands here now."""
        text = self.text
        return Draft(text, {marker: pasted for marker, pasted in self._pasted.items() if marker in text})

    def put(self, draft: Draft) -> None:
        """Replaces the text, with the cursor at its end. The undo history begins anew."""
        self._pasted = dict(draft.pasted)
        self.load_text(draft.text)
        self.move_cursor(self.document.end)

    def put_prompt(self, prompt: str) -> None:
        """Replaces the text by a prompt, whose length decides whether it is laid out or kept as a marker."""
        self.put(self._draft_of(prompt))

    def give_back(self, draft: Draft) -> None:
        """Returns a prompt that could not be answered, above whatever has been typed since."""
        since = self.draft
        if not draft.pasted:
            draft = self._draft_of(draft.text)
        if since.text.strip() not in ("", draft.text.strip()):
            draft = Draft(f"{draft.text}\n{since.text}", {**draft.pasted, **since.pasted})
        self.put(draft)

    def _draft_of(self, prompt: str) -> Draft:
        text = self._admit(prompt)
        if self._commands is not None and _LIKE_A_COMMAND.match(text):
            text = "/" + text  # sent as it was, and not done
        return Draft(text, {text: self._pasted[text]} if text in self._pasted else {})

    def _admit(self, text: str) -> str:
        """The text as it may stand here: cleaned, or the marker under which it is kept."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if len(text) < LONG_PASTE and max(map(len, text.split("\n"))) < LONG_LINE:
            return clean(text)
        return self._mark("pasted", text, text)

    def _mark(self, what: str, text: str, sent: str) -> str:
        """The marker for a text that is kept apart; what is sent in its place."""
        self._pastes += 1
        what = one_line(what, 60).translate({ord("⟦"): "(", ord("⟧"): ")"})
        lines = text.count("\n") + 1
        marker = f"⟦{what} {self._pastes}: {len(text):,} characters, {lines:,} line{'s' * (lines != 1)}⟧"
        self._pasted[marker] = sent
        return marker

    def attach(self, name: str, text: str) -> None:
        """Puts the text of a file at the cursor, as one marker; it is sent as code under the file's name."""
        text = text.removesuffix("\n")
        longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        ending = name.rpartition(".")[2] if "." in name else ""
        sent = f"{one_line(name)}:\n\n{fence}{one_line(ending, 20)}\n{text}\n{fence}\n"
        line = self.document[self.cursor_location[0]][: self.cursor_location[1]]
        self.insert("\n" * bool(line.strip()) + self._mark(name, text, sent) + "\n")

    def edit(self, edit: Edit) -> EditResult:
        """Does an edit; one that would cut into the marker of a paste takes the marker as one character."""
        text = clean(edit.text)
        top, bottom = edit.top, edit.bottom
        if self._pasted:
            if top == bottom:
                top = bottom = self._marker_edges(top)[1]
            else:
                top, bottom = self._marker_edges(top)[0], self._marker_edges(bottom)[1]
        return super().edit(Edit(text, top, bottom, edit.maintain_selection_offset))

    def _marker_edges(self, location: Location) -> tuple[Location, Location]:
        """Start and end of the marker that a place lies inside of; else the place itself, twice."""
        row, column = location
        line = self.document[row]
        for marker in self._pasted:
            start = line.rfind(marker, 0, column + len(marker))
            if start != -1 and start < column < start + len(marker):
                return (row, start), (row, start + len(marker))
        return location, location

    def find_matching_bracket(self, bracket: str, search_from: Location) -> Location | None:
        """No brackets are matched in prose; looking for them would walk through the whole text at each key."""
        return None

    # ------------------------------------------------------------ keys

    async def on_key(self, event: events.Key) -> None:
        """Sends and breaks lines in the order of the keys.

        A binding runs only when its key has come back up to the App; letters typed right behind enter would by then
        be in the text that is sent. Some terminals name shift+enter "shift+\\r", which no binding can.
        """
        if self._slash is not None and self._slash.handle(event.key):
            event.prevent_default()
            event.stop()
            return
        key = event.key.replace("\r", "enter")
        if key == "enter":
            event.prevent_default()  # for a text area it is a letter
        for command, action in zip(self.ROSTER, (self.action_send, self.action_newline), strict=False):
            if key in self._keys_of(command):
                event.prevent_default()
                event.stop()
                action()
                return

    def _keys_of(self, command: Command) -> list[str]:
        app = self.app
        keymap = app.keymap_in_force if isinstance(app, HasKeymap) else {}
        return [key.strip() for key in keymap.get(command.id, command.key).split(",")]

    async def on_paste(self, event: events.Paste) -> None:
        """Puts a paste at the cursor; a long one is kept apart, so that no key has to wait for its layout."""
        event.prevent_default()
        event.stop()
        if event.text:
            self.replace(self._admit(event.text), *self.selection, maintain_selection_offset=False)

    def action_send(self) -> None:
        """Sends the prompt, if there is one and it can be sent."""
        draft = typed = self.draft
        if not draft.prompt.strip():
            return
        if self._commands is not None and draft.text.startswith("/"):
            if self._watching().send():
                return
            if draft.text.startswith("//"):  # the first one says that the second is text
                draft = Draft(draft.text[1:], draft.pasted)
        if not self.ready:
            self.post_message(self.Held(self))
            return
        self.remember(typed)
        self.put(Draft())
        self.post_message(self.Submitted(self, draft))

    def action_newline(self) -> None:
        """Begins a new line."""
        self.replace("\n", *self.selection, maintain_selection_offset=False)

    def action_reach(self, to: Reach) -> None:
        """Says that the conversation is to be scrolled."""
        self.post_message(self.Reached(self, to))

    # ------------------------------------------------------------ commands

    def offer(self, commands: Callable[[], Sequence[SlashCommand]]) -> None:
        """From now on a text that begins with a slash is one of these commands; `//` begins a prompt with a slash."""
        self._commands = commands

    def _watching(self) -> Slash:
        from codomyrmex_ollama_tui.ui.widgets.slash_menu import Slash  # not before the first slash

        if self._slash is None:
            self._slash = Slash(self, self._commands or (lambda: ()))
        return self._slash

    @on(TextArea.Changed)
    def _look_for_a_command(self) -> None:
        if self._slash is not None or (self._commands is not None and self.text.startswith("/")):
            self._watching().typed()

    # ------------------------------------------------------------ prompts sent before

    def remember(self, draft: Draft) -> None:
        """Adds a prompt to those that the up key goes back to."""
        self._browsed = []
        if not self._past or self._past[-1] != draft:
            self._past.append(draft)
            del self._past[:-REMEMBERED]

    def learn(self, prompts: Sequence[str]) -> None:
        """The up key goes back to these too, before those that were sent here; the oldest first."""
        known = {draft.prompt for draft in self._past}
        self._past[:0] = [self._draft_of(prompt) for prompt in prompts if prompt not in known]
        del self._past[:-REMEMBERED]

    def recall(self, prompt: str) -> None:
        """Puts a prompt of before here; the down key goes back to what was being written."""
        self.leave_history()
        recalled = self._draft_of(prompt)
        self._browsed, self._place = [recalled, self.draft], 1
        self._go(0)

    @property
    def browsing(self) -> bool:
        """Whether an earlier prompt stands here instead of the new one."""
        return bool(self._browsed) and self._place < len(self._browsed) - 1

    def leave_history(self) -> None:
        """Goes back to the new prompt."""
        if self.browsing:
            self._go(len(self._browsed) - 1)

    def _go(self, place: int) -> None:
        self._browsed[self._place] = self.draft
        self._place = place
        self.put(self._browsed[place])

    def action_cursor_up(self, select: bool = False) -> None:
        """A row up; from the first row to the prompt sent before."""
        if select or self.wrapped_document.location_to_offset(self.cursor_location).y > 0:
            super().action_cursor_up(select)
            return
        if not self.browsing and self._past:
            self._browsed = [*self._past, self.draft]
            self._place = len(self._browsed) - 1
        if self._browsed and self._place > 0:
            self._go(self._place - 1)

    def action_cursor_down(self, select: bool = False) -> None:
        """A row down; from the last row to the prompt sent after."""
        last = self.wrapped_document.height - 1
        if select or not self.browsing or self.wrapped_document.location_to_offset(self.cursor_location).y < last:
            super().action_cursor_down(select)
            return
        self._go(self._place + 1)
