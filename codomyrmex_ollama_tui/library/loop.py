"""The one event loop under a manager: on a thread of its own, so that plain calls from anywhere use async work."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import logging
import os
import queue
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Set
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.library.threads import LastingPool

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.build import Services

T = TypeVar("T")
Work = Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T]]
"""A coroutine, or what makes one; a function is called on the loop."""
Source = Callable[[], AsyncGenerator[T, None]]
"""What makes an async generator; called on the loop."""

LOOK_AHEAD: Final = 64
"""Items that a stream may be ahead of whoever reads it."""
GOODBYE: Final = 10.0
"""Seconds that closing an iterator waits for its generator at most."""
_PATIENCE: Final = 0.2 if sys.platform == "win32" else None
"""Seconds of one wait: on Windows ctrl+c is only seen between two of them."""
_END: Final = object()

log = logging.getLogger(__name__)


class Closed(OllamaError):
    """The manager was closed while a call of it was under way, or the program is ending."""

    def __init__(self) -> None:
        super().__init__("the manager was closed before this came to its end")


class Core:
    """Runs async work for plain callers: from any thread, also from one whose own event loop is running.

    The thread and the services come with the first call. When this object goes away, or the program ends, they are
    closed, and with them a server that was started here. After `close()` the next call begins anew.
    """

    def __init__(self, build: Callable[[], Services]) -> None:
        """
        Args:
            build: makes the services; called at most once for each life of the loop.
        """
        self._build = build
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._forget: weakref.finalize[..., Core] | None = None

    @property
    def services(self) -> Services:
        """The services, made when first asked for. Their methods are for the loop: hand them to `run` and the like."""
        return self._at_work().services

    @property
    def begun(self) -> bool:
        """Whether anything has been asked since it was made or closed."""
        return self._worker is not None

    def run(self, work: Work[T], *, timeout: float | None = None) -> T:
        """Does the work and gives its result; ctrl+c, and a timeout, cancel it.

        Raises:
            TimeoutError: it took longer than `timeout` seconds.
            Closed: the manager was closed meanwhile.
            RuntimeError: called from the loop itself, which would wait for itself for ever.
            and whatever the work raises.
        """
        worker = self._at_work()
        job = _Job(worker.loop, work)
        worker.refuse_itself(job)
        try:  # ctrl+c can come at any point, also before the work has begun
            worker.begin(job)
            return _result(job.future, timeout)
        except concurrent.futures.CancelledError:
            raise Closed from None
        finally:
            job.future.cancel()  # does nothing to what is done

    def submit(self, work: Work[T]) -> concurrent.futures.Future[T]:
        """Begins the work; cancelling the future cancels the work."""
        worker = self._at_work()
        job = _Job(worker.loop, work)
        worker.begin(job)
        return job.future

    async def wait(self, work: Work[T]) -> T:
        """As `run`, for a caller with an event loop of its own, which goes on meanwhile."""
        future = self.submit(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if future.cancelled() and task is not None and not task.cancelling():
                raise Closed from None
            raise

    def iterate(self, source: Source[T], *, ahead: int = LOOK_AHEAD) -> Generator[T, None, None]:
        """The items of an async generator, each as soon as it is there.

        Nothing begins before the first item is asked for. Closing the iterator (also by leaving it, or by ctrl+c)
        closes the generator, and waits for that.

        Args:
            source: makes the generator.
            ahead: how many items are fetched before they are asked for, at most.

        Raises:
            Closed: the manager was closed meanwhile.
            and whatever the generator raises, after the items before it.
        """
        worker = self._at_work()
        stream: _Stream[T] = _Stream(worker.loop, source, ahead)
        worker.refuse_itself(stream.job)
        try:
            worker.begin(stream.job)
            while (item := stream.take()) is not _END:
                yield item
        finally:
            stream.job.future.cancel()
            if not worker.is_here():
                stream.job.over.wait(GOODBYE)

    def close(self) -> None:
        """Cancels what is under way, closes the services (a server started here is stopped), ends the thread.

        Called on the loop itself it only begins all that.
        """
        with self._lock:
            worker, self._worker = self._worker, None
            if self._forget is not None:
                self._forget.detach()
        if worker is not None:
            worker.close()

    def _at_work(self) -> _Worker:
        with self._lock:
            worker = self._worker
            # The thread does not come along into a forked process: the child gets one of its own.
            if worker is None or worker.pid != os.getpid():
                worker = self._worker = _Worker(self._build)
                self._forget = weakref.finalize(self, worker.begin_close)
                self._forget.atexit = False
            return worker


class _Job(Generic[T]):
    """Work on its way to a loop: its result for any thread, and when it is really over.

    Attributes:
        future: cancelling it cancels the work.
        over: the work has ended, or will never begin; after a cancelling that can be later than `future`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Work[T]) -> None:
        self.future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.over = threading.Event()
        self._loop = loop
        self._work: Work[T] | None = work
        self._task: asyncio.Task[T] | None = None

    def begin(self, tasks: set[asyncio.Task[Any]]) -> None:
        """Begins; called on the loop. Its task is among `tasks` until it is done."""
        if self.future.cancelled():
            self.drop()
            return
        work, self._work = self._work, None  # it holds the caller, who may be waited for to go away
        assert work is not None
        self._task = self._loop.create_task(_made(work) if callable(work) else work)
        tasks.add(self._task)
        self._task.add_done_callback(tasks.discard)
        self._task.add_done_callback(self._finish)
        self.future.add_done_callback(self._cancel)

    def drop(self) -> None:
        """It will never begin."""
        work, self._work = self._work, None
        if work is not None and not callable(work):
            work.close()
        self.over.set()

    def _cancel(self, future: concurrent.futures.Future[T]) -> None:
        if future.cancelled() and self._task is not None:
            with contextlib.suppress(RuntimeError):  # the loop has gone, and the work with it
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _finish(self, task: asyncio.Task[T]) -> None:
        self._task = None
        error = None if task.cancelled() else task.exception()
        if task.cancelled():
            self.future.cancel()
        elif self.future.set_running_or_notify_cancel():
            if error is None:
                self.future.set_result(task.result())
            else:
                self.future.set_exception(error)
        self.over.set()


