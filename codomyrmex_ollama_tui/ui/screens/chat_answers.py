"""The part of the chat screen that asks: answers as they stream, again, in other words, further; and their siblings."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from textual import on
from textual.timer import Timer
from textual.worker import Worker, WorkerState

from codomyrmex_ollama_tui.domain.conversations import Unsent
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui import chat_words as words
from codomyrmex_ollama_tui.ui.answers import Answering, Answers
from codomyrmex_ollama_tui.ui.screens.chat_list import ListedRoom
from codomyrmex_ollama_tui.ui.screens.room import local_now
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.composer import Composer, Draft

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.build import Services
    from codomyrmex_ollama_tui.services.chat import ChatEvent, Conversation, Turn
    from codomyrmex_ollama_tui.store.settings import SettingsStore

RUNNING_KNOWN_AFTER = 2.0
"""Seconds after which what is in memory has been asked for again, so that a wait can be explained by it."""


class AnsweringRoom(ListedRoom):
    """A room in which models are asked; an answer goes on while another conversation or screen is looked at."""

    def __init__(
        self,
        services: Services,
        settings: SettingsStore,
        *,
        now: Callable[[], datetime] = local_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(services, settings, now=now, clock=clock)
        self.answers = Answers(self, clock=clock)
        self._edited: tuple[Turn, Draft] | None = None
        self._seconds: Timer | None = None

    def on_mount(self) -> None:
        """The seconds of an answer are counted only while there is one."""
        self._seconds = self.set_interval(1.0, self.show_progress, pause=True)

    def show_facts(self) -> None:
        """Hook: draw everything around the transcript."""

    def to_follow(self, conversation: Conversation) -> str:
        """Hook: the names of the models that are still to be asked the same."""
        return ""

    def key_of(self, command_id: str) -> str:
        """Hook: the key of a command, as it is shown."""
        return ""

    def show_progress(self) -> None:
        """Draws the line under the answer on its way; once a second while there is one."""
        answering = self.answers.of(self.conversation)
        if answering is None or answering.answer is None:
            return
        now = self.clock()
        known = self.running_models if now - answering.asked_at >= RUNNING_KNOWN_AFTER else None
        queued = self.services.chat.is_queued(self.conversation)
        line = words.progress(answering, now, self.services.server.state.phase, known, queued=queued)
        if then := self.to_follow(self.conversation):
            line += f" · then {then}"
        self.pane.transcript.set_note(answering.answer.id, line)

    # ------------------------------------------------------------ asking and answering

    @on(Composer.Submitted)
    def _submitted(self, event: Composer.Submitted) -> None:
        event.stop()
        chat, conversation = self.services.chat, self.conversation
        if not conversation.model:
            self.composer.give_back(event.draft)
            key = self.key_of("chat.model")
            tell(self.app, f"There is no model to ask yet. {key} chooses one.", severity="warning")
            return
        if any(turn.status == "streaming" for turn in conversation.turns):  # the composer holds what is ours
            self.composer.give_back(event.draft)
            tell(self.app, "Another window is being answered in this conversation.", severity="warning")
            self.open_again()
            return
        if self._edited is not None:
            question, self._edited = self._edited[0], None
            self._ask(event.draft, chat.edit(conversation, question, event.draft.prompt))
            return
        turns = conversation.turns
        if len(turns) > 1 and words.is_empty(turns[-1]):  # its question went back to the composer
            events = chat.edit(conversation, turns[-2], event.draft.prompt)
            chat.drop(conversation, turns[-2])
            self.show_conversation()
        else:
            events = chat.ask(conversation, event.draft.prompt)
        self._ask(event.draft, events, fresh=True)

    @on(Composer.Held)
    def _held(self, event: Composer.Held) -> None:
        event.stop()
        tell(self.app, f"The answer is still being written. {self.key_of('chat.stop')} stops it.", timeout=4)

    def _ask(
        self,
        draft: Draft,
        events: AsyncGenerator[ChatEvent, None],
        replaced: Turn | None = None,
        *,
        fresh: bool = False,
        conversation: Conversation | None = None,
    ) -> None:
        conversation = conversation or self.conversation
        answering = self.answers.expect(conversation, draft, replaced)
        answering.fresh = fresh
        if self._seconds is not None:
            self._seconds.resume()
        self.ask_running()
        self.run_worker(
            self.answers.read(answering, events),
            group=f"answer:{conversation.id}",
            exclusive=True,
            exit_on_error=False,
        )

    def answer_begun(self, answering: Answering, question: Turn, answer: Turn) -> None:
        """The question and its answer stand in the conversation."""
        conversation = answering.conversation
        if conversation is self.conversation:
            if answering.fresh and not answering.pieces:
                self.pane.begin(conversation, question, answer, self.now())
            else:
                self.pane.open(conversation, self.now())
            self.keep_draft()
            self.show_progress()
        self.show_facts()

    def answer_grew(self, answering: Answering, *, text: str = "", thinking: str = "") -> None:
        """A piece of an answer has come."""
        if answering.conversation is self.conversation:
            if thinking:
                self.pane.transcript.feed_thinking(thinking)
            if text:
                self.pane.transcript.feed(text)
        if answering.pieces == 1:  # nothing is waited for any more
            self.show_progress()
            self.show_list()

    def answer_ended(self, answering: Answering, answer: Turn) -> None:
        """Draws how it ended. What brought nothing gives back the prompt, or the answer it was to replace."""
        if not self.answers and self._seconds is not None:
            self._seconds.pause()
        conversation, chat = answering.conversation, self.services.chat
        empty = words.is_empty(answer)
        opened = conversation is self.conversation
        if empty and answering.replaced is not None:
            chat.drop(conversation, answer)
            chat.choose(conversation, answering.replaced)
        elif empty and not opened and not conversation.draft.text:
            chat.keep_draft(conversation, Unsent(answering.draft.text, dict(answering.draft.pasted)))
        if not self.is_attached:
            return
        if opened:
            if calls := words.calls_of(answer):
                self.pane.transcript.feed(calls)
            self.pane.transcript.finish(note=words.note_of(answer), status=words.shown_status(answer))
        else:
            end = answer.words or words.note_of(answer)
            tell(self.app, f"{words.title_of(conversation)}: {end}", title=one_line(answer.model, 40))
        if empty and answering.replaced is not None:
            tell(self.app, answer.words or "stopped", title="The old answer stays", severity="warning")
            if opened:
                self.show_conversation()
        elif empty and opened:
            self.composer.give_back(answering.draft)
        self.show_facts()
        self.ask_running()

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        """What no one foresaw is told and logged, and the app goes on."""
        if event.state is WorkerState.ERROR and event.worker.group.startswith("answer:"):
            error = event.worker.error
            self.log.error(error)
            tell(self.app, f"{type(error).__name__}: {error}", title="The answer broke off", severity="error")
            self.show_facts()

    def action_stop(self) -> None:
        """Stop the answer; what has come stays."""
        answering = self.answers.of(self.conversation)
        if answering is not None:
            answering.stopped = True
            if answering.answer is not None:
                self.workers.cancel_group(self, f"answer:{self.conversation.id}")

    # ------------------------------------------------------------ again, in other words, further

    def action_again(self) -> None:
        """Ask for the last answer again; the old one stays beside the new one."""
        self.ask_again(self.conversation.turns[-1])

    def ask_again(self, answer: Turn, model: str | None = None, *, conversation: Conversation | None = None) -> None:
        """Asks what a turn answers once more; the new answer is shown in its place.

        Args:
            model: another model; the conversation's if None.
            conversation: that of the turn; the one that is open if None.
        """
        chat, conversation = self.services.chat, conversation or self.conversation
        question = conversation.tree[answer.parent or ""]
        if conversation is self.conversation and self.composer.draft.prompt == question.text:  # it had been given back
            self.composer.put(Draft())
        events = chat.again(conversation, answer, model=model)
        empty = words.is_empty(answer)
        if empty:
            chat.drop(conversation, answer)
        self._ask(Draft(question.text), events, None if empty else answer, conversation=conversation)

    def answer_in_hand(self) -> Turn | None:
        """The answer whose block is selected in the transcript, else the last one."""
        selected = self.conversation.tree.get(self.pane.transcript.turn_in_hand)
        if selected is not None and selected.role == "assistant":
            return selected
        return next((one for one in reversed(self.conversation.turns) if one.role == "assistant"), None)

    def action_go_on(self) -> None:
        """Let the model go on with an answer that has no end."""
        answer = self.conversation.turns[-1]
        self._ask(Draft(), self.services.chat.go_on(self.conversation, answer))

    def action_edit(self) -> None:
        """Put a question into the composer, to be asked in other words beside the old ones."""
        question = self._question_in_hand()
        if question is None:
            return
        before = self._edited[1] if self._edited is not None else self.composer.draft
        self._edited = (question, before)
        self.composer.put_prompt(question.text)
        key = self.key_of("chat.back")
        self.composer.show_hint(f"the question in other words · {key} leaves it as it is")
        self.composer.focus()

    def leave_edit(self) -> None:
        """The question stays as it is."""
        if self._edited is not None:
            self.composer.put(self._edited[1])
            self._edited = None
            self.show_facts()

    def _question_in_hand(self) -> Turn | None:
        """The question whose block is selected in the transcript, or that of the selected answer; else the last one."""
        turn = self.conversation.tree.get(self.pane.transcript.turn_in_hand)
        while turn is not None and turn.role != "user":
            turn = self.conversation.tree.get(turn.parent or "")
        return turn or next((one for one in reversed(self.conversation.turns) if one.role == "user"), None)

    # ------------------------------------------------------------ siblings

    @property
    def has_siblings(self) -> bool:
        """Whether anything that is shown has been asked or answered more than once."""
        return self.forked() is not None

    def forked(self) -> Turn | None:
        """The selected turn if it has siblings, else the last one that has."""
        conversation = self.conversation
        children: dict[str | None, int] = {}
        for turn in conversation.tree.values():
            children[turn.parent] = children.get(turn.parent, 0) + 1
        selected = conversation.tree.get(self.pane.transcript.turn_in_hand)
        if selected is not None and children[selected.parent] > 1:
            return selected
        return next((turn for turn in reversed(conversation.turns) if children.get(turn.parent, 0) > 1), None)

    def action_sibling(self, step: int) -> None:
        """Show the version before (−1) or after (1) the one that is shown."""
        turn = self.forked()
        if turn is None:
            return
        siblings = self.conversation.siblings(turn)
        other = siblings[(siblings.index(turn) + step) % len(siblings)]
        self.services.chat.choose(self.conversation, other)
        self.show_conversation()
        self.pane.transcript.show_turn(other.id)

    def open_again(self) -> None:
        """What another window has said in this conversation is shown."""
        self.run_worker(self._open_again(), group="open", exclusive=True, exit_on_error=False)

    async def _open_again(self) -> None:
        conversation = self.conversation
        try:
            await self.services.chat.open(conversation.id)
        except (KeyError, OSError):
            return  # it is only here
        if conversation is self.conversation:
            self.show_conversation()
