"""The slash commands of the chat screen: only what can be done now is offered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.slash_menu import SlashCommand

if TYPE_CHECKING:
    from textual.app import App

    from codomyrmex_ollama_tui.domain.conversations import Conversation
    from codomyrmex_ollama_tui.domain.models import ModelSummary

EXPORTS = {"markdown": "markdown", "md": "markdown", "json": "json", "jsonl": "jsonl"}
THOUGHTS: Mapping[str, bool | str] = {"yes": True, "no": False, "low": "low", "medium": "medium", "high": "high"}
MOST_FILES = 50
"""Names of files that are offered at once."""

_PLAIN = (
    ("retry", "again", "ask for the last answer again"),
    ("continue", "go_on", "let the model go on with its answer"),
    ("edit", "edit", "ask the question in other words"),
    ("another", "ask_another", "ask another model the same"),
    ("new", "new_chat", "begin a new conversation"),
    ("pin", "pin", "keep this conversation on top, or let it go"),
    ("rename", "rename", "give this conversation another title"),
    ("delete", "delete", "delete this conversation"),
    ("search", "find", "search all conversations"),
    ("room", "make_room", "make room in a full context"),
    ("editor", "editor", "write the prompt in your editor"),
    ("prompts", "prompts", "prompts sent before"),
    ("compare", "compare", "two versions side by side"),
    ("import", "import", "take in conversations from a file"),
    ("options", "options", "all options and where each comes from"),
    ("format", "options('format')", "whether answers are text, JSON or of a schema"),
    ("help", "app.help", "all keys and commands"),
)
"""Name, action of the screen or the App, help: of those that take nothing."""


class Chat(Protocol):
    """What the commands need of the chat screen."""

    conversation: Conversation

    @property
    def known_models(self) -> Sequence[ModelSummary]:
        """The models of the server, as far as they are known."""
        ...

    @property
    def app(self) -> App[object]:
        """The App."""
        ...

    def can(self, action: str) -> bool:
        """Whether an action of the screen, or of the App, can be done now."""
        ...

    def do(self, action: str) -> object:
        """Do it."""
        ...

    def presets(self) -> Mapping[str, Mapping[str, object]]:
        """The values of each preset."""
        ...

    def choose_preset(self, name: str) -> None:
        """Take a preset, "" for none. Raises ValueError if there is none of that name."""
        ...

    def kept(self) -> None:
        """Something about the conversation has changed."""
        ...

    def attach_file(self, path: Path) -> object:
        """Put a file into the composer."""
        ...

    def find_words(self, text: str) -> object:
        """Find words in the conversation that is open."""
        ...


def commands_of(chat: Chat) -> list[SlashCommand]:
    """The commands that can be done now."""
    return list(_commands(chat))


def _commands(chat: Chat) -> Iterator[SlashCommand]:
    for name, action, help in _PLAIN:
        if chat.can(action):
            yield SlashCommand(name, help, _doing(chat, action))
    models = [model.name for model in chat.known_models]
    yield SlashCommand("model", "ask another model from now on", partial(_model, chat), "[NAME]", _holding(models))
    yield SlashCommand("system", "what is sent before every question", partial(_system, chat), "[TEXT]")
    yield SlashCommand("set", "an option of the model", partial(_set, chat), "[OPTION VALUE]", _options)
    presets = sorted(chat.presets())
    yield SlashCommand(
        "preset", "several options at once", partial(_preset, chat), "[NAME]", _holding([*presets, "none"])
    )
    yield SlashCommand("file", "put a text file into the prompt", partial(_file, chat), "PATH", files_at)
    if chat.conversation.turns:
        yield SlashCommand("find", "find words in this conversation", chat.find_words, "[WORDS]")
    if chat.can("export('markdown')"):
        formats = _holding(["markdown", "json", "jsonl"])
        yield SlashCommand("export", "save this conversation", partial(_export, chat), "[FORMAT]", formats)
    if chat.can("think(True)"):
        yield SlashCommand(
            "think", "whether it thinks", partial(_think, chat), "YES|NO|LEVEL", _holding(list(THOUGHTS))
        )


def _doing(chat: Chat, action: str) -> Callable[[str], object]:
    return lambda _argument: chat.do(action)


def _holding(texts: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """Those texts that hold what is typed; those that begin with it first."""

    def complete(typed: str) -> Sequence[str]:
        wanted = typed.lower()
        found = [text for text in texts if wanted in text.lower()]
        return sorted(found, key=lambda text: not text.lower().startswith(wanted))

    return complete


def _model(chat: Chat, name: str) -> None:
    if not name:
        chat.do("choose_model")
        return
    known = next((model.name for model in chat.known_models if same_model(model.name, name)), None)
    if known is None:
        raise ValueError(f"this server has no model {one_line(name, 60)}")
    chat.conversation.model = known
    chat.kept()


def _system(chat: Chat, text: str) -> None:
    if not text:
        chat.do("system_prompt")
        return
    chat.conversation.system = text
    chat.kept()
    tell(chat.app, one_line(text, 200), title="System prompt", timeout=5)


def _export(chat: Chat, name: str) -> None:
    format = EXPORTS.get(name.lower() or "markdown")
    if format is None:
        raise ValueError("it is saved as markdown, json or jsonl")
    chat.do(f"export({format!r})")


def _think(chat: Chat, text: str) -> None:
    if text.lower() not in THOUGHTS:
        raise ValueError(f"it is one of {', '.join(THOUGHTS)}")
    chat.do(f"think({THOUGHTS[text.lower()]!r})")


def _options(typed: str) -> Sequence[str]:
    from codomyrmex_ollama_tui.domain.option_rules import OPTION_RULES  # only when an option is typed

    name, blank, value = typed.partition(" ")
    if not blank:
        return _holding(sorted(OPTION_RULES))(name)
    rule = OPTION_RULES.get(name)
    texts = ["default"] if rule is None or rule.kind != "bool" else ["true", "false", "default"]
    return [f"{name} {text}" for text in texts if value.strip() and text.startswith(value.strip())]


def _set(chat: Chat, text: str) -> None:
    from codomyrmex_ollama_tui.domain.option_rules import OPTION_RULES
    from codomyrmex_ollama_tui.domain.options import ALIASES, check_options, unknown_option

    options = chat.conversation.options
    if not text:
        said = " · ".join(f"{name} {value}" for name, value in options.items())
        tell(chat.app, said or "Nothing is set here: the model's own options hold.", title="Options", timeout=8)
        return
    name, _, value = text.partition(" ")
    name = ALIASES.get(name, name)
    rule = OPTION_RULES.get(name)
    if rule is None:
        raise ValueError(unknown_option(name, "", OPTION_RULES))
    if not value.strip():
        tell(chat.app, f"{rule.meaning} It is {rule.allowed}, or default.", title=name, timeout=10)
        return
    if value.strip() == "default":
        options.pop(name, None)
    else:
        options |= check_options({name: rule.from_text(value)}, "")
    chat.kept()
    tell(chat.app, f"{name} {options.get(name, 'as the model has it')}", title="Options", timeout=4)


def _preset(chat: Chat, name: str) -> None:
    if not name:
        chat.do("options('preset')")
        return
    chat.choose_preset("" if name == "none" else name)
    if name == "none":
        tell(chat.app, "No preset any more.", title="Preset", timeout=4)
        return
    said = " · ".join(f"{key} {one_line(str(value), 40)}" for key, value in chat.presets()[name].items())
    over = ", ".join(key for key in chat.presets()[name] if key in chat.conversation.options)
    more = f"\n{over} of this conversation stands over it." if over else ""
    tell(chat.app, said + more, title=f"Preset {one_line(name, 40)}", timeout=6)


def _file(chat: Chat, text: str) -> None:
    path = Path(text).expanduser()
    if path.is_dir():
        raise ValueError(f"{one_line(text, 60)} is a folder")
    if not path.is_file():
        raise ValueError(f"there is no file {one_line(text, 60)}")
    chat.attach_file(path)


def files_at(typed: str) -> Sequence[str]:
    """Paths that what is typed may become: folders end with a slash; hidden ones only if a dot is typed."""
    head, slash, start = typed.rpartition("/")
    try:
        folder = Path(head + slash).expanduser()
        entries = sorted(folder.iterdir(), key=lambda path: path.name.lower())
        found = [
            head + slash + path.name + "/" * path.is_dir()
            for path in entries
            if path.name.lower().startswith(start.lower())
            and path.name.isprintable()
            and (start.startswith(".") or not path.name.startswith("."))
        ]
    except (OSError, RuntimeError, ValueError):  # none, not to be read, of nobody's home, with a NUL
        return []
    return found[:MOST_FILES]
