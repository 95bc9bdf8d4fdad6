"""How many may wait: any number for their turn at a loaded model, a limited one for a load. As recorded of Ollama."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.embedded.harness import give_model, start_engine
from tests.embedded.talk import LONG, ask, request, stream, waiting
from tests.support.recorded import case


@pytest.mark.engine
async def test_who_would_wait_for_a_load_is_refused_where_too_many_do(weights: Path, tmp_path: Path) -> None:
    give_model(tmp_path / "models", weights)
    refused = case("queue_full_d")["response"]
    with start_engine(tmp_path / "models", "--queue", "1") as engine:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(stream(engine.url, request(tokens=LONG)))
            turns = [await stack.enter_async_context(waiting(engine.url, request())) for _ in range(3)]
            # another context has to be loaded: one waits for those before it to end, one for that one
            loads = [
                await stack.enter_async_context(waiting(engine.url, request("Hi", tokens=1, options={"num_ctx": size})))
                for size in (512, 768)
            ]
            answer = await ask(engine.url, request(options={"num_ctx": 1024}))
            assert answer == {**refused["body"], "status": refused["status"]}
            assert not any(task.done() for task in (*turns, *loads))
        # those have left: there is room again
        assert (await ask(engine.url, request("Hi", tokens=1, options={"num_ctx": 1024})))["status"] == 200
