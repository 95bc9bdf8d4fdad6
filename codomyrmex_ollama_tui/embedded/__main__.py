"""`python -m codomyrmex_ollama_tui.embedded`: the engine as a program.

When it listens it writes one JSON line on stdout: {"address": URL, "pid": N, "shared": false}. If another engine
serves the same folder already (and any port would do), it writes that one's line with "shared": true and ends with 0;
with --stdin-lifetime it stays until its standard input closes and holds that one open (or ends when that one does).
With --stdin-lifetime an engine writes {"held": true} when others begin to share it and {"held": false} when the last
of them has gone; held, it goes on when its standard input closes, until nobody holds it.
If it cannot run it writes {"error": SENTENCE, "reason": "no-wheel" | "libgomp" | "processor" | "port" | "other"} and
ends with 3.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.embedded.fitness import Problem, probe, quick_look

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.embedded.sharing import FolderLock, Neighbour

DEFAULT_PORT = 11435
_APP_NAME = "codomyrmex-ollama-tui"
_LOOPBACK = "127.0.0.1"
_CANNOT_RUN = 3
_SECONDS_TO_FINISH = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the engine until it is told to stop; the exit code."""
    arguments = _parser().parse_args(argv)
    problem = quick_look() or (probe() if arguments.check else None)
    if problem is not None:
        return _cannot(problem)
    if arguments.check:
        from codomyrmex_ollama_tui.embedded.server import engine_name

        return _say({"engine": engine_name()})
    folder = Path(arguments.models) if arguments.models else _default_folder()
    from codomyrmex_ollama_tui.embedded.sharing import FolderLock

    os.umask(0o077)  # what is stored here, also by pip, is for its owner alone
    try:
        lock = FolderLock(folder)
        if not lock.take():
            neighbour = lock.neighbour(hold=arguments.port == 0 and arguments.stdin_lifetime)
            if neighbour is not None:
                if arguments.port == 0:
                    return _share(neighbour)
                words = f"an embedded engine at {neighbour.address} (process {neighbour.pid}) serves {folder} already"
                return _cannot(Problem("other", words))
            if not lock.held:
                return _cannot(Problem("other", f"another process holds the lock of {folder} and does not answer"))
    except OSError as error:
        return _cannot(Problem("other", f"the folder {folder} cannot be used: {error.strerror or error}"))
    try:
        return _serve(arguments, folder, lock)
    finally:
        lock.release()


def _share(neighbour: Neighbour) -> int:
    """Name an engine of another program and keep it held as long as we are wanted."""
    _say({"address": neighbour.address, "pid": neighbour.pid, "shared": True})
    if neighbour.hold is not None:
        _at_end_of_stdin(neighbour.hold.let_go)
        with suppress(KeyboardInterrupt):
            neighbour.hold.wait()
    return 0


def _serve(arguments: argparse.Namespace, folder: Path, lock: FolderLock) -> int:
    try:
        listener = _listen(arguments.port)
    except OSError as error:
        words = f"port {arguments.port} of {_LOOPBACK} cannot be used: {error.strerror or error}"
        return _cannot(Problem("port", words))
    from codomyrmex_ollama_tui.embedded.catalogue import CATALOGUE, read_catalogue
    from codomyrmex_ollama_tui.embedded.server import build_app
    from codomyrmex_ollama_tui.embedded.store import ModelStore

    try:
        catalogue = read_catalogue(Path(arguments.catalogue)) if arguments.catalogue else CATALOGUE
        store = ModelStore(folder)
        store.clear_unfinished()
    except (OSError, ValueError) as error:
        return _cannot(Problem("other", f"the folder {folder} cannot be used: {error}"))
    app = build_app(
        store,
        catalogue,
        pip_environment(os.environ),
        loaded_at_once=arguments.loaded_at_once,
        most_waiting=arguments.queue,
    )
    import uvicorn

    address = f"http://{_LOOPBACK}:{listener.getsockname()[1]}"

    class Server(uvicorn.Server):
        """Says where it listens, and stops when it is let go."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.should_exit:
                return
            lock.announce(address)
            _say({"address": address, "pid": os.getpid(), "shared": False})
            if arguments.stdin_lifetime:
                loop, holders = asyncio.get_running_loop(), app.holders

                def let_go() -> None:
                    holders.on_shared = lambda held: None  # nobody listens any more
                    holders.let_go()

                holders.on_shared = _say_held
                holders.on_abandoned = lambda: setattr(self, "should_exit", True)
                _at_end_of_stdin(lambda: loop.call_soon_threadsafe(let_go))

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await app.stop()  # or it would wait for answers that are still being given
            await super().shutdown(sockets)
            lock.release()  # a signal that ended us is raised again after this, and nothing comes after that

    config = uvicorn.Config(
        app.asgi,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
    )
    # asyncio's word for a process that died just before it was killed; nobody needs to know
    logging.getLogger("asyncio").addFilter(lambda record: "Unknown child process" not in record.getMessage())
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return 0 if server.started else 1


def _at_end_of_stdin(call: Callable[[], object]) -> None:
    """Call it, from another thread, when standard input closes."""

    def wait() -> None:
        with suppress(OSError):
            while os.read(0, 65536):
                pass
        with suppress(RuntimeError):  # the loop has stopped already
            call()

    threading.Thread(target=wait, daemon=True).start()


def _say_held(held: bool) -> None:
    # unbuffered: nothing may be left to be written when the one who listened has gone
    with suppress(OSError):
        os.write(1, json.dumps({"held": held}).encode() + b"\n")


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would allow two listeners on one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_LOOPBACK, port))
        listener.listen(128)
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener


def pip_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of pip: the person's own, with the index that uv users have set where pip's is not."""
    copy = dict(environment)
    index = copy.get("UV_DEFAULT_INDEX") or copy.get("UV_INDEX_URL")
    if index and "PIP_INDEX_URL" not in copy:
        copy["PIP_INDEX_URL"] = index
    return copy


def _default_folder() -> Path:
    """The folder that the app starts the engine with."""
    from platformdirs import PlatformDirs

    return PlatformDirs(_APP_NAME, appauthor=False).user_data_path / "models"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m codomyrmex_ollama_tui.embedded",
        description="An Ollama-compatible server on llama.cpp, on loopback only.",
    )
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="0 takes any free one (default %(default)s)")
    parser.add_argument("--models", metavar="DIR", help="where models are kept (default: where the app keeps them)")
    parser.add_argument(
        "--stdin-lifetime", action="store_true", help="stop when standard input closes and nobody shares it"
    )
    parser.add_argument("--loaded-at-once", type=int, default=1, metavar="N", help="models in memory (default 1)")
    parser.add_argument("--queue", type=int, default=512, metavar="N", help="requests waiting for a load (default 512)")
    parser.add_argument("--check", action="store_true", help="only say whether this machine can run models")
    parser.add_argument("--catalogue", metavar="FILE", help=argparse.SUPPRESS)
    return parser


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port (0 to 65535)")
    return number


def _say(line: Mapping[str, object]) -> int:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    return 0


def _cannot(problem: Problem) -> int:
    _say({"error": problem.words, "reason": problem.reason})
    return _CANNOT_RUN


if __name__ == "__main__":
    sys.exit(main())
