"""How large the core is when installed, without byte code: `python -m benchmarks.install_size`.

The same as `pip install --no-compile --target D . && du -sm D`, with the largest packages named.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
LARGEST = 10
MIB = 2**20


def size(path: Path) -> int:
    """Bytes on disk of a file, or of all files and folders in and under a folder."""
    each = [path, *path.rglob("*")] if path.is_dir() else [path]
    # blocks as du counts them, where the platform tells of them
    return sum(getattr(one.lstat(), "st_blocks", -(-one.lstat().st_size // 512)) * 512 for one in each)


def main() -> None:
    """Install into a folder of its own and weigh it."""
    with tempfile.TemporaryDirectory(prefix="size-") as folder:
        target = Path(folder) / "core"
        install = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--target",
            str(target),
            str(ROOT),
        ]
        subprocess.run(install, check=True)
        parts = sorted(((size(path), path.name) for path in target.iterdir()), reverse=True)
        total = size(target)
    for weight, name in parts[:LARGEST]:
        print(f"{name:30}{weight / MIB:8.1f} MiB")
    print(f"{'all':30}{math.ceil(total / MIB):8} MiB as `du -sm` has it")


if __name__ == "__main__":
    main()
