"""ModelRunner with a real model on the embedded engine. What the model says, and how much, is its own affair."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.domain.errors import Stopped
from codomyrmex_ollama_tui.library.config import OllamaConfig
from codomyrmex_ollama_tui.library.model_runner import ModelRunner
from codomyrmex_ollama_tui.library.ollama_manager import OllamaManager
from codomyrmex_ollama_tui.library.options import ExecutionOptions
from codomyrmex_ollama_tui.library.results import ModelExecutionResult
from tests.embedded.harness import MODEL, EngineProcess

pytestmark = pytest.mark.engine

SHORT = ExecutionOptions(temperature=0.0, num_predict=8, seed=1)


@pytest.fixture
def manager(model_engine: EngineProcess, tmp_path: Path) -> Iterator[OllamaManager]:
    with OllamaManager(
        auto_start_server=False, base_url=model_engine.url, config=OllamaConfig(), data_dir=str(tmp_path)
    ) as made:
        yield made


@pytest.fixture
def runner(manager: OllamaManager) -> ModelRunner:
    return ModelRunner(manager)


def test_a_run_with_everything_that_is_known_of_it(runner: ModelRunner, model_engine: EngineProcess) -> None:
    result = runner.run_with_options(MODEL, "Say hello.", SHORT)
    assert result.success, result.error_message
    facts = json.loads(json.dumps(result.metadata, allow_nan=False))
    assert result.tokens_used == facts["eval_count"]
    assert 1 <= facts["eval_count"] <= 9
    assert facts["tokens_per_second"] == pytest.approx(facts["eval_count"] / facts["eval_duration"] * 1e9)
    assert 0 < facts["ttft"] <= result.execution_time
    assert facts["prompt_eval_count"] > 0
    assert "xllamacpp" in facts["engine"]
    assert len(facts["model_digest"]) == 64
    assert facts["context_length"] == 2048
    assert facts["memory"]["size"] > 0
    assert facts["server_process"]["pid"] == model_engine.process.pid
    assert facts["server_process"]["processes"] >= 2  # the front, and the one that holds the model
    assert facts["server_process"]["rss_peak"] > 50_000_000


def test_a_stream_and_its_result_are_the_same_text(runner: ModelRunner) -> None:
    ended: list[ModelExecutionResult] = []
    text = "".join(runner.run_streaming(MODEL, "Count to three.", SHORT, on_finish=ended.append))
    assert [(one.response, one.success) for one in ended] == [(text, True)]


def test_a_stream_that_is_left_leaves_the_engine_free(runner: ModelRunner) -> None:
    long = ExecutionOptions(num_predict=-1, num_ctx=2048)
    pieces = runner.run_streaming(MODEL, "Write down all numbers, beginning with one.", long)
    next(pieces)
    closing = threading.Thread(target=runner.cancel)
    closing.start()
    closing.join()
    with suppress(Stopped):  # it may have said all it had to say before
        list(pieces)
    assert runner.run_with_options(MODEL, "Say hello.", SHORT).success


def test_a_batch_a_conversation_and_documents(runner: ModelRunner) -> None:
    results = runner.run_batch(MODEL, ["Say one.", "", "Say two."], SHORT, max_concurrent=2)
    assert [(result.prompt, result.success) for result in results] == [
        ("Say one.", True),
        ("", False),
        ("Say two.", True),
    ]
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello!"}]
    assert runner.run_conversation(MODEL, talk, SHORT).success
    assert runner.run_with_context(MODEL, "What is dry?", ["Water is dry."], SHORT).success


async def test_all_of_it_also_inside_a_running_event_loop(runner: ModelRunner, manager: OllamaManager) -> None:
    assert runner.run_with_options(MODEL, "Say one.", SHORT).success
    ended: list[ModelExecutionResult] = []
    list(runner.run_streaming(MODEL, "Say one.", SHORT, on_finish=ended.append))
    assert [one.success for one in ended] == [True]
    assert (await manager.run_model_async(MODEL, "Say one.", {"num_predict": 4, "num_ctx": 2048})).success


def test_an_answer_in_a_form(runner: ModelRunner) -> None:
    form = {"type": "object", "properties": {"word": {"enum": ["yes"]}}, "required": ["word"]}
    options = ExecutionOptions(num_predict=60, temperature=0.0, format=json.dumps(form))
    result = runner.run_with_options(MODEL, "Say yes.", options)
    assert result.success, result.error_message
    assert json.loads(result.response) == {"word": "yes"}


def test_what_is_too_long_is_refused_with_the_servers_words(runner: ModelRunner) -> None:
    result = runner.run_with_options(MODEL, "word " * 5000, SHORT)
    assert result.success is False
    assert result.error_message is not None
    assert "context" in result.error_message
    assert result.metadata is not None
    assert result.metadata["error_type"] == "ContextTooLong"


def test_measuring_with_a_model_that_is_missing(runner: ModelRunner) -> None:
    report = runner.create_model_comparison([MODEL, "cotui-test-missing:1"], ["Say one.", "Say two."], SHORT)
    json.dumps(report, allow_nan=False)
    assert report["results"][MODEL]["successful_runs"] == 2
    assert "not found" in report["results"]["cotui-test-missing:1"]["error"]
    assert report["summary"]["fastest_model"] == MODEL
    assert report["results"][MODEL]["figures"]["tokens_per_second"]["median"] > 0
    assert report["environment"]["models"][MODEL]["quantization_level"]
