"""Models made from others, sent to a registry, two of them compared, and all of them drawn."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.names import parse_name, problem_with_name
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui import formats
from codomyrmex_ollama_tui.ui.commands import Command, bindings
from codomyrmex_ollama_tui.ui.screens.ask import Ask, Confirm
from codomyrmex_ollama_tui.ui.screens.models_manage import ManagingRoom
from codomyrmex_ollama_tui.ui.tell import tell

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.chat import CreateRequest
    from codomyrmex_ollama_tui.domain.models import ModelSummary


class MakingRoom(ManagingRoom):
    """A screen from which models can be made."""

    ROSTER: ClassVar[tuple[Command, ...]] = (
        Command("models.create", "e", "create", "Create from it", "Another system prompt, parameters or template"),
        Command(
            "models.compare", "equals_sign", "compare", "Compare two", "Two marked ones, or the marked one and this"
        ),
        Command("models.create-file", "", "create_from_file", "Create from a GGUF file",
                "Send a file of this machine to the server and make a model of it"),
        Command("models.push", "P", "push", "Push", "Send the model to its registry; asks first"),
        Command("models.stop-push", "", "stop_push", "Stop pushing", "Ends the push that is under way"),
        Command("models.charts", "b", "charts", "Charts", "Disk by family, and size against parameters"),
    )  # fmt: skip
    BINDINGS = bindings(ROSTER)

    editor: Sequence[str] = ()
    """The command line of the person's editor; () for none."""
    _pushing = False

    @work(group="create", exclusive=True)
    async def action_create(self) -> None:
        """A model made from the one under the cursor."""
        from codomyrmex_ollama_tui.ui.screens.models_create import CreateScreen  # brings the form: seldom needed

        if (model := self.chosen) is None or (info := await self.info_of(model.name)) is None:
            return
        request = await self.app.push_screen_wait(CreateScreen(model, info, editor=self.editor))
        if request is None:
            return
        if any(same == request.model for same in self.installed_names()):
            about = f"{one_line(request.model, 60)} is on the server already; it will be as you wrote it."
            if not await self.app.push_screen_wait(Confirm("Change it?", about, yes="change", no="keep")):
                return
        await self._make(request)

    async def _make(self, request: CreateRequest) -> None:
        name = one_line(request.model, 40)
        try:
            async with aclosing(self.services.models.create(request)) as lines:
                async for progress in lines:
                    self.status_line.say("now", f"creating {name} · {one_line(progress.status, 60)}")
        except OllamaError as error:
            tell(self.app, str(error), title=f"Create {name}", severity="error")
        else:
            tell(self.app, f"{name} is on the server.", title="Create")
        finally:
            self.status_line.say("now", "")
            self.models_changed()

    @work(group="create", exclusive=True)
    async def action_create_from_file(self) -> None:
        """A model made from a GGUF file of this machine."""
        from codomyrmex_ollama_tui.services.from_file import create_from_file, problem_with_file  # seldom needed

        def file_check(text: str) -> str:
            return problem_with_file(_named(text))

        def name_check(text: str) -> str:
            return "" if parse_name(text) is not None else problem_with_name(text) or "no model can be called that"

        words = "The path of a GGUF file on this machine."
        text = await self.app.push_screen_wait(Ask("Create from a file", words, verb="go on", check=file_check))
        if not text:
            return
        path = _named(text)
        words = f"What the model of {one_line(path.name, 60)} will be called."
        wanted = await self.app.push_screen_wait(Ask("Create from a file", words, verb="create", check=name_check))
        if not wanted:
            return
        name = one_line(wanted, 40)
        try:
            async with aclosing(create_from_file(self.services.server, self.services.models, wanted, path)) as steps:
                async for step in steps:
                    amount = f" {formats.amounts(step.done, step.total)}" if step.total else ""
                    self.status_line.say("now", f"creating {name} · {one_line(step.doing, 60)}{amount}")
        except (OllamaError, OSError) as error:
            tell(self.app, str(error), title=f"Create {name}", severity="error")
        else:
            tell(self.app, f"{name} is on the server.", title="Create")
        finally:
            self.status_line.say("now", "")
            self.models_changed()

    @work(group="compare", exclusive=True)
    async def action_compare(self) -> None:
        """Two models side by side."""
        from codomyrmex_ollama_tui.ui.screens.models_compare import CompareScreen  # seldom needed

        pair = self._pair()
        if len(pair) != 2:
            tell(self.app, "Mark two models with space, or one and put the cursor on the other.", title="Compare two")
            return
        first, second = await self.info_of(pair[0].name), await self.info_of(pair[1].name)
        if first is not None and second is not None:
            self.app.push_screen(CompareScreen((pair[0], first), (pair[1], second), now=self.now()))

    @work(group="push", exclusive=True)
    async def action_push(self) -> None:
        """Send the model under the cursor to its registry."""
        from codomyrmex_ollama_tui.services.tally import Tally  # the pulls bring it anyway

        if (model := self.chosen) is None:
            return
        name = one_line(model.name, 60)
        about = f"It goes to the registry of its name, where others may be able to read it: {name}."
        if not await self.app.push_screen_wait(Confirm("Push this model?", about, yes="push")):
            return
        tally = Tally(self.clock())
        self._pushing = True
        try:
            async with aclosing(self.services.models.push(model.name)) as lines:
                async for progress in lines:
                    tally.add(progress, self.clock())
                    amount = formats.amounts(tally.completed, tally.total) if tally.total else tally.status
                    self.status_line.say("now", f"pushing {name} · {amount}")
        except OllamaError as error:
            tell(self.app, str(error), title=f"Push {name}", severity="error")
        else:
            tell(self.app, f"{name} is in the registry.", title="Push")
        finally:
            self._pushing = False
            self.status_line.say("now", "")

    def action_stop_push(self) -> None:
        """End the push that is under way."""
        self.workers.cancel_group(self, "push")

    def action_charts(self) -> None:
        """All models at a glance."""
        from codomyrmex_ollama_tui.ui.screens.models_charts import ChartsScreen  # brings plotext: seldom needed

        self.app.push_screen(ChartsScreen(self.models or ()))

    def _pair(self) -> list[ModelSummary]:
        marked = [model for model in self.models or () if model.name in self.marked]
        chosen = self.chosen
        if len(marked) == 1 and chosen is not None and chosen.name != marked[0].name:
            return [marked[0], chosen]
        return marked

    def check_managing(self, action: str) -> bool:
        """Whether an action about models can be done now."""
        if action == "charts":
            return bool(self.models)
        if action == "stop_push":
            return self._pushing
        if action in ("create", "compare", "push"):
            return self.is_mounted and self.chosen is not None
        return super().check_managing(action)


def _named(text: str) -> Path:
    """The file that a person means; `~` is their own folder."""
    return Path(text).expanduser()
