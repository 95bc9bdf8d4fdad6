"""ModelRunner: answers that stream, and what is cancelled, against a real local server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codomyrmex_ollama_tui.domain.errors import StreamCut
from codomyrmex_ollama_tui.library.options import ExecutionOptions
from codomyrmex_ollama_tui.library.results import ModelExecutionResult
from tests.library.running_at import Place, place
from tests.services.asking import MODEL, end, line
from tests.support.server import CUT, Gate, Stream

LIMIT = 60.0


async def test_the_first_piece_is_handed_over_when_it_arrives(tmp_path: Path) -> None:
    hold = Gate()
    ended: list[ModelExecutionResult] = []
    threads: list[int] = []

    def finish(result: ModelExecutionResult) -> None:
        ended.append(result)
        threads.append(threading.get_ident())

    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line(thinking="hm"), line("Hel"), hold, line("lo"), end()))
        pieces = at.runner.run_streaming(MODEL, "hello", on_finish=finish)
        assert at.sent() == []
        assert await asyncio.to_thread(next, pieces) == "Hel"
        assert not ended
        hold.open()

        def rest() -> tuple[list[str], int]:
            return list(pieces), threading.get_ident()

        assert await asyncio.to_thread(rest) == (["lo"], *threads)
        assert at.sent() == [{"model": MODEL, "prompt": "hello", "truncate": False}]
        assert [(one.response, one.success, one.tokens_used) for one in ended] == [("Hello", True, 21)]
        assert ended[0].metadata is not None
        assert ended[0].metadata["thinking"] == "hm"


async def test_a_stream_raises_after_what_came(tmp_path: Path) -> None:
    ended: list[ModelExecutionResult] = []
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), CUT))
        pieces = at.runner.run_streaming(MODEL, "hello", ExecutionOptions(), on_finish=ended.append)
        assert await asyncio.to_thread(next, pieces) == "half"
        with pytest.raises(StreamCut):
            await asyncio.to_thread(next, pieces)
        assert [(one.response, one.success) for one in ended] == [("half", False)]
        assert at.sent()[0]["options"] == ExecutionOptions().sent()


async def test_leaving_a_stream_stops_the_model(tmp_path: Path) -> None:
    ended: list[ModelExecutionResult] = []

    def first_of(pieces: Iterator[str]) -> str:
        for piece in pieces:
            return piece
        return ""

    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), Gate()))
        piece = await asyncio.to_thread(lambda: first_of(at.runner.run_streaming(MODEL, "a", on_finish=ended.append)))
        assert piece == "half"
        async with asyncio.timeout(LIMIT):
            await at.real.asked("/api/generate")[0].closed.wait()
        assert [(one.response, one.success, (one.metadata or {})["stopped"]) for one in ended] == [
            ("half", False, True)
        ]


# Cancelling


async def stopped(at: Place, work: Any) -> Any:
    """What a call gives that is cancelled from another thread once the server has sent its first line."""
    hold = Gate()
    at.real.route("POST", "/api/generate", Stream(line("half"), hold))
    running = asyncio.ensure_future(asyncio.to_thread(work))
    async with asyncio.timeout(LIMIT):
        await hold.reached()
        assert at.runner.cancel() == 1
        outcome = await running
        await at.real.asked("/api/generate")[0].closed.wait()
    return outcome


async def test_a_run_is_cancelled_from_another_thread(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        result = await stopped(at, lambda: at.runner.run_with_options(MODEL, "a", ExecutionOptions()))
        assert result.success is False
        assert result.error_message == "it was stopped before its end"
        assert result.metadata["stopped"] is True
        assert at.runner.cancel() == 0
        at.real.route("POST", "/api/generate", Stream(line("again"), end()))
        again = await asyncio.to_thread(at.runner.run_with_options, MODEL, "a", ExecutionOptions())
        assert again.response == "again"


async def test_a_batch_is_cancelled_from_another_thread(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        results = await stopped(at, lambda: at.runner.run_batch(MODEL, ["a", "b", "c"]))
        assert [result.prompt for result in results] == ["a", "b", "c"]
        assert [result.success for result in results] == [False] * 3
        assert len(at.sent()) == 1


async def test_a_stream_is_cancelled_from_another_thread(tmp_path: Path) -> None:
    async with place(tmp_path) as at:

        def read() -> tuple[list[str], str]:
            got: list[str] = []
            try:
                got += at.runner.run_streaming(MODEL, "a")
            except Exception as error:  # its kind is what is looked at
                return got, type(error).__name__
            return got, ""

        _, kind = await stopped(at, read)
        assert kind == "Stopped"
