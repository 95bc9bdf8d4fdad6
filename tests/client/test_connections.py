"""Finding the server, and what goes with every request: secrets, TLS, proxies."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.client.address import Address, parse_address
from codomyrmex_ollama_tui.client.ollama import OllamaClient
from codomyrmex_ollama_tui.domain.chat import AnswerEnd
from codomyrmex_ollama_tui.domain.errors import ServerUnreachable, StreamCut
from tests.client.asking import ASK, END, LINES, PIECE, VERSION, all_of, held
from tests.client.server import WireServer, whole

TLS = Path(__file__).resolve().parent / "tls"


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    return context


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
