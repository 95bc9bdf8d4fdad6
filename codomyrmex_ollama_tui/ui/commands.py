"""One declaration for each command: its key, its line in the key row, palette and help, and its id for the keymap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.actions import ActionError, parse
from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider

if TYPE_CHECKING:
    from textual.dom import DOMNode
    from textual.screen import Screen


@dataclass(frozen=True, slots=True)
class Command:
    """Something a person can ask for.

    Attributes:
        id: stable name in the `[keys]` table of the configuration, e.g. "models.pull".
        key: Textual's key name; several are divided by commas, the first is the one that is shown.
        action: Textual's action string, e.g. "pull" or "app.go('chat')".
        title: what the palette and the help call it, sentence case.
        help: one sentence that says what it does.
        show: in the key row.
        short: its one or two words in the key row; the title in lower case when empty.
        priority: works before the focused widget sees the key; never for printable keys.
        palette: offered in the palette (not for a second key of the same thing).
    """

    id: str
    key: str
    action: str
    title: str
    help: str
    show: bool = False
    short: str = ""
    priority: bool = False
    palette: bool = True

    def binding(self) -> Binding:
        """The key binding of this command."""
        return Binding(
            self.key,
            self.action,
            self.short or self.title[:1].lower() + self.title[1:],
            show=self.show,
            tooltip=self.help,
            priority=self.priority,
            id=self.id,
        )


Roster = Sequence[Command]


def bindings(roster: Roster) -> list[BindingType]:
    """The key bindings of a roster, for `BINDINGS`; commands without a key are for the palette alone."""
    return [command.binding() for command in roster if command.key]


def roster_of(node: DOMNode) -> list[Command]:
    """The commands a node declares in `ROSTER`, those of its base classes after its own."""
    commands: list[Command] = []
    seen: set[str] = set()
    for kind in type(node).__mro__:
        for command in kind.__dict__.get("ROSTER", ()):
            if command.id not in seen:
                seen.add(command.id)
                commands.append(command)
    return commands


def title_of(node: DOMNode) -> str:
    """What a group of commands is called in the help."""
    return str(getattr(node, "BINDING_GROUP_TITLE", None) or type(node).__name__)


def offered_by(screen: Screen[object]) -> Iterator[tuple[DOMNode, Command]]:
    """Every command of a screen: the focused widget's first, then other widgets', the screen's own, the App's."""
    nodes: list[DOMNode] = []
    if screen.focused is not None:
        nodes.extend(node for node in screen.focused.ancestors_with_self if node is not screen.app)
    nodes.extend(node for node in screen.walk_children() if node.display)
    nodes.extend((screen, screen.app))
    seen: set[str] = set()
    for node in nodes:
        for command in roster_of(node):
            if command.id not in seen:
                seen.add(command.id)
                yield node, command


def allowed(node: DOMNode, command: Command) -> bool:
    """Whether the command can be done now, by the node's own `check_action`."""
    try:
        _, name, parameters = parse(command.action)
    except ActionError:
        return False
    return node.check_action(name, parameters) is True


class ScreenCommands(Provider):
    """The palette's entries: every command of the screen it was opened on and of the App."""

    def _offered(self) -> Iterable[tuple[DOMNode, Command]]:
        for node, command in offered_by(self.screen):
            if command.palette and allowed(node, command):
                yield node, command

    async def discover(self) -> Hits:
        for node, command in self._offered():
            yield DiscoveryHit(
                command.title, partial(self.app.run_action, command.action, node), help=self._help(command)
            )

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for node, command in self._offered():
            if (score := matcher.match(command.title)) > 0:
                yield Hit(
                    score,
                    matcher.highlight(command.title),
                    partial(self.app.run_action, command.action, node),
                    help=self._help(command),
                )

    def _help(self, command: Command) -> str:
        key = shown_key(key_in_force(self.app.keymap_in_force, command)) if isinstance(self.app, HasKeymap) else ""
        return f"{command.help}  {key}".rstrip()


def known_ids() -> set[str]:
    """The ids of all commands. Imports every module of the UI: not before the first frame."""
    import importlib
    import pkgutil

    from codomyrmex_ollama_tui import ui

    found: set[str] = set()
    for module in pkgutil.walk_packages(ui.__path__, f"{ui.__name__}."):
        for owner in vars(importlib.import_module(module.name)).values():
            if isinstance(owner, type):
                found.update(command.id for command in owner.__dict__.get("ROSTER", ()))
    return found


class HasKeymap:
    """An App that knows which keys the person gave to which commands (id → key)."""

    keymap_in_force: dict[str, str]


def key_in_force(keymap: dict[str, str], command: Command) -> str:
    """The command's first key as the person set it, or as it is declared."""
    return keymap.get(command.id, command.key).split(",")[0].strip()


_NAMES = {
    "escape": "esc",
    "question_mark": "?",
    "slash": "/",
    "space": "space",
    "delete": "del",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "full_stop": ".",
    "equals_sign": "=",
    "comma": ",",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}


def shown_key(key: str) -> str:
    """A Textual key as people write it: "ctrl+p" → "^p", "f1" → "F1", "escape" → "esc"."""
    *modifiers, name = key.split("+")
    name = _NAMES.get(name, name)
    if len(name) > 1 and name[0] == "f" and name[1:].isdigit():
        name = name.upper()
    prefix = "".join("^" if modifier == "ctrl" else f"{modifier}+" for modifier in modifiers)
    return prefix + name
