"""The process that holds one model: a llama.cpp listener on loopback that lives until its standard input closes.

It runs as a script of its own and imports nothing of the package, so that a fault in native code, or memory given
back by ending, concerns nothing else. It reads one JSON line of settings, answers one JSON line
(`{"address": "http://127.0.0.1:PORT"}` or `{"error": TEXT, "kind": "import" | "load"}`), then waits. With the
argument `--probe` it only says whether the native library can be imported at all.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time


def say(**words: str) -> None:
    """One JSON line for the parent."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def die_with_parent() -> None:
    """Linux ends us with the parent even while native code holds the interpreter and nobody can read stdin."""
    if sys.platform != "linux":
        return
    import ctypes
    import signal

    parent = os.getppid()
    set_parent_death_signal = 1
    try:
        ctypes.CDLL(None).prctl(set_parent_death_signal, int(signal.SIGKILL), 0, 0, 0)
    except (OSError, AttributeError):
        return  # a libc without prctl: closing stdin still ends us, only later
    if os.getppid() != parent:
        os._exit(0)  # the parent went before the signal was asked for


def leave_when_let_go() -> None:
    """Wait for the end of stdin, then go without clean-up: taking a llama.cpp server down can hang for ever."""
    while os.read(0, 65536):
        pass
    os._exit(0)


def wait_for_log(limit: float = 1.0) -> None:
    """Wait until stderr, a file, has grown and no longer grows, at most `limit` seconds.

    llama.cpp writes its log from a thread of its own: why a load failed may not be there yet when it has.
    """
    deadline, size = time.monotonic() + limit, 0
    while time.monotonic() < deadline:
        time.sleep(0.02)
        before, size = size, os.fstat(2).st_size
        if 0 < size == before:
            return


def main() -> None:
    """Load the model named on stdin and serve it."""
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")  # else an abort starts a debugger and takes seconds
    die_with_parent()
    try:
        import xllamacpp as llama
    except ImportError as error:
        say(error=str(error), kind="import")
        os._exit(3)
    if "--probe" in sys.argv:
        say(engine="ok")
        os._exit(0)
    settings = json.loads(sys.stdin.readline())
    threading.Thread(target=leave_when_let_go, daemon=True).start()
    params = llama.CommonParams()
    params.model.path = settings["path"]
    params.n_ctx, params.n_parallel = settings["n_ctx"], 1
    # a prompt can be given up between two batches only: small ones keep that below a second
    params.n_batch = params.n_ubatch = settings["n_batch"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.n_gpu_layers = settings["n_gpu_layers"]
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [settings["key"]]
    params.ui = params.endpoint_slots = params.endpoint_metrics = False
    params.warmup, params.ctx_shift, params.fit_params = False, True, False
    params.cache_ram_mib = params.n_ctx_checkpoints = 0  # the default keeps up to 8 GiB of old prompts
    params.verbosity = 1  # errors only, on stderr
    params.embedding, params.pooling_type = True, llama.llama_pooling_type.LLAMA_POOLING_TYPE_LAST
    if settings["chat_template"]:
        params.chat_template = settings["chat_template"]
    try:
        server = llama.Server(params)
    except (RuntimeError, ValueError, MemoryError) as error:
        wait_for_log()
        say(error=str(error), kind="load")
        os._exit(3)
    say(address=server.listening_address)
    threading.Event().wait()  # the other thread ends the process


if __name__ == "__main__":
    main()
