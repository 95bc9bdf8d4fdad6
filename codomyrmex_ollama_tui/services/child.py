"""A process of our own: in its own group, its output in a file, its end noticed, nothing left behind when stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from codomyrmex_ollama_tui.domain.text import one_line

LOG_LIMIT = 1_000_000
"""Bytes after which a log begins anew."""
GRACE, HURRIED_GRACE = 5.0, 0.5
"""Seconds that a process has to end, or to say that others hold it, before it is asked more harshly."""


class Child:
    """A running process. Made and used on one event loop; a thread waits for its first line and its end.

    With `talks`, its standard input stays open until it is stopped (a process can take that as its lifetime) and the
    first line of its standard output is handed over; else both its outputs go to the log and it has no input.
    `folder` is its working directory.

    One that talks may say later that other programs hold it open, with a line {"held": true}, and {"held": false} when
    they do no longer. While it is held, stopping it means to let go of it: it ends when the others let go, too.

    Attributes:
        ended: set when it has gone.
        on_end: called then.
        held: whether other programs hold it open.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        talks: bool,
        folder: Path | None = None,
    ) -> None:
        """Starts the process, in a few milliseconds.

        Raises:
            OSError: it cannot be started, or the log cannot be written.
        """
        self.ended = asyncio.Event()
        self.on_end: Callable[[], None] | None = None
        self.held = False
        self._ours_no_more = asyncio.Event()  # set while it has ended or is held by others
        self._loop = asyncio.get_running_loop()
        self._log = log
        self._line: asyncio.Future[str] = self._loop.create_future()
        self._talks = talks
        full = log.exists() and log.stat().st_size > LOG_LIMIT
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if full else 0)
        output = os.open(log, flags, 0o600)
        try:
            self._log_start = os.fstat(output).st_size
            self._process = subprocess.Popen(
                list(command),
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else output,
                stderr=output,
                # A group of its own, so that ctrl+c in the terminal does not reach it.
                start_new_session=sys.platform != "win32",
                # Nor may a console window that is closed end it.
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
                | getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        finally:
            os.close(output)
        # Daemons: a program that is killed in the middle must not hang on them.
        self._reader = threading.Thread(target=self._read, name=f"read {command[0]}", daemon=True)
        self._reader.start()
        threading.Thread(target=self._wait, name=f"wait for {command[0]}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def first_line(self) -> str:
        """The first line of its standard output; "" if it ended, or closed it, without one."""
        return await asyncio.shield(self._line)

    def last_words(self) -> str:
        """The last line that it wrote to its log, cleaned; "" if it wrote none."""
        try:
            with self._log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, size - 4096))
                text = log.read().decode("utf-8", "replace")
        except OSError:
            return ""
        lines = [line for line in text.splitlines() if line.strip()]
        return one_line(lines[-1]) if lines else ""

    async def stop(self, *, hurry: bool = False) -> None:
        """Asks it to end, first kindly, then not; returns when it has gone, or when it is left to those who hold it.

        Cancelled on the way: ends it at once, unless it is held.
        """
        grace = HURRIED_GRACE if hurry else GRACE
        try:
            if self._talks:
                self._close_input()
                if await self._within(grace, self._ours_no_more):
                    return
            self._signal(force=False)
            if not await self._within(grace, self.ended):
                self._signal(force=True)
                await self.ended.wait()
        finally:
            # Also when this is cancelled. Whatever it had started in its group and left behind goes with it.
            if self.ended.is_set() or not self.held:
                self._signal(force=True)

    async def _within(self, seconds: float, event: asyncio.Event) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
        return event.is_set()

    def _close_input(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):  # it has ended already
                self._process.stdin.close()

    def _signal(self, *, force: bool) -> None:
        if sys.platform == "win32":
            self._end_tree()
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):  # gone; macOS says "not permitted" of zombies
            os.killpg(self._process.pid, signal.SIGKILL if force else signal.SIGTERM)

    def _end_tree(self) -> None:
        # Windows has no group signals that a process without a console would get.
        import psutil

        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(self._process.pid)
            for member in [*family.children(recursive=True), family]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()

    def _read(self) -> None:
        if self._process.stdout is None:
            return
        hear = self._hear
        with self._process.stdout as output:
            for line in output:  # to the end, so that the process never blocks on a full pipe
                self._tell(hear, line.decode("utf-8", "replace").strip())
                hear = self._hear_later

    def _wait(self) -> None:
        self._process.wait()
        # What it wrote last comes first; but something it left behind may hold the pipe open for ever.
        self._reader.join(timeout=1.0)
        self._close_input()
        self._tell(self._end)

    def _tell(self, call: Callable[..., None], *arguments: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody is left to be told
            self._loop.call_soon_threadsafe(call, *arguments)

    def _hear(self, line: str) -> None:
        if not self._line.done():
            self._line.set_result(line)

    def _hear_later(self, line: str) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return
        if isinstance(said, dict) and isinstance(said.get("held"), bool):
            self.held = said["held"]
            if self.held:
                self._ours_no_more.set()
            elif not self.ended.is_set():
                self._ours_no_more.clear()

    def _end(self) -> None:
        self._hear("")
        self.ended.set()
        self._ours_no_more.set()
        if self.on_end is not None:
            self.on_end()
