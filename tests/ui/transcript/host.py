"""A small app around a transcript."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter

from textual.app import App, ComposeResult
from textual.message import Message

from codomyrmex_ollama_tui.ui.widgets.transcript import Transcript, TurnView

MODEL_COLOURS = ("#4fc4cf", "#f08a6b", "#b5cf6b", "#d78fc9", "#e6d36f", "#a99bf0")


class Host(App[None]):
    """Holds one transcript and what it asked for."""

    def __init__(self, max_width: int = 100, clock: Callable[[], float] = perf_counter) -> None:
        super().__init__()
        self.max_width = max_width
        self.clock = clock
        self.asked: list[Message] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        models = {f"model-{n}": colour for n, colour in enumerate(MODEL_COLOURS, 1)}
        return {"muted": "#7f889b", "faint": "#4b5468", **models}

    def compose(self) -> ComposeResult:
        yield Transcript(max_width=self.max_width, clock=self.clock)

    def on_mount(self) -> None:
        self.transcript.focus()

    def on_transcript_link_chosen(self, message: Transcript.LinkChosen) -> None:
        self.asked.append(message)

    def on_transcript_copy_asked(self, message: Transcript.CopyAsked) -> None:
        self.asked.append(message)

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)

    def rows(self) -> list[str]:
        """The text of the rows of the view, without blanks at their ends."""
        transcript = self.transcript
        return [transcript.render_line(y).text.rstrip() for y in range(transcript.size.height)]

    def copied(self) -> Iterator[str]:
        """Texts that were asked to be copied."""
        return (message.text for message in self.asked if isinstance(message, Transcript.CopyAsked))


def person(text: str, number: int = 1) -> TurnView:
    return TurnView(f"q{number}", "you · 10:42", text, kind="user")


def answer(text: str, number: int = 1) -> TurnView:
    return TurnView(f"a{number}", "smollm2:135m", text, colour=0)
