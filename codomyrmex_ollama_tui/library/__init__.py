"""The library's synchronous front door: managers that can be called from any thread, over the async services."""

import logging

# Silent by default, as libraries are: whoever wants to hear it gives this logger, or the root, a handler.
logging.getLogger("codomyrmex_ollama_tui").addHandler(logging.NullHandler())
