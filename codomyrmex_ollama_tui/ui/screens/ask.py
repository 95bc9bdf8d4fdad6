"""Small questions: yes or no, and a line of text that is checked before it is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from codomyrmex_ollama_tui.domain.text import clean, one_line
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.tell import tell

if TYPE_CHECKING:
    from textual.app import App

    from codomyrmex_ollama_tui.services.server import ServerService


def keys_line(*pairs: tuple[str, str]) -> Content:
    """`enter delete · esc keep`, for the lower edge of a dialog."""
    return Content(" · ").join([Content.assemble((key, "$primary"), f" {word}") for key, word in pairs])


class Confirm(ModalScreen[bool]):
    """A question; True for yes. Esc is no.

    Args:
        words: what will happen, in plain text from anywhere.
        yes: the verb of the answer yes.
    """

    BINDING_GROUP_TITLE = "Question"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("ask.yes", "enter,y", "answer(True)", "Yes", "Do it"),
        Command("ask.no", "escape,n", "answer(False)", "No", "Leave it as it is"),
    )
    BINDINGS = bindings(ROSTER)

    def __init__(self, title: str, words: str, *, yes: str, no: str = "stay") -> None:
        super().__init__()
        self._title, self._words, self._yes, self._no = title, words, yes, no

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(one_line(self._title, 56)).markup
            dialog.border_subtitle = keys_line(("enter", self._yes), ("esc", self._no)).markup
            yield Static(Content(clean(self._words)), classes="words")

    def action_answer(self, yes: bool) -> None:
        """Take the answer."""
        self.dismiss(yes)


class Ask(ModalScreen[str]):
    """Asks for one line of text; dismissed with it, or with None on esc.

    Args:
        check: gives the reason why a text cannot be taken, "" if it can; asked before the dialog closes.
        suggestions: offered as ghost text while typing.
    """

    BINDING_GROUP_TITLE = "Question"
    ROSTER: ClassVar[tuple[Command, ...]] = (Command("ask.cancel", "escape", "cancel", "Cancel", "Leave it as it is"),)
    BINDINGS = bindings(ROSTER)
    AUTO_FOCUS = "Input"

    def __init__(
        self,
        title: str,
        words: str,
        *,
        verb: str,
        check: Callable[[str], str],
        value: str = "",
        placeholder: str = "",
        suggestions: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self._title, self._words, self._verb, self._check = title, words, verb, check
        self._value, self._placeholder, self._suggestions = value, placeholder, suggestions

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(one_line(self._title, 56)).markup
            dialog.border_subtitle = keys_line(("enter", self._verb), ("esc", "cancel")).markup
            yield Static(Content(clean(self._words)), classes="words")
            yield Input(
                self._value,
                placeholder=self._placeholder,
                suggester=SuggestFromList(self._suggestions, case_sensitive=False) if self._suggestions else None,
                select_on_focus=False,
            )
            yield Static(classes="problem")

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one(".problem", Static).update("")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        problem = self._check(text) if text else "nothing is typed yet"
        if problem:
            self.query_one(".problem", Static).update(Content(f"✕ {clean(problem)}"))
        else:
            self.dismiss(text)

    def action_cancel(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


def problem_with_address(text: str) -> str:
    """Why `text` cannot be the address of a server; "" if it can."""
    from codomyrmex_ollama_tui.client.address import parse_address  # only when a person types one

    try:
        parse_address(text)
    except ValueError as error:
        return str(error)
    return ""


def ask_host(app: App[None], server: ServerService) -> None:
    """Ask for the address of a server and go there."""

    async def go(text: str) -> None:
        try:
            await server.use_host(text)
        except ValueError as error:
            tell(app, str(error), title="Another host", severity="error")

    def answered(text: str | None) -> None:
        if text:
            app.run_worker(go(text), group="host", exclusive=True)

    app.push_screen(
        Ask(
            "Another host",
            "The address of an Ollama server, as OLLAMA_HOST has it: a name, host:port, or a URL.",
            verb="use it",
            check=problem_with_address,
            placeholder="192.168.1.20:11434",
        ),
        answered,
    )
