"""What answers mean: unknown keys kept, unknown words survived, wrong types named, times of any precision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codomyrmex_ollama_tui.client.ollama import OllamaClient
from codomyrmex_ollama_tui.client.parse import parse_time
from codomyrmex_ollama_tui.domain.chat import (
    AnswerEnd,
    AnswerPiece,
    ChatRequest,
    CreateRequest,
    GenerateRequest,
    Message,
    ToolCall,
)
from codomyrmex_ollama_tui.domain.errors import (
    BadReply,
    ModelNotFound,
    OllamaError,
    ServerRefused,
    ServerUnreachable,
    StreamFailed,
)
from tests.client.server import WireServer, as_json, stream, whole

TIMES = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31))
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(TIMES, OFFSETS, st.integers(0, 9), st.booleans())
def test_times_of_any_precision(time: datetime, offset: timezone, digits: int, zulu: bool) -> None:
    zone = UTC if zulu else offset
    nanos = f"{time.microsecond:06d}789"[:digits].rstrip("0")  # Go cuts trailing zeros off
    text = time.strftime(f"{time.year:04d}-%m-%dT%H:%M:%S") + (f".{nanos}" if nanos else "")
    hours, minutes = divmod(abs(int(zone.utcoffset(None).total_seconds())) // 60, 60)
    sign = "-" if zone.utcoffset(None) < timedelta(0) else "+"
    found = parse_time(text + ("Z" if zulu else f"{sign}{hours:02d}:{minutes:02d}"))
    assert found == time.replace(microsecond=int(nanos[:6].ljust(6, "0") or 0), tzinfo=zone)


@pytest.mark.parametrize(
    "text",
    [
        *(None, 5, "", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00"),
        *("0001-01-01T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00+99:00", "12026-01-01T00:00:00Z"),
        "2026-01-01T00:00:00.Z",
    ],
)
def test_what_is_no_time(text: object) -> None:
    assert parse_time(text) is None


def test_for_ever_is_a_time() -> None:
    found = parse_time("2318-04-12T23:47:16.854775807+01:00")
    assert found is not None
    assert (found.year, found.microsecond) == (2318, 854775)


# -- lists and infos ---------------------------------------------------------------------------------------------------


async def test_unknown_keys_are_kept_and_newer_ones_understood() -> None:
    details = {"family": "llama", "families": None, "context_length": 8192, "new": 1}
    model = {"name": "m:latest", "capabilities": ["completion", "telepathy"], "details": details, "colour": "red"}
    async with WireServer(as_json({"models": [model], "more": True})) as server, OllamaClient(server.address) as client:
        [found] = await client.list_models()
    assert found.capabilities == ("completion", "telepathy")
    assert (found.details.context_length, found.details.families) == (8192, ())
    assert (dict(found.extra), dict(found.details.extra)) == ({"colour": "red"}, {"new": 1})
    assert (found.size, found.digest, found.modified_at) == (0, "", None)


async def test_the_engine_names_itself() -> None:
    answer = as_json({"version": "0.24.0", "engine": "embedded xllamacpp 1", "build": 5})
    async with WireServer(answer) as server, OllamaClient(server.address) as client:
        found = await client.version()
    assert (found.engine, dict(found.extra)) == ("embedded xllamacpp 1", {"build": 5})


@pytest.mark.parametrize(
    ("call", "answer", "problem"),
    [
        ("version", {}, "version is missing"),
        ("version", {"version": 5}, "version is no text"),
        ("version", [], "no object"),
        ("list_models", {}, "models is missing"),
        ("list_models", {"models": {}}, "models is no list"),
        ("list_models", {"models": [5]}, r"models\[0\] is no object"),
        ("list_models", {"models": [{"name": "a"}, {"size": 1}]}, r"models\[1\].name is missing"),
        ("list_models", {"models": [{"name": "a", "size": "big"}]}, r"models\[0\].size is no whole number"),
        ("list_models", {"models": [{"name": "a", "size": True}]}, r"models\[0\].size is no whole number"),
        ("list_models", {"models": [{"name": "a", "size": 1.5}]}, r"models\[0\].size is no whole number"),
        ("list_models", {"models": [{"name": "a", "details": []}]}, r"models\[0\].details is no object"),
        ("list_models", {"models": [{"name": "a", "details": {"families": [1]}}]}, r"details.families is no list of t"),
        ("running", {"models": [{"name": "a", "expires_at": 5}]}, r"models\[0\].expires_at is no text"),
        ("running", {"models": None, "x": 1}, None),
        ("show", {}, "model_info is missing"),
        ("show", {"model_info": {}, "tensors": [{"shape": ["a"]}]}, r"tensors\[0\].shape is no list of whole numbers"),
        ("show", {"model_info": {}, "capabilities": "all"}, "capabilities is no list of texts"),
        ("embed", {"model": "m"}, "embeddings is no list"),
        ("embed", {"embeddings": [["a"], [1]]}, r"embeddings\[0\] is no list of numbers"),
        ("embed", {"embeddings": [[1]]}, "1 vectors for 2 inputs"),
    ],
)
async def test_wrong_types_are_named(call: str, answer: Any, problem: str | None) -> None:
    arguments: dict[str, tuple[Any, ...]] = {"show": ("m",), "embed": ("m", ["a", "b"])}
    async with WireServer(as_json(answer)) as server, OllamaClient(server.address) as client:
        method = getattr(client, call)
        if problem is None:
            assert await method() == ()
            return
        with pytest.raises(BadReply, match=problem) as caught:
            await method(*arguments.get(call, ()))
    assert caught.value.where.startswith("/api/")


async def test_numbers_of_other_json_writers() -> None:
    answer = {"models": [{"model": "a", "size": 5e9, "modified_at": "never"}]}
    async with WireServer(as_json(answer)) as server, OllamaClient(server.address) as client:
        [found] = await client.list_models()
    assert (found.name, found.size, found.modified_at) == ("a", 5_000_000_000, None)


# -- answers -----------------------------------------------------------------------------------------------------------


async def items_of(*lines: object) -> list[AnswerPiece | AnswerEnd]:
    async with WireServer(stream(lines)) as server, OllamaClient(server.address) as client:
        return [item async for item in client.chat(ChatRequest("m", ()))]


async def test_whatever_stands_in_the_last_line_comes_before_the_end() -> None:
    call = {"id": "x-1", "function": {"name": "f", "arguments": '{"a": 1}'}}
    message = {"role": "assistant", "content": "tail", "thinking": "t", "tool_calls": [call]}
    logprob = {"token": "a", "logprob": -0.5}
    piece, end = await items_of(
        {"model": "m", "message": message, "done": True, "done_reason": "novel", "logprobs": [logprob], "late": 1}
    )
    assert isinstance(piece, AnswerPiece)
    assert isinstance(end, AnswerEnd)
    assert (piece.text, piece.thinking) == ("tail", "t")
    assert piece.tool_calls == (ToolCall("f", {"a": 1}, "x-1", None),)
    assert piece.logprobs == (logprob,)
    assert (end.done_reason, dict(end.extra)) == ("novel", {"late": 1})
    assert end.counters.eval_rate is None


async def test_unknown_keys_of_lines_are_kept() -> None:
    first, second, _ = await items_of(
        {"message": {"role": "assistant", "content": "a", "mood": "good"}, "done": False, "n": 1},
        {"message": {"content": "b", "more": 2}},
        {"message": {}, "done": True},
    )
    assert isinstance(first, AnswerPiece)
    assert isinstance(second, AnswerPiece)
    assert dict(first.extra) == {"n": 1, "message": {"mood": "good"}}
    assert dict(second.extra) == {"message": {"more": 2}}


async def test_absent_and_null_fields_are_empty() -> None:
    first, end = await items_of({"message": {"content": None, "tool_calls": None}, "done": False}, {"done": True})
    assert first == AnswerPiece(at=first.at)
    assert isinstance(end, AnswerEnd)
    assert (end.model, end.done_reason, end.created_at, end.context) == ("", "", None, ())


async def test_load_and_unload() -> None:
    loaded = as_json(
        {"model": "m", "created_at": "2026-01-01T00:00:00Z", "response": "", "done": True, "done_reason": "load"}
    )
    unloaded = as_json({"model": "m", "response": "", "done": True, "done_reason": "unload"})
    async with WireServer(loaded, unloaded) as server, OllamaClient(server.address) as client:
        assert (
            await client.load("m", options=MappingProxyType({"num_ctx": 64}), keep_alive="10m")
        ).done_reason == "load"
        assert (await client.unload("m")).done_reason == "unload"
        assert [request.json for request in server.requests] == [
            {"model": "m", "options": {"num_ctx": 64}, "keep_alive": "10m"},
            {"model": "m", "keep_alive": 0},
        ]


# -- requests ----------------------------------------------------------------------------------------------------------


async def test_everything_that_can_be_asked_is_sent_as_the_protocol_has_it() -> None:
    chat = ChatRequest(
        "m",
        (
            Message("user", "hi", images=("aGk=",)),
            Message("assistant", thinking="hm", tool_calls=(ToolCall("f", {"a": 1}, "c1", 0), ToolCall("g", {}))),
            Message("tool", "5", tool_name="f", tool_call_id="c1"),
        ),
        options={"num_ctx": 64},
        format={"type": "object"},
        keep_alive=-1,
        think="low",
        tools=({"type": "function"},),
        truncate=False,
        shift=False,
        logprobs=True,
        top_logprobs=3,
    )
    async with WireServer(stream([{"message": {}, "response": "", "done": True}])) as server:
        async with OllamaClient(server.address) as client:
            [item async for item in client.chat(chat)]
            [item async for item in client.generate(GenerateRequest("m", "p", system="", context=(1, 2), raw=True))]
        sent, plain = (request.json for request in server.requests)
    assert sent == {
        "model": "m",
        "messages": [
            {"role": "user", "content": "hi", "images": ["aGk="]},
            {
                "role": "assistant",
                "content": "",
                "thinking": "hm",
                "tool_calls": [
                    {"id": "c1", "function": {"name": "f", "arguments": {"a": 1}, "index": 0}},
                    {"function": {"name": "g", "arguments": {}}},
                ],
            },
            {"role": "tool", "content": "5", "tool_name": "f", "tool_call_id": "c1"},
        ],
        "options": {"num_ctx": 64},
        "format": {"type": "object"},
        "keep_alive": -1,
        "think": "low",
        "tools": [{"type": "function"}],
        "truncate": False,
        "shift": False,
        "logprobs": True,
        "top_logprobs": 3,
    }
    assert plain == {"model": "m", "prompt": "p", "system": "", "context": [1, 2], "raw": True}


async def test_create_push_and_embed_requests() -> None:
    request = CreateRequest(
        "new",
        from_model="m",
        system="s",
        parameters={"stop": ["a"]},
        license=("MIT",),
        messages=(Message("user", "x"),),
    )
    vectors = as_json({"model": "m", "embeddings": [[1, 0.5]]})
    done = stream([{"status": "success"}])
    async with WireServer(done, done, vectors) as server, OllamaClient(server.address) as client:
        assert [line.status async for line in client.create(request)] == ["success"]
        assert [line.status async for line in client.push("a/b", insecure=True)] == ["success"]
        found = await client.embed("m", ["a"], truncate=False, dimensions=2, keep_alive=5)
        bodies = [request.json for request in server.requests]
    assert found.vectors == ((1.0, 0.5),)
    message = {"role": "user", "content": "x"}
    assert bodies == [
        {"model": "new", "from": "m", "system": "s", "parameters": {"stop": ["a"]}, "license": ["MIT"]}
        | {"messages": [message]},
        {"model": "a/b", "insecure": True},
        {"model": "m", "input": ["a"], "truncate": False, "dimensions": 2, "keep_alive": 5},
    ]


async def test_wrong_arguments_are_the_caller_s_errors() -> None:
    async with OllamaClient(WireServer.NOWHERE) as client:
        with pytest.raises(TypeError, match="sequence"):
            await client.embed("m", "one text")
        with pytest.raises(TypeError, match="cannot be sent"):
            await anext(client.chat(ChatRequest("m", (), options={"seed": b"1"})))
        with pytest.raises(ValueError, match="JSON"):
            await anext(client.chat(ChatRequest("m", (), options={"temperature": float("nan")})))


# -- blobs and raw requests --------------------------------------------------------------------------------------------


async def test_a_blob_is_sent_in_pieces_and_tells_how_far_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    data = bytes(range(256)) * 4096  # 1 MiB
    path.write_bytes(data)
    told: list[int] = []
    async with WireServer(whole(b"", 201, "Created")) as server, OllamaClient(server.address) as client:
        assert await client.upload_blob("sha256:" + "a" * 64, path, on_sent=told.append) is True
        [request] = server.requests
    assert request.body == data
    assert (request.headers["content-length"], "transfer-encoding" in request.headers) == (str(len(data)), False)
    assert told == sorted(told)
    assert told[-1] == len(data)


async def test_a_blob_file_that_cannot_be_read(tmp_path: Path) -> None:
    async with OllamaClient(WireServer.NOWHERE) as client:
        with pytest.raises(FileNotFoundError):
            await client.upload_blob("sha256:" + "a" * 64, tmp_path / "none")


async def test_a_blob_file_that_shrinks_while_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"x" * 2**20)

    def shrink(sent: int) -> None:
        path.write_bytes(b"x")

    async with WireServer(whole(b"", 201, "Created")) as server, OllamaClient(server.address) as client:
        with pytest.raises(OSError, match="changed while it was being sent"):
            await client.upload_blob("sha256:" + "a" * 64, path, on_sent=shrink)


async def test_a_digest_cannot_leave_its_place_in_the_path() -> None:
    async with WireServer(whole(b"", 400, "Bad Request")) as server, OllamaClient(server.address) as client:
        with pytest.raises(ServerRefused):
            await client.blob_exists("../delete?x#y")
        assert server.requests[0].target == "/api/blobs/..%2Fdelete%3Fx%23y"


@pytest.mark.parametrize(
    ("lines", "kind"),
    [([{"error": "model 'x' not found"}], ModelNotFound), ([{"status": "a"}, {"error": "b"}], StreamFailed)],
)
async def test_error_lines_of_a_raw_answer(lines: list[object], kind: type[OllamaError]) -> None:
    async with WireServer(stream(lines)) as server, OllamaClient(server.address) as client:
        with pytest.raises(kind):
            await client.request_raw("POST", "/api/pull", content=b"{}")


async def test_a_raw_request_that_cannot_be_written() -> None:
    async with WireServer(whole(b"")) as server, OllamaClient(server.address) as client:
        with pytest.raises(ValueError, match="header"):
            await client.request_raw("GET", "/", headers={"X": "a\r\nb"})
        with pytest.raises(ServerUnreachable, match="could not be written"):
            await client.request_raw("GE T", "/")


async def test_a_raw_answer_that_is_no_json() -> None:
    script = whole(b"Ollama is running", kind="text/plain")
    async with WireServer(script) as server, OllamaClient(server.address) as client:
        answer = await client.request_raw("GET", "/")
    assert (answer.status, answer.body, answer.lines) == (200, b"Ollama is running", None)
    with pytest.raises(BadReply):
        answer.json()
