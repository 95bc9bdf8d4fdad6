"""OllamaManager: models downloaded, made, copied, deleted; and what goes wrong."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codomyrmex_ollama_tui import OllamaManager
from codomyrmex_ollama_tui.domain.errors import NoAnswer, OllamaError, ServerUnreachable
from codomyrmex_ollama_tui.services.pulls import PullPhase, PullState
from codomyrmex_ollama_tui.services.state import ServerState
from tests.library.managing import DONE, GEMMA, GONE, NOTHING, SMOL, config
from tests.library.running_at import place
from tests.services.asking import end, in_memory, line
from tests.services.rooms import free_url
from tests.support.recorded import answer
from tests.support.server import CUT, Gate, LocalServer, Reply, Stream

LIMIT = 60.0


async def test_a_download_tells_how_far_it_is_in_the_thread_of_the_caller(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/pull", answer("pull_full"))
        states: list[PullState] = []
        threads: set[int] = set()

        def download() -> bool:
            def take(state: PullState) -> None:
                states.append(state)
                threads.add(threading.get_ident())
                at.manager.get_server_status()  # it is no callback of the loop: everything may be called

            assert at.manager.download_model(SMOL, on_progress=take)
            return threads == {threading.get_ident()}

        assert await asyncio.to_thread(download)
        assert states[-1].phase is PullPhase.DONE
        assert states[-1].completed == states[-1].total
        done = [state.completed for state in states]
        assert done == sorted(done)
        assert at.sent("/api/pull") == [{"model": SMOL}]


async def test_a_download_ends_when_whoever_follows_it_has_had_enough(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        gate = Gate()
        at.real.route("POST", "/api/pull", Stream({"status": "pulling manifest"}, gate, {"status": "success"}))

        def enough(state: PullState) -> None:
            if state.status == "pulling manifest":
                raise LookupError("enough")

        with pytest.raises(LookupError, match="enough"):
            await asyncio.to_thread(lambda: at.manager.download_model(SMOL, on_progress=enough))
        async with asyncio.timeout(LIMIT):
            await at.real.requests[-1].closed.wait()
        at.real.route("POST", "/api/pull", DONE)
        assert await asyncio.to_thread(at.manager.download_model, SMOL)


async def test_a_download_that_is_under_way_is_joined(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        gate = Gate()
        at.real.route("POST", "/api/pull", Stream({"status": "pulling manifest"}, gate, {"status": "success"}))
        both = threading.Barrier(3)

        def download(name: str) -> bool:
            told: list[PullState] = []

            def take(state: PullState) -> None:
                if not told:
                    both.wait(LIMIT)
                told.append(state)

            return at.manager.download_model(name, on_progress=take)

        tasks = [asyncio.create_task(asyncio.to_thread(download, name)) for name in (SMOL, SMOL.upper())]
        await asyncio.to_thread(both.wait, LIMIT)
        gate.open()
        assert await asyncio.gather(*tasks) == [True, True]
        assert len(at.real.asked("/api/pull")) == 1


@pytest.mark.parametrize(
    ("method", "path", "do"),
    [
        ("POST", "/api/pull", lambda manager: manager.download_model("x")),
        ("POST", "/api/push", lambda manager: manager.push_model("me/x")),
        ("POST", "/api/create", lambda manager: manager.create_model("y", "x")),
        ("POST", "/api/copy", lambda manager: manager.copy_model("x", "y")),
        ("DELETE", "/api/delete", lambda manager: manager.delete_model("x")),
        ("POST", "/api/generate", lambda manager: manager.load_model("x")),
        ("POST", "/api/generate", lambda manager: manager.unload_model("x")),
        ("GET", "/api/tags", lambda manager: manager.is_model_available("x")),
    ],
)
async def test_what_gives_a_bool_says_why_it_is_false(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    do: Callable[[OllamaManager], bool],
) -> None:
    async with place(tmp_path) as at:
        at.real.route(method, path, GONE)
        with caplog.at_level(logging.WARNING, "codomyrmex_ollama_tui"):
            assert not await asyncio.to_thread(do, at.manager)
        assert "model 'x' not found" in at.manager.last_error
        assert "model 'x' not found" in caplog.text


async def test_what_was_asked_for_is_sent(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        manager = at.manager
        for method, path, reply in (
            ("POST", "/api/create", DONE),
            ("POST", "/api/push", DONE),
            ("POST", "/api/copy", Reply()),
            ("DELETE", "/api/delete", Reply()),
            ("POST", "/api/generate", answer("gen_unload")),
        ):
            at.real.route(method, path, reply)
        lines: list[str] = []

        def work() -> None:
            assert manager.create_model(
                "mine",
                SMOL,
                system="Be brief.",
                template="{{ .Prompt }}",
                parameters={"temperature": 0.1, "stop": ["END"]},
                quantize="q4_K_M",
                on_progress=lambda progress: lines.append(progress.status),
            )
            assert manager.push_model("me/mine")
            assert manager.copy_model(SMOL, "other")
            assert manager.delete_model("other")
            assert manager.load_model(SMOL, keep_alive="10m", options={"num_ctx": 1024})
            assert manager.unload_model(SMOL)

        await asyncio.to_thread(work)
        assert lines == ["success"]
        create = at.sent("/api/create")[0]
        assert create["parameters"] == {"temperature": 0.1, "stop": ["END"]}
        assert (create["model"], create["from"], create["system"]) == ("mine", SMOL, "Be brief.")
        assert (create["template"], create["quantize"]) == ("{{ .Prompt }}", "q4_K_M")
        assert at.sent("/api/push") == [{"model": "me/mine"}]
        assert at.sent("/api/copy") == [{"source": SMOL, "destination": "other"}]
        assert at.sent("/api/delete") == [{"model": "other"}]
        load, unload = at.sent()
        assert (load["keep_alive"], load["options"]) == ("10m", {"num_ctx": 1024})
        assert unload["keep_alive"] == 0


async def test_what_lists_raises_what_the_server_did(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("GET", "/api/tags", Reply(status=500, json={"error": "disk \x1b[31mfull"}))
        asks: list[Callable[[], object]] = [
            at.manager.list_models,
            at.manager.get_model_stats,
            lambda: at.manager.get_model_by_name("x"),
            lambda: at.manager.get_model_details("x"),
        ]
        for ask in asks:
            with pytest.raises(OllamaError, match="full"):
                await asyncio.to_thread(ask)
            assert "full" in at.manager.last_error
            assert "\x1b" not in at.manager.last_error
        at.real.route("GET", "/api/tags", Reply(json={"models": []}))
        await asyncio.to_thread(at.manager.list_models)
        assert at.manager.last_error == ""


async def test_nobody_there_is_an_error_that_names_the_address(tmp_path: Path) -> None:
    url = await free_url()
    with OllamaManager(base_url=url, config=config(), data_dir=str(tmp_path)) as manager:
        with pytest.raises(ServerUnreachable, match=url.removeprefix("http://")):
            await asyncio.to_thread(manager.list_models)
        result = await asyncio.to_thread(manager.run_model, "m", "hello")
        assert (result.success, result.response) == (False, "")
        assert result.error_message is not None
        assert url.removeprefix("http://") in result.error_message
        assert not await asyncio.to_thread(manager.download_model, "m")
        assert not await asyncio.to_thread(manager.is_model_available, "m")


async def test_a_server_that_comes_up_a_little_later_is_waited_for(tmp_path: Path) -> None:
    async with LocalServer() as real:
        real.route("GET", "/api/version", Reply(json={"version": "0.24.0"}))
        real.route("GET", "/api/tags", [Reply(status=503, json={"error": "busy"}), answer("tags_two")])
        real.route("GET", "/api/ps", in_memory())
        await real.stop()
        patient = config(max_retries=100, retry_delay=0.05)
        with OllamaManager(base_url=real.url, config=patient, data_dir=str(tmp_path)) as manager:
            looks = asyncio.Semaphore(0)
            loop = asyncio.get_running_loop()

            def seen(state: ServerState) -> None:
                loop.call_soon_threadsafe(looks.release)

            async def watch() -> None:
                server = manager.core.services.server
                await server.settled()
                server.listen(seen)

            await manager.core.wait(watch)
            listing = asyncio.create_task(asyncio.to_thread(manager.list_models))
            for _ in range(2):  # nobody is there, and nobody a little later
                await looks.acquire()
            await real.start()
            assert [model.name for model in await listing] == [SMOL, GEMMA]
        assert len(real.asked("/api/tags")) == 2


async def test_what_is_tried_again_and_what_is_not(tmp_path: Path) -> None:
    busy = Reply(status=503, json={"error": "server busy"})
    async with place(tmp_path) as at:
        at.real.route("GET", "/api/tags", [busy, busy, NOTHING])
        at.real.route("POST", "/api/copy", [busy, Reply()])
        at.real.route("POST", "/api/generate", [busy, Stream(line("Hel"), CUT), Stream(line("Hello"), end())])
        patient = config(max_retries=2, retry_delay=0.001)
        with OllamaManager(base_url=at.real.url, config=patient, data_dir=str(tmp_path)) as manager:
            assert await asyncio.to_thread(manager.list_models) == []
            assert not await asyncio.to_thread(manager.copy_model, "x", "y")
            assert len(at.real.asked("/api/copy")) == 1
            result = await asyncio.to_thread(manager.run_model, "x", "hello")
            assert (result.success, result.response) == (False, "Hel")
            assert result.metadata is not None
            assert result.metadata["partial"]
            assert len(at.real.asked("/api/generate")) == 2


async def test_a_server_that_is_silent_is_given_up(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        gate = Gate()
        at.real.route("GET", "/api/tags", Reply(json={"models": []}, gate=gate))
        at.real.route("POST", "/api/generate", Reply(gate=gate))
        hasty = config(request_timeout=1, first_byte_timeout=0.2)
        with OllamaManager(base_url=at.real.url, config=hasty, data_dir=str(tmp_path)) as manager:
            with pytest.raises(NoAnswer, match="1 s"):
                await asyncio.to_thread(manager.list_models)
            result = await asyncio.to_thread(manager.run_model, "x", "hello")
            assert not result.success
            assert "0.2 s" in str(result.error_message)
            result = await manager.run_model_async("x", "hello")
            assert "0.2 s" in str(result.error_message)


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"ollama_binary": 3}, TypeError, "ollama_binary"),
        ({"ollama_binary": " "}, ValueError, "ollama_binary"),
        ({"auto_start_server": "yes"}, TypeError, "auto_start_server"),
        ({"base_url": 11434}, TypeError, "base_url"),
        ({"base_url": "http://me:secret@host"}, ValueError, "base_url: a server address cannot hold"),
        ({"config": {"server_port": 1}}, TypeError, "config"),
        ({"data_dir": 1}, TypeError, "data_dir"),
        ({"server": 1}, TypeError, "server"),
        ({"server": "office", "base_url": "near"}, ValueError, "server"),
    ],
)
def test_wrong_arguments_of_the_constructor(arguments: dict[str, Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        OllamaManager(**arguments)


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda manager: manager.is_model_available(None), TypeError, "model_name"),
        (lambda manager: manager.get_model_by_name(3), TypeError, "model_name"),
        (lambda manager: manager.download_model(""), ValueError, "model_name"),
        (lambda manager: manager.download_model("../../etc"), ValueError, "model_name"),
        (lambda manager: manager.delete_model("a\0b"), ValueError, "model_name"),
        (lambda manager: manager.copy_model("a", "b c"), ValueError, "destination"),
        (lambda manager: manager.copy_model(" ", "b"), ValueError, "source"),
        (lambda manager: manager.create_model("a", "x" * 300), ValueError, "from_model"),
        (lambda manager: manager.create_model("a", "b", parameters={"temprature": 1}), ValueError, "temperature"),
        (lambda manager: manager.load_model("a", options={"num_ctx": 0}), ValueError, "num_ctx"),
        (lambda manager: manager.run_model("", "hello"), ValueError, "model_name"),
        (lambda manager: manager.run_model("a", None), TypeError, "prompt"),
        (lambda manager: manager.run_model("a", "hello", {"top_q": 1}), ValueError, "top_"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_asked(
    tmp_path: Path, call: Callable[[Any], object], error: type[Exception], named: str
) -> None:
    manager = OllamaManager(base_url="127.0.0.1:9", config=config(), data_dir=str(tmp_path))
    with pytest.raises(error, match=named):
        call(manager)
    assert not manager.core.begun
