"""Runs pip as a script of its own that ends with its parent, so that no download outlives the engine.

Arguments are pip's. It lives until pip is done, or until standard input closes.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading


def leave_when_let_go() -> None:
    """Wait for the end of stdin, then go at once; what is left on disk is the engine's to remove."""
    while os.read(0, 65536):  # not through sys.stdin, whose lock would break the interpreter's own ending
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=leave_when_let_go, daemon=True).start()
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
    sys.stdout.flush()
