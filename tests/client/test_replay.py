"""Every recorded answer of a real Ollama, served again by a real server, cut in hostile ways, through the client."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from codomyrmex_ollama_tui.client.calls import RawAnswer
from codomyrmex_ollama_tui.client.ollama import OllamaClient
from codomyrmex_ollama_tui.domain.chat import (
    AnswerEnd,
    AnswerPiece,
    ChatRequest,
    CreateRequest,
    Embeddings,
    GenerateRequest,
    Message,
    ToolCall,
)
from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.models import (
    ModelDetails,
    ModelInfo,
    ModelSummary,
    Progress,
    RunningModel,
    ServerVersion,
)
from tests.client import expect, recordings
from tests.client.server import Script, WireServer, chunked

EXPECTED: dict[str, Any] = json.loads(expect.TABLE.read_text(encoding="utf-8"))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_every_recording_stands_in_the_table() -> None:
    assert set(EXPECTED) == set(recordings.case_names())
    assert len(EXPECTED) == 436


def test_the_table_is_what_the_recordings_say() -> None:
    assert expect.TABLE.read_text(encoding="utf-8") == expect.text_of(expect.table())


@pytest.mark.parametrize("together", [False, True], ids=["cut", "together"])
@pytest.mark.parametrize("name", sorted(EXPECTED))
async def test_replay(name: str, together: bool, tmp_path: Path) -> None:
    case, row = recordings.load_case(name), EXPECTED[name]
    outcome: dict[str, Any] = row["outcome"]
    if outcome.get("error") == "ServerUnreachable":
        async with WireServer() as server:
            address = server.address  # nobody listens there any more in a moment
        async with OllamaClient(address) as client:
            assert await facts_of(client, row, tmp_path) == outcome
        return
    script = script_of(case, together)
    silent = outcome.get("error") == "NoAnswer"
    async with (
        WireServer(script) as server,
        OllamaClient(server.address, first_byte_timeout=0.03 if silent else None) as client,
    ):
        found = await facts_of(client, row, tmp_path)
        assert found == outcome
        [request] = server.requests
        assert (request.method, request.target) == (case["request"]["method"], case["request"]["path"])
        if row["call"] != "request_raw" and request.body and row["call"] != "upload_blob":
            assert without_empty(request.json) == without_empty(row_body(row))
        if silent or "closed_after" in outcome or outcome.get("closed"):
            await asyncio.wait_for(server.gone.wait(), 5)  # the moment we stop, the server can know


# -- serving -----------------------------------------------------------------------------------------------------------


def script_of(case: dict[str, Any], together: bool) -> Script:
    """The recorded answer as bytes: in pieces as only the case's name decides, or as many lines in one packet."""
    response = case["response"]
    chance = random.Random(case["name"])
    if response["status"] is None:
        return Script([b""], gates={0: asyncio.Event()})  # silence
    if "raw" in response:
        raw: bytes = response["raw"].encode()
        return Script([raw] if together else single(raw), end="close")
    body = body_of(response)
    headers = {name: value for name, value in response["headers"].items() if name != "content-length"}
    open_ended = "client_exception" in response or "client_closed_at_ms" in response
    if headers.get("transfer-encoding") == "chunked":
        parts = body.splitlines(keepends=True) if together else cut(body, chance, 40)
        body = chunked(parts) + (b"" if open_ended else b"0\r\n\r\n")
    elif response["status"] != 204:
        headers["content-length"] = response["headers"].get("content-length", "0") if not body else str(len(body))
    reason = HTTPStatus(response["status"]).phrase
    lines = [f"HTTP/1.1 {response['status']} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    pieces = [data] if together else cut(data, chance, 40) if len(data) > 400 else single(data)
    if "client_closed_at_ms" in response:
        return Script([*pieces, b""], gates={len(pieces): asyncio.Event()})
    return Script(pieces, end="close" if open_ended else "keep")


def body_of(response: dict[str, Any]) -> bytes:
    if "lines" in response:
        rows = response["lines"]
        return b"".join(as_bytes(row["json"]) + (b"" if row.get("no_newline") else b"\n") for row in rows)
    body = response["body"]
    return body.encode() if isinstance(body, str) else as_bytes(body)


def as_bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def single(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def cut(data: bytes, chance: random.Random, most: int) -> list[bytes]:
    """`data` in pieces: some of them cut inside a character, some around a line end, the rest anywhere."""
    inside = [at for at in range(1, len(data)) if data[at] & 0xC0 == 0x80]
    ends = [at + step for at in range(1, len(data)) if data[at] == 0x0A for step in (0, 1)]
    places = {*chance.sample(inside, min(most // 3, len(inside))), *chance.sample(ends, min(most // 3, len(ends)))}
    places |= {chance.randrange(1, len(data)) for _ in range(most - len(places)) if len(data) > 1}
    edges = [0, *sorted(place for place in places if place < len(data)), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


# -- asking ------------------------------------------------------------------------------------------------------------


async def facts_of(client: OllamaClient, row: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the call gives, in the words of the table."""
    name, arguments, outcome = row["call"], row["arguments"], row["outcome"]
    if name in ("chat", "generate", "pull", "push", "create"):
        return await stream_facts(stream_of(client, name, arguments), outcome)
    try:
        if name in ("load", "unload"):
            end = await (client.load(**arguments) if name == "load" else client.unload(**arguments))
            return {"text": "", "thinking": "", "pieces": 0, "end": end_facts(end)}
        if name == "request_raw":
            content = arguments["content"]
            answer = await client.request_raw(
                arguments["method"],
                arguments["path"],
                content=None if content is None else content.encode(),
                headers=arguments["headers"],
            )
            return {"raw": raw_facts(answer)}
        return {"value": await value_of(client, name, arguments, folder)}
    except OllamaError as error:
        return error_facts(error)


async def value_of(client: OllamaClient, name: str, arguments: dict[str, Any], folder: Path) -> Any:
    if name == "upload_blob":
        path = folder / "blob"
        path.write_bytes(b"x" * arguments["size"])
        return await client.upload_blob(arguments["digest"], path)
    if name == "embed":
        arguments = {("inputs" if key == "input" else key): value for key, value in arguments.items()}
    value = await getattr(client, name)(**arguments)
    return value_facts(value)


def stream_of(client: OllamaClient, name: str, arguments: dict[str, Any]) -> AsyncGenerator[Any, None]:
    made: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
    if "messages" in made or name == "chat":
        made["messages"] = tuple(message_of(message) for message in made.get("messages", ()))
    if name == "chat":
        return client.chat(ChatRequest(**made))
    if name == "generate":
        return client.generate(GenerateRequest(**made))
    if name == "create":
        if "from" in made:
            made["from_model"] = made.pop("from")
        return client.create(CreateRequest(**made))
    return client.pull(**made) if name == "pull" else client.push(**made)


def message_of(data: dict[str, Any]) -> Message:
    calls = tuple(
        ToolCall(call["function"]["name"], call["function"]["arguments"], call.get("id", ""), index_of(call))
        for call in data.get("tool_calls", ())
    )
    made: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    return Message(**made | {"tool_calls": calls})


def index_of(call: dict[str, Any]) -> int | None:
    index = call["function"].get("index")
    return None if index is None else int(index)


async def stream_facts(items: AsyncGenerator[Any, None], outcome: dict[str, Any]) -> dict[str, Any]:
    seen: list[Any] = []
    error: OllamaError | None = None
    async with aclosing(items):
        try:
            async for item in items:
                seen.append(item)
                if len(seen) == outcome.get("closed_after", outcome["lines"] if outcome.get("closed") else None):
                    break
        except OllamaError as found:
            error = found
    if not seen or isinstance(seen[0], Progress):
        made = progress_facts(seen) if seen else {}
        if outcome.get("closed"):
            made["closed"] = True
        return {**made, **(error_facts(error) if error else {})}
    if "closed_after" in outcome:
        return {"closed_after": len(seen), "text": "".join(piece.text for piece in seen)}
    return answer_facts(seen, error)


def answer_facts(seen: list[AnswerPiece | AnswerEnd], error: OllamaError | None) -> dict[str, Any]:
    pieces = [item for item in seen if isinstance(item, AnswerPiece)]
    made: dict[str, Any] = {
        "text": "".join(piece.text for piece in pieces),
        "thinking": "".join(piece.thinking for piece in pieces),
        "pieces": len(pieces),
    }
    calls = [call for piece in pieces for call in piece.tool_calls]
    if calls:
        made["tool_calls"] = [[call.id, call.name, dict(call.arguments), call.index] for call in calls]
    if logprobs := sum(len(piece.logprobs) for piece in pieces):
        made["logprobs"] = logprobs
    if error is not None:
        # What had come is in the error too, whoever keeps no pieces.
        assert (getattr(error, "partial", None), getattr(error, "thinking", None)) == (made["text"], made["thinking"])
        found = error_facts(error)
        return {**made, **{key: found[key] for key in ("error", "words") if key in found}}
    assert isinstance(seen[-1], AnswerEnd)
    assert [item for item in seen if isinstance(item, AnswerEnd)] == seen[-1:]
    return {**made, "end": end_facts(seen[-1])}


def progress_facts(seen: list[Progress]) -> dict[str, Any]:
    statuses: list[str] = []
    for line in seen:
        if statuses[-1:] != [line.status]:
            statuses.append(line.status)
    return {
        "lines": len(seen),
        "statuses": statuses,
        "digests": len({line.digest for line in seen} - {""}),
        "sums": [sum(line.total or 0 for line in seen), sum(line.completed or 0 for line in seen)],
    }


def end_facts(end: AnswerEnd) -> dict[str, Any]:
    made: dict[str, Any] = {"model": end.model, "done_reason": end.done_reason}
    made["counters"] = {key: value for key in recordings.COUNTERS if (value := getattr(end.counters, key)) is not None}
    made["created_at"] = micros(end.created_at)
    if end.context:
        made["context"] = [len(end.context), sum(end.context)]
    return {**made, "extra": dict(end.extra)} if end.extra else made


def error_facts(error: OllamaError) -> dict[str, Any]:
    made: dict[str, Any] = {"error": type(error).__name__}
    return {**made, **{key: getattr(error, key) for key in ("status", "words", "model") if hasattr(error, key)}}


def raw_facts(answer: RawAnswer) -> dict[str, Any]:
    made: dict[str, Any] = {"status": answer.status}
    if answer.lines is not None:
        return {**made, "lines": recordings.digest_of(list(answer.lines))}
    if not answer.body:
        return {**made, "empty": True}
    if answer.headers["content-type"].startswith("application/json"):
        return {**made, "json": recordings.digest_of(answer.json())}
    return {**made, "text": answer.body.decode()}


def value_facts(value: Any) -> Any:
    if isinstance(value, tuple):
        return [value_facts(item) for item in value]
    if isinstance(value, ServerVersion):
        assert (value.engine, dict(value.extra)) == (None, {})
        return {"version": value.version}
    if isinstance(value, Embeddings):
        vectors = [[len(vector), recordings.digest_of(list(vector))] for vector in value.vectors]
        counters = {key: found for key in recordings.COUNTERS if (found := getattr(value.counters, key)) is not None}
        return {"model": value.model, "vectors": vectors, "counters": counters}
    if isinstance(value, ModelSummary):
        assert value.capabilities is None  # they come with 0.30
        return {
            "name": value.name,
            "size": value.size,
            "digest": value.digest,
            "modified_at": micros(value.modified_at),
            "details": details_facts(value.details),
            "remote": [value.remote_host, value.remote_model],
        }
    if isinstance(value, RunningModel):
        return {
            "name": value.name,
            "size": [value.size, value.size_vram],
            "digest": value.digest,
            "expires_at": micros(value.expires_at),
            "context_length": value.context_length,
            "details": details_facts(value.details),
        }
    return info_facts(value) if isinstance(value, ModelInfo) else value


def info_facts(info: ModelInfo) -> dict[str, Any]:
    texts = ("license", "modelfile", "parameters", "template", "system", "renderer", "parser", "requires")
    assert not info.extra
    return {
        "details": details_facts(info.details),
        "texts": {key: recordings.digest_of(value) for key in texts if (value := getattr(info, key))},
        "model_info": recordings.digest_of(info.model_info),
        "context_length": info.context_length,
        "capabilities": None if info.capabilities is None else list(info.capabilities),
        "modified_at": micros(info.modified_at),
        "tensors": len(info.tensors),
        "tensor_sum": sum(sum(shape) for _, _, shape in info.tensors),
        "messages": [dict(message) for message in info.messages],
        "projector_info": recordings.digest_of(dict(info.projector_info)),
        "remote": [info.remote_host, info.remote_model],
    }


def details_facts(details: ModelDetails) -> list[Any]:
    keys = ("format", "family", "parameter_size", "quantization_level", "parent_model")
    assert not details.extra
    return [*(getattr(details, key) for key in keys), list(details.families)]


def micros(time: datetime | None) -> int:
    assert time is not None
    return (time - EPOCH) // timedelta(microseconds=1)


def row_body(row: dict[str, Any]) -> Mapping[str, Any]:
    """What the request must say: the arguments are the recorded JSON but for the call that unloads."""
    arguments: dict[str, Any] = row["arguments"]
    return {**arguments, "keep_alive": 0} if row["call"] == "unload" else arguments


def without_empty(body: Any) -> Any:
    """An empty list or text at the top says as much as none."""
    return {key: value for key, value in body.items() if value not in ([], "")}
