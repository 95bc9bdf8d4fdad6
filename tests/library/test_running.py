"""Running a prompt with one dict of options: what is sent, what is refused, what comes back and when."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.library.requests import images_of, messages_with_context
from codomyrmex_ollama_tui.library.running import run_prompt, run_prompt_async
from codomyrmex_ollama_tui.services.stopping import Stop
from tests.library.running_at import Place, place
from tests.services.asking import MODEL, end, line
from tests.support.server import CUT, Gate, Reply, Stream

LIMIT = 60.0
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(30))
ENCODED = base64.b64encode(PICTURE).decode()


async def ran(at: Place, options: dict[str, Any] | None = None, **further: Any) -> Any:
    return await asyncio.to_thread(lambda: run_prompt(at.manager.core, MODEL, "hello", options, **further))


async def test_nothing_but_the_prompt_is_sent_without_options(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("yes"), end()))
        result = await ran(at)
        assert at.sent() == [{"model": MODEL, "prompt": "hello", "truncate": False}]
        assert (result.response, result.success) == ("yes", True)


async def test_options_and_fields_of_the_request_are_parted(tmp_path: Path) -> None:
    options = {
        "temperature": 0.1,
        "max_tokens": 5,
        "context_window": 512,
        "stop": ["END"],
        "system": "be brief",
        "format": {"type": "object"},
        "keep_alive": "10m",
        "think": False,
        "raw": True,
        "template": "{{ .Prompt }}",
        "images": [PICTURE],
    }
    before = copy.deepcopy(options)
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("yes"), end()))
        result = await ran(at, options)
        assert at.sent() == [
            {
                "model": MODEL,
                "prompt": "hello",
                "options": {"temperature": 0.1, "num_predict": 5, "num_ctx": 512, "stop": ["END"]},
                "system": "be brief",
                "format": {"type": "object"},
                "keep_alive": "10m",
                "think": False,
                "raw": True,
                "template": "{{ .Prompt }}",
                "images": [ENCODED],
                "truncate": False,
            }
        ]
        assert options == before
        facts = json.loads(json.dumps(result.metadata, allow_nan=False))
        assert facts["options"] == at.sent()[0]["options"]
        assert facts["request"]["images"] == 1  # the pictures themselves are not kept
        assert facts["request"]["keep_alive"] == "10m"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temprature": 1}, "'temperature' is near"),
        ({"temperature": threading.Lock()}, r"options\.temperature = "),
        ({"temperature": 9}, r"options\.temperature = 9"),
        ({"images": ["nothing-there.png"]}, r"options\.images\[0\]: .*cannot be read"),
        ({"images": [b""]}, r"options\.images\[0\]: there is nothing in it"),
        ({"images": ["a\0b"]}, r"options\.images\[0\]"),
    ],
)
async def test_wrong_options_are_refused_by_name(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    async with place(tmp_path) as at:
        with pytest.raises(ValueError, match=words):
            await ran(at, options)
        with pytest.raises(ValueError, match=words):
            await run_prompt_async(at.manager.core, MODEL, "hello", options)
        assert at.sent() == []


@pytest.mark.parametrize("options", [{"images": "a.png"}, {"images": [5]}, "temperature"])
async def test_options_of_a_wrong_kind_are_refused(tmp_path: Path, options: Any) -> None:
    async with place(tmp_path) as at:
        with pytest.raises(TypeError, match="options"):
            await ran(at, options)


async def test_an_empty_prompt_is_a_result_that_names_it(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        for prompt in ("", " \n"):
            result = await asyncio.to_thread(run_prompt, at.manager.core, MODEL, prompt)
            same = await run_prompt_async(at.manager.core, MODEL, prompt)
            assert same == result
            assert (result.success, result.error_message) == (False, "prompt: empty, nothing was sent")
        assert at.real.requests == []


async def test_chunks_are_handed_over_when_they_arrive_in_the_callers_thread(tmp_path: Path) -> None:
    hold = Gate()
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    chunks: list[str] = []
    threads: set[int] = set()

    def take(chunk: str) -> None:
        chunks.append(chunk)
        threads.add(threading.get_ident())
        loop.call_soon_threadsafe(arrived.set)

    def call() -> Any:
        threads.add(threading.get_ident())
        return run_prompt(at.manager.core, MODEL, "hello", None, True, on_chunk=take)

    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line(thinking="hm"), line("Hel"), hold, line("lo"), end()))
        running = asyncio.ensure_future(asyncio.to_thread(call))
        async with asyncio.timeout(LIMIT):
            await arrived.wait()
        assert chunks == ["Hel"]
        hold.open()
        result = await running
        assert chunks == ["Hel", "lo"]
        assert len(threads) == 1
        assert (result.response, result.success, result.metadata["thinking"]) == ("Hello", True, "hm")
        at.real.route("POST", "/api/generate", Stream(line("Hel"), line("lo"), end()))
        whole: list[str] = []
        await ran(at, on_chunk=whole.append)
        assert whole == ["Hello"]


async def test_a_stream_that_breaks_is_a_result_too(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), CUT))
        result = await ran(at, stream=True, on_chunk=lambda chunk: None)
        assert (result.success, result.response, result.metadata["partial"]) == (False, "half", True)
        at.real.route("POST", "/api/generate", Reply(json={"error": "no"}, status=500))
        result = await ran(at, stream=True, on_chunk=lambda chunk: None)
        assert (result.success, result.response) == (False, "")


async def test_a_callback_that_fails_stops_the_model(tmp_path: Path) -> None:
    def refuse(chunk: str) -> None:
        raise LookupError(chunk)

    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), Gate()))
        with pytest.raises(LookupError, match="half"):
            await ran(at, stream=True, on_chunk=refuse)
        async with asyncio.timeout(LIMIT):
            await at.real.asked("/api/generate")[0].closed.wait()


async def test_the_first_byte_has_a_limit(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Reply(gate=Gate(), json={}))
        async with asyncio.timeout(LIMIT):
            result = await ran(at, first_byte_timeout=0.05)
        assert (result.success, result.metadata["error_type"]) == (False, "NoAnswer")


async def test_a_stop_works_from_any_thread(tmp_path: Path) -> None:
    hold, stop = Gate(), Stop()
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), hold))
        for streaming in (False, True):
            further: dict[str, Any] = {"stream": True, "on_chunk": lambda chunk: None} if streaming else {}
            running = asyncio.ensure_future(ran(at, stop=stop, **further))
            if not streaming:
                await hold.reached()
                await asyncio.to_thread(stop.pull)
            result = await running
            assert (result.success, result.metadata["stopped"]) == (False, True)


async def test_cancelling_the_callers_task_stops_the_model(tmp_path: Path) -> None:
    hold = Gate()
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), hold))
        task = asyncio.ensure_future(run_prompt_async(at.manager.core, MODEL, "hello"))
        await hold.reached()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(LIMIT):
            await at.real.asked("/api/generate")[0].closed.wait()


async def test_a_manager_that_is_closed_meanwhile_is_a_result(tmp_path: Path) -> None:
    hold = Gate()
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("half"), hold))
        calls = [
            asyncio.ensure_future(ran(at)),
            asyncio.ensure_future(ran(at, stream=True, on_chunk=lambda chunk: None)),
            asyncio.ensure_future(run_prompt_async(at.manager.core, MODEL, "hello")),
        ]
        await at.real.wait_for("/api/generate", 3)
        await asyncio.to_thread(at.manager.cleanup)
        for result in await asyncio.gather(*calls):
            assert result.success is False
            assert result.error_message


async def test_sixteen_threads_get_their_own_answers(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", lambda request: Stream(line(request.json["prompt"]), end()))
        core, barrier = at.manager.core, threading.Barrier(16)
        got: dict[int, list[str]] = {}

        def work(number: int) -> None:
            barrier.wait(LIMIT)
            one = run_prompt(core, MODEL, f"plain {number}")
            other = run_prompt(core, MODEL, f"stream {number}", None, True, on_chunk=lambda chunk: None)
            got[number] = [one.response, other.response]

        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert got == {number: [f"plain {number}", f"stream {number}"] for number in range(16)}


async def test_the_digest_of_a_model_that_is_gone_from_memory_is_that_on_disk(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("GET", "/api/ps", Reply(json={"models": []}))
        at.real.route("POST", "/api/generate", Stream(line("yes"), end()))
        result = await ran(at, {"keep_alive": 0})
        assert result.metadata["model_digest"] == "ab" * 32
        assert result.metadata["memory"] is None


def test_images_are_taken_as_bytes_paths_and_base64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(PICTURE)
    given_images = [PICTURE, bytearray(PICTURE), file, str(file), ENCODED, f"data:image/png;base64,{ENCODED}"]
    assert images_of(given_images, "images") == (ENCODED,) * 6
    (tmp_path / "face").write_bytes(b"other")  # a name that is base64 by chance
    monkeypatch.chdir(tmp_path)
    assert images_of(["face"], "images") == (base64.b64encode(b"other").decode(),)
    with pytest.raises(ValueError, match=r"images\[0\]: .* cannot be read"):
        images_of([tmp_path], "images")


@given(st.binary(min_size=200, max_size=300))
@settings(max_examples=20)
def test_long_base64_is_an_image_whatever_it_holds(data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    assert images_of([encoded, data], "images") == (encoded, encoded)


@given(st.lists(st.text()), st.text(min_size=1))
@settings(max_examples=30)
def test_documents_and_prompt_are_whole(documents: list[str], prompt: str) -> None:
    messages = messages_with_context(prompt, documents)
    assert messages[-1].content == prompt
    assert len(messages) == (2 if documents else 1)
    for number, document in enumerate(documents, 1):
        assert f"[{number}]\n{document}" in messages[0].content
