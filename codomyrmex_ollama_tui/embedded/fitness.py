"""Whether this machine can run the engine at all, and in plain words why not."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

CHILD = Path(__file__).with_name("child.py")
CHILD_COMMAND = (sys.executable, "-P", str(CHILD))
"""`-P`: the folder of the script is not searched for modules, whose names could hide those of others."""

_NEEDED = ("xllamacpp", "starlette", "uvicorn", "httpx", "psutil", "filelock")
_FLAGS = ("avx2", "fma", "f16c", "bmi2")
_ILLEGAL_INSTRUCTION = (-4, 0xC000001D, -1073741795)
_LIBRARY = "libgomp.so.1"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the engine cannot run: `reason` for programs, `words` for a person."""

    reason: str
    words: str


NO_WHEEL = Problem(
    "no-wheel",
    "the embedded engine is not installed: it needs the package xllamacpp, which has wheels for Linux with glibc "
    "(x86-64, ARM64), for macOS 13 and newer on Apple silicon, and for Windows on x86-64",
)
NO_LIBGOMP = Problem(
    "libgomp",
    f"the embedded engine needs the system library {_LIBRARY}, which is not installed "
    "(Debian, Ubuntu: apt install libgomp1; Fedora: dnf install libgomp)",
)
OLD_PROCESSOR = Problem(
    "processor",
    "this processor is too old for the embedded engine, which needs AVX2, FMA, F16C and BMI2",
)


def quick_look() -> Problem | None:
    """What can be seen in a few milliseconds: missing packages, and signs of trouble that a real try then confirms."""
    if any(find_spec(name) is None for name in _NEEDED):
        return NO_WHEEL
    if sys.platform == "linux" and (not _has_library() or _lacks_flags(Path("/proc/cpuinfo"))):
        return probe()
    return None


def probe(environment: Mapping[str, str] | None = None) -> Problem | None:
    """Import the native library in a process of its own: the proof. None if it can be.

    Args:
        environment: for that process; None for our own.
    """
    try:
        tried = subprocess.run(
            [*CHILD_COMMAND, "--probe"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return Problem("other", "the embedded engine's library did not load within a minute")
    return None if tried.returncode == 0 else problem_of(tried.returncode, tried.stdout)


def problem_of(exit_code: int | None, answer: bytes) -> Problem:
    """Why a child could not even import the native library.

    Args:
        exit_code: of the child; None where it is not known.
        answer: its line on stdout, if it wrote one.
    """
    if exit_code in _ILLEGAL_INSTRUCTION:
        return OLD_PROCESSOR
    try:
        words = str(json.loads(answer)["error"])
    except (ValueError, KeyError, TypeError):
        return Problem("other", f"the embedded engine's process ended with {exit_code} before it could start")
    if _LIBRARY in words:
        return NO_LIBGOMP
    if "No module named" in words:
        return NO_WHEEL
    return Problem("other", f"the embedded engine's library cannot be loaded: {words}")


def _has_library() -> bool:
    import ctypes  # only here: it costs a few milliseconds

    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return False
    return True


def _lacks_flags(cpuinfo: Path) -> bool:
    """Whether Linux says of an x86-64 processor that it lacks what the wheels are compiled for."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        with cpuinfo.open(encoding="ascii", errors="replace") as file:
            first_core = file.read(16384)
    except OSError:
        return False
    flags = next((line.split() for line in first_core.splitlines() if line.startswith("flags")), None)
    return flags is not None and not set(_FLAGS) <= set(flags)
