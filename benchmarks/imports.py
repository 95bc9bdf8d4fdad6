"""What importing the library costs beside httpx and pydantic together: `python -m benchmarks.imports`.

Each figure is the wall-clock time of a fresh interpreter that does nothing else, the median of RUNS; the statements
take turns, so that whatever else the machine does meets all of them. The exit code is 1 if the library costs more than
LIMIT times the reference.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 9
LIMIT = 1.6
"""How many times the reference importing `OllamaManager` may take."""
ROOT = Path(__file__).parent.parent
STATEMENTS = {
    "nothing": "pass",
    "the package": "import codomyrmex_ollama_tui",
    "OllamaManager": "from codomyrmex_ollama_tui import OllamaManager",
    "all its names": "from codomyrmex_ollama_tui import *",
    "httpx, pydantic": "import httpx, pydantic",
}


def seconds(statement: str) -> float:
    """How long a fresh interpreter takes for a statement."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, cwd=ROOT)
    return time.perf_counter() - began


def medians() -> dict[str, float]:
    """The median of each statement in seconds; one round before them warms the disk."""
    rounds = [{name: seconds(statement) for name, statement in STATEMENTS.items()} for _ in range(RUNS + 1)][1:]
    return {name: statistics.median(run[name] for run in rounds) for name in STATEMENTS}


def main() -> int:
    """Prints the figures, each also as a multiple of the reference."""
    found = medians()
    reference = found["httpx, pydantic"]
    print(f"{'a fresh interpreter and':24}{'ms':>8}{'× httpx, pydantic':>20}")
    for name, time_taken in found.items():
        print(f"{name:24}{time_taken * 1000:8.0f}{time_taken / reference:20.2f}")
    return 0 if found["OllamaManager"] <= LIMIT * reference else 1


if __name__ == "__main__":
    raise SystemExit(main())
