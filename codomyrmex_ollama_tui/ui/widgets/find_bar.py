"""The line under a transcript in which the words are typed that are looked for; made when it is first wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static

from codomyrmex_ollama_tui.ui.commands import Command, Roster, bindings

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.ui.widgets.transcript.reading import ReadingView


class FindLine(Input):
    """Where the words are typed.

    Args:
        transcript: where they are looked for.
    """

    BINDING_GROUP_TITLE = "Find"
    ROSTER: ClassVar[Roster] = (
        Command("find-bar.read", "enter", "read", "Read here", "Stay at this hit and read on", show=True,
                short="read here", palette=False),
        Command("find-bar.next", "down", "found(1)", "Next hit", "Go to the next hit", show=True, short="next",
                palette=False),
        Command("find-bar.previous", "up", "found(-1)", "Hit before", "Go to the hit before", show=True,
                short="before", palette=False),
        Command("find-bar.leave", "escape", "leave", "Leave the search", "Go back to where you were", show=True,
                short="back", palette=False),
    )  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = bindings(ROSTER)

    def __init__(self, transcript: ReadingView) -> None:
        super().__init__(placeholder="find in this conversation")
        self._transcript = transcript

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._transcript.find(event.value)

    def action_read(self) -> None:
        """Go to the text, at this hit; with nothing found the search is over."""
        if self._transcript.finding:
            self._transcript.focus()
        else:
            self.action_leave()

    def action_found(self, step: int) -> None:
        """Go to the next hit (1), or the one before (−1)."""
        self._transcript.go_to_hit(step)

    def action_leave(self) -> None:
        """Back to where the reader was."""
        self._transcript.close_find(back=True)


class FindBar(Horizontal):
    """A line for the words, and how many hits there are.

    Args:
        transcript: where they are looked for.
    """

    DEFAULT_CSS = """
    FindBar {
        height: 1; background: $panel; padding: 0 1;
        & > Static { width: auto; height: 1; }
        & > .sign { color: $primary; }
        & > .count { color: $muted; min-width: 24; text-align: right; }
        & > Input, & > Input:focus { width: 1fr; height: 1; border: none; background: transparent; }
    }
    """

    def __init__(self, transcript: ReadingView) -> None:
        super().__init__()
        self._input = FindLine(transcript)
        self._count = Static(classes="count")

    def compose(self) -> ComposeResult:
        yield Static("/", classes="sign")
        yield self._input
        yield self._count

    def enter(self, words: str = "") -> None:
        """Words can be typed; those of the last time are replaced by the first letter, or by `words`."""
        if words:
            self._input.value = words
        self._input.focus()
        self._input.action_select_all()

    def show(self, count: int, at: int, *, done: bool) -> None:
        """How many hits there are.

        Args:
            at: the one that is gone to, from 1; 0 for none.
            done: the whole conversation has been searched.
        """
        if not self._input.value.strip():
            words = ""
        elif count:
            words = f"{at:,} of {count:,}" if at else f"{count:,}"
            words += "" if done else " …"
        else:
            words = "nothing found" if done else "searching …"
        self._count.update(Content(words))
