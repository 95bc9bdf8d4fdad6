"""Threads for blocking work of a manager's loop, to the very end of the program."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class LastingPool(ThreadPoolExecutor):
    """A pool of threads that takes work also after the main thread has ended, while other threads still call.

    Python gives no threads to pools then. The work is done in the thread that hands it over: those who are left
    wait for a file or a look at a process, but are served.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As every pool does it."""
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError:
            return _done_now(fn, *args, **kwargs)


def _done_now(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    future: Future[T] = Future()
    try:
        future.set_result(fn(*args, **kwargs))
    except BaseException as error:  # raised where the result is asked for, as with every pool
        future.set_exception(error)
    return future
