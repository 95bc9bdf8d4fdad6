"""The real Ollama that these tests are given, and the names they may touch there: only those that begin with PREFIX."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx

from codomyrmex_ollama_tui.client.address import Address, parse_address

PREFIX = "cotui-test-"
DEFAULT_MODEL = "smollm2:135m"
LIMIT = 300.0  # seconds for one answer: a slow machine may load and generate for long
_LIBRARY = "registry.ollama.ai/library/"
_UNLOADED_WITHIN = 60.0


class AbsentError(Exception):
    """The server or a model is not there; the text is the sentence for the person."""


@dataclass(frozen=True, slots=True)
class RealServer:
    """A server that answered.

    Attributes:
        version: as it said.
        models: the models to use, never changed.
        cloud: False when it says that the cloud is switched off.
    """

    address: Address
    version: str
    models: tuple[str, ...]
    cloud: bool

    @property
    def url(self) -> str:
        """Where it is asked."""
        return self.address.base_url

    def client(self) -> httpx.Client:
        """A client without our own code; close it."""
        return httpx.Client(base_url=self.url, timeout=LIMIT, trust_env=False)


def meet(host: str, models: str) -> RealServer:
    """Ask the server for its version and for the models.

    Args:
        host: as in OLLAMA_HOST.
        models: names with spaces or commas between; none: DEFAULT_MODEL.

    Raises:
        AbsentError: the server or a model is not there.
    """
    try:
        address = parse_address(host)
        with httpx.Client(base_url=address.base_url, timeout=10.0, trust_env=False) as client:
            version = str(client.get("/api/version").raise_for_status().json()["version"])
            known = {model["name"] for model in client.get("/api/tags").raise_for_status().json()["models"]}
            status = client.get("/api/status")
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise AbsentError(f"No Ollama answers at {host} ({error}). Start it, or give another one: OLLAMA=…") from error
    wanted = tuple(name if ":" in name else f"{name}:latest" for name in models.replace(",", " ").split())
    wanted = wanted or (DEFAULT_MODEL,)
    if missing := [name for name in wanted if name not in known]:
        raise AbsentError(
            f"The Ollama {version} at {host} has no model {', '.join(missing)}; these tests pull nothing. "
            f"Pull it there, or name others: MODELS=… (it has: {', '.join(sorted(known)) or 'none'})"
        )
    off = status.status_code == 200 and bool(status.json().get("cloud", {}).get("disabled"))
    return RealServer(address, version, wanted, cloud=not off)


def ours(name: str) -> str:
    """The name these tests use in the place of another one."""
    if not name:
        return name
    if name.startswith(_LIBRARY):
        return _LIBRARY + ours(name.removeprefix(_LIBRARY))
    return name if name.startswith(PREFIX) else PREFIX + name


def our_names(client: httpx.Client) -> list[str]:
    """What is there of ours."""
    names = [model["name"] for model in client.get("/api/tags").json()["models"]]
    return [name for name in names if name.startswith(PREFIX)]


def our_running(client: httpx.Client) -> list[str]:
    """What is in memory of ours."""
    names = [model["name"] for model in client.get("/api/ps").json()["models"]]
    return [name for name in names if name.startswith(PREFIX)]


def delete(client: httpx.Client, name: str) -> None:
    """Delete one of our names, there or not."""
    assert name.startswith(PREFIX), name
    client.request("DELETE", "/api/delete", json={"model": name})


def unload_ours(client: httpx.Client, source: str) -> None:
    """Take our models out of memory, and wait for it: the server answers before it is done.

    Names share the process of their weights, so that a name that was deleted while loaded goes with its source.
    """
    end = time.monotonic() + _UNLOADED_WITHIN
    while names := our_running(client):
        for name in {*names, source}:
            client.post("/api/generate", json={"model": name, "keep_alive": 0})
        if time.monotonic() > end:
            raise AssertionError(f"still in memory: {names}")


def clean(client: httpx.Client, source: str) -> None:
    """Nothing of ours is left, in memory or on disk."""
    try:
        unload_ours(client, source)
    finally:
        for name in our_names(client):
            delete(client, name)
    assert our_names(client) == []


def copy_model(client: httpx.Client, source: str, destination: str) -> None:
    """Make one of our names from a model; nothing is loaded down and no weights are written."""
    assert destination.startswith(PREFIX), destination
    reply: Any = client.post("/api/copy", json={"source": source, "destination": destination})
    assert reply.status_code == 200, reply.text