class _Stream(Generic[T]):
    """An async generator on a loop whose items a thread takes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Source[T], ahead: int) -> None:
        self.job = _Job(loop, self._pump)
        self.job.future.add_done_callback(lambda future: self._items.put(_END))
        self._loop = loop
        self._source = source
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(max(1, ahead))

    def take(self) -> Any:
        """The next item, or _END. Raises what the generator raised."""
        item = _next_of(self._items)
        if item is not _END:
            with contextlib.suppress(RuntimeError):  # the loop has gone; what it had fetched is still handed over
                self._loop.call_soon_threadsafe(self._room.release)
            return item
        try:
            self.job.future.result()
        except concurrent.futures.CancelledError:
            raise Closed from None
        return _END

    async def _pump(self) -> None:
        async with aclosing(self._source()) as items:
            await self._room.acquire()
            async for item in items:
                self._items.put(item)
                await self._room.acquire()


class _Worker:
    """A thread with an event loop, and the services that live on it. Knows nothing of the `Core` that uses it."""

    def __init__(self, build: Callable[[], Services]) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(LastingPool(thread_name_prefix="codomyrmex-ollama"))
        self._build = build
        self._services: Services | None = None
        self._lock = threading.RLock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._refusing = False
        self._thread = threading.Thread(target=self._main, name="codomyrmex-ollama", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is ending, or the system gives no more threads
            self.loop.close()
            raise
        _at_exit(self)

    @property
    def services(self) -> Services:
        with self._lock:
            if self._services is None:
                if self._refusing:
                    raise Closed
                self._services = self._build()
            return self._services

    def is_here(self) -> bool:
        """Whether the caller is on the thread of the loop."""
        return threading.current_thread() is self._thread

    def refuse_itself(self, job: _Job[Any]) -> None:
        """Raises RuntimeError on the thread of the loop: whoever waits there waits for himself."""
        if self.is_here():
            job.drop()
            raise RuntimeError("this call would wait for itself: it was made from a callback on the manager's own loop")

    def begin(self, job: _Job[Any]) -> None:
        """Begins a job on the loop. Raises Closed."""
        with self._lock:
            if not self._refusing:
                self.loop.call_soon_threadsafe(job.begin, self._tasks)
                return
        job.drop()
        raise Closed

    def close(self) -> None:
        """Closes and waits, where the caller is not the loop itself. Ctrl+c while waiting ends a server at once."""
        self.begin_close()
        if self.is_here() or self.pid != os.getpid():
            return
        try:
            self._join()
        except KeyboardInterrupt:
            self._hurry()
            self._join()
            raise

    def begin_close(self) -> None:
        """Begins to close; returns at once."""
        with self._lock:
            if self._refusing or self.pid != os.getpid():
                return
            self._refusing = True
            with contextlib.suppress(RuntimeError):  # the thread never came to life
                self.loop.call_soon_threadsafe(self._begin_shutdown)

    def _join(self) -> None:
        while self._thread.is_alive():
            self._thread.join(_PATIENCE)

    def _hurry(self) -> None:
        def cancel() -> None:
            if self._closing is not None:
                self._closing.cancel()

        with contextlib.suppress(RuntimeError):  # it has ended just now
            self.loop.call_soon_threadsafe(cancel)

    def _main(self) -> None:
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()
            _open.discard(self)

    def _begin_shutdown(self) -> None:
        # What was submitted before stands in the loop's queue before this, so that it is cancelled too.
        self._closing = self.loop.create_task(self._shut_down())
        self._closing.add_done_callback(self._stop)

    async def _shut_down(self) -> None:
        # What these have begun themselves is theirs to end: httpx does not bear that somebody else cancels its tasks.
        await _cancel(self._tasks)
        try:
            if self._services is not None:
                await self._services.aclose()
        finally:
            await _cancel(asyncio.all_tasks() - {asyncio.current_task()})
            await self.loop.shutdown_asyncgens()

    def _stop(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("closing failed", exc_info=error)
        self.loop.stop()


_open: set[_Worker] = set()


def _at_exit(worker: _Worker) -> None:
    """Sees to it that the worker is closed before the interpreter ends."""
    if not _open:
        atexit.unregister(_close_all)  # so that it stands there once
        atexit.register(_close_all)
    _open.add(worker)


def _close_all() -> None:
    for worker in tuple(_open):
        worker.close()


async def _cancel(tasks: Set[asyncio.Task[Any] | None]) -> None:
    ending = [task for task in tasks if task is not None]
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending)


async def _made(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return await work()


def _result(future: concurrent.futures.Future[T], timeout: float | None) -> T:
    if timeout is not None or _PATIENCE is None:
        return future.result(timeout)
    while not future.done():
        concurrent.futures.wait([future], _PATIENCE)
    return future.result()


def _next_of(items: queue.SimpleQueue[Any]) -> Any:
    while True:
        with contextlib.suppress(queue.Empty):
            return items.get(timeout=_PATIENCE)
