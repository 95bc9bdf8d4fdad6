"""Several pieces of work at a time, their results as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def in_parallel(
    work: Callable[[int], Awaitable[T]], count: int, max_concurrent: int
) -> AsyncGenerator[tuple[int, T], None]:
    """Does `work(0)` to `work(count - 1)`, begun in that order, and yields (number, result) as each ends.

    Closing the generator cancels what is running.

    Args:
        max_concurrent: how many at a time.

    Raises:
        ValueError: `max_concurrent` is less than 1.
        and what the work raises, where the results are read; the rest is cancelled then.
    """
    if max_concurrent < 1:
        raise ValueError(f"max_concurrent: {max_concurrent} is less than 1")
    waiting = iter(range(count))
    done: asyncio.Queue[tuple[int, T] | Exception] = asyncio.Queue()

    async def worker() -> None:
        for number in waiting:
            try:
                done.put_nowait((number, await work(number)))
            except Exception as error:  # raised again where the results are read
                done.put_nowait(error)

    workers = [asyncio.ensure_future(worker()) for _ in range(min(max_concurrent, count))]
    try:
        for _ in range(count):
            outcome = await done.get()
            if isinstance(outcome, Exception):
                raise outcome
            yield outcome
    finally:
        for task in workers:
            task.cancel()
        if workers:
            await asyncio.wait(workers)
