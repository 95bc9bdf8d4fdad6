"""What a measurement has to say about the machine it was made on."""

from __future__ import annotations

import contextlib
import os
import platform

from codomyrmex_ollama_tui.domain.text import one_line


def machine_facts() -> dict[str, object]:
    """This machine now: system, machine, processor, python, cpu_count (logical), cpu_cores (physical), memory
    (bytes), memory_available (bytes), load_average (1, 5 and 15 minutes). What cannot be told is None.

    Takes some milliseconds: not for an event loop.
    """
    import psutil  # costs more than the first frame can pay

    memory = psutil.virtual_memory()
    load: list[float] | None = None
    with contextlib.suppress(OSError, AttributeError):  # not everywhere
        load = [round(value, 2) for value in os.getloadavg()]
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "python": platform.python_version(),
        "cpu_count": psutil.cpu_count(),
        "cpu_cores": psutil.cpu_count(logical=False),
        "memory": memory.total,
        "memory_available": memory.available,
        "load_average": load,
    }


def _processor() -> str | None:
    """The processor's name. Linux tells it only in a file; `platform` says nothing, or the architecture, there."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Hardware", "Model"):
                return one_line(value)
    return one_line(platform.processor()) or None
