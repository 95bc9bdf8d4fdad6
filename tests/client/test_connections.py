"""Finding the server, waiting for it, trying again, and letting go of it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.client.address import Address, parse_address
from codomyrmex_ollama_tui.client.ollama import OllamaClient
from codomyrmex_ollama_tui.domain.chat import AnswerEnd, AnswerPiece, ChatRequest, GenerateRequest, Message
from codomyrmex_ollama_tui.domain.errors import (
    NoAnswer,
    OllamaError,
    ServerRefused,
    ServerUnreachable,
    StreamCut,
)
from tests.client.server import Script, WireServer, as_json, head, stream, whole

TLS = Path(__file__).resolve().parent / "tls"
VERSION = as_json({"version": "0.24.0"})
ASK = ChatRequest("m", (Message("user", "hi"),))
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
END = {
    "model": "m",
    "response": "",
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
}
PIECE = {"model": "m", "response": "a", "message": {"role": "assistant", "content": "a"}, "done": False}
LINES = stream([PIECE, END])


def held(*lines: object, gate: asyncio.Event) -> Script:
    """A stream whose last line waits for a gate."""
    script = stream(lines)
    return Script(script.pieces, gates={len(script.pieces) - 2: gate})


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    return context


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


# -- nobody there ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_nothing_listens(host: str) -> None:
    async with WireServer() as server:
        address = Address("http", host, server.port)
    async with OllamaClient(address) as client:
        with pytest.raises(ServerUnreachable, match="nothing listens there") as caught:
            await client.version()
    assert caught.value.address == address.label


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://no-such-host.invalid:1", ""),
        ("tcp://127.0.0.1:5", "only http:// and https://"),
        ("unix:///tmp/x.sock", "only http:// and https://"),
        ("my host", ""),
        ("http://" + "a" * 70 + ".invalid", ""),
        ("http://[fe80::1%25eth0]:11434", ""),
        ("http://127.0.0.1:0", ""),
    ],
)
async def test_what_cannot_be_connected_to(no_proxies: pytest.MonkeyPatch, text: str, reason: str) -> None:
    async with OllamaClient(parse_address(text), connect_timeout=2) as client:
        with pytest.raises(ServerUnreachable) as caught:
            await client.version()
    assert reason in caught.value.reason
    assert "\n" not in str(caught.value)


async def test_a_closed_client_says_so() -> None:
    async with WireServer(VERSION) as server:
        client = OllamaClient(server.address)
        await client.aclose()
        with pytest.raises(ServerUnreachable, match="has been closed"):
            await client.version()


async def test_closing_the_client_breaks_what_is_coming() -> None:
    async with WireServer(held(PIECE, END, gate=asyncio.Event())) as server:
        client = OllamaClient(server.address)
        items = client.chat(ASK)
        await anext(items)
        waiting = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)  # let it wait for the network
        await client.aclose()
        with pytest.raises(StreamCut) as caught:
            await waiting
        assert caught.value.partial == "a"


# -- limits ------------------------------------------------------------------------------------------------------------


async def test_a_short_call_has_a_limit_from_first_to_last_byte() -> None:
    body = b'{"version": "1"}'
    script = Script([head(Content_Length=str(len(body))) + body[:5], body[5:]], gates={1: asyncio.Event()})
    async with WireServer(script) as server, OllamaClient(server.address, request_timeout=0.05) as client:
        with pytest.raises(NoAnswer, match=r"nothing complete within 0.05 s"):
            await client.version()


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
            with pytest.raises(NoAnswer, match=r"nothing within 0.05 s"):
                await anext(client.chat(ASK))
        async with OllamaClient(server.address, request_timeout=0.01) as patient:
            reading = asyncio.ensure_future(all_of(patient))
            with pytest.raises(NoAnswer):
                await patient.version()  # the other limit is over long before the model says a word
            gate.set()
            assert isinstance((await reading)[-1], AnswerEnd)


async def all_of(client: OllamaClient, request: ChatRequest = ASK) -> list[AnswerPiece | AnswerEnd]:
    return [item async for item in client.chat(request)]


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
            with pytest.raises(NoAnswer, match="did not take the request"):
                await client.request_raw("POST", "/api/chat", content=b"x" * 2**24)
        done.set()


# -- trying again ------------------------------------------------------------------------------------------------------


class Naps:
    """Takes note of the waits instead of waiting."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.seconds: list[float] = []
        self._then = then

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._then()


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
        with pytest.raises(NoAnswer, match="closed the connection"):
            await client.delete("m")
        assert len(server.requests) == 3


