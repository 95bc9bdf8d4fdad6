"""The transcript: turns of a conversation, opened, added and streamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter

from textual.timer import Timer

from codomyrmex_ollama_tui.ui.widgets.transcript.items import Item, Status, Turn, TurnView
from codomyrmex_ollama_tui.ui.widgets.transcript.reading import ReadingView
from codomyrmex_ollama_tui.ui.widgets.transcript.styles import CSS

FRAMES = 15
"""Drawings a second while an answer streams, at most."""
REST = 4
"""Times the length of a drawing that the next one waits: a slow machine then costs smoothness, never the keyboard."""
MOST_AT_ONCE = 6000
"""Characters that one drawing takes; the rest waits for the next one."""


class Transcript(ReadingView):
    """Shows a conversation, follows a streaming answer, never moves under a reader who has scrolled away.

    Args:
        max_width: cells that the text is never wider than.
        clock: seconds, for measuring how long drawings take.
    """

    DEFAULT_CSS = CSS

    def __init__(
        self,
        *,
        max_width: int = 100,
        id: str | None = None,
        classes: str | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        super().__init__(max_width=max_width, id=id, classes=classes)
        self._clock = clock
        self._fed: Turn | None = None
        self._ending: tuple[str, Status] | None = None  # note and status of the streaming turn, once it has ended
        self._thinking_since: float | None = None
        self._tip: Item | None = None  # the block that the cursor of the growing answer stands in
        self._not_before = 0.0
        self._flushes = 0
        self._tick: Timer | None = None

    def on_mount(self) -> None:
        self._tick = self.set_interval(1 / FRAMES, self._on_tick, pause=self._fed is None)

    # ------------------------------------------------------------------ content

    def open(self, turns: Sequence[TurnView]) -> None:
        """Show a whole conversation, at its end. A turn that is streaming may be fed further."""
        self.clear()
        self._turns = [Turn(number, replace(view)) for number, view in enumerate(turns)]
        width = self._text_width
        self._column.items = [turn.unread(width) for turn in self._turns]
        self._column.measure()
        if self._turns and self._turns[-1].streaming:
            self._feed_into(self._turns[-1])
        self._settle()
        if not self._turns:
            self.close_find(back=False)
        elif self.finding:
            self._search_all()

    def add(self, turn: TurnView) -> None:
        """Show one more turn that is complete."""
        self._drain()
        self._append(Turn(len(self._turns), replace(turn)))
        self._came()
        self._settle()
        self._search_again(self._turns[-1])

    def begin(self, turn: TurnView) -> None:
        """Show one more turn, which is going to be fed."""
        self._drain()
        self._append(Turn(len(self._turns), replace(turn, status="streaming")))
        self._came()
        self._feed_into(self._turns[-1])

    def feed(self, text: str) -> None:
        """More of the answer of the turn that has begun."""
        if self._fed is not None and text:
            turn = self._fed
            turn.said.append(text)
            if self._thinking_since is not None:
                turn.view.thought_for = self._clock() - self._thinking_since
                self._thinking_since = None
            self._wake()

    def feed_thinking(self, text: str) -> None:
        """More of what the model thinks before it answers."""
        if self._fed is not None and text:
            self._fed.thought.append(text)
            if self._thinking_since is None:
                self._thinking_since = self._clock() - (self._fed.view.thought_for or 0.0)
            self._wake()

    def finish(self, *, note: str = "", status: Status = "complete") -> None:
        """No more will come for the turn that has begun."""
        if self._fed is None:
            return
        self._ending = (note, status)
        if sum(map(len, self._fed.said)) <= MOST_AT_ONCE:
            self.flush()
        else:
            self._wake()

    def set_note(self, turn_id: str, note: str, status: Status | None = None) -> None:
        """Change the line under a turn, and its status if one is given (a turn that is being fed keeps its own)."""
        turn = self._turn(turn_id)
        if turn is None:
            return
        turn.view.note = note
        if status is not None and turn is not self._fed:
            turn.view.status = status
        turn.redraw_ends()
        if turn.shown is not None:
            self._recompose(turn, self._place())
        self._settle()

    def clear(self) -> None:
        """Show nothing."""
        self._turns, self._fed, self._ending = [], None, None
        self._column.items.clear()
        self._column.measure()
        self._links.clear()
        self._held, self._artist, self._follow, self._news = None, None, True, False
        self._hits, self._hit, self._unsearched, self._opened, self._origin = [], None, [], [], None
        self._sleep()
        if self.is_attached and self in self.screen.selections:
            self.screen.clear_selection()
        self._settle()
        if self.finding:
            self._report()

    def source_of(self, turn_id: str) -> str:
        """The Markdown of a turn, safe to copy; "" if there is no such turn."""
        turn = self._turn(turn_id)
        return turn.source if turn else ""

    @property
    def turn_in_hand(self) -> str:
        """The id of the turn whose block is selected by key; "" when none is."""
        held = self._held_items()
        return held[0].turn.view.id if held else ""

    @property
    def streaming(self) -> bool:
        """True from `begin` until everything fed is on the screen after `finish`."""
        return self._fed is not None

    def _append(self, turn: Turn) -> None:
        self._turns.append(turn)
        turn.read(self._text_width)
        self._column.replace(len(self._column.items), len(self._column.items), turn.items())

    def _feed_into(self, turn: Turn) -> None:
        turn.read(self._text_width)
        first, last = self._column.span_of(turn)
        if first < last and self._column.items[first].kind == "turn":  # one for all of it, until it is looked at
            self._column.replace(first, last, turn.items())
        self._fed, self._ending, self._thinking_since = turn, None, None
        self._show(turn)

    # ------------------------------------------------------------------ streaming

    def _wake(self) -> None:
        if self._tick is not None:
            self._tick.resume()

    def _sleep(self) -> None:
        if self._tick is not None:
            self._tick.pause()

    def _drain(self) -> None:
        """Draw all that has been fed, however much: another turn is to come under it."""
        if self._fed is not None:
            self._ending = self._ending or (self._fed.view.note, "unfinished")
            while self._fed is not None:
                self.flush()

    def _on_tick(self) -> None:
        """Draw at most FRAMES times a second and never more than a fraction of the time."""
        begun = self._clock()
        if begun >= self._not_before:
            self.flush()
            self._not_before = begun + (REST + 1) * (self._clock() - begun)

    def flush(self) -> None:
        """Draw now what has arrived, at most MOST_AT_ONCE characters of it."""
        turn = self._fed
        if turn is None or not (turn.said or turn.thought or self._ending):
            self._sleep()
            return
        waiting = max(sum(map(len, turn.said)), sum(map(len, turn.thought)))
        last = self._ending is not None and waiting <= MOST_AT_ONCE
        thinks = turn.take(MOST_AT_ONCE, last, self._text_width)
        if last and self._ending is not None:
            if self._thinking_since is not None:
                turn.view.thought_for = self._clock() - self._thinking_since
            turn.view.note, turn.view.status = self._ending
            turn.view.text, turn.view.thinking = "".join(turn.spoken), "".join(turn.pondered)
            self._fed = self._ending = self._thinking_since = None
            self._sleep()
        if thinks or last or turn.thinks:
            turn.redraw_ends()
        self._came()
        self._show(turn)
        if last:
            self._search_again(turn)
        self._flushes += 1
        if self._flushes % FRAMES == 0:
            self._forget()

    def _show(self, turn: Turn) -> None:
        """Put a streaming turn's items on the screen, with the cursor after the last one."""
        place = None if self._follow else self._place()
        items = turn.items()
        tip = next((item for item in reversed(items) if item.kind == "block"), None) if turn.streaming else None
        if self._tip is not None and self._tip is not tip:
            self._tip.pointed, self._tip.art = False, None
        if tip is not None and not tip.pointed:
            tip.pointed, tip.art = True, None
        self._tip = tip
        first, last = self._column.span_of(turn)
        stable = min(turn.stable(), last - first)
        self._column.replace(first + stable, last, items[stable:])
        self._settle(place)

    # ------------------------------------------------------------------ ways of looking at it

    def action_raw(self) -> None:
        """Show the Markdown source, or what it means again."""
        self._raw = not self._raw
        self._restyle()
        if self.finding:
            self._search_all()

    def action_scroll_home(self) -> None:
        """Go to the beginning."""
        self._follow = self._column.height <= self.size.height
        self.scroll_to(y=0, animate=False)
        self._settle()
