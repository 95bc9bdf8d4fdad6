"""What the imports before the first frame cost, by package: `python -m benchmarks.startup`.

Each figure is the time spent in the package's own modules (`python -X importtime`, self time), the least of three runs.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

ENTRY = "codomyrmex_ollama_tui.house, codomyrmex_ollama_tui.ui.app, codomyrmex_ollama_tui.ui.screens.chat"
REFERENCE = "textual.app, textual.widgets._header, textual.widgets._footer, textual.widgets._static"
RUNS = 3
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


def costs(modules: str) -> Counter[str]:
    """Microseconds for each top-level package that importing `modules` brings, in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {modules}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr.splitlines()[-1])
    found: Counter[str] = Counter()
    for microseconds, module in _LINE.findall(done.stderr):
        name = module.partition(".")[0]
        found["standard library" if name in sys.stdlib_module_names else name] += int(microseconds)
    return found


def least(modules: str) -> Counter[str]:
    """The run with the least total."""
    return min((costs(modules) for _ in range(RUNS)), key=lambda run: run.total())


def main() -> None:
    """Print our imports beside those of a bare Textual app."""
    ours, bare = least(ENTRY), least(REFERENCE)
    print(f"{'imports before the first frame, ms':36}{'program':>9}{'bare Textual':>14}")
    for name, _ in (ours | bare).most_common(16):
        print(f"{name:36}{ours[name] / 1000:9.1f}{bare[name] / 1000:14.1f}")
    print(f"{'all':36}{ours.total() / 1000:9.1f}{bare.total() / 1000:14.1f}")


if __name__ == "__main__":
    main()
