"""What no Ollama sends: every piece of it is one error of the tree, with what had come before it."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from contextlib import aclosing

import pytest

from codomyrmex_ollama_tui.client.ndjson import MAX_LINE
from codomyrmex_ollama_tui.client.ollama import OllamaClient
from codomyrmex_ollama_tui.client.wire import MAX_BODY
from codomyrmex_ollama_tui.domain.chat import AnswerEnd, AnswerPiece, ChatRequest, GenerateRequest, Message
from codomyrmex_ollama_tui.domain.errors import (
    BadReply,
    ModelNotFound,
    NoAnswer,
    NotSupported,
    OllamaError,
    ServerRefused,
    StreamCut,
    StreamFailed,
    StreamUnfinished,
)
from tests.client.server import Script, WireServer, as_json, chunked, head, stream, whole

ASK = ChatRequest("m", (Message("user", "hi"),))
NDJSON = "application/x-ndjson"


def piece(text: str, **more: object) -> dict[str, object]:
    return {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": text}} | {
        "done": False,
        **more,
    }


def raw_stream(*parts: bytes, ended: bool = True) -> Script:
    pieces = [head(Content_Type=NDJSON, Transfer_Encoding="chunked"), *(chunked([part]) for part in parts)]
    return Script([*pieces, b"0\r\n\r\n"] if ended else pieces, end="keep" if ended else "close")


def line_of(text: str) -> bytes:
    return json.dumps(piece(text)).encode() + b"\n"


async def chat_error(script: Script) -> tuple[str, OllamaError]:
    """The text that a chat gives, and the error that ends it."""
    async with WireServer(script) as server, OllamaClient(server.address) as client:
        return await error_of(client)


async def error_of(client: OllamaClient) -> tuple[str, OllamaError]:
    text = ""
    async with aclosing(client.chat(ASK)) as items:
        try:
            async for item in items:
                assert isinstance(item, AnswerPiece)
                text += item.text
        except OllamaError as error:
            return text, error
    raise AssertionError("the answer came to its end")


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (b'{"message":{"content":"\xff\xfe"}}\n', "not UTF-8"),
        (b'{"message":\n', "JSON that is broken"),
        (b"[1,2]\n", "no object"),
        (b"null\n", "no object"),
        (b"<html>\n", "HTML instead of JSON"),
        (b'{"done":false}\n', "a line without a message"),
        (b'{"message":"text","done":false}\n', "a line without a message"),
        (b'{"message":{"content":5},"done":false}\n', "wrong type"),
        (b'{"message":{"content":"x","thinking":[]},"done":false}\n', "wrong type"),
        (b'{"message":{"content":"x"},"done":"yes"}\n', "wrong type"),
        (b'{"message":{"content":"x","tool_calls":{}},"done":false}\n', "tool_calls is no list"),
        (b'{"message":{"content":"x","tool_calls":[{}]},"done":false}\n', "without a function's name"),
        (b'{"message":{"content":"x","tool_calls":[{"function":{"name":"f","arguments":[]}}]}}\n', "no object"),
        (b'{"message":{"content":"x","tool_calls":[{"function":{"name":"f","arguments":"{"}}]}}\n', "broken arguments"),
        (b'{"message":{"content":"x"},"logprobs":[1]}\n', "logprobs"),
        (b'{"message":{"content":""},"done":true,"eval_count":"3"}\n', "eval_count is no whole number"),
        (b'{"message":{"content":""},"done":true,"context":[1.5]}\n', "context"),
        (b"[" * 200_000 + b"\n", "JSON that is broken"),
        (b"9" * 5000 + b"\n", "JSON that is broken"),
        (b'{"message":{"content":"\x00"}}\n', "JSON that is broken"),
    ],
)
async def test_a_line_that_is_not_the_protocol(broken: bytes, problem: str) -> None:
    text, error = await chat_error(raw_stream(line_of("Hé"), line_of("llo"), broken, line_of("never")))
    assert isinstance(error, BadReply)
    assert problem in error.problem
    assert (error.where, error.partial, text) == ("/api/chat", "Héllo", "Héllo")
    assert len(error.excerpt) <= 200


async def test_text_of_a_broken_line_is_kept_only_when_it_was_handed_over() -> None:
    broken = b'{"message":{"content":" more"},"done":true,"eval_count":[]}\n'
    text, error = await chat_error(raw_stream(line_of("some"), broken))
    assert isinstance(error, BadReply)
    assert error.partial == text == "some"


async def test_a_line_of_one_mebibyte_is_a_line_like_any_other() -> None:
    long = "é" * 2**19
    parts = line_of(long)
    script = stream([piece(long), piece("", done=True, done_reason="stop")])
    async with WireServer(script) as server, OllamaClient(server.address) as client:
        items = [item async for item in client.chat(ASK)]
    assert len(parts) > 2**20
    assert isinstance(items[0], AnswerPiece)
    assert items[0].text == long
    assert isinstance(items[1], AnswerEnd)


async def test_a_stream_without_line_ends_is_refused_in_bounded_memory() -> None:
    endless = [line_of("some"), *[b"x" * 2**18] * 40]  # 10 MiB, and it would go on
    tracemalloc.start()
    try:
        text, error = await chat_error(raw_stream(*endless, ended=False))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(error, BadReply)
    assert str(MAX_LINE) in error.problem
    assert (error.partial, text) == ("some", "some")
    assert peak < 4 * MAX_LINE


async def test_an_endless_body_is_refused() -> None:
    part = chunked([b" " * 2**20])
    script = Script([head(Transfer_Encoding="chunked"), *[part] * (MAX_BODY // 2**20 + 2)], end="close")
    async with WireServer(script) as server, OllamaClient(server.address) as client:
        with pytest.raises(BadReply, match=f"more than {MAX_BODY} bytes"):
            await client.list_models()


async def test_an_endless_error_body_is_cut() -> None:
    script = Script(
        [head(500, "Internal Server Error", Transfer_Encoding="chunked"), *[chunked([b"word " * 2000])] * 40],
        end="close",
    )
    async with WireServer(script) as server, OllamaClient(server.address) as client:
        with pytest.raises(ServerRefused) as caught:
            await client.version()
    assert caught.value.status == 500
    assert len(caught.value.words) == 4000


async def test_an_error_body_that_breaks_off_still_has_its_status() -> None:
    _, error = await chat_error(Script([head(500, "Oh No", Content_Length="100") + b'{"error":"hal'], end="close"))
    assert isinstance(error, ServerRefused)
    assert (error.status, error.words) == (500, '{"error":"hal')


@pytest.mark.parametrize("path", ["chat", "version"])
async def test_compressed_answers_are_refused(path: str) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    start = head(Content_Type=NDJSON, Content_Encoding="gzip", Content_Length=str(len(bomb)))
    async with WireServer(Script([start, bomb])) as server, OllamaClient(server.address) as client:
        with pytest.raises(BadReply, match=r"compressed answer \(gzip\)"):
            await (client.version() if path == "version" else anext(client.chat(ASK)))
        assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_a_compressed_error_still_has_its_status() -> None:
    body = gzip.compress(b'{"error":"hidden"}')
    script = Script([head(503, "Service Unavailable", Content_Encoding="gzip", Content_Length=str(len(body))) + body])
    _, error = await chat_error(script)
    assert isinstance(error, ServerRefused)
    assert (error.status, error.words) == (503, "Service Unavailable")


async def test_huge_headers() -> None:
    _, error = await chat_error(Script([head(X_Big="x" * 300_000)]))
    assert isinstance(error, BadReply)
    assert "not HTTP as we know it" in error.problem


@pytest.mark.parametrize(
    "garbage", [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n", b"\r\n\r\n\r\n"]
)
async def test_a_server_that_speaks_something_else(garbage: bytes) -> None:
    _, error = await chat_error(Script([garbage], end="close"))
    assert isinstance(error, BadReply | NoAnswer)


async def test_chunks_that_are_no_chunks() -> None:
    script = Script([head(Content_Type=NDJSON, Transfer_Encoding="chunked"), chunked([line_of("some")]), b"zz\r\n"])
    text, error = await chat_error(script)
    assert isinstance(error, BadReply)
    assert (error.partial, text) == ("some", "some")


@pytest.mark.parametrize("path", ["chat", "version"])
async def test_a_page_instead_of_an_answer(path: str) -> None:
    page = b"<!doctype html><title>Sign in</title>"
    async with WireServer(whole(page, kind="text/html")) as server, OllamaClient(server.address) as client:
        with pytest.raises(BadReply, match=r"html|HTML"):
            await (client.version() if path == "version" else anext(client.chat(ASK)))


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        (whole(b"<html><title>502 Bad\n Gateway</title>", 502, "x", "text/html"), 502, "502 Bad Gateway"),
        (whole(b"<html>", 404, "Not Found", "text/html"), 404, "Not Found"),
        (whole(b"", 500, "Internal Server Error"), 500, "Internal Server Error"),
        (whole(b"", 599, ""), 599, "status 599"),
        (whole(b"upstream is gone", 503, "x", "text/plain"), 503, "upstream is gone"),
        (as_json({"error": {"message": "no key", "type": "auth"}}, 401), 401, "no key"),
        (as_json({"error": 5}, 400), 400, "5"),
        (as_json({"detail": "x"}, 400), 400, '{"detail": "x"}'),
        (as_json(["x"], 400), 400, '["x"]'),
        (Script([head(302, "Found", Location="https://elsewhere/", Content_Length="0")]), 302, "redirects to https://elsewhere/"),
        (Script([head(304, "Not Modified")]), 304, "redirects to nowhere"),
        (stream([{"error": "too busy"}]), None, "too busy"),
    ],
)  # fmt: skip
async def test_refusals_keep_the_words(script: Script, status: int | None, words: str) -> None:
    text, error = await chat_error(script)
    assert type(error) is ServerRefused
    assert (error.status, error.words, text) == (status, words, "")
    assert words in str(error)


async def test_a_redirect_is_never_followed() -> None:
    script = Script([head(307, "Temporary Redirect", Location="/api/version", Content_Length="0")])
    async with WireServer(script) as server, OllamaClient(server.address) as client:
        with pytest.raises(ServerRefused):
            await client.version()
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("words", "status", "kind"),
    [
        ("model 'm' not found", 404, ModelNotFound),
        ('model "m" not found, try pulling it first', 404, ModelNotFound),
        ("model 'm' not found", None, ModelNotFound),
        ("404 page not found", 404, NotSupported),
        ("the embedded engine does not support tools", 501, NotSupported),
        ("image generation models are not currently supported", 400, NotSupported),
    ],
)
async def test_what_a_refusal_means(words: str, status: int | None, kind: type[ServerRefused]) -> None:
    script = stream([{"error": words}]) if status is None else as_json({"error": words}, status)
    _, error = await chat_error(script)
    assert type(error) is kind
    assert getattr(error, "model", "m") == "m"


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_cut_stream_keeps_what_had_come(end: str) -> None:
    thinking = {"message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False}
    text, error = await chat_error(stream([thinking, piece("half an ans")], end=end))
    assert isinstance(error, StreamCut)
    assert (error.partial, error.thinking, text) == ("half an ans", "hm", "half an ans")


async def test_a_cut_inside_a_line_drops_only_that_line() -> None:
    text, error = await chat_error(raw_stream(line_of("whole"), line_of("half")[:30], ended=False))
    assert isinstance(error, StreamCut)
    assert (error.partial, text) == ("whole", "whole")


async def test_a_cut_at_any_byte_is_one_error_of_the_tree() -> None:
    answer = b"".join(stream([piece("é"), piece("!", done=True, done_reason="stop")]).pieces)
    for end in range(1, len(answer)):
        async with WireServer(Script([answer[:end]], end="close")) as server, OllamaClient(server.address) as client:
            seen: list[AnswerPiece | AnswerEnd] = []
            found: OllamaError | None = None
            try:
                async for item in client.chat(ASK):
                    seen.append(item)
            except OllamaError as error:
                found = error
        text = "".join(item.text for item in seen if isinstance(item, AnswerPiece))
        if found is None:
            assert isinstance(seen[-1], AnswerEnd)
            assert end >= answer.index(b'"stop"')
        else:
            assert isinstance(found, StreamCut | NoAnswer)
            assert getattr(found, "partial", "") == text


async def test_an_error_line_in_the_middle() -> None:
    text, error = await chat_error(stream([piece("some"), {"error": "boom"}, piece("never")]))
    assert isinstance(error, StreamFailed)
    assert (error.words, error.partial, text) == ("boom", "some", "some")


async def test_a_stream_that_just_ends() -> None:
    text, error = await chat_error(stream([piece("loop"), piece(" loop")]))
    assert isinstance(error, StreamUnfinished)
    assert (error.partial, text) == ("loop loop", "loop loop")


async def test_a_stream_of_nothing() -> None:
    _, error = await chat_error(stream([]))
    assert isinstance(error, StreamUnfinished)
    assert error.partial == ""


async def test_what_follows_the_last_line_changes_nothing() -> None:
    script = stream([piece("a"), piece("", done=True, done_reason="stop"), {"error": "late"}], end="abort")
    async with WireServer(script) as server, OllamaClient(server.address) as client:
        items = [item async for item in client.chat(ASK)]
    assert isinstance(items[-1], AnswerEnd)


async def test_generate_lines_need_a_response() -> None:
    async with WireServer(stream([{"model": "m", "done": False}])) as server, OllamaClient(server.address) as client:
        with pytest.raises(BadReply, match="without a response"):
            await anext(client.generate(GenerateRequest("m", "hi")))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({"total": 5}, "status is missing"),
        ({"status": 5}, "status is no text"),
        ({"status": "a", "total": "5"}, "total"),
    ],
)
async def test_progress_that_is_none(line: dict[str, object], problem: str) -> None:
    async with WireServer(stream([line])) as server, OllamaClient(server.address) as client:
        with pytest.raises(BadReply, match=problem):
            async for _ in client.pull("m"):
                pass


async def test_a_pull_that_ends_before_success() -> None:
    script = stream([{"status": "pulling manifest"}])
    async with WireServer(script) as server, OllamaClient(server.address) as client:
        with pytest.raises(StreamUnfinished):
            async for _ in client.pull("m"):
                pass


async def test_half_characters_become_replacement_characters() -> None:
    script = raw_stream(b'{"message":{"content":"a\\ud83dz","x":["\\udfff",5]},"done":true,"done_reason":"\\uDc00"}\n')
    async with WireServer(script) as server, OllamaClient(server.address) as client:
        first, last = [item async for item in client.chat(ASK)]
    assert isinstance(first, AnswerPiece)
    assert isinstance(last, AnswerEnd)
    assert (first.text, last.done_reason) == ("a\ufffdz", "\ufffd")
    assert dict(first.extra) == {"message": {"x": ["\ufffd", 5]}}


async def test_half_characters_of_a_person_are_sent() -> None:
    script = stream([piece("", done=True)])
    async with WireServer(script) as server, OllamaClient(server.address) as client:
        [item async for item in client.chat(ChatRequest("m", (Message("user", "\udce9é"),)))]
        assert b'"content":"\\udce9\\u00e9"' in server.requests[0].body
