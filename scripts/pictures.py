"""Draws screenshots/*.svg from the running program: `python scripts/pictures.py [NAME …]`.

Every picture is the program itself in a terminal of a fixed size, on a real local server with typed-in answers, at a
fixed time of day. The same source gives the same bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCREENSHOTS = ROOT / "screenshots"


async def draw(names: list[str]) -> dict[str, str]:
    """The pictures of the named scenes (all if none is named) in both sizes, by file name."""
    from tests.pictures.gallery import GALLERY  # found once the repository's own folder is on the path
    from tests.pictures.scenes import SIZES, drawn

    pictures: dict[str, str] = {}
    for name in names or sorted(GALLERY):
        for width, height in SIZES:
            with tempfile.TemporaryDirectory() as home:
                pictures[f"{name}-{width}x{height}.svg"] = await drawn(GALLERY[name], Path(home), (width, height))
    return pictures


def main() -> None:
    """Draw all pictures, or those that are named."""
    parser = argparse.ArgumentParser(description="Draws screenshots/*.svg from the running program.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a scene of tests/pictures; all if none is named")
    names = parser.parse_args().names
    sys.path.insert(0, str(ROOT))
    for name, svg in asyncio.run(draw(names)).items():
        (SCREENSHOTS / name).write_text(svg, encoding="utf-8")
        print(f"screenshots/{name}")


if __name__ == "__main__":
    main()
