"""The part of the transcript that helps to read: from turn to turn, folds, the search's bar, news below the view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from codomyrmex_ollama_tui.ui.commands import HasKeymap, key_in_force, shown_key
from codomyrmex_ollama_tui.ui.widgets.transcript.finding import FindingView
from codomyrmex_ollama_tui.ui.widgets.transcript.items import Turn
from codomyrmex_ollama_tui.ui.widgets.transcript.selection import COMMANDS
from codomyrmex_ollama_tui.ui.widgets.transcript.view import Place

if TYPE_CHECKING:
    from textual import events

    from codomyrmex_ollama_tui.ui.widgets.find_bar import FindBar


class ReadingView(FindingView):
    """A transcript to be read in: nothing here moves what the reader sees but a key that asks for it."""

    def __init__(self, *, max_width: int = 100, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(max_width=max_width, id=id, classes=classes)
        self._bar: FindBar | None = None
        self._came_from: Widget | None = None  # what had the focus when the bar was opened
        self._news = False
        self._hint: Strip | None = None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What cannot be done now is neither in the key row nor in the palette."""
        match action:
            case "found" | "leave_find":
                return self._bar is not None
            case "fold":
                return any(turn.foldable for turn in self._in_view())
        return True

    # ------------------------------------------------------------------ from turn to turn

    def show_turn(self, turn_id: str) -> None:
        """Put the beginning of a turn at the top; what comes at the end is not followed any more."""
        turn = self._turn(turn_id)
        if turn is not None:
            self._follow = False
            self._settle(Place(turn.key, turn.label.gap, -1))

    def action_turn(self, step: int) -> None:
        """Put the beginning of the next turn at the top, or of this one and then of the one before."""
        column, top = self._column, self.scroll_offset.y
        at = column.at_row(top)
        if at >= len(column.items):
            return
        turn = column.items[at].turn
        label = column.tops[column.span_of(turn)[0]] + turn.label.gap
        number = turn.number
        if label > top:  # the blank row above it is at the top
            number -= step < 0
        elif step > 0 or label == top:
            number += step
        if number >= len(self._turns) or (step > 0 and top >= self.max_scroll_y):
            self._follow = True
            self._settle()
        elif number >= 0:
            self.show_turn(self._turns[number].view.id)

    def _turn(self, turn_id: str) -> Turn | None:
        return next((turn for turn in reversed(self._turns) if turn.view.id == turn_id), None)

    def _in_view(self) -> list[Turn]:
        """The turn that is selected, then those in the view from the top on."""
        column, top = self._column, self.scroll_offset.y
        out = [item.turn for item in self._held_items()[:1]]
        index = column.at_row(top)
        while index < len(column.items) and column.tops[index] < top + self.size.height:
            if column.items[index].turn not in out:
                out.append(column.items[index].turn)
            index += 1
        return out

    def action_copy_turn(self) -> None:
        """Ask for a whole turn to be copied: the selected one, else the last answer."""
        held = self._held_items()
        turns = [held[0].turn] if held else [turn for turn in self._turns if turn.view.kind == "assistant"]
        if turns:
            kind = "question" if turns[-1].view.kind == "user" else "answer"
            self.post_message(self.CopyAsked(turns[-1].source, kind))

    # ------------------------------------------------------------------ folding

    def action_fold(self) -> None:
        """Fold or unfold a long turn: the selected one, else the first in view."""
        turn = next((turn for turn in self._in_view() if turn.foldable), None)
        if turn is not None:
            self.action_fold_turn(turn.number)

    def action_fold_turn(self, number: int) -> None:
        """Show the beginning of a long turn alone, or all of it."""
        turn = self._turns[number]
        if not turn.foldable:
            return
        place, top = self._place(), self._column.tops[self._column.span_of(turn)[0]]
        if not turn.folded and top < self.scroll_offset.y:
            place = Place(turn.key, turn.label.gap, -1)
        turn.folded = not turn.folded
        self._refill(turn)
        self._follow = False  # or unfolding would go to the end of it
        self._settle(place)
        self._follow = self.scroll_offset.y >= self.max_scroll_y

    def action_thinking(self) -> None:
        """Unfold what the models thought, or fold it all again."""
        unfolded = not any(turn.unfolded for turn in self._turns if turn.thinks)
        place = self._place()
        for turn in self._turns:
            if turn.thinks and turn.unfolded != unfolded:
                self._unfold(turn, unfolded)
        self._settle(place)

    def action_toggle_turn(self, number: int) -> None:
        """Unfold or fold the thinking of one turn."""
        turn = self._turns[number]
        place = self._place()
        self._unfold(turn, not turn.unfolded)
        self._settle(place)

    def show_whole(self, turn: Turn, *, thinking: bool = False) -> None:
        """Unfold a turn, or what it thought."""
        if thinking:
            self._unfold(turn, True)
        elif turn.folded:
            turn.folded = False
            self._refill(turn)

    def show_folded(self, turn: Turn, *, thinking: bool = False) -> None:
        """Fold a turn, or what it thought, again."""
        if thinking:
            self._unfold(turn, False)
        elif turn.foldable and not turn.folded:
            turn.folded = True
            self._refill(turn)

    def _unfold(self, turn: Turn, unfolded: bool) -> None:
        turn.unfolded = unfolded
        turn.redraw_ends()
        if turn.shown is not None:
            self._refill(turn)

    def _refill(self, turn: Turn) -> None:
        """Other items of a turn are shown than before."""
        turn.read(self._text_width)
        first, last = self._column.span_of(turn)
        self._column.replace(first, last, turn.items())

    # ------------------------------------------------------------------ the search's bar

    async def action_find(self, words: str = "") -> None:
        """Open the line in which the words are typed, or go back to it; `words`: those are typed already."""
        from codomyrmex_ollama_tui.ui.widgets.find_bar import FindBar  # seldom needed

        if self._bar is None and isinstance(self.parent, Widget):
            self._bar, self._came_from = FindBar(self), self.screen.focused
            await self.parent.mount(self._bar, after=self)
            self.refresh_bindings()
        if self._bar is not None:
            self.begin_find()
            self._bar.enter(words)

    def action_found(self, step: int) -> None:
        """Go to the next hit (1), or the one before (−1)."""
        self.go_to_hit(step)

    def action_leave_find(self) -> None:
        """Look for nothing any more; the view stays where it is."""
        self.close_find(back=False)

    def close_find(self, *, back: bool) -> None:
        """Take the search's line away; `back`: to where the reader was when the search began."""
        bar, self._bar = self._bar, None
        self.leave_find(back=back)
        if bar is not None:
            if bar.has_focus_within or self.has_focus:
                came_from = self._came_from if back else None
                (came_from if came_from is not None and came_from.is_attached else self).focus()
            bar.remove()
            self.refresh_bindings()

    def on_transcript_found(self, message: FindingView.Found) -> None:
        """The bar says how many there are."""
        message.stop()
        if self._bar is not None:
            self._bar.show(message.count, message.at, done=message.done)

    # ------------------------------------------------------------------ news below the view

    @property
    def news_below(self) -> bool:
        """Whether something has come below the view since the reader left the end."""
        return self._news

    def _came(self) -> None:
        """Something has come at the end."""
        self._news = not self._follow

    def _overlaid(self, rows: list[Strip]) -> list[Strip]:
        if self._news and (self._follow or self.scroll_offset.y + self.size.height >= self._column.height):
            self._news = False
        if not self._news or not rows or not self._styles:
            self._hint = None
            return rows
        text = self._hint_text()
        room = self.size.width - cell_len(text)
        if room < 0:
            return rows
        hint = Strip([*rows[-1].crop(0, room), Segment(text, self._styles["text"] + self._styles["news"])])
        if self._shown and self._shown[-1] == hint:
            hint = self._shown[-1]
        self._hint = hint
        return [*rows[:-1], hint]

    def _hint_text(self) -> str:
        keymap = self.app.keymap_in_force if isinstance(self.app, HasKeymap) else {}
        command = next(one for one in COMMANDS if one.id == "transcript.end")
        keys = keymap.get(command.id, command.key).split(",")
        key = shown_key(keys[-1].strip()) if keys[-1].strip() else key_in_force(keymap, command)
        return f" ↓ new text · {key} "

    async def _on_click(self, event: events.Click) -> None:
        last, left = self.size.height - 1, self.size.width - cell_len(self._hint_text())
        if self._hint is not None and event.y == last and event.x >= left:
            event.prevent_default()
            self.action_scroll_end()
        else:
            await super()._on_click(event)

    def action_scroll_end(self) -> None:
        """Go to the end and follow what comes."""
        self._follow = True
        self._settle()
