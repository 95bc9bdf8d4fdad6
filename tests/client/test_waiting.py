"""How long to wait, when to try again, and how to rest between tokens."""

from __future__ import annotations

import asyncio
import json

import pytest

from codomyrmex_ollama_tui.client.address import Address, parse_address
from codomyrmex_ollama_tui.client.ollama import OllamaClient
from codomyrmex_ollama_tui.domain.chat import AnswerEnd, ChatRequest
from codomyrmex_ollama_tui.domain.errors import NoAnswer, ServerRefused, ServerUnreachable, StreamCut
from tests.client.asking import ASK, END, LINES, PIECE, VERSION, Naps, all_of, held, ticking
from tests.client.server import Script, WireServer, as_json, head, stream, whole

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


# -- limits ----------------------------------------------------------------------------------------------


async def test_a_short_call_has_a_limit_from_first_to_last_byte() -> None:
    body = b'{"version": "1"}'
    script = Script([head(Content_Length=str(len(body))) + body[:5], body[5:]], gates={1: asyncio.Event()})
    async with WireServer(script) as server, OllamaClient(server.address, request_timeout=0.05) as client:
        with pytest.raises(NoAnswer, match=r"nothing complete within 0.05 s") as caught:
            await client.version()
        assert caught.value.silent


async def test_a_call_can_bring_its_own_limit() -> None:
    async with WireServer(Script([b""], gates={0: asyncio.Event()})) as server, OllamaClient(server.address) as client:
        with pytest.raises(NoAnswer):
            await client.running(timeout=0.03)
        with pytest.raises(NoAnswer):
            await client.version(timeout=0.03)


async def test_the_first_byte_of_an_answer_has_a_limit_of_its_own() -> None:
    gate = asyncio.Event()
    waiting = Script(LINES.pieces, gates={0: gate})
    async with WireServer(waiting) as server:
        async with OllamaClient(server.address, first_byte_timeout=0.05) as client:
            with pytest.raises(NoAnswer, match=r"nothing within 0.05 s") as caught:
                await anext(client.chat(ASK))
            assert caught.value.silent
        async with OllamaClient(server.address, request_timeout=0.01) as patient:
            reading = asyncio.ensure_future(all_of(patient))
            with pytest.raises(NoAnswer):
                await patient.version()  # the other limit is over long before the model says a word
            gate.set()
            assert isinstance((await reading)[-1], AnswerEnd)


async def test_silence_in_an_answer_is_a_cut_unless_a_tool_call_may_be_in_the_writing() -> None:
    gate = asyncio.Event()
    script = held(PIECE, END, gate=gate)
    async with WireServer(script) as server, OllamaClient(server.address, request_timeout=0.05) as client:
        with_tools = asyncio.ensure_future(all_of(client, ChatRequest("m", ASK.messages, tools=(TOOL,))))
        with pytest.raises(StreamCut, match=r"silent for 0.05 s") as caught:
            await all_of(client)
        assert caught.value.partial == "a"
        gate.set()
        assert isinstance((await with_tools)[-1], AnswerEnd)


async def test_a_pull_may_be_silent() -> None:
    gate = asyncio.Event()
    script = held({"status": "pulling manifest"}, {"status": "success"}, gate=gate)
    async with WireServer(script, script) as server, OllamaClient(server.address, request_timeout=0.03) as client:
        statuses = []
        async for line in client.pull("m"):
            statuses.append(line.status)
            if len(statuses) == 1:
                with pytest.raises(NoAnswer):
                    await client.version()
                gate.set()
    assert statuses == ["pulling manifest", "success"]


async def test_a_server_that_does_not_take_the_request() -> None:
    done = asyncio.Event()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    async with await asyncio.start_server(ignore, "127.0.0.1", 0) as server:
        address = Address("http", "127.0.0.1", server.sockets[0].getsockname()[1])
        async with OllamaClient(address, request_timeout=0.05) as client:
            with pytest.raises(NoAnswer, match="did not take the request") as caught:
                await client.request_raw("POST", "/api/chat", content=b"x" * 2**24)
            assert caught.value.silent
        done.set()


# -- trying again ----------------------------------------------------------------------------------------------


BUSY = as_json({"error": "server busy"}, 503, "Service Unavailable")


async def test_busy_answers_are_tried_again_with_growing_waits() -> None:
    naps = Naps()
    async with (
        WireServer(BUSY, whole(b"", 502), whole(b"", 504), LINES) as server,
        OllamaClient(server.address, max_retries=3, retry_delay=2.0, sleep=naps, jitter=lambda: 0.25) as client,
    ):
        assert isinstance((await all_of(client))[-1], AnswerEnd)
        assert naps.seconds == [1.5, 3.0, 6.0]
        assert len(server.requests) == 4


