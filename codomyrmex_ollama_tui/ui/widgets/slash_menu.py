"""Commands typed into the composer: `/name argument`, offered while they are typed, completed by tab."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui.tell import tell

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.ui.widgets.composer import Composer

MOST_OFFERED = 50
"""Completions that are listed."""
_COMMAND = re.compile(r"/([a-z]*)(?:[ \t]+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """Something that can be done now by typing it.

    Attributes:
        name: lower-case letters, without the slash.
        help: what it does, a few words.
        run: does it; is given what stands behind the name, stripped. ValueError: one sentence why it cannot.
        argument: what stands behind the name, for people: "NAME", "[FORMAT]"; "" if nothing may.
        complete: texts that the argument may become, as far as it is typed.
    """

    name: str
    help: str
    run: Callable[[str], object]
    argument: str = ""
    complete: Callable[[str], Sequence[str]] = field(default=lambda typed: ())

    @property
    def needs_argument(self) -> bool:
        """Whether it does nothing without one."""
        return bool(self.argument) and not self.argument.startswith("[")


class SlashMenu(OptionList):
    """What may be typed next; it never has the keys itself."""

    DEFAULT_CSS = """
    SlashMenu, SlashMenu:focus {
        height: auto; max-height: 9; margin: 0 1; padding: 0 1; border: none; background: $surface;
        scrollbar-size-vertical: 1;
    }
    SlashMenu > .option-list--option { padding: 0; }
    SlashMenu > .option-list--option-highlighted { background: $panel; color: $foreground; text-style: none; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.can_focus = False


class Slash:
    """Watches a composer for commands, offers them above it and runs them.

    Args:
        commands: what can be done now; asked whenever something is typed behind a slash.
    """

    def __init__(self, composer: Composer, commands: Callable[[], Sequence[SlashCommand]]) -> None:
        self._composer = composer
        self._commands = commands
        self._menu: SlashMenu | None = None
        self._offered: list[str] = []
        self._left = ""  # the text at which the menu was closed by hand

    @property
    def offered(self) -> Sequence[str]:
        """The texts that the composer's text may become, as listed above it."""
        return self._offered

    def typed(self) -> None:
        """The composer's text is another one now."""
        text = self._composer.text
        lines = self._lines(text) if text.startswith("/") and text != self._left and "\n" not in text else []
        self._left = self._left if text == self._left else ""
        self._offered = [becomes for becomes, _ in lines]
        if not lines:
            self.close()
            return
        menu, parent = self._menu, self._composer.parent
        if menu is None and isinstance(parent, Widget):
            menu = self._menu = SlashMenu()
            parent.mount(menu, before=self._composer)
        if menu is not None:
            menu.set_options([Option(line) for _, line in lines])
            menu.highlighted = 0

    def close(self) -> None:
        """Offers nothing any more."""
        menu, self._menu, self._offered = self._menu, None, []
        if menu is not None:
            menu.remove()

    def _lines(self, text: str) -> list[tuple[str, Content]]:
        """What the text may become, and how that is listed."""
        match = _COMMAND.fullmatch(text)
        if match is None:
            return []
        name, argument = match[1], match[2]
        commands = sorted(self._commands(), key=lambda one: one.name)
        if argument is None and text == f"/{name}":
            found = [one for one in commands if one.name.startswith(name)]
            width = max((len(one.name) + len(one.argument) for one in found), default=0) + 4
            return [(f"/{one.name}" + " " * bool(one.argument), _line(one, width)) for one in found]
        command = next((one for one in commands if one.name == name), None)
        if command is None:
            return []
        texts = list(command.complete(argument or ""))[:MOST_OFFERED]
        if texts == [argument]:
            return []
        return [(f"/{name} {one}", Content(one_line(one, 100))) for one in texts]

    # ------------------------------------------------------------ keys

    def handle(self, key: str) -> bool:
        """Takes a key that is for what is offered; False if it is not."""
        menu = self._menu
        if menu is None or not self._offered or menu.highlighted is None:
            return False
        match key:
            case "up":
                menu.action_cursor_up()
            case "down":
                menu.action_cursor_down()
            case "tab":
                self._put(self._offered[menu.highlighted])
            case "escape":
                self._left = self._composer.text
                self.close()
            case _:
                return False
        return True

    def _put(self, text: str) -> None:
        from codomyrmex_ollama_tui.ui.widgets.composer import Draft  # which knows this module

        self._composer.put(Draft(text))
        self.typed()

    def send(self) -> bool:
        """Does what stands in the composer if it is a command; False if it is a prompt."""
        text = self._composer.text
        match = _COMMAND.fullmatch(text)
        if match is None or text.startswith("//"):
            return False
        name, argument = match[1], (match[2] or "").strip()
        commands = {one.name: one for one in self._commands()}
        command = commands.get(name)
        if command is None and match[2] is None and self._menu is not None and self._menu.highlighted is not None:
            chosen = self._offered[self._menu.highlighted]
            command = commands.get(chosen.strip("/ "))
        app = self._composer.app
        if command is None:
            words = f"There is no command /{name} now. / lists them; a second / before it sends it as text."
            tell(app, words, severity="warning")
            return True
        if command.needs_argument and not argument:
            self._put(f"/{command.name} ")
            return True
        if argument and not command.argument:
            tell(app, f"/{command.name} takes nothing behind it.", severity="warning")
            return True
        self._put("")
        try:
            command.run(argument)
        except ValueError as error:
            self._put(text)
            tell(app, str(error), title=f"/{command.name}", severity="error")
        return True


def _line(command: SlashCommand, width: int) -> Content:
    argument = f" {command.argument}" if command.argument else ""
    room = " " * max(1, width - len(command.name) - len(argument))
    return Content.assemble(
        ("/" + command.name, "$primary"), (argument, "$muted"), room, (one_line(command.help, 60), "$muted")
    )
