"""The chat screen: conversations of this session, the open one, and answers as they stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.containers import Horizontal

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.services.pulls import PullPhase
from codomyrmex_ollama_tui.services.server import ServerPhase
from codomyrmex_ollama_tui.ui import chat_words as words
from codomyrmex_ollama_tui.ui.commands import bindings, shown_key
from codomyrmex_ollama_tui.ui.screens.chat_commands import COMMANDS
from codomyrmex_ollama_tui.ui.screens.chat_others import OthersRoom
from codomyrmex_ollama_tui.ui.screens.room import local_now
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.context_meter import context_part
from codomyrmex_ollama_tui.ui.widgets.conversation_pane import ConversationPane

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelSummary, RunningModel
    from codomyrmex_ollama_tui.services.build import Services
    from codomyrmex_ollama_tui.services.pulls import PullState
    from codomyrmex_ollama_tui.services.server import ServerState
    from codomyrmex_ollama_tui.store.settings import SettingsStore


class ChatScreen(OthersRoom):
    """Chat with one model at a time; an answer goes on while another conversation or screen is looked at.

    Args:
        model: the model of the first conversation; None: the one talked with last, else the newest of the server.
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

    # ------------------------------------------------------------ the frame

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="chat-body", classes="body"):
            yield self.side
            yield self.pane

    def on_mount(self) -> None:
        """Everything that can be shown before a server has answered."""
        self.show_conversation()

    def on_resize(self) -> None:
        """The list of conversations has a place of its own again, or none."""
        self.call_after_refresh(self.show_list)

    def key_of(self, command_id: str) -> str:
        """The key of a command of this screen, as it is shown."""
        return self.pane.key(command_id, self.ROSTER)

    # ------------------------------------------------------------ what is shown

    def show_conversation(self) -> None:
        """Draws the whole conversation that is open; an answer on its way goes on growing."""
        self.pane.open(self.conversation, self.now())
        self.show_facts()
        self.show_progress()

    def show_facts(self) -> None:
        """Draws everything around the transcript: heading, list, meter, composer's border, notice, keys."""
        conversation = self.conversation
        answering = self.answers.of(conversation) is not None
        self.pane.show_state(empty=not conversation.turns, stop_key=self.key_of("chat.stop") if answering else "")
        self.composer.show_model(conversation.model, words.colours(conversation).get(conversation.model))
        self._show_context()
        self.show_list()
        self._show_notice()

    def _show_context(self) -> None:
        conversation = self.conversation
        limit = self.context_in_force()
        used, about = words.context_used(conversation)
        self.status_line.put("context", context_part(used, limit, about=about))
        self.pane.heading.show(words.title_of(conversation), conversation.model, limit)

    @property
    def is_full(self) -> bool:
        """Whether the last answer ended, or was refused, because the context is full."""
        from codomyrmex_ollama_tui.services.chat_context import is_full  # once there is an answer

        turns = self.conversation.turns
        return bool(turns) and turns[-1].answer is not None and is_full(turns[-1], self.context_in_force())

    def _show_notice(self) -> None:
        model = self.conversation.model
        pulls = self.services.models.pulls.states
        trouble, help = words.trouble_with_model(
            model,
            self._models,
            next((pull for pull in pulls if same_model(pull.name, model)), None),
            pull_key=self.key_of("chat.pull"),
            picker_key=self.key_of("chat.model"),
            models_key=shown_key("f5"),
        )
        if not trouble and self.answers.of(self.conversation) is None and self.conversation.turns and self.is_full:
            trouble, help = "! the context is full", f"{self.key_of('chat.room')} makes room"
        self.pane.show_notice(trouble, help)
        self.refresh_bindings()

    # ------------------------------------------------------------ conversations

    def start_chat(self, model: str) -> None:
        """Begins a new conversation; an empty one that is open takes the model instead."""
        if self.conversation.turns or self.answers.of(self.conversation):
            self.turn_to(self.services.chat.new_conversation(model))
        else:
            self.conversation.model = model
            self.show_conversation()
            self.check_model()
        self.composer.focus()

    def action_new_chat(self) -> None:
        """A new conversation with the same model."""
        self.start_chat(self.conversation.model)

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
        """Looks whether the server has the model of this conversation; a conversation without one gets one."""
        if self.services.server.state.phase is not ServerPhase.READY:
            return
        try:
            self._models = await self.services.models.list_models()
        except OllamaError:
            return  # the top row tells how the server is
        conversation = self.conversation
        if not conversation.model and (model := await self.first_model(self._models)) and not conversation.model:
            conversation.model = model
        self.show_facts()

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
        conversation = self.conversation
        names = await self._picked_models(conversation.model)
        if names:
            conversation.model = names[0]
            self.services.chat.keep(conversation)
            self.show_facts()

    async def pick_models(self, current: str) -> Sequence[str]:
        """The models that are to be asked the same."""
        return await self._picked_models(current, title="Ask other models the same", several=True)

    async def _picked_models(
        self, current: str, *, title: str = "Model of this conversation", several: bool = False
    ) -> Sequence[str]:
        """The models that are chosen out of those on the server; none on esc."""
        from codomyrmex_ollama_tui.ui.screens.model_picker import ModelPicker  # seldom needed

        if self.services.server.state.phase is not ServerPhase.READY:
            tell(self.app, "No server has answered yet, so its models are not known.", title="Models")
            return ()
        try:
            self._models = await self.services.models.list_models()
        except OllamaError as error:
            tell(self.app, str(error), title="Models", severity="error")
            return ()
        loaded = [one.name for one in self.running_models]
        picker = ModelPicker(self._models, current=current, loaded=loaded, title=title, several=several)
        return await self.app.push_screen_wait(picker) or ()

    @work(group="room", exclusive=True, exit_on_error=False)
    async def action_make_room(self) -> None:
        """Ask what is to be done about a full context, and do it; the answer is then asked for again, or goes on."""
        from codomyrmex_ollama_tui.services import chat_context
        from codomyrmex_ollama_tui.ui.screens.context_choice import ContextChoice

        chat, conversation = self.services.chat, self.conversation
        answer = conversation.turns[-1]
        try:
            most = (await self.services.models.details(answer.model)).context_length
        except OllamaError:
            most = None  # the server will say whether it can be that large
        larger = chat_context.larger_context(self.context_in_force(), most)
        first = chat_context.first_to_keep(conversation, answer)
        count = chat_context.count_above(conversation, first) if first is not None else 0
        room = await self.app.push_screen_wait(ContextChoice(larger=larger, turns=count))
        if room is None or conversation is not self.conversation or self.answers.of(conversation) is not None:
            return
        if room == "larger":
            conversation.options["num_ctx"] = larger
            chat.keep(conversation)
        elif first is not None and room == "drop":
            chat_context.leave_out(chat, conversation, first)
        elif first is not None:
            tell(self.app, f"{conversation.model} summarises what was said before.", title="Context")
            try:
                await chat_context.summarise(chat, conversation, first)
            except OllamaError as error:
                tell(self.app, str(error), title="Summary", severity="error")
                return
        if conversation is not self.conversation or self.answers.of(conversation) is not None:
            return
        if words.is_empty(answer):
            self.ask_again(answer)
        else:
            self.action_go_on()

    # ------------------------------------------------------------ keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What cannot be done now is neither in the key row nor in the palette."""
        answering = self.answers.of(self.conversation) is not None
        turns = self.conversation.turns
        match action:
            case "stop":
                return answering
            case "again" | "ask_another":
                return len(turns) >= 2 and turns[-1].role == "assistant" and not answering
            case "edit":
                return bool(turns) and not answering
            case "go_on":
                return not answering and bool(turns) and words.can_go_on(turns[-1])
            case "think":
                can = self.services.chat.capabilities_known(self.conversation.model)
                return can is None or "thinking" in can
            case "make_room":
                return not answering and bool(turns) and self.is_full
            case "export":
                return bool(turns) and self.services.chat.history is not None
            case "import":
                return self.services.chat.history is not None
            case "compare":
                return self.has_siblings
            case "sibling":
                return not answering and self.has_siblings
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
        self.leave_edit()
        if self.side.has_class("-finding"):
            self.action_leave_find()
        self.composer.leave_history()
        self.clear_selection()
        self.composer.focus()

    def action_copy(self) -> None:
        """Copy what is selected; with nothing selected, stop the answer."""
        text = self.get_selected_text()
        if text:
            self.pane.copy(text, "the selection")
        elif self.answers.of(self.conversation) is not None:
            self.action_stop()
        else:
            raise SkipAction  # the App says how to leave
