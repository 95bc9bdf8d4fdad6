"""The client's contract, with a real server at the other end."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

import httpx
import pytest

from codomyrmex_ollama_tui.client.address import parse_address
from codomyrmex_ollama_tui.client.ollama import OllamaClient
from codomyrmex_ollama_tui.domain.chat import (
    AnswerEnd,
    AnswerPiece,
    ChatRequest,
    CreateRequest,
    GenerateRequest,
    Message,
)
from codomyrmex_ollama_tui.domain.errors import ContextTooLong, ModelNotFound, ServerRefused, ServerUnreachable
from tests.e2e.terminal import free_port
from tests.real.server import PREFIX, RealServer, our_names, our_running, unload_ours

pytestmark = pytest.mark.real
OPTIONS = {"num_predict": 6, "temperature": 0, "seed": 42, "num_ctx": 512}
MISSING = f"{PREFIX}nosuch:1b"
SKY = (Message("user", "Why is the sky blue?"),)
Answer = AsyncGenerator[AnswerPiece | AnswerEnd, None]


async def whole(answer: Answer) -> tuple[list[AnswerPiece], AnswerEnd]:
    """Pieces and end of an answer."""
    items = [item async for item in answer]
    end = items.pop()
    assert isinstance(end, AnswerEnd)
    return [item for item in items if isinstance(item, AnswerPiece)], end


def check_counters(end: AnswerEnd, most: int) -> None:
    counters = end.counters
    assert counters.total_duration is not None
    assert counters.total_duration > 0
    assert counters.eval_count is not None
    assert 1 <= counters.eval_count <= most
    assert counters.eval_rate is None or counters.eval_rate > 0


async def test_version(server: RealServer, client: OllamaClient) -> None:
    version = await client.version()
    assert version.version == server.version
    assert version.engine is None
    assert dict(version.extra) == {}


async def test_list_and_show_agree(server: RealServer, client: OllamaClient, model: str, every_model: None) -> None:
    listed = {one.name: one for one in await client.list_models()}
    assert set(server.models) <= set(listed)
    entry = listed[model]
    assert entry.size > 0
    assert len(entry.digest) == 64
    assert entry.modified_at is not None
    info = await client.show(model)
    assert info.details.family == entry.details.family != ""
    assert info.details.quantization_level == entry.details.quantization_level
    assert info.context_length is not None
    assert info.capabilities is not None
    assert "completion" in info.capabilities
    assert info.tensors
    verbose = await client.show(model, verbose=True)
    assert len(json.dumps(dict(verbose.model_info))) > len(json.dumps(dict(info.model_info)))


async def test_chat(client: OllamaClient, model: str, every_model: None) -> None:
    pieces, end = await whole(client.chat(ChatRequest(model, SKY, options=OPTIONS)))
    assert "".join(piece.text + piece.thinking for piece in pieces).strip()
    assert end.model == model
    assert end.done_reason in ("length", "stop")
    check_counters(end, 6)
    assert [piece.at for piece in pieces] == sorted(piece.at for piece in pieces)


async def test_generate(client: OllamaClient, model: str, every_model: None) -> None:
    pieces, end = await whole(client.generate(GenerateRequest(model, "Why is the sky blue?", options=OPTIONS)))
    assert "".join(piece.text + piece.thinking for piece in pieces).strip()
    check_counters(end, 6)
    assert len(end.context) > 6


async def test_the_same_seed_gives_the_same_text(client: OllamaClient, model: str) -> None:
    request = GenerateRequest(model, "Once upon", options={**OPTIONS, "temperature": 1})
    texts = ["".join(piece.text for piece in (await whole(client.generate(request)))[0]) for _ in range(2)]
    assert texts[0] == texts[1] != ""


async def test_closing_the_stream_stops_the_answer(client: OllamaClient, model: str) -> None:
    """Were it still generating, the next request would have to wait for some thousand tokens."""
    long = ChatRequest(model, (Message("user", "Tell a very long story."),), options={**OPTIONS, "num_predict": 3000})
    async with aclosing(client.chat(long)) as answer:
        first = await anext(answer)
        assert isinstance(first, AnswerPiece)
    _, end = await whole(client.chat(ChatRequest(model, SKY, options={**OPTIONS, "num_predict": 1})))
    check_counters(end, 1)


async def test_load_and_unload(client: OllamaClient, model: str, raw: httpx.Client) -> None:
    unload_ours(raw, model)
    loaded = await client.load(model, options={"num_ctx": 512}, keep_alive="10m")
    assert loaded.done_reason == "load"
    (running,) = [one for one in await client.running() if one.name.startswith(PREFIX)]
    assert running.name == model
    assert running.context_length == 512
    assert running.size > 0
    assert 0 <= running.gpu_share <= 1
    assert (await client.unload(model)).done_reason == "unload"
    unload_ours(raw, model)
    assert our_running(raw) == []


@pytest.mark.parametrize(
    ("keep_alive", "least", "most"), [(30, 20, 30), ("2m", 100, 120), ("1h30m", 5300, 5400), (-1, 10**9, math.inf)]
)
async def test_keep_alive(
    client: OllamaClient, model: str, keep_alive: float | str, least: float, most: float, raw: httpx.Client
) -> None:
    unload_ours(raw, model)
    await client.load(model, options={"num_ctx": 512}, keep_alive=keep_alive)
    (running,) = [one for one in await client.running() if one.name == model]
    assert running.expires_at is not None
    # a server on another machine has a clock of its own; all that is held is the size of it
    assert least - 60 <= (running.expires_at - datetime.now(UTC)).total_seconds() <= most + 60
    await client.unload(model)


async def test_embed(client: OllamaClient, model: str) -> None:
    found = await client.embed(model, ["Hello", "World"])
    assert len(found.vectors) == 2
    assert len(found.vectors[0]) == len(found.vectors[1]) > 8
    for vector in found.vectors:
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-3)
    assert found.counters.prompt_eval_count


async def test_copy_create_and_delete(client: OllamaClient, model: str, raw: httpx.Client) -> None:
    copied, made = f"{PREFIX}copied:latest", f"{PREFIX}made:latest"
    await client.copy(model, copied)
    request = CreateRequest(
        made, copied, system="You are a pirate.", parameters={"temperature": 0.1, "num_ctx": 1024, "stop": ["ARR", "Ä"]}
    )
    lines = [line.status async for line in client.create(request)]
    assert lines[-1] == "success"
    info = await client.show(made)
    assert info.system == "You are a pirate."
    assert "num_ctx" in info.parameters
    assert "Ä" in info.parameters
    await client.delete(made)
    await client.delete(copied)
    assert not {copied, made} & set(our_names(raw))
    with pytest.raises(ModelNotFound):
        await client.delete(made)


async def test_a_missing_model(client: OllamaClient) -> None:
    with pytest.raises(ModelNotFound) as chat:
        await whole(client.chat(ChatRequest(MISSING, SKY)))
    assert (chat.value.status, chat.value.model) == (404, MISSING)
    assert MISSING in chat.value.words
    with pytest.raises(ModelNotFound):
        await whole(client.generate(GenerateRequest(MISSING, "Hi")))
    for call in (client.show(MISSING), client.load(MISSING), client.unload(MISSING), client.embed(MISSING, ["Hi"])):
        with pytest.raises(ModelNotFound):
            await call
    with pytest.raises(ModelNotFound):
        await client.copy(MISSING, f"{PREFIX}never")


async def test_errors_keep_status_and_words(client: OllamaClient, model: str) -> None:
    with pytest.raises(ServerRefused) as bad:
        await client.show(f"{PREFIX}bad name!")
    assert bad.value.status == 400
    assert bad.value.words
    with pytest.raises(ServerRefused) as wrong:
        await whole(client.generate(GenerateRequest(model, "Hi", format="xml")))
    assert wrong.value.words


async def test_a_prompt_that_is_too_long(client: OllamaClient, model: str) -> None:
    messages = (Message("user", "word " * 1000),)
    with pytest.raises(ContextTooLong):
        await whole(client.chat(ChatRequest(model, messages, options=OPTIONS, truncate=False)))


async def test_logprobs(client: OllamaClient, model: str) -> None:
    request = ChatRequest(model, SKY, options={**OPTIONS, "num_predict": 3}, logprobs=True, top_logprobs=2)
    pieces, _ = await whole(client.chat(request))
    tokens = [entry for piece in pieces for entry in piece.logprobs]
    assert tokens
    for token in tokens:
        assert isinstance(token["logprob"], float | int)
        assert token["logprob"] <= 0
        assert isinstance(token["top_logprobs"], list)
        assert len(token["top_logprobs"]) == 2


async def test_format_json(client: OllamaClient, model: str) -> None:
    """With a schema of one word the answer ends by itself and is that word."""
    schema = {"type": "string", "enum": ["red"]}
    messages = (Message("user", "Name a color in JSON."),)
    pieces, end = await whole(
        client.chat(ChatRequest(model, messages, options={**OPTIONS, "num_predict": 20}, format=schema))
    )
    assert json.loads("".join(piece.text for piece in pieces)) == "red"
    assert end.done_reason == "stop"
    pieces, _ = await whole(client.chat(ChatRequest(model, messages, options=OPTIONS, format="json")))
    assert "".join(piece.text for piece in pieces).lstrip()[:1] in ("{", "[", '"')


async def test_a_stop_word(client: OllamaClient, model: str) -> None:
    request = GenerateRequest(
        model, "Count: one, two,", raw=True, options={**OPTIONS, "stop": [" "], "num_predict": 20}
    )
    pieces, end = await whole(client.generate(request))
    assert end.done_reason == "stop"
    assert " " not in "".join(piece.text for piece in pieces).strip()


async def test_blobs(client: OllamaClient) -> None:
    assert not await client.blob_exists("sha256:" + "0" * 64)


async def test_a_port_where_nobody_listens() -> None:
    async with OllamaClient(parse_address(f"127.0.0.1:{free_port()}")) as nobody:
        with pytest.raises(ServerUnreachable):
            await nobody.version()
