"""Codomyrmex Ollama TUI: chat with, browse, measure and compare language models that run on your own machine.

Importing the package is free: it brings neither httpx nor pydantic nor textual.
"""

__version__ = "0.1.0"
