"""Two versions of a turn side by side, also while they are written, and the words in which they differ."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from codomyrmex_ollama_tui.domain.text import clean, one_line
from codomyrmex_ollama_tui.ui import chat_words as words
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.room import Room, local_now
from codomyrmex_ollama_tui.ui.widgets.answer_columns import AnswerColumns, ColumnView
from codomyrmex_ollama_tui.ui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.word_diff import WordDiff
    from codomyrmex_ollama_tui.services.build import Services
    from codomyrmex_ollama_tui.services.chat import Conversation, Turn
    from codomyrmex_ollama_tui.store.settings import SettingsStore
    from codomyrmex_ollama_tui.ui.answers import Answering, Answers

TAB_CELLS = 4
"""Cells of a tab character in a word diff."""


class ChatCompare(Room):
    """Two of the versions of a turn.

    Attributes:
        taken: the version that is to be shown in the conversation; None leaves it as it is.
    """

    TAB = "chat"
    BINDING_GROUP_TITLE = "Versions"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("versions.stop", "escape", "stop", "Stop", "Stop the answer and keep what has come", show=True),
        Command("versions.next", "tab", "column(1)", "Other column", "Go to the other version", show=True,
                short="other"),
        Command("versions.before", "shift+tab", "column(-1)", "Column before", "Go to the other version",
                palette=False),
        Command("versions.diff", "d", "diff", "Word diff", "Mark the words in which the two differ, or the answers "
                "again", show=True, short="diff"),
        Command("versions.together", "l", "together", "Scroll together", "Let the columns scroll apart, or together "
                "again", show=True, short="together"),
        Command("versions.earlier", "less_than_sign", "version(-1)", "Version before",
                "Show the version before this one in this column", show=True, short="before"),
        Command("versions.later", "greater_than_sign", "version(1)", "Version after",
                "Show the version after this one in this column", show=True, short="after"),
        Command("versions.take", "enter", "take", "Take this version", "Show this version in the conversation",
                show=True, short="take"),
        Command("versions.close", "escape,equals_sign", "close", "Back", "Back to the conversation", show=True),
    )  # fmt: skip
    BINDINGS = bindings(ROSTER)
    DEFAULT_CSS = """
    ChatCompare {
        #compare-head { height: 1; margin: 1 0 0 2; }
        #compare-question { height: auto; max-height: 3; margin: 1 0 0 2; padding: 0 1; border-left: outer $faint; }
        #compare-columns { margin: 1 1 0 1; }
        &.-wide AnswerColumn { padding: 1 0 0 1; }
        &.-narrow #compare-head { margin: 0 0 0 2; }
        &.-narrow #compare-question { margin: 0 0 0 2; max-height: 2; }
        &.-narrow #compare-columns { margin: 0 1; }
    }
    """

    def __init__(
        self,
        services: Services,
        settings: SettingsStore,
        conversation: Conversation,
        turn: Turn,
        answers: Answers,
        stop: Callable[[], None],
        *,
        now: Callable[[], datetime] = local_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            turn: one of the two versions to begin with; the other one is the one before it, or behind the first.
            answers: those on their way.
            stop: stops the answer on its way in the conversation, and those that are to follow it.
        """
        super().__init__(services, settings, now=now, clock=clock)
        self.conversation = conversation
        self.taken: Turn | None = None
        self._answers = answers
        self._leave_answers: Callable[[], None] = _nothing
        self._stop = stop
        versions = conversation.siblings(turn)
        at = versions.index(turn)
        self._above = turn.parent
        self._shown = [versions[max(0, at - 1)], versions[max(1, at)]]
        self._diff: WordDiff | None = None
        self._wants_diff = False
        self.columns = AnswerColumns(id="compare-columns")

    # ------------------------------------------------------------ the frame

    def compose_body(self) -> ComposeResult:
        yield Static(id="compare-head")
        question = self.conversation.tree.get(self._above or "")
        yield Static(Content(_beginning(question.text) if question is not None else ""), id="compare-question")
        yield self.columns

    def on_mount(self) -> None:
        """Shows both, and what comes of them from now on."""
        self.query_one("#compare-question").display = self._shown[0].role == "assistant"
        self._leave_answers = self._answers.listen(self)
        self.set_interval(1.0, self.show_progress)
        self.call_after_refresh(self._show_both)

    def on_unmount(self) -> None:
        """Answers go on without it."""
        self._leave_answers()

    def _show_both(self) -> None:
        for number in range(len(self._shown)):
            self._show(number)
        at = next((n for n, turn in enumerate(self._shown) if turn in self.conversation.turns), 0)
        self.columns.go_to_column(at)
        self.show_progress()

    @property
    def versions(self) -> list[Turn]:
        """All versions of the turn, the oldest first."""
        return self.conversation.siblings(self._shown[0])

    @property
    def is_answering(self) -> bool:
        """Whether an answer is being written in the conversation."""
        return self._answers.of(self.conversation) is not None

    def _show(self, number: int) -> None:
        turn = self._shown[number]
        view = words.view_of(turn, words.colours(self.conversation).get(turn.model), self.now())
        figures, view.note, view.suffix = view.note, "", ""
        if turn.status in ("failed", "unfinished"):
            figures, view.note = "", figures
        self.columns.show(number, ColumnView(view, self._place_of(turn), figures))

    def _place_of(self, turn: Turn) -> str:
        ids = [one.id for one in self.versions]
        return f"{ids.index(turn.id) + 1} of {len(ids)}" if turn.id in ids else ""

    def _show_head(self) -> None:
        parts = [("Compare", "bold"), (f"  {len(self.versions)} versions", "$muted")]
        if self._wants_diff:
            if self._diff is None:
                said = "differences once both are whole" if self._live else "comparing"
            else:
                count = self._diff.left_words + self._diff.right_words
                said = f"≠ {count:,} word{'s differ' if count != 1 else ' differs'}"
                said += f" · {self._diff.share:.0%} the same" + (" · in part roughly" if self._diff.rough else "")
            parts.append((f" · {said}", "$warning" if self._diff is not None else "$muted"))
        parts.append((" · scrolled together" if self.columns.together else " · scrolled apart", "$muted"))
        self.query_one("#compare-head", Static).update(Content.assemble(*parts))
        self.refresh_bindings()

    # ------------------------------------------------------------ answers as they come

    @property
    def _live(self) -> bool:
        return any(turn.status == "streaming" for turn in self._shown)

    def show_progress(self) -> None:
        """What is being written, and in its column how fast."""
        answering = self._answers.of(self.conversation)
        if answering is not None and answering.answer is not None:
            self.status_line.say("now", f"▶ {answering.answer.model} is answering", "$accent")
            queued = self.services.chat.is_queued(self.conversation)
            line = words.progress(answering, self.clock(), self.services.server.state.phase, None, queued=queued)
            for column in self.columns.showing(answering.answer.id):
                column.show_figures(line)
        else:
            self.status_line.say("now", "")
        self._show_head()

    def answer_begun(self, answering: Answering, question: Turn, answer: Turn) -> None:
        """A version more; one of these two that goes on is shown as it grows."""
        if answering.conversation is self.conversation:
            for number, turn in enumerate(self._shown):
                if turn.id == answer.id:
                    self._shown[number] = answer
                    self._show(number)
                    self._show_diff()
                else:
                    self.columns.show_detail(number, self._place_of(turn))
            self.show_progress()

    def answer_grew(self, answering: Answering, *, text: str = "", thinking: str = "") -> None:
        """A piece has come."""
        if answering.conversation is self.conversation and answering.answer is not None:
            self.columns.feed(answering.answer.id, text=text, thinking=thinking)

    def answer_ended(self, answering: Answering, answer: Turn) -> None:
        """One is whole; one that brought nothing is no version any more."""
        if answering.conversation is not self.conversation or not self.is_attached:
            return
        note = words.note_of(answer)
        broken = answer.status in ("failed", "unfinished")
        self.columns.finish(
            answer.id, figures="" if broken else note, note=note if broken else "", status=words.shown_status(answer)
        )
        versions = [one for one in self.conversation.tree.values() if one.parent == self._above]
        if len(versions) < 2:
            self.dismiss()
            return
        shown = answer.id in [turn.id for turn in self._shown]
        for number, turn in enumerate(self._shown):
            if turn.id in [one.id for one in versions]:
                self.columns.show_detail(number, self._place_of(turn))
            else:
                other = self._shown[1 - number]
                self._shown[number] = next(one for one in reversed(versions) if one.id != other.id)
                self._show(number)
        if shown:
            self._show_diff()
        self.show_progress()

    # ------------------------------------------------------------ word diff

    def action_diff(self) -> None:
        """Mark the words in which the two differ, or show the answers again."""
        self._wants_diff = not self._wants_diff
        self._show_diff()

    def _show_diff(self) -> None:
        self._diff = None
        if self._wants_diff and not self._live:
            self.compare_words()
        else:
            self.workers.cancel_group(self, "diff")
            self.columns.show_diff(None)
        self._show_head()

    @work(group="diff", exclusive=True, exit_on_error=False)
    async def compare_words(self) -> None:
        """Off the loop, since long texts take seconds."""
        from codomyrmex_ollama_tui.domain.word_diff import word_diff  # seldom needed

        left, right = (clean(turn.text).replace("\t", " " * TAB_CELLS) for turn in self._shown)
        diff = await asyncio.to_thread(word_diff, left, right)
        self._diff = diff
        self.columns.show_diff(
            ([(part.same, part.left) for part in diff.parts], [(part.same, part.right) for part in diff.parts])
        )
        self._show_head()

    # ------------------------------------------------------------ keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What cannot be done now is neither in the key row nor in the palette."""
        match action:
            case "stop":
                return self.is_answering
            case "take":
                return not self.is_answering
            case "version":
                return len(self.versions) > 2
        return True

    def action_column(self, step: int) -> None:
        """Go to the other column."""
        self.columns.go_to_column(self.columns.current + step)

    def action_version(self, step: int) -> None:
        """Show the version before (−1) or after (1) in this column; the one in the other column is left out."""
        number, versions = self.columns.current, self.versions
        other = self._shown[1 - number]
        choice = [one for one in versions if one.id != other.id]
        at = next((n for n, one in enumerate(choice) if one.id == self._shown[number].id), 0)
        self._shown[number] = choice[(at + step) % len(choice)]
        self._show(number)
        self._show_diff()
        self.show_progress()

    def action_together(self) -> None:
        """Let the columns scroll apart, or together again."""
        self.columns.together = not self.columns.together
        if self.columns.together:
            self.columns.align()
        self._show_head()

    def action_stop(self) -> None:
        """Stop the answer; what has come stays."""
        self._stop()

    def action_take(self) -> None:
        """Show this version in the conversation."""
        self.taken = self._shown[self.columns.current]
        self.dismiss()

    def action_close(self) -> None:
        """Back to the conversation."""
        self.dismiss()

    def on_transcript_copy_asked(self, event: Transcript.CopyAsked) -> None:
        """As in the conversation."""
        from codomyrmex_ollama_tui.ui.tell import tell

        event.stop()
        safe = clean(event.text)
        self.app.copy_to_clipboard(safe)
        tell(self.app, f"Copied {event.what}: {len(safe):,} characters.", timeout=3)

    def on_transcript_link_chosen(self, event: Transcript.LinkChosen) -> None:
        """As in the conversation."""
        from codomyrmex_ollama_tui.ui.links import open_link

        event.stop()
        open_link(self.app, event.href)


def _nothing() -> None:
    """Before it listens."""


def _beginning(text: str) -> str:
    return one_line(text, 300)
