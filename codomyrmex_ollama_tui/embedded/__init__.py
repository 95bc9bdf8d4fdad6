"""An Ollama-compatible server on llama.cpp for machines without Ollama; a program of its own.

`python -m codomyrmex_ollama_tui.embedded --port 0 --models DIR` runs it; nobody imports it.
"""
