"""`python -m codomyrmex_ollama_tui` is the command line."""

from codomyrmex_ollama_tui.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
