"""The event loop under a manager, with services that only say what was done to them."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from codomyrmex_ollama_tui.library.loop import Closed, Core
from codomyrmex_ollama_tui.services.build import Services

ROOT = Path(__file__).parent.parent.parent
LIMIT = 60.0


class Made:
    """What stands where services would: it tells when it was made and closed."""

    def __init__(self) -> None:
        self.times = 0
        self.closed = threading.Event()

    def __call__(self) -> Services:
        self.times += 1
        return cast(Services, self)  # the loop asks nothing of services but to close

    async def aclose(self) -> None:
        self.closed.set()


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture
def core(made: Made) -> Iterator[Core]:
    core = Core(made)
    yield core
    core.close()


async def echo(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


class Source:
    """An async generator of whole numbers that says how far it came and whether it was closed."""

    def __init__(self, end: int = 1000, *, gate: threading.Event | None = None) -> None:
        self.end = end
        self.gate = gate
        self.reached = 0
        self.closed = threading.Event()

    async def numbers(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(self.end):
                if number == 1 and self.gate is not None:
                    await asyncio.to_thread(self.gate.wait, LIMIT)
                self.reached = number
                yield number
        finally:
            self.closed.set()


def test_nothing_is_made_before_the_first_call(core: Core, made: Made) -> None:
    assert not core.begun
    assert core.run(echo(3)) == 3
    assert core.run(lambda: echo(4)) == 4
    assert core.begun
    assert made.times == 0
    assert core.services is core.services
    assert made.times == 1


def test_sixteen_threads_at_once(core: Core, made: Made) -> None:
    together = threading.Barrier(16)

    def ask(number: int) -> tuple[int, int]:
        together.wait(LIMIT)
        return core.run(lambda: echo(number)), id(core.services)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(16)))
    assert [number for number, _ in answers] == list(range(16))
    assert len({services for _, services in answers}) == 1
    assert made.times == 1


async def test_inside_a_running_event_loop(core: Core) -> None:
    assert core.run(echo(1)) == 1
    assert await core.wait(echo(2)) == 2
    assert [number for number in core.iterate(Source(3).numbers)] == [0, 1, 2]


def test_errors_come_out_as_they_are(core: Core) -> None:
    async def fail() -> None:
        raise KeyError("lost")

    def fail_at_once() -> Coroutine[None, None, None]:
        raise KeyError("lost")

    for work in (fail, fail(), fail_at_once):
        with pytest.raises(KeyError, match="lost"):
            core.run(work)
    with pytest.raises(TimeoutError):
        core.run(asyncio.wait_for(for_ever(), 0.01))


def test_a_timeout_cancels_the_work(core: Core) -> None:
    ended = threading.Event()

    async def work() -> None:
        try:
            await for_ever()
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        core.run(work, timeout=0.05)
    assert ended.wait(LIMIT)


@pytest.mark.skipif(sys.platform == "win32", reason="a signal to one thread")
@pytest.mark.parametrize("streaming", [False, True])
def test_ctrl_c_cancels_the_work(core: Core, streaming: bool) -> None:
    ended = threading.Event()
    main = threading.get_ident()

    async def items() -> AsyncGenerator[int, None]:
        try:
            signal.pthread_kill(main, signal.SIGINT)
            await for_ever()
            yield 1
        finally:
            ended.set()

    async def work() -> None:
        async for _ in items():
            pass

    ask = (lambda: next(core.iterate(items))) if streaming else (lambda: core.run(work))
    with pytest.raises(KeyboardInterrupt):
        ask()
    assert ended.wait(LIMIT)
    assert core.run(echo(1)) == 1


def test_an_item_is_handed_over_when_it_is_there(core: Core) -> None:
    gate = threading.Event()
    source = Source(3, gate=gate)
    items = core.iterate(source.numbers)
    assert not core.begun
    assert next(items) == 0
    assert not gate.is_set()
    gate.set()
    assert list(items) == [1, 2]
    assert source.closed.is_set()


def test_closing_the_iterator_closes_the_generator(core: Core) -> None:
    source = Source()
    with closing(core.iterate(source.numbers)) as items:
        assert next(items) == 0
    assert source.closed.is_set()
    assert list(items) == []


def test_no_more_is_fetched_ahead_than_allowed(core: Core) -> None:
    source = Source()
    with closing(core.iterate(source.numbers, ahead=4)) as items:
        assert [next(items) for _ in range(10)] == list(range(10))
        for _ in range(100):  # the loop has had every chance to run on
            core.run(echo(0))
        assert 10 <= source.reached <= 15


def test_an_error_comes_after_the_items_before_it(core: Core) -> None:
    async def items() -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        raise ValueError("cut")

    got = core.iterate(items)
    assert [next(got), next(got)] == [1, 2]
    with pytest.raises(ValueError, match="cut"):
        next(got)


def test_closing_cancels_what_is_under_way_and_the_next_call_begins_anew(core: Core, made: Made) -> None:
    begun, told = threading.Barrier(4), []

    async def work() -> None:
        await asyncio.to_thread(begun.wait, LIMIT)
        await for_ever()

    async def items() -> AsyncGenerator[int, None]:
        await work()
        yield 1

    def wait() -> None:
        with pytest.raises(Closed):
            asyncio.run(core.wait(work))
        told.append("wait")

    def run() -> None:
        with pytest.raises(Closed):
            core.run(work)
        told.append("run")

    def read() -> None:
        with pytest.raises(Closed):
            next(core.iterate(items))
        told.append("read")

    assert core.services is not None
    threads = [threading.Thread(target=call) for call in (wait, run, read)]
    for thread in threads:
        thread.start()
    begun.wait(LIMIT)
    core.close()
    for thread in threads:
        thread.join(LIMIT)
    assert sorted(told) == ["read", "run", "wait"]
    assert made.closed.is_set()
    assert not core.begun
    core.close()
    assert core.run(echo(5)) == 5
    assert core.services is not None
    assert made.times == 2


async def test_a_cancelled_caller_is_cancelled_and_not_told_of_a_closed_manager(core: Core) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await for_ever()
        finally:
            ended.set()

    task = asyncio.create_task(core.wait(work))
    await asyncio.to_thread(begun.wait, LIMIT)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, LIMIT)


def test_waiting_for_itself_is_refused(core: Core) -> None:
    async def call_back() -> None:
        core.run(echo(1))

    with pytest.raises(RuntimeError, match="wait for itself"):
        core.run(call_back)

    async def read() -> None:
        list(core.iterate(Source(1).numbers))

    with pytest.raises(RuntimeError, match="wait for itself"):
        core.run(read)


def test_closed_from_its_own_loop_it_only_begins_to_close(core: Core, made: Made) -> None:
    async def close() -> None:
        core.close()
        await for_ever()

    assert core.services is not None
    with pytest.raises(Closed):
        core.run(close)
    assert made.closed.wait(LIMIT)


def test_what_nobody_holds_any_more_is_closed(made: Made) -> None:
    core = Core(made)
    core.run(echo(1))
    assert core.services is not None
    del core
    gc.collect()
    assert made.closed.wait(LIMIT)


def test_what_was_fetched_ahead_is_handed_over_though_it_was_closed() -> None:
    held, go = threading.Event(), threading.Event()

    class Slow(Made):
        async def aclose(self) -> None:
            held.set()
            await asyncio.to_thread(go.wait, LIMIT)

    slow = Core(Slow())
    assert slow.services is not None
    iterator = slow.iterate(Source(5).numbers)
    assert next(iterator) == 0
    closer = threading.Thread(target=slow.close)
    closer.start()
    assert held.wait(LIMIT)
    assert next(iterator) == 1  # what had been fetched ahead is still handed over
    go.set()
    closer.join(LIMIT)
    assert not closer.is_alive()
    assert list(iterator) == [2, 3, 4]


def run_program(program: str) -> str:
    """What a program of its own says, to its end."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


