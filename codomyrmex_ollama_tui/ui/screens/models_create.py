"""Making a model from another one: another system prompt, other parameters, another template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult, SuspendNotSupported
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static, TextArea

from codomyrmex_ollama_tui.domain.chat import CreateRequest
from codomyrmex_ollama_tui.domain.text import clean, one_line
from codomyrmex_ollama_tui.services.recipes import (
    Recipe,
    as_toml,
    parameters_toml,
    read_parameters,
    read_toml,
    recipe_of,
    request_of,
)
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import keys_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary


class CreateScreen(ModalScreen[CreateRequest]):
    """Dismissed with what to send, or with None on esc.

    Args:
        editor: the command line of the person's editor; () for none.
    """

    BINDING_GROUP_TITLE = "Create a model"
    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("create.make", "ctrl+s", "make", "Create", "Make the model"),
        Command("create.editor", "ctrl+g", "edit", "Edit as TOML", "All of it in your own editor"),
        Command("create.cancel", "escape", "cancel", "Cancel", "Make nothing"),
    )
    BINDINGS = bindings(ROSTER)
    AUTO_FOCUS = "#name"
    CSS = "CreateScreen .dialog { width: 96; height: 90%; }"
    DEFAULT_CSS = """
    CreateScreen {
        & .words { color: $muted; margin: 1 0 0 0; }
        & TextArea, & TextArea:focus { height: 6; border: round $border; background: transparent; }
        & TextArea:focus { border: round $primary; }
    }
    """

    def __init__(self, model: ModelSummary, info: ModelInfo, *, editor: Sequence[str] = ()) -> None:
        super().__init__()
        self._info = info
        self._editor = tuple(editor)
        self._recipe = recipe_of(model.name, info)

    def compose(self) -> ComposeResult:
        recipe = self._recipe
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(f"Create from {one_line(recipe.source, 60)}").markup
            own = (("ctrl+g", "as TOML in your editor"),) if self._editor else ()
            dialog.border_subtitle = keys_line(("ctrl+s", "create"), ("tab", "next"), *own, ("esc", "cancel")).markup
            yield Static(classes="problem")
            yield Static("Name of the new model; its weights are shared with the old one", classes="words")
            yield Input(recipe.name, id="name", placeholder="mine:1")
            yield Static("System prompt", classes="words")
            yield TextArea(clean(recipe.system), id="system")
            yield Static("Parameters, one a line: temperature = 0.7", classes="words")
            yield TextArea(clean(parameters_toml(recipe.parameters)), id="parameters")
            yield Static("Template", classes="words")
            yield TextArea(clean(recipe.template), id="template")

    def _written(self) -> Recipe:
        """What stands in the form.

        Raises:
            ValueError: the parameters cannot be read.
        """
        made = replace(
            self._recipe,
            name=self.query_one("#name", Input).value.strip(),
            parameters=read_parameters(self.query_one("#parameters", TextArea).text),
        )
        # a text that was not touched is kept as the server had it, with what cannot be shown
        system = self.query_one("#system", TextArea).text
        template = self.query_one("#template", TextArea).text
        if system != clean(made.system):
            made = replace(made, system=system)
        return made if template == clean(made.template) else replace(made, template=template)

    def _show(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self.query_one("#name", Input).value = recipe.name
        self.query_one("#system", TextArea).text = clean(recipe.system)
        self.query_one("#parameters", TextArea).text = clean(parameters_toml(recipe.parameters))
        self.query_one("#template", TextArea).text = clean(recipe.template)

    @on(Input.Submitted)
    def action_make(self) -> None:
        """Make it, if it can be."""
        try:
            self.dismiss(request_of(self._written(), self._info))
        except ValueError as error:
            self._refuse(str(error))

    def action_edit(self) -> None:
        """All of it in the person's own editor."""
        from codomyrmex_ollama_tui.ui.editor import edit_text  # seldom needed

        try:
            text = edit_text(self.app, self._editor, as_toml(self._written()))
            recipe = read_toml(text)
        except (ValueError, OSError, SuspendNotSupported) as error:
            self._refuse(str(error))
            return
        self._refuse("")
        self._show(replace(recipe, source=recipe.source or self._recipe.source))

    def _refuse(self, why: str) -> None:
        self.query_one(".problem", Static).update(Content(f"✕ {clean(why)}" if why else ""))
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_cancel(self) -> None:
        """Make nothing."""
        self.dismiss(None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The editor only where there is one."""
        return bool(self._editor) if action == "edit" else True
