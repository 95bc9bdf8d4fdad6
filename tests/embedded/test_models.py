"""What is on disk, over HTTP: uploads, create, copy, delete, lists, refusals. No weights are needed for these."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.embedded.harness import EngineProcess, start_engine
from tests.embedded.made import METADATA, gguf_bytes
from tests.embedded.shapes import ask

DATA = gguf_bytes()
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with start_engine(tmp_path_factory.mktemp("models") / "models") as running:
        yield running


@pytest.fixture
def client(engine: EngineProcess) -> Iterator[httpx.Client]:
    """A client of the engine, which is left without models."""
    with engine.client() as one:
        yield one
        for name in names(one):
            one.request("DELETE", "/api/delete", json={"model": name})
    assert "Traceback" not in engine.log()


def names(client: httpx.Client) -> list[str]:
    return [model["name"] for model in client.get("/api/tags").json()["models"]]


def make(client: httpx.Client, name: str, data: bytes = DATA, **fields: Any) -> httpx.Response:
    """Upload a file and create a model of it."""
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    assert client.post(f"/api/blobs/{digest}", content=data).status_code in (200, 201)
    return client.post("/api/create", json={"model": name, "files": {"m.gguf": digest}, "stream": False, **fields})


def test_a_file_of_ones_own_becomes_a_model(client: httpx.Client) -> None:
    assert client.head(f"/api/blobs/{DIGEST}").status_code == 404
    assert client.post(f"/api/blobs/{DIGEST}", content=DATA).status_code == 201
    assert client.post(f"/api/blobs/{DIGEST}", content=b"").status_code == 200
    assert client.head(f"/api/blobs/{DIGEST}").status_code == 200
    created = ask(
        client, {"method": "POST", "path": "/api/create", "json": {"model": "own", "files": {"m.gguf": DIGEST}}}
    )
    assert created.lines == [
        {"status": "parsing GGUF"},
        {"status": f"using existing layer {DIGEST}"},
        {"status": "writing manifest"},
        {"status": "success"},
    ]
    (entry,) = client.get("/api/tags").json()["models"]
    assert entry["name"] == "own:latest"
    assert entry["details"]["family"] == "llama"
    assert entry["size"] > len(DATA)
    shown = client.post("/api/show", json={"model": "own"}).json()
    assert shown["model_info"]["llama.context_length"] == METADATA["llama.context_length"]
    assert shown["model_info"]["general.parameter_count"] == 64 * 32
    assert shown["model_info"]["tokenizer.ggml.tokens"] is None
    assert shown["tensors"] == [{"name": "token_embd.weight", "type": "Q4_1", "shape": [64, 32]}]
    verbose = client.post("/api/show", json={"model": "own", "verbose": True}).json()
    assert verbose["model_info"]["tokenizer.ggml.tokens"] == ["a", "b", "c"]


def test_an_upload_of_something_else_is_refused_and_removed(client: httpx.Client, engine: EngineProcess) -> None:
    wrong = "sha256:" + "0" * 64
    got = "sha256:" + hashlib.sha256(b"other").hexdigest()
    answer = client.post(f"/api/blobs/{wrong}", content=b"other")
    assert answer.status_code == 400
    assert answer.json() == {"error": f'digest mismatch, expected "{wrong}", got "{got}"'}
    assert client.head(f"/api/blobs/{wrong}").status_code == 404
    for path in ("md5:1", "sha256:12", "sha256:" + "g" * 64, "..%2f..%2fengine.lock"):
        assert client.post(f"/api/blobs/{path}", content=b"x").status_code in (400, 404)


def test_an_upload_that_breaks_off_leaves_nothing(client: httpx.Client, engine: EngineProcess) -> None:
    head = f"POST /api/blobs/{DIGEST} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(DATA)}\r\n\r\n"
    tmp = models_of(engine) / "tmp"
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as connection:
        connection.sendall(head.encode() + DATA[:1000])
        while not list(tmp.iterdir()):
            client.get("/api/version")
    while list(tmp.iterdir()):
        client.get("/api/version")
    assert client.head(f"/api/blobs/{DIGEST}").status_code == 404


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"text", "supplied file was not in GGUF format"),
        (b"", "supplied file was not in GGUF format"),
        (b"GGUF", "the file's GGUF header is damaged: the file ends in its header"),
        (DATA[:200], "the file's GGUF header is damaged: the file ends in its header"),
        (gguf_bytes(version=9), "the file's GGUF header is damaged: GGUF version 9"),
        (b"GGUF\x03\0\0\0" + b"\xff" * 64, "the file's GGUF header is damaged: too many entries"),
    ],
)
def test_files_that_are_no_models_are_refused(client: httpx.Client, data: bytes, words: str) -> None:
    answer = make(client, "bad", data)
    assert (answer.status_code, answer.json()) == (500, {"error": words})
    assert names(client) == []


def test_a_model_that_cannot_be_loaded_says_so_and_the_engine_goes_on(client: httpx.Client) -> None:
    assert make(client, "noise").json() == {"status": "success"}
    for body in ({"prompt": "Hi"}, {}):
        answer = client.post("/api/generate", json={"model": "noise", **body})
        assert answer.status_code == 500
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json()["error"]
    assert client.get("/api/ps").json() == {"models": []}


def test_a_header_that_lies_about_its_size_is_held_against_memory(client: httpx.Client) -> None:
    huge = {**METADATA, "llama.block_count": 10**6, "llama.context_length": 2**31, "llama.embedding_length": 2**16}
    make(client, "huge", gguf_bytes(huge))
    answer = client.post("/api/generate", json={"model": "huge", "prompt": "Hi", "options": {"num_ctx": 2**31 - 1}})
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("model requires more system memory")


def test_create_from_a_model_puts_its_own_over_it(client: httpx.Client) -> None:
    make(client, "base", system="one", parameters={"temperature": 1, "stop": ["a"]}, license="L1")
    fields = {"from": "base", "parameters": {"top_k": 3}, "license": ["L1", "L2"], "stream": False}
    assert client.post("/api/create", json={"model": "over", **fields}).json() == {"status": "success"}
    shown = client.post("/api/show", json={"model": "over"}).json()
    assert shown["system"] == "one"
    assert shown["license"] == "L1\nL2"
    assert shown["details"]["parent_model"] == "base:latest"
    assert sorted(line.split() for line in shown["parameters"].splitlines()) == [
        ["stop", '"a"'],
        ["temperature", "1"],
        ["top_k", "3"],
    ]
    edited = {"model": "over", "from": "over", "system": "", "messages": [{"role": "user", "content": "Hi"}]}
    client.post("/api/create", json={**edited, "stream": False})
    shown = client.post("/api/show", json={"model": "over"}).json()
    assert "system" not in shown
    assert shown["messages"] == [{"role": "user", "content": "Hi"}]


def test_weights_stay_as_long_as_a_name_needs_them(client: httpx.Client) -> None:
    make(client, "one")
    assert client.post("/api/copy", json={"source": "one", "destination": "team/TWO:v1"}).content == b""
    assert client.post("/api/copy", json={"source": "one", "destination": "one"}).status_code == 200
    assert sorted(names(client)) == ["one:latest", "team/TWO:v1"]
    digests = {model["name"]: model["digest"] for model in client.get("/api/tags").json()["models"]}
    assert all(len(digest) == 64 for digest in digests.values())
    client.request("DELETE", "/api/delete", json={"model": "one"})
    assert client.head(f"/api/blobs/{DIGEST}").status_code == 200
    client.request("DELETE", "/api/delete", json={"model": "TEAM/two:V1"})
    assert client.head(f"/api/blobs/{DIGEST}").status_code == 404


def test_letter_case_is_kept_and_does_not_count(client: httpx.Client) -> None:
    make(client, "MixedCase")
    make(client, "mixedcase", system="new")
    assert names(client) == ["MixedCase:latest"]
    assert client.post("/api/show", json={"model": " MIXEDCASE "}).json()["system"] == "new"


NAMES = ["../../x", "..", "a/../b:c", "con", "x" * 80, "nul:latest", "a.b/c", "a\0b", "/etc/passwd", "名前", "\ud800"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_never_paths(client: httpx.Client, engine: EngineProcess, name: str) -> None:
    folder = models_of(engine)
    assert client.post(f"/api/blobs/{DIGEST}", content=DATA).status_code in (200, 201)
    around = sorted(folder.parent.iterdir())
    client.post("/api/create", content=json.dumps({"model": name, "files": {"m.gguf": DIGEST}, "stream": False}))
    assert sorted(folder.parent.iterdir()) == around
    assert {path.name for path in folder.iterdir()} == {"blobs", "engine.json", "engine.lock", "manifests", "tmp"}
    assert all(re.fullmatch(r"[0-9a-f]{32}\.json", path.name) for path in (folder / "manifests").iterdir())
    assert len(names(client)) == (name in ("con", "x" * 80, "nul:latest"))


def models_of(engine: EngineProcess) -> Path:
    """The folder an engine serves."""
    command = [str(word) for word in engine.process.args] if isinstance(engine.process.args, list) else []
    return Path(command[command.index("--models") + 1])


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("template", "{{ .System }}", 501),
        ("adapters", {"a": "b"}, 501),
        ("files", {"a.gguf": DIGEST, "b.gguf": DIGEST}, 501),
        ("files", {"../a.gguf": DIGEST}, 400),
        ("files", {"a.safetensors": DIGEST}, 400),
        ("files", {"a.gguf": "sha256:" + "1" * 64}, 500),
    ],
)
def test_what_create_cannot_do(client: httpx.Client, field: str, value: Any, status: int) -> None:
    answer = make(client, "no", **{field: value})
    assert answer.status_code == status
    assert answer.json()["error"]
    assert names(client) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/push", 501),
        ("GET", "/api/experimental/model-recommendations", 501),
        ("POST", "/v1/chat/completions", 501),
        ("GET", "/v1/models", 501),
        ("POST", "/api/me", 503),
        ("POST", "/api/signout", 401),
        ("GET", "/api/nosuch", 404),
        ("GET", "/api/chat", 405),
        ("PUT", "/api/tags", 405),
    ],
)
def test_what_the_engine_does_not_do_is_said(client: httpx.Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path, json={"model": "x"})
    assert answer.status_code == status
    if status == 501:
        assert answer.json()["error"].startswith("the embedded engine does not support ")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "ollama.example.com"}, 403),
        ({"host": "192.168.1.5:11435"}, 403),
        ({"host": "127.0.0.1.example.com"}, 403),
        ({"host": "localhost"}, 200),
        ({"host": "[::1]:1"}, 200),
        ({"host": "box.local:80"}, 200),
        ({"origin": "https://example.com"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost.example.com"}, 403),
        ({"origin": "http://localhost:3000"}, 200),
        ({"origin": "app://obsidian.md"}, 200),
    ],
)
def test_only_this_machine_may_ask(client: httpx.Client, headers: dict[str, str], status: int) -> None:
    answer = client.get("/api/tags", headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.content == b""
    elif "origin" in headers:
        assert answer.headers["access-control-allow-origin"] == headers["origin"]


def test_bodies_that_are_not_what_they_should_be(client: httpx.Client) -> None:
    bodies = [b"", b"{", b"[]", b'{"model": 5}', b'{"model": "x", "options": []}', b"\xff\xfe", b"nul", b'"x"', b"5"]
    deep = b"[" * 100_000
    for path in ("generate", "chat", "show", "pull", "create", "copy", "embed", "embeddings"):
        for body in (*bodies, deep):
            answer = client.post(f"/api/{path}", content=body)
            # a pull has said its first line by the time it looks for the model
            lines = [json.loads(line) for line in answer.text.splitlines()]
            assert 400 <= answer.status_code < 500 or (path, len(lines)) == ("pull", 2), (path, body[:20])
            assert lines[-1]["error"]
