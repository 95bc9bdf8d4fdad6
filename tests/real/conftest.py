"""These tests run against a real Ollama that is named (`make test-real OLLAMA=http://HOST:PORT`), else not at all."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from codomyrmex_ollama_tui.client.ollama import OllamaClient
from tests.real.server import LIMIT, PREFIX, AbsentError, RealServer, clean, copy_model, meet

HOST = os.environ.get("COTUI_REAL_OLLAMA", "")
MODELS = os.environ.get("COTUI_REAL_MODELS", "")
collect_ignore_glob = [] if HOST else ["test_*.py"]
_met: list[RealServer] = []


def _server() -> RealServer:
    if not _met:
        try:
            _met.append(meet(HOST, MODELS))
        except AbsentError as absent:
            pytest.exit(str(absent), returncode=1)
    return _met[0]


def pytest_report_header() -> list[str]:
    """Which server was met."""
    if not HOST:
        return []
    server = _server()
    return [f"Ollama {server.version} at {server.address.url}, models: {', '.join(server.models)}"]


@pytest.fixture(scope="session")
def server() -> Iterator[RealServer]:
    """The server; what these tests made there is deleted before and afterwards, however they end."""
    met = _server()
    with met.client() as client:
        clean(client, met.models[0])
        try:
            yield met
        finally:
            clean(client, met.models[0])


@pytest.fixture(scope="session")
def raw(server: RealServer) -> Iterator[httpx.Client]:
    """A client of that server without our own code."""
    with server.client() as client:
        yield client


@pytest.fixture
def model(server: RealServer, raw: httpx.Client, request: pytest.FixtureRequest) -> str:
    """A copy of a model, with a name of ours; the first of MODELS unless the test is parametrized with another."""
    source = str(getattr(request, "param", server.models[0]))
    name = f"{PREFIX}model:{source.replace('/', '-').replace(':', '-')}"
    copy_model(raw, source, name)
    return name


@pytest_asyncio.fixture
async def client(server: RealServer) -> AsyncIterator[OllamaClient]:
    """Our client."""
    async with OllamaClient(server.address, request_timeout=LIMIT) as one:
        yield one


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that ask for a model run with each of MODELS."""
    if HOST and "model" in metafunc.fixturenames and "every_model" in metafunc.fixturenames:
        metafunc.parametrize("model", _server().models, indirect=True)


@pytest.fixture
def every_model() -> None:
    """Asked for by tests that run with each of MODELS."""
