"""OllamaManager and the server: found or started at the first call, stopped where it was started, at any end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from codomyrmex_ollama_tui import ConfigManager, OllamaConfig, OllamaManager
from codomyrmex_ollama_tui.domain.errors import OllamaError, ServerUnreachable
from codomyrmex_ollama_tui.library.connection import settings_of
from codomyrmex_ollama_tui.library.places import find_folders
from tests.embedded.harness import MODEL, EngineProcess, give_model
from tests.services.rooms import free_url, gone, ollama
from tests.support.ollama_program import LAST_WORDS, install
from tests.support.server import Reply

ROOT = Path(__file__).parent.parent.parent
LIMIT = 60.0
NO_RETRIES = OllamaConfig(max_retries=0)

needs_program = pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands where ollama would")


@pytest.fixture
async def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address of this machine where nobody listens, as OLLAMA_HOST has it, with an `ollama` in the PATH."""
    url = await free_url()
    install(tmp_path)
    monkeypatch.setenv("PID_FILE", str(tmp_path / "pid"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("OLLAMA_HOST", url)
    return url


def started(folder: Path) -> psutil.Process:
    """The server that was started in a folder."""
    return psutil.Process(int((folder / "pid").read_text(encoding="utf-8")))


def managed(folder: Path, *, auto_start_server: bool = True) -> OllamaManager:
    return OllamaManager(auto_start_server=auto_start_server, config=NO_RETRIES, data_dir=str(folder / "data"))


@needs_program
def test_the_server_is_started_by_the_first_call_and_stopped_by_the_cleanup(tmp_path: Path, url: str) -> None:
    manager = managed(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["ollama"]
    status = manager.get_server_status()
    assert (status["phase"], status["kind"], status["started_here"]) == ("ready", "ollama", True)
    assert status["server"] == url.removeprefix("http://")
    process = started(tmp_path)
    with managed(tmp_path) as other:  # it finds that one, and leaves it alone
        assert not other.get_server_status()["started_here"]
    assert process.is_running()
    assert manager.get_server_status()["phase"] == "ready"
    manager.cleanup()
    assert gone(process)
    manager.cleanup()
    assert manager.get_server_status()["started_here"]  # after a cleanup it begins anew
    process = started(tmp_path)
    del manager
    gc.collect()
    assert gone(process)


@needs_program
def test_sixteen_threads_start_one_server(tmp_path: Path, url: str) -> None:
    together = threading.Barrier(16)

    def ask(number: int) -> bool:
        together.wait(LIMIT)
        return bool(manager.get_server_status()["started_here"])

    with managed(tmp_path) as manager, ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(16))) == [True] * 16
        children = psutil.Process().children()
        assert [child.pid for child in children if "ollama_program" in " ".join(child.cmdline())] == [
            started(tmp_path).pid
        ]


@needs_program
def test_a_binary_that_is_named_is_the_one(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    binary = str(tmp_path / "ollama")
    with OllamaManager(binary, config=NO_RETRIES, data_dir=str(tmp_path)) as manager:
        assert manager.get_server_status()["kind"] == "ollama"
    again = OllamaConfig(ollama_binary=binary, max_retries=0)
    with OllamaManager(config=again, data_dir=str(tmp_path)) as manager:
        assert manager.get_server_status()["kind"] == "ollama"


@needs_program
def test_a_server_that_does_not_start_is_an_error_with_its_last_words(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_FAILS", "1")
    with OllamaManager(data_dir=str(tmp_path / "data"), config=OllamaConfig()) as manager:
        words = LAST_WORDS.rpartition("m")[2]
        with pytest.raises(ServerUnreachable, match=words):
            manager.list_models()
        assert words in manager.last_error
        assert "\x1b" not in manager.last_error
        result = manager.run_model("m", "hello")
        assert not result.success
        assert result.error_message is not None
        assert words in result.error_message


@needs_program
def test_nothing_is_started_where_it_may_not_be(tmp_path: Path, url: str) -> None:
    for manager in (
        managed(tmp_path, auto_start_server=False),
        OllamaManager(config=OllamaConfig(auto_start_server=False, max_retries=0), data_dir=str(tmp_path)),
        OllamaManager(config=NO_RETRIES, base_url=url, data_dir=str(tmp_path)),
    ):
        with manager, pytest.raises(ServerUnreachable):
            manager.list_models()
    assert not (tmp_path / "pid").exists()


@needs_program
@pytest.mark.parametrize(
    ("end", "codes", "last_line"),
    [
        ("", [0], ""),
        ("raise LookupError('lost')", [1], "LookupError: lost"),
        ("sys.exit(5)", [5], ""),
        ("manager.cleanup()", [0], ""),
        # Python ends itself by the signal, or with 1 where something is imported on the way out.
        (
            "manager.download_model('m', on_progress=lambda state: signal.raise_signal(signal.SIGINT))",
            [1, -signal.SIGINT],
            "KeyboardInterrupt",
        ),
        ("threading.Thread(target=manager.run_model, args=('m', 'hello'), daemon=True).start()", [0], ""),
        ("threading.Thread(target=manager.run_model, args=('m', 'hello')).start()", [0], ""),
    ],
)
def test_the_end_of_the_interpreter_stops_it(
    tmp_path: Path, url: str, end: str, codes: list[int], last_line: str
) -> None:
    program = f"""
        import signal, sys, threading
        from codomyrmex_ollama_tui import OllamaManager
        manager = OllamaManager(data_dir={str(tmp_path / "data")!r})
        assert manager.get_server_status()["started_here"]
        {end}
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env={**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")},
    )
    assert done.returncode in codes, done.stderr
    assert done.stderr.rstrip().rpartition("\n")[2] == last_line
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text(encoding="utf-8")))


# ---------------------------------------------------------------------- which server


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `config.toml` of somebody who has none yet."""
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("OLLAMA_HOST", "CODOMYRMEX_OLLAMA_SERVER_HOST", "CODOMYRMEX_OLLAMA_SERVER_PORT"):
        monkeypatch.delenv(name, raising=False)
    file = find_folders().config_file
    if not file.is_relative_to(tmp_path):
        pytest.skip("the folders of this platform cannot be moved")
    file.parent.mkdir(parents=True)
    return file


def label(manager: OllamaManager) -> str:
    """The server that is meant; nothing is asked."""
    with manager:
        return manager.core.services.server.state.label


def test_the_address_is_the_one_that_design_and_documents_say(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert label(OllamaManager()) == "127.0.0.1:11434"
    home.write_text('[ollama]\nserver_host = "file"\nserver_port = 1\n', encoding="utf-8")
    assert label(OllamaManager()) == "file:1"
    given = OllamaConfig(server_host="given", server_port=2)
    assert label(OllamaManager(config=given)) == "given:2"
    assert label(OllamaManager(config=OllamaConfig())) == "127.0.0.1:11434"
    assert label(OllamaManager(config=ConfigManager(str(home)).config)) == "file:1"
    monkeypatch.setenv("CODOMYRMEX_OLLAMA_SERVER_HOST", "variable")
    monkeypatch.setenv("CODOMYRMEX_OLLAMA_SERVER_PORT", "3")
    for manager in (OllamaManager(), OllamaManager(config=given)):
        assert label(manager) == "variable:3"
    monkeypatch.setenv("OLLAMA_HOST", "ollama-host:4")
    for manager in (OllamaManager(), OllamaManager(config=given)):
        assert label(manager) == "ollama-host:4"
    assert label(OllamaManager(base_url="https://named/prefix", config=given)) == "named:443"


async def test_a_server_of_the_file_is_named_and_gets_its_secrets(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ollama() as real:
        real.route("GET", "/api/tags", Reply(json={"models": []}))

        def ask() -> None:
            home.write_text(f'[servers.office]\naddress = "{real.url}"\ntoken_variable = "OFFICE"\n', encoding="utf-8")
            with OllamaManager(server="office", data_dir=str(tmp_path)) as manager:
                for call in (manager.list_models, lambda: manager.run_model("m", "hello")):
                    with pytest.raises(ValueError, match="OFFICE"):
                        call()
                monkeypatch.setenv("OFFICE", "secret")
                assert manager.list_models() == []
            with OllamaManager(server="nowhere") as manager, pytest.raises(ValueError, match=r"nowhere.*office"):
                manager.is_model_available("m")

        await asyncio.to_thread(ask)
        assert {request.headers["authorization"] for request in real.requests} == {"Bearer secret"}


def test_an_object_of_settings_is_used_whole() -> None:
    config = OllamaConfig(
        request_timeout=7,
        max_retries=1,
        retry_delay=0.5,
        enable_caching=False,
        cache_ttl=9,
        first_byte_timeout=3.5,
        ollama_binary="other",
        auto_start_server=False,
    )
    settings = settings_of(config, {"CODOMYRMEX_OLLAMA_REQUEST_TIMEOUT": "99", "CODOMYRMEX_OLLAMA_SERVER_PORT": "5"})
    assert (settings.request_timeout, settings.max_retries, settings.retry_delay) == (7, 1, 0.5)
    assert (settings.enable_caching, settings.cache_ttl, settings.first_byte_timeout) == (False, 9, 3.5)
    assert (settings.ollama_binary, settings.auto_start_server) == ("other", False)
    assert (settings.server_port, settings.port_from, settings.host_from) == (5, "environment", "")


# ---------------------------------------------------------------------- the embedded engine


@pytest.mark.engine
async def test_without_ollama_the_embedded_engine_is_started(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("OLLAMA_HOST", await free_url())
    give_model(tmp_path / "models", weights)
    with OllamaManager(config=NO_RETRIES, data_dir=str(tmp_path)) as manager:
        # Called in the thread whose event loop is running: it blocks, and nothing else.
        assert [model.name for model in manager.list_models()] == [MODEL]
        status = manager.get_server_status()
        assert (status["kind"], status["started_here"]) == ("embedded", True)
        assert status["engine"].startswith("embedded")
        [engine] = [child for child in psutil.Process().children() if str(tmp_path / "models") in child.cmdline()]
    assert gone(engine)


@pytest.mark.engine
async def test_models_of_a_real_engine(tmp_path: Path, model_engine: EngineProcess) -> None:
    with OllamaManager(base_url=model_engine.url, config=NO_RETRIES, data_dir=str(tmp_path)) as manager:
        options = {"num_predict": 4, "seed": 1, "temperature": 0}
        result = manager.run_model(MODEL, "Say hello.", options)
        assert result.success, result.error_message
        assert result.tokens_used
        chunks: list[str] = []
        streamed = manager.run_model(MODEL, "Say hello.", options, True, on_chunk=chunks.append)
        assert streamed.response == "".join(chunks)
        asynchronous = await manager.run_model_async(MODEL, "Say hello.", options)
        assert asynchronous.success, asynchronous.error_message
        assert manager.get_model_stats()["running"] == [MODEL]
        made = "cotui-test-manager"
        try:
            assert manager.create_model(made, MODEL, system="Answer in one word.", parameters={"temperature": 0.2})
            assert manager.is_model_available(made)
            assert manager.get_model_details(made)["system"] == "Answer in one word."
            assert manager.copy_model(made, f"{made}:two")
            assert len(manager.list_models()) == 3
        finally:
            for name in (made, f"{made}:two"):
                manager.delete_model(name)
        assert [model.name for model in manager.list_models()] == [MODEL]
        missing = manager.run_model("no-such-model", "hello")
        assert not missing.success
        assert "no-such-model" in str(missing.error_message)
        assert not manager.delete_model("no-such-model")
        with pytest.raises(OllamaError, match="no-such-model"):
            manager.get_model_details("no-such-model")
