"""Codomyrmex Ollama TUI: chat with, browse, measure and compare language models that run on your own machine.

Importing the package is free: it brings neither httpx nor pydantic nor textual. The names of the library are loaded
when they are first used:

    from codomyrmex_ollama_tui import OllamaManager, ModelRunner

    with OllamaManager() as manager:
        print(manager.list_models())
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.library.config import OllamaConfig
    from codomyrmex_ollama_tui.library.config_manager import ConfigManager
    from codomyrmex_ollama_tui.library.model_runner import ModelRunner
    from codomyrmex_ollama_tui.library.models import OllamaModel
    from codomyrmex_ollama_tui.library.ollama_manager import OllamaManager
    from codomyrmex_ollama_tui.library.options import ExecutionOptions
    from codomyrmex_ollama_tui.library.output_manager import OutputManager
    from codomyrmex_ollama_tui.library.results import ModelExecutionResult

__version__ = "0.1.0"

__all__ = [
    "ConfigManager",
    "ExecutionOptions",
    "ModelExecutionResult",
    "ModelRunner",
    "OllamaConfig",
    "OllamaManager",
    "OllamaModel",
    "OutputManager",
]

_HOMES = {
    "ConfigManager": "config_manager",
    "ExecutionOptions": "options",
    "ModelExecutionResult": "results",
    "ModelRunner": "model_runner",
    "OllamaConfig": "config",
    "OllamaManager": "ollama_manager",
    "OllamaModel": "models",
    "OutputManager": "output_manager",
}


def __getattr__(name: str) -> object:
    """A name of the library, loaded now (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # where the package is only passed through, nothing is loaded

    found: object = getattr(import_module(f"{__name__}.library.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
