"""The chat screen: conversations of this session, the open one, and answers as they stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.worker import Worker, WorkerState

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.pulls import PullPhase
from codomyrmex_ollama_tui.services.server import ServerPhase
from codomyrmex_ollama_tui.ui import chat_words as words
from codomyrmex_ollama_tui.ui.answers import Answering, Answers
from codomyrmex_ollama_tui.ui.commands import bindings, shown_key
from codomyrmex_ollama_tui.ui.screens.chat_commands import COMMANDS
from codomyrmex_ollama_tui.ui.screens.room import Room, local_now
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.composer import Composer, Draft
from codomyrmex_ollama_tui.ui.widgets.context_meter import context_part
from codomyrmex_ollama_tui.ui.widgets.conversation_list import ConversationList
from codomyrmex_ollama_tui.ui.widgets.conversation_pane import ConversationPane

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelSummary, RunningModel
    from codomyrmex_ollama_tui.services.build import Services
    from codomyrmex_ollama_tui.services.chat import Turn
    from codomyrmex_ollama_tui.services.pulls import PullState
    from codomyrmex_ollama_tui.services.server import ServerState
    from codomyrmex_ollama_tui.store.settings import SettingsStore

RUNNING_KNOWN_AFTER = 2.0
"""Seconds after which what is in memory has been asked for again, so that a wait can be explained by it."""


class ChatScreen(Room):
    """Chat with one model at a time; an answer goes on while another conversation or screen is looked at.

    Args:
        model: the model of the first conversation; None: the newest of the server, once it is known.
        editor: the command line of the person's editor, to which a file name is added; () for none.
    """

    TAB = "chat"
    CSS_PATH = "chat.tcss"
    AUTO_FOCUS = "#composer"
    BINDING_GROUP_TITLE = "Chat"
    ROSTER: ClassVar = COMMANDS
    BINDINGS = bindings(ROSTER)

    def __init__(
        self,
        services: Services,
        settings: SettingsStore,
        *,
        model: str | None = None,
        editor: Sequence[str] = (),
        now: Callable[[], datetime] = local_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(services, settings, now=now, clock=clock)
        self._models: tuple[ModelSummary, ...] | None = None
        self._seconds: Timer
        self._answers = Answers(services.chat, self, clock=clock)
        self.conversation = services.chat.new_conversation(model or "")
        self.pane = ConversationPane(
            model=self.conversation.model,
            colour=0 if model else None,
            editor=editor,
            width=settings.settings.reader_width,
            clock=clock,
            id="chat-main",
        )
        self.transcript = self.pane.transcript
        self.composer = self.pane.composer
        self.list = ConversationList(id="conversations")

    # ------------------------------------------------------------ the frame

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="chat-body", classes="body"):
            with Vertical(id="chat-side"):
                yield self.list
            yield self.pane

    def on_mount(self) -> None:
        """Everything that can be shown before a server has answered."""
        self._seconds = self.set_interval(1.0, self.show_progress, pause=True)
        self._show_conversation()

    def on_resize(self) -> None:
        """The list of conversations has a place of its own again, or none."""
        self.call_after_refresh(self._show_list)

    def _key(self, command_id: str) -> str:
        return self.pane.key(command_id, self.ROSTER)

    # ------------------------------------------------------------ what is shown

    def _show_conversation(self) -> None:
        """Draws the whole conversation that is open; an answer on its way goes on growing."""
        self.pane.open(self.conversation, self.now(), self._answers.thought_for)
        self._show_facts()
        self.show_progress()

    def _show_facts(self) -> None:
        """Draws everything around the transcript: heading, list, meter, composer's border, notice, keys."""
        conversation = self.conversation
        answering = self._answers.of(conversation) is not None
        self.pane.show_state(empty=not conversation.turns, stop_key=self._key("chat.stop") if answering else "")
        self.composer.show_model(conversation.model, words.colours(conversation).get(conversation.model))
        self._show_context()
        self._show_list()
        self._show_notice()

    def _show_context(self) -> None:
        conversation = self.conversation
        here = [one.context_length for one in self.running_models if same_model(one.name, conversation.model)]
        limit = here[0] if here else None
        used, about = words.context_used(conversation)
        self.status_line.put("context", context_part(used, limit, about=about))
        self.pane.heading.show(words.title_of(conversation), conversation.model, limit)

    def _show_list(self) -> None:
        entries = [
            words.entry_of(one, answering=self._answers.of(one) is not None)
            for one in reversed(self.services.chat.conversations)
            if one.turns or one is self.conversation
        ]
        self.list.show(entries, self.conversation.id, self.now())

    def _show_notice(self) -> None:
        model = self.conversation.model
        pulls = self.services.models.pulls.states
        trouble, help = words.trouble_with_model(
            model,
            self._models,
            next((pull for pull in pulls if same_model(pull.name, model)), None),
            pull_key=self._key("chat.pull"),
            picker_key=self._key("chat.model"),
            models_key=shown_key("f5"),
        )
        self.pane.show_notice(trouble, help)
        self.refresh_bindings()

    def show_progress(self) -> None:
        """Draws the line under the answer on its way; once a second while there is one."""
        answering = self._answers.of(self.conversation)
        if answering is None or answering.answer is None:
            return
        now = self.clock()
        known = self.running_models if now - answering.asked_at >= RUNNING_KNOWN_AFTER else None
        line = words.progress(answering, now, self.services.server.state.phase, known)
        self.transcript.set_note(answering.answer.id, line)

    # ------------------------------------------------------------ asking and answering

    @on(Composer.Submitted)
    def _submitted(self, event: Composer.Submitted) -> None:
        event.stop()
        turns = self.conversation.turns
        if not self.conversation.model:
            self.composer.give_back(event.draft)
            tell(self.app, f"There is no model to ask yet. {self._key('chat.model')} chooses one.", severity="warning")
            return
        if turns and words.is_empty(turns[-1]):  # its question went back to the composer
            del turns[-2:]
            self._show_conversation()
        self._ask(event.draft)

    @on(Composer.Held)
    def _held(self, event: Composer.Held) -> None:
        event.stop()
        tell(self.app, f"The answer is still being written. {self._key('chat.stop')} stops it.", timeout=4)

    def _ask(self, draft: Draft, replaced: Sequence[Turn] = ()) -> None:
        answering = self._answers.expect(self.conversation, draft, replaced)
        self._seconds.resume()
        self.ask_running()
        self.run_worker(
            self._answers.read(answering),
            group=f"answer:{self.conversation.id}",
            exclusive=True,
            exit_on_error=False,
        )

    def answer_begun(self, answering: Answering, question: Turn, answer: Turn) -> None:
        """The question and its empty answer stand in the conversation."""
        if answering.conversation is self.conversation:
            self.pane.begin(self.conversation, question, answer, self.now())
            self.show_progress()
        self._show_facts()

    def answer_grew(self, answering: Answering, *, text: str = "", thinking: str = "") -> None:
        """A piece of an answer has come."""
        if answering.conversation is self.conversation:
            if thinking:
                self.transcript.feed_thinking(thinking)
            if text:
                self.transcript.feed(text)
            if answering.pieces == 1:  # nothing is waited for any more
                self.show_progress()

    def answer_ended(self, answering: Answering, answer: Turn) -> None:
        """Draws how it ended. What brought nothing gives back the prompt, or the answer it was to replace."""
        if not self._answers:
            self._seconds.pause()
        if not self.is_attached:
            return
        conversation = answering.conversation
        opened = conversation is self.conversation
        if opened:
            self.transcript.finish(note=words.note_of(answer), status=answer.status)
        else:
            end = answer.words or words.note_of(answer)
            tell(self.app, f"{words.title_of(conversation)}: {end}", title=one_line(answer.model, 40))
        if words.is_empty(answer):
            if answering.replaced:
                conversation.turns[-2:] = answering.replaced
                tell(self.app, answer.words or "stopped", title="The old answer stays", severity="warning")
                if opened:
                    self._show_conversation()
            elif opened:
                self.composer.give_back(answering.draft)
        self._show_facts()
        self.ask_running()

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        """What no one foresaw is told and logged, and the app goes on."""
        if event.state is WorkerState.ERROR and event.worker.group.startswith("answer:"):
            error = event.worker.error
            self.log.error(error)
            tell(self.app, f"{type(error).__name__}: {error}", title="The answer broke off", severity="error")
            self._show_facts()

    def action_stop(self) -> None:
        """Stop the answer; what has come stays."""
        answering = self._answers.of(self.conversation)
        if answering is not None:
            answering.stopped = True
            if answering.answer is not None:
                self.workers.cancel_group(self, f"answer:{self.conversation.id}")

    def action_again(self) -> None:
        """Ask for the last answer again."""
        turns = self.conversation.turns
        question, answer = turns[-2:]
        del turns[-2:]
        if self.composer.draft.prompt == question.text:  # it had been given back
            self.composer.put(Draft())
        self._show_conversation()
        self._ask(Draft(question.text), () if words.is_empty(answer) else (question, answer))

    # ------------------------------------------------------------ conversations

    def start_chat(self, model: str) -> None:
        """Begins a new conversation; an empty one that is open takes the model instead."""
        if self.conversation.turns or self._answers.of(self.conversation):
            self.conversation = self.services.chat.new_conversation(model)
        else:
            self.conversation.model = model
        self._show_conversation()
        self.check_model()
        self.composer.focus()

    def action_new_chat(self) -> None:
        """A new conversation with the same model."""
        self.start_chat(self.conversation.model)

    def action_conversations(self) -> None:
        """Go to the list of conversations, or back from it."""
        listing = not self.list.has_focus
        self.set_class(listing, "-listing")
        self.call_after_refresh((self.list if listing else self.composer).focus)

    @on(ConversationList.Chosen)
    def _chosen(self, event: ConversationList.Chosen) -> None:
        event.stop()
        found = [one for one in self.services.chat.conversations if one.id == event.id]
        self.remove_class("-listing")
        if found and found[0] is not self.conversation:
            self.conversation = found[0]
            self._show_conversation()
            self.check_model()
        self.composer.focus()

    # ------------------------------------------------------------ models

    def server_changed(self, state: ServerState) -> None:
        """Another server may have other models."""
        if state.phase is ServerPhase.READY:
            self.check_model()
        self.show_progress()

    def running_changed(self, running: tuple[RunningModel, ...]) -> None:
        """The context in force is known from what is in memory."""
        self._show_context()

    def pull_changed(self, state: PullState) -> None:
        """The model of this conversation may be here now."""
        if state.phase is PullPhase.DONE:
            self.check_model()
        else:
            self._show_notice()

    @work(group="models", exclusive=True, exit_on_error=False)
    async def check_model(self) -> None:
        """Looks whether the server has the model of this conversation; a conversation without one gets the newest."""
        if self.services.server.state.phase is not ServerPhase.READY:
            return
        try:
            self._models = await self.services.models.list_models()
        except OllamaError:
            return  # the top row tells how the server is
        self.conversation.model = self.conversation.model or words.first_choice(self._models)
        self._show_facts()

    def action_pull_model(self) -> None:
        """Pull the model of this conversation."""
        try:
            self.services.models.pulls.add(self.conversation.model)
        except ValueError as error:
            tell(self.app, str(error), title=f"Pull {self.conversation.model}", severity="error")
        self._show_notice()

    @work(group="pick", exclusive=True, exit_on_error=False)
    async def action_choose_model(self) -> None:
        """Change the model of this conversation."""
        from codomyrmex_ollama_tui.ui.screens.model_picker import ModelPicker  # seldom needed

        conversation = self.conversation
        if self.services.server.state.phase is not ServerPhase.READY:
            tell(self.app, "No server has answered yet, so its models are not known.", title="Models")
            return
        try:
            self._models = await self.services.models.list_models()
        except OllamaError as error:
            tell(self.app, str(error), title="Models", severity="error")
            return
        loaded = [one.name for one in self.running_models]
        name = await self.app.push_screen_wait(ModelPicker(self._models, current=conversation.model, loaded=loaded))
        if name:
            conversation.model = name
            self._show_facts()

    # ------------------------------------------------------------ keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What cannot be done now is neither in the key row nor in the palette."""
        answering = self._answers.of(self.conversation) is not None
        match action:
            case "stop":
                return answering
            case "again":
                return len(self.conversation.turns) >= 2 and not answering
            case "pull_model":
                return words.is_missing(self.conversation.model, self._models)
            case "editor":
                return self.pane.can_edit
        return True

    def action_thinking(self) -> None:
        """Fold or unfold what models thought."""
        self.transcript.action_thinking()

    def action_editor(self) -> None:
        """Write the prompt in the person's own editor."""
        self.pane.edit()
        self.refresh_bindings()

    def action_back(self) -> None:
        """One step back: out of the prompts sent before, out of a selection, out of the list, to the composer."""
        self.remove_class("-listing")
        self.composer.leave_history()
        self.clear_selection()
        self.composer.focus()

    def action_copy(self) -> None:
        """Copy what is selected; with nothing selected, stop the answer."""
        text = self.get_selected_text()
        if text:
            self.pane.copy(text, "the selection")
        elif self._answers.of(self.conversation) is not None:
            self.action_stop()
        else:
            raise SkipAction  # the App says how to leave