async def test_after_the_last_try_the_error_is_the_last_one() -> None:
    async with (
        WireServer(BUSY) as server,
        OllamaClient(server.address, max_retries=2, retry_delay=100, sleep=(naps := Naps())) as client,
    ):
        with pytest.raises(ServerRefused, match="server busy"):
            await client.embed("m", ["x"])
        assert len(server.requests) == 3
        assert naps.seconds == [30.0, 30.0]


@pytest.mark.parametrize("status", [500, 404, 429])
async def test_other_refusals_are_not_tried_again(status: int) -> None:
    async with (
        WireServer(as_json({"error": "no"}, status)) as server,
        OllamaClient(server.address, max_retries=5, sleep=Naps()) as client,
    ):
        with pytest.raises(ServerRefused):
            await client.version()
        assert len(server.requests) == 1


async def test_calls_that_change_something_are_not_tried_again() -> None:
    async with WireServer(BUSY) as server, OllamaClient(server.address, max_retries=5, sleep=Naps()) as client:
        for call in (client.delete("m"), client.copy("m", "n"), client.show("m")):
            with pytest.raises(ServerRefused):
                await call
        with pytest.raises(ServerRefused):
            await anext(client.pull("m"))
        assert len(server.requests) == 4


async def test_an_answer_that_has_begun_is_never_tried_again() -> None:
    async with (
        WireServer(stream([PIECE], end="abort")) as server,
        OllamaClient(server.address, max_retries=5, sleep=Naps()) as client,
    ):
        with pytest.raises(StreamCut):
            await all_of(client)
        assert len(server.requests) == 1


async def test_a_failed_connection_is_tried_again_for_every_call() -> None:
    async with WireServer() as server:
        address = server.address
    naps = Naps()
    async with OllamaClient(address, max_retries=2, sleep=naps) as client:
        with pytest.raises(ServerUnreachable):
            await client.delete("m")
        assert len(naps.seconds) == 2


async def test_what_cannot_mend_itself_is_not_tried_again(no_proxies: pytest.MonkeyPatch) -> None:
    naps = Naps()
    async with OllamaClient(parse_address("tcp://127.0.0.1:5"), max_retries=5, sleep=naps) as client:
        with pytest.raises(ServerUnreachable, match="only http"):
            await client.version()
        await client.aclose()
        with pytest.raises(ServerUnreachable, match="has been closed"):
            await client.version()
    assert naps.seconds == []


async def test_a_request_that_got_no_answer_is_tried_again_only_if_it_asks() -> None:
    hung_up = Script([b""], end="close")
    async with (
        WireServer(hung_up, VERSION, hung_up) as server,
        OllamaClient(server.address, max_retries=1, sleep=Naps()) as client,
    ):
        assert (await client.version()).version == "0.24.0"
        with pytest.raises(NoAnswer, match="closed the connection") as caught:
            await client.delete("m")
        assert not caught.value.silent
        assert len(server.requests) == 3


# -- resting ----------------------------------------------------------------------------------------------


async def test_resting_follows_each_real_wait() -> None:
    gate = asyncio.Event()
    naps = Naps(gate.set)  # only a rest lets the second line come
    async with (
        WireServer(held(PIECE, END, gate=gate)) as server,
        OllamaClient(server.address, clock=ticking(), sleep=naps) as client,
    ):
        items = [item async for item in client.chat(ASK, rest=0.03)]
    assert naps.seconds[0] == 0.03
    assert [item.at for item in items] == sorted(item.at for item in items)
    assert len({item.at for item in items}) == 2


@pytest.mark.parametrize("rest", [0.0, 0.03])
async def test_no_rest_where_none_is_wanted_or_nothing_was_waited_for(rest: float) -> None:
    naps = Naps()
    clock = ticking() if rest == 0 else lambda: 5.0
    async with WireServer(LINES) as server, OllamaClient(server.address, clock=clock, sleep=naps) as client:
        items = [item async for item in client.chat(ASK, rest=rest)]
    assert naps.seconds == []
    assert len(items) == 2


async def test_what_came_in_one_packet_came_at_one_time() -> None:
    lines = b"".join(json.dumps(line).encode() + b"\n" for line in [*[PIECE] * 5, END])
    script = whole(lines, kind="application/x-ndjson")
    async with WireServer(script) as server, OllamaClient(server.address, clock=ticking()) as client:
        items = await all_of(client)
    assert len({item.at for item in items}) == 1
    assert len(items) == 6
