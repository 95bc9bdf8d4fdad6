"""`python -m codomyrmex_ollama_tui` is the command line."""

if __name__ == "__main__":
    try:
        from codomyrmex_ollama_tui.cli import main

        code = main()
    except KeyboardInterrupt:  # before there was anything to interrupt
        code = 130
    raise SystemExit(code)
