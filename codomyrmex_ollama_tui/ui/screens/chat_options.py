"""What a conversation is asked with: every option, its value in force and where that comes from; set and reset here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from codomyrmex_ollama_tui.domain.option_rules import OPTION_RULES
from codomyrmex_ollama_tui.domain.text import clean, one_line
from codomyrmex_ollama_tui.services.chat_settings import ALLOWED, FIELDS, MEANINGS, ChatSettings, as_text
from codomyrmex_ollama_tui.store.layers import CALL, SERVER_DEFAULT, Explained
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import keys_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.store.settings import SettingsStore

NAME_CELLS = 18
VALUE_CELLS = 20
ORIGIN_CELLS = 18
HERE = "this chat"
_NOTHING = {
    "preset": "none",
    "system": "the model's own",
    "think": "yes, if it can",
    "format": "text",
    "keep_alive": "the server chooses",
}
"""What holds where no layer says anything."""
_WORDS = {
    "think": ("yes", "no", "low", "medium", "high", "max"),
    "format": ("text", "json"),
}


class ChatOptions(ModalScreen[ChatSettings]):
    """Dismissed with the settings, or with None on esc.

    Args:
        settings: the configuration, whose layers stand below those of the conversation.
        start: what the conversation says now.
        modelfile: the model's own parameters; None where nobody could be asked.
        server_version: some defaults changed between versions.
        problem: what is wrong with what the conversation says, "" for nothing.
        at: the field on which the cursor begins.
    """

    BINDING_GROUP_TITLE = "Options"
    ROSTER: ClassVar = (
        Command("chat-options.down", "down", "move(1)", "Down", "The next option", palette=False),
        Command("chat-options.up", "up", "move(-1)", "Up", "The option above", palette=False),
        Command("chat-options.page-down", "pagedown", "move(8)", "Further down", "Eight further", palette=False),
        Command("chat-options.page-up", "pageup", "move(-8)", "Further up", "Eight back", palette=False),
        Command("chat-options.reset", "ctrl+r", "reset", "Reset this one", "Leave it to the layers below",
                priority=True, palette=False),
        Command("chat-options.reset-all", "f8", "reset_all", "Reset all", "Leave all to the layers below",
                priority=True, palette=False),
        Command("chat-options.keep", "ctrl+s", "keep", "Keep", "Ask with these from now on",
                priority=True, palette=False),
        Command("chat-options.cancel", "escape", "cancel", "Cancel", "Leave all as it was", palette=False),
    )  # fmt: skip
    BINDINGS = bindings(ROSTER)
    AUTO_FOCUS = "Input"
    DEFAULT_CSS = """
    ChatOptions {
        & OptionList { background: transparent; border: none; padding: 0; height: auto; max-height: 9; }
        & OptionList:focus { border: none; background: transparent; }
        & OptionList > .option-list--option { padding: 0; }
        & OptionList > .option-list--option-highlighted { background: $panel; color: $foreground; text-style: none; }
        & .meaning { height: 3; margin: 1 0 0 0; }
        & .problem { min-height: 2; }
    }
    ChatOptions.-roomy OptionList { max-height: 25; }
    """

    def __init__(
        self,
        settings: SettingsStore,
        model: str,
        start: ChatSettings,
        *,
        modelfile: Mapping[str, object] | None = None,
        server_version: str = "",
        problem: str = "",
        at: str = "preset",
    ) -> None:
        super().__init__()
        self._settings, self._model, self._chosen = settings, model, start
        self._modelfile, self._version = modelfile, server_version
        self._problem = problem
        self._at = FIELDS.index(at)
        self._explained: dict[str, Explained] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(f"Options of this conversation · {one_line(self._model, 36)}").markup
            dialog.border_subtitle = keys_line(
                ("enter", "set"), ("^r", "reset"), ("F8", "reset all"), ("^s", "keep"), ("esc", "cancel")
            ).markup
            yield OptionList(markup=False)
            yield Static(classes="meaning")
            yield Input(select_on_focus=False)
            yield Static(classes="problem")

    def on_mount(self) -> None:
        """The list is never the one that has the keys: letters always go into the box."""
        self.query_one(OptionList).can_focus = False
        self._draw()
        self._show_field()
        if self._problem:
            self._refuse(f"left out, because it is not allowed: {self._problem}")

    def on_resize(self) -> None:
        """All of them where there is room."""
        self.set_class(self.app.size.height >= 36, "-roomy")

    # ------------------------------------------------------------ what is shown

    @property
    def field(self) -> str:
        """The option under the cursor."""
        return FIELDS[self._at]

    def _draw(self) -> None:
        chosen = self._chosen
        try:
            found = self._explain(chosen.preset or None)
        except ValueError as error:  # a preset that is not there any more
            found = self._explain(None)
            self._refuse(str(error))
        self._explained = {one.name: one for one in found}
        options = self.query_one(OptionList)
        options.set_options([Option(self._line(name), id=name) for name in FIELDS])
        options.highlighted = self._at

    def _explain(self, preset: str | None) -> tuple[Explained, ...]:
        return self._settings.explain(
            self._model, preset, self._chosen.values, modelfile=self._modelfile, server_version=self._version
        )

    def _value(self, name: str) -> tuple[str, str]:
        """The value in force and where it comes from."""
        if name == "preset":
            return self._chosen.preset or _NOTHING[name], HERE if self._chosen.preset else ""
        found = self._explained.get(name)
        if found is None:
            return _NOTHING.get(name, "the server chooses"), SERVER_DEFAULT if name == "keep_alive" else ""
        origin = HERE if found.origin == CALL else found.origin.removesuffix(" (shipped)")
        if found.value is None or found.value == ():
            return "none" if name == "stop" else "the server chooses", origin
        return as_text(found.value), origin

    def _line(self, name: str) -> Content:
        value, origin = self._value(name)
        own = origin == HERE
        colour = "$foreground" if origin not in (SERVER_DEFAULT, "") else "$muted"
        return Content.assemble(
            ("● " if own else "  ", "$primary"),
            _cells(name, NAME_CELLS),
            (_cells(value, VALUE_CELLS), colour),
            (one_line(origin, ORIGIN_CELLS), "$primary" if own else "$muted"),
        )

    def _show_field(self) -> None:
        """The field under the cursor: what it means, what is allowed, what is set here."""
        name, box = self.field, self.query_one(Input)
        rule = OPTION_RULES.get(name)
        meaning = MEANINGS[name] if rule is None else rule.meaning + " Loads the model anew." * rule.reloads
        allowed = ALLOWED[name] if rule is None else rule.allowed
        if name == "preset":
            allowed = ", ".join(self._settings.presets)
        about = Content.assemble((f"{one_line(allowed, 140)}. ", "$foreground"), (clean(meaning), "$muted"))
        self.query_one(".meaning", Static).update(about)
        suggested = self._suggestions(name)
        box.suggester = SuggestFromList(suggested, case_sensitive=False) if suggested else None
        below, origin = self._below(name)
        words = f"{below}, {origin}" if origin else below
        box.placeholder = "enter writes it" if name == "system" else one_line(words, 60)
        with box.prevent(Input.Changed):
            box.value = self._written(name)
        box.cursor_position = len(box.value)

    def _below(self, name: str) -> tuple[str, str]:
        """What holds if it is not set here."""
        found = self._explained.get(name)
        if name == "preset" or self._chosen.own(name) is None or found is None:
            return self._value(name) if name != "preset" else ("none", "")
        if not found.below:
            return _NOTHING.get(name, "the server chooses"), ""
        origin, value = found.below[0]
        return as_text(value) or "the server chooses", origin.removesuffix(" (shipped)")

    def _suggestions(self, name: str) -> tuple[str, ...]:
        if name == "preset":
            return tuple(self._settings.presets)
        rule = OPTION_RULES.get(name)
        return ("yes", "no") if rule is not None and rule.kind == "bool" else _WORDS.get(name, ())

    def _written(self, name: str) -> str:
        return "" if name == "system" else one_line(as_text(self._chosen.own(name)), 10_000)

    # ------------------------------------------------------------ what is done

    def _take(self) -> bool:
        """Takes what stands in the box; False if it is not allowed, which is said."""
        name, text = self.field, self.query_one(Input).value
        if text == self._written(name):
            return True
        try:
            self._chosen = self._chosen.with_text(name, text, presets=self._settings.presets)
        except ValueError as error:
            self._refuse(str(error))
            return False
        self._draw()
        return True

    def _refuse(self, words: str) -> None:
        self.query_one(".problem", Static).update(Content(f"✕ {clean(words)}"))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.query_one(".problem", Static).update("")
        if self.field == "system" and event.value:  # may have many lines, so it has a box of its own
            with event.input.prevent(Input.Changed):
                event.input.value = ""
            self._write_system(event.value)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        if self.field == "system":
            self._write_system("")
        elif self._take():
            self._show_field()

    @work(exclusive=True)
    async def _write_system(self, typed: str) -> None:
        from codomyrmex_ollama_tui.ui.screens.system_prompt import SystemPrompt  # seldom needed

        text = await self.app.push_screen_wait(SystemPrompt(self._chosen.system + typed))
        if text is not None:
            self._chosen = self._chosen.with_text("system", text)
            self._draw()
            self._show_field()

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """With the mouse, too."""
        if event.option_index != self._at:
            self._go(event.option_index)

    def action_move(self, step: int) -> None:
        """Go to another option; what is written is taken."""
        self._go(max(0, min(len(FIELDS) - 1, self._at + step)))

    def _go(self, place: int) -> None:
        if self._take():
            self._at = place
            self.query_one(".problem", Static).update("")
        self.query_one(OptionList).highlighted = self._at
        if place == self._at:
            self._show_field()

    def action_reset(self) -> None:
        """Leave the option under the cursor to the layers below."""
        self._change(self._chosen.without(self.field))

    def action_reset_all(self) -> None:
        """Leave all of them to the layers below."""
        self._change(ChatSettings())

    def _change(self, chosen: ChatSettings) -> None:
        self._chosen = chosen
        self.query_one(".problem", Static).update("")
        self._draw()
        self._show_field()

    def action_keep(self) -> None:
        """Ask with these from now on."""
        if self._take():
            self.dismiss(self._chosen)

    def action_cancel(self) -> None:
        """Leave all as it was."""
        self.dismiss(None)


def _cells(text: str, cells: int) -> str:
    """A text in so many cells, the last one blank."""
    line = Content(one_line(text, cells))
    while line.cell_length >= cells:
        line = Content(f"{line.plain[:-2]}…")
    return line.plain + " " * (cells - line.cell_length)
