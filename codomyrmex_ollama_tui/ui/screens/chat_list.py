"""The part of the chat screen that lists conversations: opened, searched, pinned, renamed, deleted, drafts kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from textual import events, on, work
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static, TextArea

from codomyrmex_ollama_tui.domain.conversations import Unsent
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui import chat_words as words
from codomyrmex_ollama_tui.ui.commands import shown_key
from codomyrmex_ollama_tui.ui.screens.room import Room, local_now, void
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.composer import Composer, Draft
from codomyrmex_ollama_tui.ui.widgets.conversation_list import MOST, ConversationList, Entry

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.conversation_export import ExportFormat
    from codomyrmex_ollama_tui.services.build import Services
    from codomyrmex_ollama_tui.services.chat import Conversation
    from codomyrmex_ollama_tui.services.chat_search import FoundChat
    from codomyrmex_ollama_tui.store.settings import SettingsStore
    from codomyrmex_ollama_tui.ui.answers import Answers
    from codomyrmex_ollama_tui.ui.widgets.conversation_pane import ConversationPane
    from codomyrmex_ollama_tui.ui.widgets.finder import Finder

LIST_AFTER = 0.1
"""Seconds after the start that the list is read: the first keys come before it."""
DRAFT_KEPT_AFTER = 1.0
"""Seconds after a key that what stands in the composer is on disk."""
SEARCH_AFTER = 0.15
"""Seconds without a key after which is searched."""


class ListedRoom(Room):
    """A room with conversations at its side, one of which is open.

    Attributes:
        conversation: the one that is open.
        answers: those on their way.
    """

    conversation: Conversation
    answers: Answers
    pane: ConversationPane
    composer: Composer

    def __init__(
        self,
        services: Services,
        settings: SettingsStore,
        *,
        now: Callable[[], datetime] = local_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(services, settings, now=now, clock=clock)
        self.list = ConversationList(id="conversations")
        self.side = Vertical(Static(id="chat-count"), self.list, id="chat-side")
        self._finder: Finder | None = None
        self._found: dict[str, FoundChat] | None = None
        self._searched = ""
        self._search_timer: Timer | None = None
        self._draft_timer: Timer | None = None
        self._deleted: list[str] = []

    def on_mount(self) -> None:
        """The list is read once the first frame is there."""
        history = self.services.chat.history
        if history is not None:
            self._unsubscribe.append(history.listen(self._history_said))
            if history.path.exists():
                self.set_timer(LIST_AFTER, lambda: void(self.load_list()))

    def on_unmount(self) -> None:
        """Nothing that was typed is lost."""
        self.keep_draft()

    def _history_said(self, said: str) -> None:
        tell(self.app, said, title="History", severity="error", timeout=12)

    # ------------------------------------------------------------ hooks

    def show_conversation(self) -> None:
        """Hook: draw the whole conversation that is open."""

    def check_model(self) -> object:
        """Hook: see whether the model of the conversation can be asked."""

    # ------------------------------------------------------------ the list

    @work(group="list", exclusive=True, exit_on_error=False)
    async def load_list(self) -> None:
        """Read what conversations there are."""
        try:
            await self.services.chat.load()
        except OSError as error:
            self._history_said(str(error))
        self.show_list()

    def show_list(self) -> None:
        """Draws the list, or what has been found."""
        if not self.is_attached:
            return
        chat = self.services.chat
        listed = {one.id: one for one in chat.listed}
        if self.conversation.id not in listed:
            listed = {self.conversation.id: chat.summary_of(self.conversation), **listed}
        queued = {one.id for one in chat.conversations if chat.is_queued(one)}

        def entry(id: str) -> Entry:
            return words.entry_of(listed[id], self.answers.with_id(id), queued=id in queued)

        if self._found is not None:
            found = [words.found_entry(entry(id), one) for id, one in self._found.items() if id in listed]
            heading = f"{len(found)} found" if found else "nothing found"
            self.list.show(found, self.conversation.id, self.now(), heading)
        else:
            ids = sorted(listed, key=lambda id: not listed[id].pinned)
            entries = [entry(id) for id in ids[:MOST]]
            self.list.show(entries, self.conversation.id, self.now(), older=len(ids) - len(entries))
        self.query_one("#chat-count", Static).update(Content(words.number_of(len(chat.listed))))

    def action_conversations(self) -> None:
        """Go to the list of conversations, or back from it."""
        listing = not self.list.has_focus
        self.set_class(listing, "-listing")
        self.call_after_refresh((self.list if listing else self.composer).focus)
        if listing and self.services.chat.history is not None:
            self.load_list()  # another terminal may have said something

    @on(ConversationList.Chosen)
    def _chosen(self, event: ConversationList.Chosen) -> None:
        event.stop()
        self.remove_class("-listing")
        self.open_conversation(event.id)

    @work(group="open", exclusive=True, exit_on_error=False)
    async def open_conversation(self, conversation_id: str) -> None:
        """Open a conversation; one that was found by a search at the place where."""
        hit = self._found.get(conversation_id) if self._found else None
        if conversation_id != self.conversation.id:
            try:
                conversation = await self.services.chat.open(conversation_id)
            except (KeyError, OSError) as error:
                said = "It is not there any more." if isinstance(error, KeyError) else str(error)
                tell(self.app, said, title="Conversation", severity="warning")
                self.show_list()
                return
            self.turn_to(conversation)
        self.composer.focus()
        turn = self.conversation.tree.get(hit.turn_id) if hit is not None else None
        if turn is not None:
            if turn not in self.conversation.turns and self.answers.of(self.conversation) is None:
                self.services.chat.choose(self.conversation, turn)
                self.show_conversation()
            self.call_after_refresh(self.pane.transcript.show_turn, turn.parent or turn.id)

    def turn_to(self, conversation: Conversation) -> None:
        """Shows another conversation; what was being typed stays with the old one."""
        self.keep_draft()
        self.conversation = conversation
        draft = conversation.draft
        self.composer.put(Draft(draft.text, draft.pasted))
        self.show_conversation()
        self.check_model()

    # ------------------------------------------------------------ drafts

    @on(TextArea.Changed)
    def _typed(self, event: TextArea.Changed) -> None:
        if event.text_area is self.composer and self._draft_timer is None:
            self._draft_timer = self.set_timer(DRAFT_KEPT_AFTER, self._rested)

    def _rested(self) -> None:
        """No key has come for a while."""
        had = self.conversation.draft.text
        self.keep_draft()
        if not self.conversation.turns and not had:  # the list names it by its draft now
            self.show_list()

    def keep_draft(self) -> None:
        """Keeps what stands in the composer with the conversation that is open."""
        if self._draft_timer is not None:
            self._draft_timer.stop()
            self._draft_timer = None
        draft = self.composer.draft
        self.services.chat.keep_draft(self.conversation, Unsent(draft.text, dict(draft.pasted)))

    # ------------------------------------------------------------ searching

    async def action_find(self) -> None:
        """Search titles, questions and answers."""
        from codomyrmex_ollama_tui.ui.widgets.finder import Finder  # seldom needed

        self.add_class("-listing")
        if self._finder is None:
            self._finder = Finder(placeholder="search", id="chat-finder")
            await self.side.mount(self._finder, before=self.list)
        self.side.add_class("-finding")
        self._finder.focus()

    def on_finder_typed(self, event: Finder.Typed) -> None:
        """Search, once no more keys come."""
        event.stop()
        self._searched = event.text
        if self._search_timer is not None:
            self._search_timer.stop()
        self._search_timer = self.set_timer(SEARCH_AFTER, lambda: void(self.search()))

    @work(group="search", exclusive=True, exit_on_error=False)
    async def search(self) -> None:
        """Find the words that were typed."""
        from codomyrmex_ollama_tui.domain.output_query import QueryError  # seldom needed
        from codomyrmex_ollama_tui.services.chat_search import find_chats

        if not self._searched:
            self._found = None
            self.show_list()
            return
        services = self.services
        if self._found is None:  # the first search may have an index to build
            self.list.show((), self.conversation.id, self.now(), "searching …")
        try:
            found = await find_chats(
                services.chat, lambda: services.outputs, self._searched, now=self.now(), width=words.SNIPPET
            )
        except QueryError as error:
            self.list.show((), self.conversation.id, self.now(), one_line(error.words, 60))
            return
        except OSError as error:
            self._history_said(str(error))
            return
        self._found = {one.conversation_id: one for one in found}
        self.show_list()

    def action_enter_found(self) -> None:
        """Go from the search to what it has found."""
        self.list.focus()
        if self.list.highlighted is None:
            self.list.action_first()

    def action_leave_find(self) -> None:
        """Show all conversations again."""
        if self._finder is not None:
            self._finder.clear()
        self.side.remove_class("-finding")
        self._searched, self._found = "", None
        self.show_list()
        self.list.focus()

    # ------------------------------------------------------------ what is done to one

    def _in_hand(self) -> str:
        """The conversation that a command is about: under the cursor of the list, else the one that is open."""
        return (self.list.in_hand if self.list.has_focus else "") or self.conversation.id

    def _is_kept(self, conversation_id: str) -> bool:
        return any(one.id == conversation_id for one in self.services.chat.listed)

    @work(group="pin", exit_on_error=False)
    async def action_pin(self) -> None:
        """Keep a conversation on top of the list, or let it go."""
        chat, wanted = self.services.chat, self._in_hand()
        pinned = next((one.pinned for one in chat.listed if one.id == wanted), None)
        if pinned is not None:
            try:
                await chat.pin(wanted, not pinned)
            except (KeyError, OSError) as error:
                tell(self.app, str(error), title="Pin", severity="warning")
            self.show_list()

    @work(group="rename", exclusive=True, exit_on_error=False)
    async def action_rename(self) -> None:
        """Give a conversation another title."""
        from codomyrmex_ollama_tui.ui.screens.ask import Ask  # seldom needed

        chat, wanted = self.services.chat, self._in_hand()
        title = next((one.title for one in chat.listed if one.id == wanted), None)
        if title is None:
            return
        ask = Ask(
            "Rename", "What this conversation is to be called.", verb="rename", check=lambda text: "", value=title
        )
        new = await self.app.push_screen_wait(ask)
        if new:
            try:
                await chat.rename(wanted, new)
            except (KeyError, ValueError, OSError) as error:
                tell(self.app, str(error), title="Rename", severity="warning")
            self.title_changed()

    def title_changed(self) -> None:
        """Hook: a conversation has another title."""
        self.show_list()

    def action_delete(self) -> None:
        """Delete a conversation; it can be brought back while the program runs."""
        chat, wanted = self.services.chat, self._in_hand()
        summary = next((one for one in chat.listed if one.id == wanted), None)
        if summary is None:
            return
        try:
            chat.delete(wanted)
        except ValueError as error:
            tell(self.app, str(error), title="Delete", severity="warning")
            return
        self._deleted.append(wanted)
        undo = shown_key("u")
        title = one_line(summary.title, 40) or "New chat"
        tell(self.app, f"{title} is deleted. {undo} in the list brings it back.", timeout=6)
        if wanted == self.conversation.id:
            listing = self.list.has_focus
            self.conversation = chat.new_conversation(summary.model)
            self.composer.put(Draft())
            self.show_conversation()
            if listing:
                self.list.focus()
        self.show_list()

    def action_undo_delete(self) -> None:
        """Bring the conversation back that was deleted last."""
        if self._deleted:
            self.services.chat.put_back(self._deleted.pop())
            self.show_list()

    # ------------------------------------------------------------ in and out

    @work(group="export", exit_on_error=False)
    async def action_export(self, format: ExportFormat) -> None:
        """Save a conversation as a file."""
        from codomyrmex_ollama_tui.services.chat_export import save_chat  # seldom needed

        try:
            file = await save_chat(self.services.chat, self._in_hand(), format)
        except (KeyError, OSError, RuntimeError) as error:
            tell(self.app, str(error), title="Export", severity="error")
        else:
            tell(self.app, str(file), title="Saved", timeout=10)

    @work(group="import", exclusive=True, exit_on_error=False)
    async def action_import(self) -> None:
        """Take in conversations that were saved as JSON or JSONL."""
        from pathlib import Path

        from codomyrmex_ollama_tui.domain.conversation_export import NotImportable
        from codomyrmex_ollama_tui.services.chat_export import import_chats
        from codomyrmex_ollama_tui.ui.screens.ask import Ask

        def file_of(text: str) -> Path:
            return Path(text).expanduser()

        def problem(text: str) -> str:
            return "" if file_of(text).is_file() else "there is no such file"

        what = "The file: JSON or JSONL, as it was exported here."
        name = await self.app.push_screen_wait(Ask("Import conversations", what, verb="import", check=problem))
        if not name:
            return
        try:
            done = await import_chats(self.services.chat, file_of(name))
        except (NotImportable, OSError, RuntimeError) as error:
            tell(self.app, str(error), title="Import", severity="error")
            return
        known = f" · {done.known} were here already" if done.known else ""
        tell(self.app, f"{len(done.taken)} taken in{known}", title="Import")
        self.show_list()

    def on_app_focus(self, event: events.AppFocus) -> None:
        """Somebody comes back to this window: another one may have said something."""
        if self.services.chat.history is not None and self.services.chat.history.path.exists():
            self.load_list()
