"""What is done with models: looked at, loaded, unloaded, given other names, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import work

from codomyrmex_ollama_tui.domain.errors import ModelNotFound, OllamaError
from codomyrmex_ollama_tui.domain.names import parse_name, problem_with_name, same_model
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui import model_words as words
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import Ask, Confirm
from codomyrmex_ollama_tui.ui.screens.room import Room
from codomyrmex_ollama_tui.ui.tell import tell

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary, RunningModel


class ManagingRoom(Room):
    """A screen on which one model is chosen and others may be marked."""

    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("models.unload", "u", "unload", "Unload", "Take the model out of memory", show=True),
        Command("models.load", "o", "load", "Load", "Into memory, with a context and a time to stay"),
        Command("models.running", "t", "running", "In memory", "The models in memory; one or all can be unloaded"),
        Command("models.unload-all", "U", "unload_all", "Unload all", "Take every model out of memory"),
        Command("models.copy", "c", "copy_model", "Copy", "A second name for the same weights"),
        Command("models.rename", "m", "rename", "Rename", "Another name: a copy, and the old name is deleted"),
        Command("models.copy-name", "y", "copy_name", "Copy the name", "The model's name, to the clipboard"),
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

    def meant_names(self) -> list[str]:
        """The names of the same."""
        return [model.name for model in self.meant()] if self.is_mounted else []

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

    def action_unload_all(self) -> None:
        """Take every model out of memory."""
        self.unload([each.name for each in self.running_models])

    def action_running(self) -> None:
        """The models in memory."""
        from codomyrmex_ollama_tui.ui.screens.models_running import RunningScreen  # not before it is wanted

        self.app.push_screen(RunningScreen(self.services, self.running_models, self.models or (), now=self.now))

    @work(group="load", exclusive=True)
    async def action_load(self) -> None:
        """Into memory, with a context and a time to stay; told how long it took."""
        from codomyrmex_ollama_tui.ui.screens.models_load import LoadBox  # not before it is wanted

        if (model := self.chosen) is None:
            return
        chosen = await self.app.push_screen_wait(LoadBox(model, await self.info_of(model.name)))
        if chosen is None:
            return
        name = one_line(model.name, 40)
        options: dict[str, object] = {} if chosen.context is None else {"num_ctx": chosen.context}
        began = self.clock()
        ticking = self.set_interval(1.0, lambda: self.status_line.say("now", self._loading_words(name, began)))
        self.status_line.say("now", self._loading_words(name, began))
        try:
            await self.services.models.load(model.name, options=options, keep_alive=chosen.keep_alive)
        except OllamaError as error:
            tell(self.app, str(error), title=f"Load {name}", severity="error")
        else:
            tell(self.app, f"In memory after {self.clock() - began:.1f} s.", title=f"Load {name}")
        finally:
            ticking.stop()
            self.status_line.say("now", "")
        self.ask_running()

    def _loading_words(self, name: str, began: float) -> str:
        return f"loading {name} · {formats.duration(self.clock() - began)}"

    @work(group="unload", exit_on_error=False)
    async def unload(self, names: Sequence[str]) -> None:
        """Take models out of memory, one after the other."""
        for name in names:
            try:
                await self.services.models.unload(name)
            except OllamaError as error:
                tell(self.app, str(error), title=f"Unload {one_line(name, 40)}", severity="error")
        self.ask_running()

    # ------------------------------------------------------------------ names

    def action_copy_name(self) -> None:
        """The model's name, to the clipboard."""
        if (model := self.chosen) is not None:
            name = one_line(model.name, 400)
            self.app.copy_to_clipboard(name)
            tell(self.app, f"{name} copied.", timeout=3)

    @work(group="copy", exclusive=True)
    async def action_copy_model(self) -> None:
        """A second name for the same weights."""
        if (model := self.chosen) is not None:
            await self._copied(model, "Copy", "copy")

    @work(group="copy", exclusive=True)
    async def action_rename(self) -> None:
        """A copy under another name, and the old name is deleted."""
        model = self.chosen
        if model is None or not await self._copied(model, "Rename", "rename"):
            return
        try:
            await self.services.models.delete(model.name)
        except OllamaError as error:
            tell(self.app, f"The old name stays: {error}", title="Rename", severity="error")
        self.models_changed()

    async def _copied(self, model: ModelSummary, title: str, verb: str) -> bool:
        """Ask for another name and copy the model to it; what has that name already is replaced only when asked."""
        taken = self.installed_names()

        def check(text: str) -> str:
            if same_model(text, model.name):
                return "that is its name already"
            # The plain grammar: what says where a model runs is no part of a name here.
            return "" if parse_name(text) is not None else problem_with_name(text) or "no model can be called that"

        words = f"Another name for {one_line(model.name, 60)}."
        name = await self.app.push_screen_wait(Ask(title, words, verb=verb, check=check, value=model.name))
        if not name:
            return False
        if any(same_model(name, each) for each in taken):
            about = f"{one_line(name, 60)} is another model on the server; it would be lost."
            if not await self.app.push_screen_wait(Confirm("Replace it?", about, yes="replace", no="keep")):
                return False
        try:
            await self.services.models.copy(model.name, name)
        except OllamaError as error:
            tell(self.app, str(error), title=title, severity="error")
            return False
        finally:
            self.models_changed()
        return True

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
            case "copy_model" | "rename" | "copy_name" | "load":
                return self.is_mounted and self.chosen is not None
            case "unload_all":
                return bool(self.running_models)
            case "delete":
                return self.is_mounted and bool(self.meant())
            case "unload":
                return self.is_mounted and self.chosen is not None and self.running_of(self.chosen) is not None
        return True
