"""One engine for many programs: who shares it holds it open, and without anybody it ends."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from codomyrmex_ollama_tui.embedded.sharing import HOLD_PATH
from tests.embedded.harness import COMMAND, LIMIT, MODEL, ROOT, EngineProcess, give_model, run_engine, start_engine


def say(engine: EngineProcess) -> dict[str, Any]:
    """The next line that it says."""
    assert engine.process.stdout is not None
    line: dict[str, Any] = json.loads(engine.process.stdout.readline())
    return line


def let_go(engine: EngineProcess) -> None:
    """Close its standard input, as the end of the program that started it does, however that ends."""
    assert engine.process.stdin is not None
    engine.process.stdin.close()


@pytest.mark.engine
def test_an_answer_comes_to_its_end_when_the_one_that_started_the_engine_has_gone(
    tmp_path: Path, weights: Path
) -> None:
    models = tmp_path / "models"
    give_model(models, weights)
    with start_engine(models) as first, start_engine(models) as second, second.client() as client:
        assert second.line == {"address": first.url, "pid": first.process.pid, "shared": True}
        assert say(first) == {"held": True}
        asked = {"model": MODEL, "prompt": "Count from one to a hundred.", "options": {"num_predict": 64, "stop": []}}
        with client.stream("POST", "/api/generate", json=asked) as answer:
            lines = answer.iter_lines()
            begun = json.loads(next(lines))
            assert "response" in begun
            let_go(first)
            with start_engine(models) as third:  # without its starter it can still be shared
                assert third.line["pid"] == first.process.pid
            last = [json.loads(line) for line in lines][-1]
        assert last["done"] is True
        assert first.process.poll() is None
        (child,) = first.children()
        second.process.kill()  # as hard as can be: nothing of it can say good-bye
        assert first.process.wait(LIMIT) == 0
        assert psutil.wait_procs([child], timeout=LIMIT)[1] == []
    assert not (models / "engine.json").exists()


def test_of_many_that_start_at_once_one_serves_and_the_last_one_ends_it(tmp_path: Path) -> None:
    command = [*COMMAND, "--port", "0", "--models", str(tmp_path / "models"), "--stdin-lifetime"]
    log = tmp_path / "log"
    with log.open("wb") as errors:
        processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT)
            for _ in range(4)
        ]
    engines = [
        EngineProcess(process, json.loads(process.stdout.readline()), log) for process in processes if process.stdout
    ]
    engines.sort(key=lambda engine: bool(engine.line["shared"]))
    server, *sharers = engines
    try:
        assert [engine.line["shared"] for engine in engines] == [False, True, True, True]
        assert {(engine.url, engine.line["pid"]) for engine in engines} == {(server.url, server.process.pid)}
        let_go(server)
        for engine in sharers[:-1]:
            assert engine.stop() == 0
        with server.client() as client:
            assert client.get("/api/version").status_code == 200
        assert server.process.poll() is None
        assert sharers[-1].stop() == 0
        assert server.process.wait(LIMIT) == 0
    finally:
        for engine in reversed(engines):
            engine.stop()
    assert log.read_text(encoding="utf-8") == ""


def test_a_starter_that_is_left_alone_again_ends_it_as_before(tmp_path: Path) -> None:
    with start_engine(tmp_path / "models") as first:
        with start_engine(tmp_path / "models"):
            assert say(first) == {"held": True}
        assert say(first) == {"held": False}
        assert first.stop() == 0


def test_who_comes_when_it_is_about_to_end_serves_itself(tmp_path: Path) -> None:
    with start_engine(tmp_path / "models") as first:
        let_go(first)
        with start_engine(tmp_path / "models") as second, second.client() as client:
            assert first.process.wait(LIMIT) == 0
            assert second.line["shared"] is False
            assert client.get("/api/version").status_code == 200


def test_an_engine_that_is_ended_by_a_signal_does_not_wait_for_sharers(tmp_path: Path) -> None:
    with start_engine(tmp_path / "models") as first, start_engine(tmp_path / "models") as second:
        first.process.terminate()
        first.process.wait(LIMIT)
        assert second.process.wait(LIMIT) == 0  # so the program that shares it notices


def test_who_only_asks_for_the_address_holds_nothing(tmp_path: Path) -> None:
    with start_engine(tmp_path / "models") as first:
        code, line = run_engine("--port", "0", "--models", str(tmp_path / "models"))
        assert (code, line["shared"]) == (0, True)
        assert first.stop() == 0


def test_what_holds_an_engine_is_refused_where_it_means_another_one(tmp_path: Path) -> None:
    """An address in a note that nobody removed may be that of an engine for another folder by now."""
    with start_engine(tmp_path / "models") as engine, engine.client() as client:
        right = {"pid": str(engine.process.pid)}
        assert client.post(HOLD_PATH, params={"pid": "1"}).status_code == 409
        assert client.post(HOLD_PATH).status_code == 409
        foreign = client.post(HOLD_PATH, params=right, headers={"Origin": "https://example.com"})
        assert foreign.status_code == 403
        (tmp_path / "others").mkdir()
        note = tmp_path / "others" / "engine.json"
        note.write_text(json.dumps({"address": engine.url, "pid": os.getpid()}), encoding="utf-8")
        with start_engine(tmp_path / "others") as other:
            assert other.line["shared"] is False
            assert other.url != engine.url
        with client.stream("POST", HOLD_PATH, params=right) as held:
            assert held.status_code == 200
            assert next(held.iter_lines()) == '{"held":true}'