PROGRAM = """
import asyncio, os, sys, threading
from codomyrmex_ollama_tui.library.loop import Core
class Services:
    async def aclose(self):
        print("closed", flush=True)
async def echo(value):
    return value
async def for_ever():
    await asyncio.get_running_loop().create_future()
async def items():
    yield 1
    await for_ever()
core = Core(Services)
core.services
print(core.run(echo(1)), flush=True)
"""


@pytest.mark.parametrize(
    "end", ["", "sys.exit()", "core.submit(for_ever)", "stream = core.iterate(items); next(stream)", "core.close()"]
)
def test_the_interpreter_closes_it_at_its_end(end: str) -> None:
    assert run_program(f"{PROGRAM}\n{end}") == "1\nclosed\n"


def test_a_thread_that_outlives_the_main_one_is_still_served() -> None:
    late = """
async def blocking():
    return await asyncio.to_thread(lambda: 7)
def call():
    threading.main_thread().join()
    print(core.run(blocking), flush=True)
    print(core.run(echo(8)), flush=True)
    try:
        core.run(asyncio.to_thread(lambda: 1 / 0))
    except ZeroDivisionError as error:
        print(error, flush=True)
threading.Thread(target=call).start()
"""
    assert run_program(f"{PROGRAM}\n{late}") == "1\n7\n8\ndivision by zero\nclosed\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_gets_a_loop_of_its_own() -> None:
    fork = """
child = os.fork()
if child == 0:
    print(core.run(echo(2)), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(core.run(echo(3)), flush=True)
"""
    assert run_program(f"import warnings; warnings.simplefilter('ignore')\n{PROGRAM}\n{fork}") == "1\n2\n3\nclosed\n"
