"""One conversation on the screen: its heading, its transcript, what is wrong with its model, and the composer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult, SuspendNotSupported
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from codomyrmex_ollama_tui.domain.text import clean
from codomyrmex_ollama_tui.ui import chat_words as words
from codomyrmex_ollama_tui.ui.commands import HasKeymap, Roster, key_in_force, shown_key
from codomyrmex_ollama_tui.ui.links import open_link
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.composer import Composer
from codomyrmex_ollama_tui.ui.widgets.heading import Heading
from codomyrmex_ollama_tui.ui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.chat import Conversation, Turn


class ConversationPane(Vertical):
    """Shows what it is given. Prompts leave it as the messages of its composer.

    Args:
        model, colour: what the composer's border names at the first frame.
        editor: the command line of the person's editor, to which a file name is added; () for none.
        width: cells of the transcript's text at most.
        clock: seconds, for how long was thought.
    """

    def __init__(
        self,
        *,
        model: str,
        colour: int | None,
        editor: Sequence[str],
        width: int,
        clock: Callable[[], float],
        id: str,
    ) -> None:
        super().__init__(id=id)
        self._editor = tuple(editor)
        self._can_suspend = True
        self.heading = Heading(id="chat-heading")
        self.transcript = Transcript(id="transcript", max_width=width, clock=clock)
        self.composer = Composer(model=model, colour=colour, placeholder="Ask something", id="composer")

    def compose(self) -> ComposeResult:
        yield self.heading
        yield self.transcript
        yield Static(id="chat-empty")
        yield Static(id="chat-notice")
        yield self.composer

    def on_mount(self) -> None:
        """What stands in an empty conversation needs the person's keys, which the App knows."""
        words = f"Nothing has been said here yet. {self.key('composer.send')} sends, {shown_key('f1')} shows all keys."
        self.query_one("#chat-empty", Static).update(Content(words))

    def key(self, command_id: str, roster: Roster = Composer.ROSTER) -> str:
        """The key of a command as the person has it, as it is shown."""
        command = next(one for one in roster if one.id == command_id)
        keymap = self.app.keymap_in_force if isinstance(self.app, HasKeymap) else {}
        return shown_key(key_in_force(keymap, command))

    def open(self, conversation: Conversation, now: datetime) -> None:
        """Draws a whole conversation; an answer at its end that is streaming may be fed further."""
        self.transcript.open(words.views_of(conversation, now))

    def begin(self, conversation: Conversation, question: Turn, answer: Turn, now: datetime) -> None:
        """Adds a question, and the answer that will be fed; who asks is shown both, wherever they were reading."""
        self.transcript.action_scroll_end()
        self.transcript.add(words.view_of(question, None, now))
        self.transcript.begin(words.view_of(answer, words.colours(conversation).get(answer.model), now))

    def show_state(self, *, empty: bool, stop_key: str) -> None:
        """Whether nothing has been said, and the key that stops the answer on its way ("" when none is)."""
        self.set_class(empty, "-empty")
        self.composer.ready = not stop_key
        if stop_key:
            self.composer.show_hint(f"{stop_key} stops the answer")
        else:
            send, newline = self.key("composer.send"), self.key("composer.newline")
            self.composer.show_hint(f"{send} send · {newline} new line · {shown_key('ctrl+p')} commands")

    def show_notice(self, trouble: str, help: str) -> None:
        """The line above the composer, the keys that help behind it or under it; "" for none."""
        trouble, help = clean(trouble), clean(help)
        gap = " · " if Content(f"{trouble} · {help}").cell_length <= self.size.width - 4 else "\n"
        notice = Content.assemble((trouble, "$warning"), (gap + help, "$muted") if help else "")
        self.query_one("#chat-notice", Static).update(notice)
        self.set_class(bool(trouble), "-noticed")

    # ------------------------------------------------------------ reading

    @on(Composer.Reached)
    def _reached(self, event: Composer.Reached) -> None:
        event.stop()
        match event.to:
            case "page-up":
                self.transcript.action_page_up()
            case "page-down":
                self.transcript.action_page_down()
            case "top":
                self.transcript.action_scroll_home()
            case "end":
                self.transcript.action_scroll_end()

    @on(Transcript.CopyAsked)
    def _copy_asked(self, event: Transcript.CopyAsked) -> None:
        event.stop()
        self.copy(event.text, event.what)

    def copy(self, text: str, what: str) -> None:
        """Puts a text on the clipboard and says how much of it there is, so that a lost copy is noticed."""
        safe = clean(text)
        self.app.copy_to_clipboard(safe)
        tell(self.app, f"Copied {what}: {len(safe):,} characters.", timeout=3)

    @on(Transcript.LinkChosen)
    def _link_chosen(self, event: Transcript.LinkChosen) -> None:
        event.stop()
        open_link(self.app, event.href)

    # ------------------------------------------------------------ writing

    @property
    def can_edit(self) -> bool:
        """Whether there is an editor and, as far as is known, this terminal can be lent to it."""
        return bool(self._editor) and self._can_suspend and not self.app.is_web

    def edit(self) -> None:
        """Opens the prompt in the person's own editor."""
        from codomyrmex_ollama_tui.ui.editor import edit_text  # seldom needed

        try:
            self.composer.put_prompt(edit_text(self.app, self._editor, self.composer.draft.prompt))
        except SuspendNotSupported:
            self._can_suspend = False
            tell(self.app, "This terminal cannot be lent to an editor.", title="Editor", severity="warning")
        except (OSError, ValueError) as error:
            tell(self.app, str(error), title="Editor", severity="error")