# -- letting go --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["chat", "generate", "pull"])
async def test_the_response_is_closed_the_moment_the_consumer_stops(kind: str) -> None:
    first = {"status": "pulling manifest"} if kind == "pull" else PIECE
    async with (
        WireServer(held(first, END, gate=asyncio.Event())) as server,
        OllamaClient(server.address) as client,
    ):
        calls = {
            "chat": client.chat(ASK),
            "generate": client.generate(GenerateRequest("m", "x")),
            "pull": client.pull("m"),
        }
        async with aclosing(calls[kind]) as items:
            await anext(items)
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_the_response_is_closed_when_the_task_is_cancelled() -> None:
    async with (
        WireServer(held(PIECE, END, gate=asyncio.Event())) as server,
        OllamaClient(server.address) as client,
    ):
        seen = asyncio.Event()

        async def read() -> None:
            async with aclosing(client.chat(ASK)) as items:
                async for _ in items:
                    seen.set()

        task = asyncio.ensure_future(read())
        await asyncio.wait_for(seen.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_a_request_that_waits_for_its_first_byte_can_be_cancelled() -> None:
    async with (
        WireServer(Script([b""], gates={0: asyncio.Event()})) as server,
        OllamaClient(server.address) as client,
    ):
        task = asyncio.ensure_future(client.load("m"))
        await asyncio.wait_for(server.asked.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_one_connection_serves_one_answer_after_the_other() -> None:
    async with WireServer(LINES) as server, OllamaClient(server.address) as client:
        for _ in range(3):
            await all_of(client)
        with pytest.raises(OllamaError):
            await client.version()
        assert server.connections == 1


async def test_many_answers_at_once() -> None:
    async with WireServer(LINES) as server, OllamaClient(server.address) as client:
        answers = await asyncio.gather(*(all_of(client) for _ in range(30)))
        assert all(isinstance(answer[-1], AnswerEnd) for answer in answers)


# -- resting -----------------------------------------------------------------------------------------------------------


def ticking() -> Callable[[], float]:
    times = iter(range(10_000))
    return lambda: float(next(times))


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


# -- secrets, TLS, proxies ---------------------------------------------------------------------------------------------


async def test_headers_and_token_go_with_every_request() -> None:
    async with (
        WireServer(VERSION, LINES) as server,
        OllamaClient(server.address, headers={"X-Team": "blue"}, token="s3cret\n") as client,
    ):
        await client.version()
        await all_of(client)
        for request in server.requests:
            assert request.headers["authorization"] == "Bearer s3cret"
            assert request.headers["x-team"] == "blue"
            assert "origin" not in request.headers
        assert server.requests[1].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"X": "a\r\nY: b"}, None),
        ({"X": "é"}, None),
        ({"a b": "c"}, None),
        ({"": "c"}, None),
        ({}, "to\nken"),
        ({}, " "),
    ],
)
def test_headers_that_cannot_be_sent_are_refused_without_their_values(
    headers: dict[str, str], token: str | None
) -> None:
    with pytest.raises(ValueError, match="header") as caught:
        OllamaClient(parse_address(""), headers=headers, token=token)
    assert "ken" not in str(caught.value)
    assert "Y: b" not in str(caught.value)


async def test_tls_with_the_authority_of_a_file(no_proxies: pytest.MonkeyPatch) -> None:
    async with (
        WireServer(VERSION, LINES, tls=server_tls()) as server,
        OllamaClient(server.address, ca_file=str(TLS / "ca.pem")) as client,
    ):
        assert (await client.version()).version == "0.24.0"
        assert isinstance((await all_of(client))[-1], AnswerEnd)


async def test_tls_without_that_authority(no_proxies: pytest.MonkeyPatch) -> None:
    async with WireServer(VERSION, tls=server_tls()) as server, OllamaClient(server.address) as client:
        with pytest.raises(ServerUnreachable, match="certificate is not trusted"):
            await client.version()


async def test_tls_towards_a_server_without_it() -> None:
    async with WireServer(VERSION) as server:
        address = Address("https", "127.0.0.1", server.port)
        async with OllamaClient(address, connect_timeout=0.2) as client:
            with pytest.raises(ServerUnreachable):
                await client.version()


async def test_tls_towards_a_server_that_says_something_else_at_once() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        address = Address("https", "127.0.0.1", server.sockets[0].getsockname()[1])
        async with OllamaClient(address) as client:
            with pytest.raises(ServerUnreachable, match="TLS failed"):
                await client.version()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_is_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ServerUnreachable, match=r"ca\.pem cannot be used"):
        OllamaClient(parse_address("https://example.com"), ca_file=str(path))


async def test_no_proxy_for_loopback(no_proxies: pytest.MonkeyPatch) -> None:
    async with WireServer(whole(b"proxy", 500)) as proxy, WireServer(VERSION) as server:
        no_proxies.setenv("HTTP_PROXY", proxy.address.url)
        no_proxies.setenv("ALL_PROXY", proxy.address.url)
        for host in ("127.0.0.1", "", "0.0.0.0", "localhost"):
            async with OllamaClient(Address("http", host, server.port)) as client:
                assert (await client.version()).version == "0.24.0"
        assert proxy.requests == []


async def test_the_environment_s_proxy_for_other_hosts(no_proxies: pytest.MonkeyPatch) -> None:
    async with WireServer(VERSION) as proxy:
        no_proxies.setenv("HTTP_PROXY", proxy.address.url)
        async with OllamaClient(parse_address("http://ollama.invalid:11434/ollama")) as client:
            assert (await client.version()).version == "0.24.0"
        assert proxy.requests[0].target == "http://ollama.invalid:11434/ollama/api/version"


@pytest.mark.parametrize("proxy", ["gopher://proxy:1", "socks5://proxy:1"])
def test_a_proxy_that_cannot_be_used(no_proxies: pytest.MonkeyPatch, proxy: str) -> None:
    no_proxies.setenv("ALL_PROXY", proxy)
    with pytest.raises(ServerUnreachable, match="the proxy of the environment cannot be used"):
        OllamaClient(parse_address("http://ollama.invalid"))


async def test_a_proxy_that_is_down(no_proxies: pytest.MonkeyPatch) -> None:
    async with WireServer() as proxy:
        no_proxies.setenv("HTTP_PROXY", proxy.address.url)
    async with OllamaClient(parse_address("http://ollama.invalid")) as client:
        with pytest.raises(ServerUnreachable, match="nothing listens there"):
            await client.version()


async def test_a_prefix_stands_before_every_endpoint() -> None:
    async with WireServer(VERSION) as server:
        for path in ("/ollama", "/ollama/"):
            async with OllamaClient(Address("http", "127.0.0.1", server.port, path)) as client:
                await client.version()
        assert [request.target for request in server.requests] == ["/ollama/api/version"] * 2
