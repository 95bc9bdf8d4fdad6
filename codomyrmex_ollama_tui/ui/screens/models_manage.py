"""What is done with models: looked at, unloaded, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import work

from codomyrmex_ollama_tui.domain.errors import ModelNotFound, OllamaError
from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui import model_words as words
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import Confirm
from codomyrmex_ollama_tui.ui.screens.room import Room
from codomyrmex_ollama_tui.ui.tell import tell

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary, RunningModel


class ManagingRoom(Room):
    """A screen on which one model is chosen and others may be marked."""

    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("models.unload", "u", "unload", "Unload", "Take the model out of memory", show=True),
    )
    BINDINGS = bindings(ROSTER)

    models: tuple[ModelSummary, ...] | None = None
    """The models of the server; None while they were never read."""

    def on_mount(self) -> None:
        """Nothing is known or marked yet."""
        self.infos: dict[str, ModelInfo] = {}
        self.marked: set[str] = set()

    @property
    def chosen(self) -> ModelSummary | None:
        """The model under the cursor."""
        raise NotImplementedError

    def models_changed(self) -> None:
        """Hook: something was done; what is on the server, or in its memory, is to be read again."""

    def installed_names(self) -> tuple[str, ...]:
        """The names of the models that the server has, as far as they are known."""
        return tuple(model.name for model in self.models or ())

    def running_of(self, model: ModelSummary) -> RunningModel | None:
        """The model in memory that has the same weights: under its own name, or under another one."""
        by_name = next((each for each in self.running_models if each.name == model.name), None)
        if by_name is not None:
            return by_name
        return next((each for each in self.running_models if each.digest and each.digest == model.digest), None)

    async def info_of(self, name: str) -> ModelInfo | None:
        """The details of a model, asked for once for each digest; None (and told) when they cannot be had."""
        model = next((each for each in self.models or () if each.name == name), None)
        if model is None:
            return None
        try:
            info = await self.services.details.of(name, max_age=float("inf"))
        except ModelNotFound:  # somebody else has deleted it meanwhile
            tell(self.app, f"{one_line(name, 60)} is not on the server any more.", title="Details", severity="warning")
            self.models_changed()
            return None
        except OllamaError as error:
            tell(self.app, str(error), title=f"Details of {one_line(name, 40)}", severity="error")
            return None
        self.infos[model.digest] = info
        return info

    def meant(self) -> list[ModelSummary]:
        """The marked models, in the order of the list; without marks the one under the cursor."""
        marked = [model for model in self.models or () if model.name in self.marked]
        if marked:
            return marked
        return [] if self.chosen is None else [self.chosen]

    @work(group="inspect", exclusive=True)
    async def action_inspect(self) -> None:
        """All that is known of the model under the cursor."""
        from codomyrmex_ollama_tui.ui.screens.model_details import DetailsScreen  # seldom needed

        if (model := self.chosen) is None:
            return
        info = await self.info_of(model.name)
        if info is not None:
            self.app.push_screen(DetailsScreen(model, info, self.running_of(model), now=self.now))

    # ------------------------------------------------------------------ memory

    def action_unload(self) -> None:
        """Take the model under the cursor out of memory."""
        if (model := self.chosen) is not None and (running := self.running_of(model)) is not None:
            self.unload([running.name])

    @work(group="unload", exit_on_error=False)
    async def unload(self, names: Sequence[str]) -> None:
        """Take models out of memory, one after the other."""
        for name in names:
            try:
                await self.services.models.unload(name)
            except OllamaError as error:
                tell(self.app, str(error), title=f"Unload {one_line(name, 40)}", severity="error")
        self.ask_running()

    # ------------------------------------------------------------------ deleting

    @work(group="delete", exclusive=True)
    async def action_delete(self) -> None:
        """Remove the marked models, or the one under the cursor, from the disk; asks first."""
        if not (chosen := self.meant()):
            return
        title = f"Delete {one_line(chosen[0].name, 40)}?" if len(chosen) == 1 else f"Delete {len(chosen)} models?"
        about = words.before_deleting(chosen, self.models or ())
        if not await self.app.push_screen_wait(Confirm(title, about, yes="delete", no="keep")):
            return
        for model in chosen:
            try:
                await self.services.models.delete(model.name)
            except OllamaError as error:
                tell(self.app, str(error), title=f"Delete {one_line(model.name, 40)}", severity="error")
            else:
                self.marked.discard(model.name)
        self.models_changed()

    def check_managing(self, action: str) -> bool:
        """Whether an action about models can be done now."""
        match action:
            case "delete":
                return self.is_mounted and bool(self.meant())
            case "unload":
                return self.is_mounted and self.chosen is not None and self.running_of(self.chosen) is not None
        return True

    def is_alias(self, model: ModelSummary) -> bool:
        """Whether the model is in memory under another name."""
        running = self.running_of(model)
        return running is not None and not same_model(running.name, model.name)
