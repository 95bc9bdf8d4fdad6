"""The server service against real servers and real processes."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import psutil
import pytest

from codomyrmex_ollama_tui.domain.errors import ServerUnreachable
from codomyrmex_ollama_tui.services import pipe, server
from codomyrmex_ollama_tui.services.server import Origin, ServerPhase, Way
from tests.services.rooms import ROOT, free_url, gone, launcher, ollama, process, watching
from tests.support import engine_program, ollama_program
from tests.support.server import Gate, LocalServer, Reply

posix = pytest.mark.skipif(sys.platform == "win32", reason="a script cannot play ollama.exe")


async def test_a_server_that_answers_is_used_and_left_alone(tmp_path: Path) -> None:
    async with ollama() as real:
        async with watching(real.url, launcher(tmp_path)) as (service, watched):
            assert service.state.phase is ServerPhase.STARTING
            state = await service.settled()
            assert (state.phase, state.version, state.kind, state.ours) == (
                ServerPhase.READY,
                "0.24.0",
                "ollama",
                False,
            )
            assert state.label == real.url.removeprefix("http://")
            assert state.words == ""
            assert (await (await service.client()).version()).version == "0.24.0"
            assert watched.phases == [ServerPhase.STARTING, ServerPhase.READY]
        assert real.asked("/api/version")
        assert not (tmp_path / "pid").exists()


def test_a_lost_server_is_noticed_within_5_s() -> None:
    assert server.CHECK_EVERY + pipe.CHECK_LIMIT <= 5.0


async def test_lost_and_found_again(tmp_path: Path) -> None:
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag") as (service, watched):
        await service.settled()
        await real.stop()
        lost = await watched.until_phase(ServerPhase.LOST)
        assert lost.retry_in is not None
        assert "no server answers" in lost.words
        assert lost.ways[:2] == (Way.RETRY, Way.HOST)
        with pytest.raises(ServerUnreachable):
            await service.client()
        await real.start()
        await service.retry_now()
        assert (await watched.until_phase(ServerPhase.READY)).version == "0.24.0"


async def test_the_back_off_grows(tmp_path: Path) -> None:
    async with watching(await free_url(), launcher(tmp_path), "flag") as (service, watched):
        await service.start()
        await watched.until(lambda state: state.retry_in == 1.0)
        assert [state.retry_in for state in watched.states if state.phase is ServerPhase.LOST] == [0.5, 1.0]


async def test_a_server_that_hangs_is_lost(tmp_path: Path) -> None:
    hang = Gate()
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag") as (service, watched):
        await service.settled()
        real.route("GET", "/api/version", Reply(json={"version": "0.24.0"}, gate=hang))
        lost = await watched.until_phase(ServerPhase.LOST, limit=pipe.CHECK_LIMIT + 1.5)
        assert lost.words == f"{lost.label} does not answer"


async def test_checks_pause_while_bytes_arrive_and_only_then(tmp_path: Path) -> None:
    async with (
        ollama() as real,
        watching(real.url, launcher(tmp_path), "flag", clock=lambda: 0.0) as (service, watched),
    ):
        await service.settled()
        with service.busy():
            await real.wait_for("/api/version", len(real.asked("/api/version")) + 1)  # silent so far: checks go on
            service.heard()  # the clock stands still: it was always "just now"
            await (await service.client()).version()  # meanwhile a check that was under way comes to its end
            await real.stop()
            await asyncio.wait([asyncio.create_task(watched.until_phase(ServerPhase.LOST))], timeout=0.3)
            assert service.state.phase is ServerPhase.READY
        await watched.until_phase(ServerPhase.LOST)


async def test_a_stream_that_lost_its_server_has_it_looked_for_at_once(tmp_path: Path) -> None:
    async with ollama() as real, watching(real.url, launcher(tmp_path), "flag", check_every=60.0) as (service, watched):
        await service.settled()
        await real.stop()
        service.doubt()
        await watched.until_phase(ServerPhase.LOST)


@pytest.mark.parametrize("origin", ["default", "environment", "file"])
@posix
async def test_ollama_is_started_where_nobody_answers_and_stopped_at_the_end(tmp_path: Path, origin: Origin) -> None:
    ollama_program.install(tmp_path)
    url = await free_url()
    async with watching(url, launcher(tmp_path, search_path=str(tmp_path)), origin) as (service, watched):
        state = await service.settled()
        assert (state.phase, state.ours, state.kind, state.origin) == (ServerPhase.READY, True, "ollama", origin)
        assert state.label == url.removeprefix("http://")
        assert any(told.words == "starting Ollama" for told in watched.states)
        child = process(tmp_path)
        assert child.is_running()
    assert gone(child)
    assert "GET /api/version" in (tmp_path / "state" / "ollama-serve.log").read_text(encoding="utf-8")


@posix
async def test_a_named_host_is_never_replaced(tmp_path: Path) -> None:
    ollama_program.install(tmp_path)
    starter = launcher(tmp_path, search_path=str(tmp_path), engine=True)
    async with watching(await free_url(), starter, "flag") as (service, watched):
        assert (await service.settled()).phase is ServerPhase.LOST
        await service.retry_now()
        lost = await watched.until_phase(ServerPhase.LOST)
        assert lost.ways == (Way.RETRY, Way.HOST, Way.EMBEDDED)
    assert not (tmp_path / "pid").exists()


async def test_a_far_address_is_never_replaced(tmp_path: Path) -> None:
    starter = launcher(tmp_path, engine=True)
    async with watching("http://host.invalid:1", starter, "environment") as (service, _):
        assert (await service.settled()).phase is ServerPhase.LOST
    assert not (tmp_path / "pid").exists()


@posix
async def test_nothing_is_started_where_that_is_forbidden(tmp_path: Path) -> None:
    ollama_program.install(tmp_path)
    starter = launcher(tmp_path, allowed=False, search_path=str(tmp_path), engine=True)
    async with watching(await free_url(), starter) as (service, _):
        assert (await service.settled()).phase is ServerPhase.ABSENT
    assert not (tmp_path / "pid").exists()


async def test_something_else_at_the_address_is_told_and_not_replaced(tmp_path: Path) -> None:
    async with LocalServer() as other:
        page = Reply(body="<html>It works</html>", headers={"Content-Type": "text/html"})
        other.route("GET", "/api/version", page)
        async with watching(other.url, launcher(tmp_path, engine=True)) as (service, _):
            state = await service.settled()
            assert "does not answer as Ollama does" in state.words
            assert Way.EMBEDDED in state.ways
    assert not (tmp_path / "pid").exists()


@posix
async def test_a_server_of_ours_that_dies_is_started_again_with_its_last_words(tmp_path: Path) -> None:
    ollama_program.install(tmp_path)
    url = await free_url()
    async with watching(url, launcher(tmp_path, search_path=str(tmp_path))) as (service, watched):
        await service.settled()
        first = process(tmp_path)
        await _ask(url, "/die")
        again = await watched.until_phase(ServerPhase.RESTARTING)
        assert again.words.startswith("Ollama ended, starting it again; its last words: Error: out of")
        assert "\x1b" not in again.words
        assert (await watched.until_phase(ServerPhase.READY)).ours
        second = process(tmp_path)
        assert second.pid != first.pid
    assert gone(second)


@posix
async def test_a_server_that_cannot_start_is_told_with_its_words_and_not_tried_for_ever(tmp_path: Path) -> None:
    ollama_program.install(tmp_path)
    starter = launcher(tmp_path, search_path=str(tmp_path), environment={"OLLAMA_FAILS": "1"})
    async with watching(await free_url(), starter) as (service, watched):
        state = await service.settled()
        assert state.phase is ServerPhase.ABSENT
        assert state.words.startswith("`ollama serve` ended: Error: out of")
        first = (tmp_path / "pid").read_text(encoding="utf-8")
        later = await watched.until(lambda told: told.retry_in == 1.0)
        assert later.words == state.words
        assert (tmp_path / "pid").read_text(encoding="utf-8") == first


@posix
async def test_a_file_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "ollama").write_bytes(b"\x00\x01")
    (tmp_path / "ollama").chmod(0o700)
    async with watching(await free_url(), launcher(tmp_path, search_path=str(tmp_path))) as (service, _):
        state = await service.settled()
    assert state.phase is ServerPhase.ABSENT
    assert state.words.startswith("it cannot be started: ")


async def test_a_machine_with_nothing_is_told_what_to_do(tmp_path: Path) -> None:
    async with watching(await free_url(), launcher(tmp_path)) as (service, _):
        state = await service.settled()
        assert state.phase is ServerPhase.ABSENT
        assert state.ways == (Way.RETRY, Way.HOST, Way.INSTALL)
        assert "neither Ollama nor the embedded engine" in state.words
        with pytest.raises(ServerUnreachable):
            await service.client()


async def test_the_embedded_engine_stands_in(tmp_path: Path) -> None:
    async with watching(await free_url(), launcher(tmp_path, engine=True)) as (service, _):
        state = await service.settled()
        assert (state.phase, state.kind, state.ours) == (ServerPhase.READY, "embedded", True)
        assert state.engine == "embedded xllamacpp 1"
        child = process(tmp_path)
    assert gone(child)


async def test_an_engine_that_dies_is_started_again_elsewhere(tmp_path: Path) -> None:
    async with watching(await free_url(), launcher(tmp_path, engine=True)) as (service, watched):
        await service.settled()
        process(tmp_path).kill()
        assert "the embedded engine ended" in (await watched.until_phase(ServerPhase.RESTARTING)).words
        assert (await watched.until_phase(ServerPhase.READY)).kind == "embedded"
        child = process(tmp_path)
    assert gone(child)


@pytest.mark.parametrize(
    ("mode", "words"),
    [("no", engine_program.SORRY), ("crash", "the embedded engine ended: RuntimeError: nothing works today")],
)
async def test_an_engine_that_cannot_run_says_why(tmp_path: Path, mode: str, words: str) -> None:
    starter = launcher(tmp_path, engine=True, environment={"ENGINE_MODE": mode})
    async with watching(await free_url(), starter) as (service, _):
        state = await service.settled()
        assert (state.phase, state.words) == (ServerPhase.ABSENT, words)
        child = (tmp_path / "pid").read_text(encoding="utf-8")
    assert not psutil.pid_exists(int(child))


async def test_an_engine_of_another_program_is_shared_and_left_alone(tmp_path: Path) -> None:
    async with ollama() as other:
        starter = launcher(tmp_path, engine=True, environment={"ENGINE_MODE": f"shared:{other.url}"})
        async with watching(await free_url(), starter) as (service, _):
            state = await service.settled()
            assert (state.phase, state.ours) == (ServerPhase.READY, False)
            assert state.label == other.url.removeprefix("http://")


@pytest.mark.parametrize(
    ("name", "value", "url", "words"),
    [
        ("SSL_CERT_FILE", "{folder}/missing.pem", "https://host.invalid:1", "no connection to host.invalid:1 can be"),
        ("SSL_CERT_FILE", "{folder}/empty.pem", "https://host.invalid:1", "no connection to host.invalid:1 can be"),
        (
            "HTTP_PROXY",
            "gopher://proxy.invalid",
            "http://host.invalid:1",
            "the proxy of the environment cannot be used",
        ),
    ],
)
async def test_what_cannot_even_be_asked_is_lost_with_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, url: str, words: str
) -> None:
    (tmp_path / "empty.pem").touch()
    monkeypatch.setenv(name, value.replace("{folder}", str(tmp_path)))
    async with ollama() as real, watching(url, launcher(tmp_path), "flag") as (service, _):
        state = await service.settled()
        assert state.phase is ServerPhase.LOST
        assert words in state.words
        assert "watching" not in state.words
        assert state.retry_in is not None
        with pytest.raises(ServerUnreachable):
            await service.client()
        await service.use_host(real.url)
        assert (await service.settled()).phase is ServerPhase.READY


@posix
async def test_the_engine_ends_when_the_front_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tests.services.rooms import free_url, launcher, watching\n"
        "async def main():\n"
        "    async with watching(await free_url(), launcher(Path(sys.argv[1]), engine=True)) as (service, _):\n"
        "        print((await service.settled()).phase, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    front = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert front.stdout is not None
    assert (await front.stdout.readline()).strip() == b"ready"
    child = process(tmp_path)
    front.send_signal(signal.SIGKILL)
    await front.wait()
    assert gone(child)


async def test_another_host_and_the_engine_by_hand(tmp_path: Path) -> None:
    async with (
        ollama() as real,
        watching(await free_url(), launcher(tmp_path, allowed=False, engine=True)) as (service, _),
    ):
        assert (await service.settled()).phase is ServerPhase.ABSENT
        with pytest.raises(ValueError, match="user name"):
            await service.use_host("http://me:secret@host")
        await service.use_host(real.url)
        state = await service.settled()
        assert (state.phase, state.origin, state.kind) == (ServerPhase.READY, "flag", "ollama")
        await service.use_embedded()
        state = await service.settled()
        assert (state.phase, state.kind, state.ours) == (ServerPhase.READY, "embedded", True)
        child = process(tmp_path)
        await service.use_host(real.url)
        assert gone(child)
        assert (await service.settled()).kind == "ollama"


async def test_the_last_of_many_wishes_holds_and_the_others_leave_nothing_behind(tmp_path: Path) -> None:
    before = set(psutil.Process().children())  # other tests may share an engine that is already there
    async with ollama() as real, watching(real.url, launcher(tmp_path, engine=True)) as (service, _):
        await service.settled()
        await service.use_embedded()
        await service.settled()
        child = process(tmp_path)
        await asyncio.gather(service.use_embedded(), service.use_host("host.invalid:1"), service.use_host(real.url))
        state = await service.settled()
        assert (state.phase, state.label, state.ours) == (ServerPhase.READY, real.url.removeprefix("http://"), False)
        assert gone(child)
        assert set(psutil.Process().children()) <= before


async def test_a_listener_that_fails_does_not_end_the_watch(tmp_path: Path) -> None:
    async with ollama() as real, watching(real.url, launcher(tmp_path)) as (service, watched):

        def fail(state: object) -> None:
            raise RuntimeError("a screen's mistake")

        stop = service.listen(fail)
        service.listen(lambda state: None)
        await service.settled()
        stop()
        stop()
        await real.stop()
        assert (await watched.until_phase(ServerPhase.LOST)).phase is ServerPhase.LOST


async def _ask(url: str, path: str) -> None:
    """One GET whose answer may never come."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    await reader.read()
    writer.close()
