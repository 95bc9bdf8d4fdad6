"""Requests run to their end against a real local server: whole, cut, refused, silent, stopped, many at a time."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import aclosing
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.domain.chat import AnswerPiece, ChatRequest, GenerateRequest, Message
from codomyrmex_ollama_tui.domain.errors import (
    ModelNotFound,
    NoAnswer,
    ServerRefused,
    ServerUnreachable,
    Stopped,
    StreamCut,
    StreamFailed,
    StreamUnfinished,
)
from codomyrmex_ollama_tui.services.execution import Execution, Request
from codomyrmex_ollama_tui.services.stopping import Stop
from tests.services.asking import ASK, NOON, TALK, bench, chat_line, end, line
from tests.support.recorded import answer
from tests.support.server import CUT, Gate, Raw, Reply, Stream

LIMIT = 60.0


async def test_a_whole_answer_with_its_figures(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        start, middle, last = Gate(), Gate(), Gate()
        script = Stream(start, line(), line(thinking="hm"), middle, line("Hel"), last, line("lo"), end())
        at.real.route("POST", "/api/generate", script)
        arrived = asyncio.Event()

        def take(piece: AnswerPiece) -> None:
            if piece.text or piece.thinking:
                arrived.set()

        running = asyncio.ensure_future(at.execution.run(ASK, on_piece=take))
        for gate, seconds in ((start, 2.0), (middle, 3.0), (last, 5.0)):
            await gate.reached()
            if gate is not start:
                await arrived.wait()
            arrived.clear()
            at.clock.now += seconds
            gate.open()
        execution = await running
        assert (execution.text, execution.thinking) == ("Hello", "hm")
        assert (execution.ttft_s, execution.ttfa_s, execution.total_s) == (2.0, 5.0, 10.0)
        assert execution.arrivals == (2.0, 5.0, 10.0)  # the empty line is no arrival
        assert execution.answer_pieces == 2
        assert (execution.success, execution.partial, execution.error) == (True, False, None)
        assert (execution.counters.eval_count, execution.done_reason) == (21, "stop")
        assert (execution.version, execution.server, execution.started_at) == ("0.24.0", at.server.state.label, NOON)
        sent = at.real.asked("/api/generate")[0].json
        assert sent == {"model": "m:1", "prompt": "hello", "truncate": False}


async def test_a_chat_goes_to_its_own_endpoint_with_its_roles(tmp_path: Path) -> None:
    messages = (Message("system", "be brief"), Message("user", "hello"))
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/chat", Stream(chat_line("Hi"), {**chat_line(), "done": True, "eval_count": 2}))
        execution = await at.execution.run(ChatRequest("m:1", messages, truncate=False))
        assert execution.text == "Hi"
        sent = at.real.asked("/api/chat")[0].json
        assert sent["messages"] == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
        assert sent["truncate"] is False


async def test_recorded_tool_calls_are_gathered(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/chat", answer("tools_two_calls_stream"))
        execution = await at.execution.run(TALK)
        assert execution.success
        assert [call.name for call in execution.tool_calls] != []
        assert execution.ttft_s is not None


@pytest.mark.parametrize(
    ("parts", "kind", "text"),
    [
        ((line("half"), CUT), StreamCut, "half"),
        ((line("half"), {"error": "out of memory"}), StreamFailed, "half"),
        ((line("half"),), StreamUnfinished, "half"),
        (({"error": "no luck"},), ServerRefused, ""),
    ],
)
async def test_what_had_come_is_kept(
    tmp_path: Path, parts: tuple[dict[str, object], ...], kind: type[Exception], text: str
) -> None:
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(*parts))
        execution = await at.execution.run(ASK)
        assert isinstance(execution.error, kind)
        assert (execution.success, execution.text, execution.partial) == (False, text, bool(text))
        assert (execution.end, execution.done_reason, execution.counters.eval_count) == (None, "", None)


async def test_a_missing_model_and_a_missing_server_are_results(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        words = {"error": "model 'm:1' not found"}
        at.real.route("POST", "/api/generate", Reply(json=words, status=404))
        execution = await at.execution.run(ASK)
        assert isinstance(execution.error, ModelNotFound)
        assert execution.arrivals == ()
        await at.real.stop()
        gone = await at.execution.run(ASK)
        assert isinstance(gone.error, ServerUnreachable)
        assert not gone.success


async def test_a_cut_answer_makes_the_watch_look_at_once(tmp_path: Path) -> None:
    async with bench(tmp_path, check_every=3600.0) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), CUT))
        await at.execution.run(ASK)
        await at.real.wait_for("/api/version", 2)


async def test_the_first_byte_has_a_limit_of_its_own(tmp_path: Path) -> None:
    hold = Gate()
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Reply(gate=hold, json={}))
        async with asyncio.timeout(LIMIT):
            execution = await at.execution.run(ASK, first_byte_timeout=0.05)
        assert isinstance(execution.error, NoAnswer)
        assert execution.error.silent
        request = at.real.asked("/api/generate")[0]
        async with asyncio.timeout(LIMIT):
            await request.closed.wait()


async def test_silence_in_an_answer_ends_it(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n"
    async with bench(tmp_path, request_timeout=0.1) as at:
        at.real.route("POST", "/api/generate", Raw(head + json.dumps(line("half")).encode() + b"\n", Gate()))
        execution = await at.execution.run(ASK)
        assert isinstance(execution.error, StreamCut)
        assert execution.text == "half"


async def test_silence_while_a_tool_call_may_be_written_does_not(tmp_path: Path) -> None:
    hold = Gate()
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    asking = ChatRequest("m:1", (Message("user", "look"),), tools=(tool,))
    call = {"function": {"name": "look", "arguments": {}}}
    last = {**chat_line(), "done": True, "message": {"role": "assistant", "content": "", "tool_calls": [call]}}
    async with bench(tmp_path, request_timeout=0.05) as at:
        plain = Stream(chat_line("a"), Gate())
        at.real.route("POST", "/api/chat", [Stream(chat_line("a"), hold, last), plain])
        running = asyncio.ensure_future(at.execution.run(asking))
        await hold.reached()
        # the same silence without tools ends the other answer: longer than the limit has passed for both
        other = await at.execution.run(TALK)
        assert isinstance(other.error, StreamCut)
        assert not running.done()
        hold.open()
        execution = await running
        assert execution.success
        assert [found.name for found in execution.tool_calls] == ["look"]


async def test_a_busy_server_is_asked_again_but_never_for_an_answer_that_began(tmp_path: Path) -> None:
    async with bench(tmp_path, max_retries=2, retry_delay=0.01) as at:
        busy = Reply(json={"error": "busy"}, status=503)
        at.real.route("POST", "/api/generate", [busy, busy, Stream(line("yes"), end())])
        assert (await at.execution.run(ASK)).text == "yes"
        assert len(at.real.asked("/api/generate")) == 3
        at.real.route("POST", "/api/generate", Stream(line("half"), CUT))
        assert (await at.execution.run(ASK)).text == "half"
        assert len(at.real.asked("/api/generate")) == 4


async def test_what_a_callback_raises_comes_out_and_stops_the_model(tmp_path: Path) -> None:
    def refuse(piece: AnswerPiece) -> None:
        raise KeyError(piece.text)

    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), Gate()))
        with pytest.raises(KeyError, match="half"):
            await at.execution.run(ASK, on_piece=refuse)
        async with asyncio.timeout(LIMIT):
            await at.real.asked("/api/generate")[0].closed.wait()


async def test_a_value_that_json_does_not_have_is_the_callers_mistake(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        with pytest.raises(TypeError):
            await at.execution.run(GenerateRequest("m:1", "hello", options={"stop": {1, 2}}))


async def test_a_stop_from_another_thread_keeps_what_had_come(tmp_path: Path) -> None:
    hold, stop, arrived = Gate(), Stop(), asyncio.Event()
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), hold))
        running = asyncio.ensure_future(at.execution.run(ASK, stop=stop, on_piece=lambda piece: arrived.set()))
        async with asyncio.timeout(LIMIT):
            await arrived.wait()
            thread = threading.Thread(target=stop.pull)
            thread.start()
            execution = await running
            thread.join()
            await at.real.asked("/api/generate")[0].closed.wait()
        assert (execution.text, execution.stopped, execution.success, execution.partial) == ("half", True, False, True)
        assert execution.error is None
        late = await at.execution.run(ASK, stop=stop)
        assert late.stopped
        assert len(at.real.asked("/api/generate")) == 1


async def test_cancelling_the_task_stops_the_model(tmp_path: Path) -> None:
    hold = Gate()
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), hold))
        running = asyncio.ensure_future(at.execution.run(ASK, stop=Stop()))
        await hold.reached()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        async with asyncio.timeout(LIMIT):
            await at.real.asked("/api/generate")[0].closed.wait()


async def test_pieces_are_handed_over_when_they_arrive(tmp_path: Path) -> None:
    hold = Gate()
    ended: list[Execution] = []
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("Hel"), hold, line("lo"), end()))
        async with aclosing(at.execution.stream(ASK, on_finish=ended.append)) as pieces:
            assert (await anext(pieces)).text == "Hel"
            assert not ended
            hold.open()
            assert [piece.text async for piece in pieces] == ["lo"]
        assert [(one.text, one.success) for one in ended] == [("Hello", True)]


async def test_a_stream_raises_after_what_came(tmp_path: Path) -> None:
    ended: list[Execution] = []
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), CUT))
        pieces = at.execution.stream(ASK, on_finish=ended.append)
        assert (await anext(pieces)).text == "half"
        with pytest.raises(StreamCut) as raised:
            await anext(pieces)
        assert raised.value.partial == "half"
        assert [(one.text, one.error) for one in ended] == [("half", raised.value)]


async def test_a_stream_that_is_closed_or_stopped_stops_the_model(tmp_path: Path) -> None:
    ended: list[Execution] = []
    stop = Stop()
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), Gate()))
        pieces = at.execution.stream(ASK, on_finish=ended.append)
        await anext(pieces)
        await pieces.aclose()
        pieces = at.execution.stream(ASK, on_finish=ended.append, stop=stop)
        await anext(pieces)
        stop.pull()
        with pytest.raises(Stopped):
            await anext(pieces)
        assert [(one.text, one.stopped, one.success) for one in ended] == [("half", True, False)] * 2
        async with asyncio.timeout(LIMIT):
            for request in at.real.asked("/api/generate"):
                await request.closed.wait()


def numbered(count: int) -> list[Request]:
    return [GenerateRequest("m:1", str(number)) for number in range(count)]


async def test_a_batch_runs_no_more_at_a_time_than_allowed(tmp_path: Path) -> None:
    gates = [Gate() for _ in range(4)]
    async with bench(tmp_path) as at:
        at.real.route(
            "POST",
            "/api/generate",
            lambda request: Stream(line("a"), gates[int(request.json["prompt"])], line("b"), end()),
        )
        async with aclosing(at.execution.batch(numbered(4), max_concurrent=2)) as ended:
            first = asyncio.ensure_future(anext(ended))
            await gates[0].reached()
            await gates[1].reached()
            assert len(at.real.asked("/api/generate")) == 2
            gates[1].open()
            number, execution = await first
            assert (number, execution.text) == (1, "ab")
            await gates[2].reached()
            assert len(at.real.asked("/api/generate")) == 3
            for gate in gates:
                gate.open()
            assert {number async for number, _ in ended} == {0, 2, 3}


async def test_one_failure_ends_no_other_of_a_batch(tmp_path: Path) -> None:
    heard: list[tuple[int, str]] = []
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", [Stream(line("x"), CUT), Stream(line("y"), end())])
        batch = at.execution.batch(numbered(3), on_piece=lambda number, piece: heard.append((number, piece.text)))
        ended = [(number, execution.success) async for number, execution in batch]
        assert ended == [(0, False), (1, True), (2, True)]
        assert heard == [(0, "x"), (1, "y"), (2, "y")]
        assert [item async for item in at.execution.batch([])] == []


async def test_closing_a_batch_stops_what_is_running(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        answers = [Stream(line("x"), end()), Stream(line("y"), Gate())]
        at.real.route("POST", "/api/generate", answers)
        batch = at.execution.batch(numbered(5), max_concurrent=2)
        await anext(batch)
        await at.real.wait_for("/api/generate", 3)
        await batch.aclose()
        async with asyncio.timeout(LIMIT):
            for request in at.real.asked("/api/generate")[1:]:
                await request.closed.wait()
        assert len(at.real.asked("/api/generate")) == 3


async def test_a_stopped_batch_has_a_result_for_every_request(tmp_path: Path) -> None:
    stop = Stop()
    async with bench(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("x"), Gate()))
        batch = at.execution.batch(numbered(3), stop=stop, on_piece=lambda number, piece: stop.pull())
        ended = [(number, one.text, one.stopped) async for number, one in batch]
        assert ended == [(0, "x", True), (1, "", True), (2, "", True)]


async def test_a_batch_of_none_at_a_time_is_refused(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        with pytest.raises(ValueError, match="max_concurrent: 0"):
            await anext(at.execution.batch(numbered(1), max_concurrent=0))


async def test_a_mistake_in_one_request_of_a_batch_comes_out(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        wrong = GenerateRequest("m:1", "hello", options={"stop": {1, 2}})
        with pytest.raises(TypeError):
            await anext(at.execution.batch([wrong, ASK]))
