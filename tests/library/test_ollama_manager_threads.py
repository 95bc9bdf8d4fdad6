"""OllamaManager from several threads, and runs of a model through it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from codomyrmex_ollama_tui import ModelExecutionResult
from tests.library.managing import GEMMA, GONE, SMOL, two_models
from tests.library.running_at import place
from tests.services.asking import MODEL, end, line
from tests.services.rooms import ollama
from tests.support.server import Gate, Stream

LIMIT = 60.0


async def test_sixteen_threads_share_one_request(tmp_path: Path) -> None:
    async with two_models(tmp_path) as at:
        together = threading.Barrier(16)

        def ask(number: int) -> list[str]:
            together.wait(LIMIT)
            return [model.name for model in at.manager.list_models()]

        with ThreadPoolExecutor(16) as pool:
            answers = await asyncio.gather(
                *(asyncio.get_running_loop().run_in_executor(pool, ask, number) for number in range(16))
            )
        assert answers == [[SMOL, GEMMA]] * 16
        assert len(at.real.asked("/api/tags")) == 1


async def test_the_last_error_is_that_of_the_thread(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("DELETE", "/api/delete", GONE)

        def fail() -> str:
            assert not at.manager.delete_model("x")
            return at.manager.last_error

        def succeed() -> str:
            at.manager.list_models()
            return at.manager.last_error

        def one_after_the_other(*calls: Callable[[], str]) -> list[str]:
            said = []
            for call in calls:
                thread = threading.Thread(target=lambda call=call: said.append(call()))
                thread.start()
                thread.join(LIMIT)
            return said

        said = await asyncio.to_thread(one_after_the_other, succeed, fail, succeed)
        assert [bool(words) for words in said] == [False, True, False]
        assert at.manager.last_error == ""  # this thread called nothing itself: the last of all
        assert await asyncio.to_thread(one_after_the_other, fail) == [at.manager.last_error]
        assert "not found" in at.manager.last_error


async def test_cleaning_up_ends_the_calls_of_other_threads(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        gate = Gate()
        at.real.route("POST", "/api/pull", Stream({"status": "pulling manifest"}, gate, {"status": "success"}))
        at.real.route("POST", "/api/generate", Stream(line("Hel"), gate, end()))
        download = asyncio.create_task(asyncio.to_thread(at.manager.download_model, SMOL))
        run = asyncio.create_task(asyncio.to_thread(at.manager.run_model, MODEL, "hello"))
        asynchronous = asyncio.create_task(at.manager.run_model_async(MODEL, "hello"))
        await at.real.wait_for("/api/pull")
        await at.real.wait_for("/api/generate", 2)
        await asyncio.to_thread(at.manager.cleanup)
        assert not await download
        for result in (await run, await asynchronous):
            assert isinstance(result, ModelExecutionResult)
            assert not result.success
        assert [model.name for model in await asyncio.to_thread(at.manager.list_models)] == [MODEL]


async def test_the_first_piece_is_there_before_the_second_was_sent(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        gate, first = Gate(), threading.Event()
        at.real.route("POST", "/api/generate", Stream(line("Hel"), gate, line("lo"), end()))
        chunks: list[str] = []

        def take(chunk: str) -> None:
            chunks.append(chunk)
            first.set()

        run = asyncio.create_task(
            asyncio.to_thread(lambda: at.manager.run_model(MODEL, "hello", None, True, on_chunk=take))
        )
        assert await asyncio.to_thread(first.wait, LIMIT)
        assert chunks == ["Hel"]
        gate.open()
        assert (await run).response == "Hello"
        assert chunks == ["Hel", "lo"]


async def test_an_asynchronous_run_lets_the_loop_go_on(tmp_path: Path) -> None:
    async with ollama() as real, place(tmp_path) as at:
        gate = Gate()
        at.real.route("POST", "/api/generate", Stream(line("Hello"), gate, end()))
        run = asyncio.create_task(at.manager.run_model_async(MODEL, "hello", {"max_tokens": 5}))
        await gate.reached()
        gate.open()
        result = await run
        assert (result.response, result.success) == ("Hello", True)
        assert at.sent()[0]["options"] == {"num_predict": 5}
        assert real.requests == []
