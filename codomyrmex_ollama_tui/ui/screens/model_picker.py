"""Choosing a model, or several: a filter, the models of the server, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import keys_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelSummary

NAME_CELLS = 28


class ModelPicker(ModalScreen[Sequence[str]]):
    """Dismissed with the names of the models chosen, at least one, or with None on esc.

    Args:
        models: what the server has, in its own order.
        current: the model of the conversation; the cursor begins on it.
        loaded: the names of models in memory.
        title: what stands over the list.
        several: more than one may be marked; they are given in the order in which they were.
    """

    BINDING_GROUP_TITLE = "Models"
    ROSTER: ClassVar = (
        Command("model-picker.choose", "enter", "choose", "Choose", "Use this model", palette=False),
        Command("model-picker.down", "down", "move(1)", "Down", "The next model", palette=False),
        Command("model-picker.up", "up", "move(-1)", "Up", "The model above", palette=False),
        Command("model-picker.mark", "tab", "mark", "Mark", "Take this model as well", palette=False),
        Command("model-picker.cancel", "escape", "cancel", "Cancel", "Keep the model", palette=False),
    )
    BINDINGS = bindings(ROSTER)
    AUTO_FOCUS = "Input"
    DEFAULT_CSS = """
    ModelPicker {
        & OptionList {
            background: transparent; border: none; padding: 0; height: auto; max-height: 12; margin: 1 0 0 0;
        }
        & OptionList:focus { border: none; background: transparent; }
        & OptionList > .option-list--option { padding: 0 1; }
        & OptionList > .option-list--option-highlighted { background: $panel; color: $foreground; text-style: none; }
        & .words { color: $muted; padding: 0 1; margin: 1 0 0 0; }
    }
    """

    def __init__(
        self,
        models: Sequence[ModelSummary],
        *,
        current: str,
        loaded: Sequence[str] = (),
        title: str = "Model of this conversation",
        several: bool = False,
    ) -> None:
        super().__init__()
        self._title = title
        self._several = several
        self._marked: list[str] = []
        self._models = models
        self._current = current
        self._loaded = loaded

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = self._title
            keys = (("enter", "ask"), ("tab", "mark")) if self._several else (("enter", "use it"),)
            leave = "leave" if self._several else "keep the model"
            dialog.border_subtitle = keys_line(*keys, ("↑↓", "move"), ("esc", leave)).markup
            yield Input(placeholder="filter by name, family or size")
            yield OptionList(markup=False)
            yield Static(classes="words")

    def on_mount(self) -> None:
        """The list is never the one that has the keys: letters always filter."""
        self.query_one(OptionList).can_focus = False
        self._filter("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._filter(event.value)

    def _filter(self, text: str) -> None:
        words = text.lower().split()
        found = [model for model in self._models if all(word in _searched(model) for word in words)]
        options = self.query_one(OptionList)
        options.set_options([Option(self._line(model), id=f"m{n}") for n, model in enumerate(found)])
        self._found = found
        at = next((n for n, model in enumerate(found) if same_model(model.name, self._current)), 0)
        options.highlighted = at if found else None
        if found:
            count = f"{len(found)} of {len(self._models)} models" if words else f"{len(found)} models"
        else:
            count = "no model matches" if self._models else "no model on this server yet"
        if self._marked:
            count += f" · ✓ {len(self._marked)} marked: " + ", ".join(one_line(name, 30) for name in self._marked)
        self.query_one(Static).update(Content(count))

    def _line(self, model: ModelSummary) -> Content:
        loaded = any(same_model(model.name, name) for name in self._loaded)
        name = one_line(model.name, NAME_CELLS)
        facts = (
            formats.parameters(one_line(model.details.parameter_size, 10)).rjust(7),
            one_line(model.details.quantization_level, 7).rjust(8),
            formats.size(model.size).rjust(9) if model.size else "",
        )
        marks: list[tuple[str, str]] = []
        if self._several:
            marks.append(("✓ ", "$success") if model.name in self._marked else ("  ", ""))
        return Content.assemble(
            *marks,
            ("● ", "$success") if loaded else ("○ ", "$faint"),
            name + " " * max(1, NAME_CELLS - Content(name).cell_length),
            ("".join(facts), "$muted"),
        )

    def action_move(self, step: int) -> None:
        """Move the cursor of the list."""
        options = self.query_one(OptionList)
        if step > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where one model is wanted, none is marked."""
        return self._several if action == "mark" else True

    def action_mark(self) -> None:
        """Mark the model under the cursor, or take its mark away, and go on to the next."""
        options = self.query_one(OptionList)
        at = options.highlighted
        if at is None:
            return
        name = self._found[at].name
        if name in self._marked:
            self._marked.remove(name)
        else:
            self._marked.append(name)
        self._filter(self.query_one(Input).value)
        options.highlighted = min(at + 1, len(self._found) - 1)

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def action_choose(self) -> None:
        """Take what is marked, else the model under the cursor."""
        at = self.query_one(OptionList).highlighted
        if self._marked:
            self.dismiss(tuple(self._marked))
        elif at is not None:
            self.dismiss((self._found[at].name,))

    def action_cancel(self) -> None:
        """Close and keep the model."""
        self.dismiss(None)


def _searched(model: ModelSummary) -> str:
    details = model.details
    return " ".join((model.name, details.family, details.parameter_size, details.quantization_level)).lower()
