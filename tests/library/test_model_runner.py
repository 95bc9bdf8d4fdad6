"""ModelRunner against a real local server."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.library.config import OllamaConfig
from codomyrmex_ollama_tui.library.model_runner import ModelRunner
from codomyrmex_ollama_tui.library.ollama_manager import OllamaManager
from codomyrmex_ollama_tui.library.options import ExecutionOptions
from tests.library.running_at import place
from tests.services.asking import DIGEST, MODEL, chat_line, end, line
from tests.support.server import CUT, Gate, Reply, Stream

LIMIT = 60.0
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "number"}}}
WHOLE = {
    "temperature": 0.7,
    "top_p": 0.9,
    "top_k": 40,
    "num_predict": 128,
    "num_ctx": 2048,
    "repeat_penalty": 1.1,
    "repeat_last_n": 64,
}


def chat_end(**fields: Any) -> dict[str, Any]:
    return {**end(**fields), "message": {"role": "assistant", "content": ""}}


async def test_options_are_sent_whole_and_stay_as_they_are(tmp_path: Path) -> None:
    options = ExecutionOptions(seed=7, stop=["END"])
    before = copy.deepcopy(options)
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("Hel"), line("lo"), end()))
        result = await asyncio.to_thread(at.runner.run_with_options, MODEL, "hello", options)
        assert at.sent() == [
            {"model": MODEL, "prompt": "hello", "options": {**WHOLE, "seed": 7, "stop": ["END"]}, "truncate": False}
        ]
        assert options == before
        assert (result.model_name, result.prompt, result.response) == (MODEL, "hello", "Hello")
        assert (result.success, result.error_message, result.tokens_used) == (True, None, 21)
        assert result.execution_time > 0
        assert result.metadata is not None
        assert result.metadata["options"] == at.sent()[0]["options"]
        result.metadata["options"]["stop"].append("MORE")
        assert options == before


@pytest.mark.parametrize(
    ("form", "sent"), [("text", None), ("json", "json"), (json.dumps(SCHEMA), SCHEMA), (SCHEMA, SCHEMA)]
)
async def test_the_format_is_sent_as_the_wire_has_it(tmp_path: Path, form: Any, sent: object) -> None:
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("{}"), end()))
        await asyncio.to_thread(at.runner.run_with_options, MODEL, "hello", ExecutionOptions(format=form))
        assert at.sent()[0].get("format") == sent


async def test_metadata_tells_everything_and_is_json(tmp_path: Path) -> None:
    lines = (line(thinking="hm"), line("yes"), end(load_duration=1_000_000_001, prompt_eval_cached_count=20))
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(*lines))
        result = await asyncio.to_thread(at.runner.run_with_options, MODEL, "hello", ExecutionOptions())
        facts = json.loads(json.dumps(result.metadata, allow_nan=False))
        assert result.response == "yes"
        assert facts["thinking"] == "hm"
        for name in ("total_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration"):
            assert facts[name] == end()[name]
        assert facts["load_duration"] == 1_000_000_001
        assert (facts["prompt_eval_cached_count"], facts["prompt_tokens_per_second"]) == (20, 280.0)
        assert facts["tokens_per_second"] == 21 / 0.4
        assert 0 <= facts["ttft"] <= facts["ttfa"] <= result.execution_time
        assert (facts["done_reason"], facts["model_digest"], facts["server_version"]) == ("stop", DIGEST, "0.24.0")
        assert (facts["reloaded"], facts["partial"], facts["stopped"]) == (True, False, False)
        assert set(facts["flags"]) == {"reloaded", "cached"}
        assert facts["memory"] == {
            "size": 1000,
            "size_vram": 0,
            "gpu_share": 0.0,
            "cpu_share": 1.0,
            "expires_at": None,
        }
        assert facts["context_length"] == 4096
        assert facts["server_process"]["rss_peak"] > 0
        assert facts["server_process"]["cpu_seconds"] >= 0
        assert facts["endpoint"] == "/api/generate"
        assert facts["request"] == {"truncate": False}


async def test_without_cached_tokens_there_is_no_prompt_rate(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", Stream(line("yes"), end()))
        result = await asyncio.to_thread(at.runner.run_with_options, MODEL, "hello", ExecutionOptions())
        assert result.metadata is not None
        assert result.metadata["prompt_tokens_per_second"] is None
        assert result.metadata["reloaded"] is False


@pytest.mark.parametrize(
    ("answer", "response", "words", "kind"),
    [
        (Reply(json={"error": f"model '{MODEL}' not found"}, status=404), "", "not found", "ModelNotFound"),
        (
            Reply(json={"error": "the input length exceeds the context length"}, status=400),
            "",
            "exceeds the context",
            "ContextTooLong",
        ),
        (Stream(line("half"), CUT), "half", "connection broke", "StreamCut"),
        (Stream(line("half"), {"error": "out of\nmemory"}), "half", "out of memory", "StreamFailed"),
    ],
)
async def test_what_the_server_does_is_a_result(
    tmp_path: Path, answer: Reply | Stream, response: str, words: str, kind: str
) -> None:
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", answer)
        result = await asyncio.to_thread(at.runner.run_with_options, MODEL, "hello", ExecutionOptions())
        assert (result.success, result.response, result.tokens_used) == (False, response, None)
        assert result.error_message is not None
        assert words in result.error_message
        assert result.metadata is not None
        assert (result.metadata["partial"], result.metadata["error_type"]) == (bool(response), kind)
        json.dumps(result.metadata, allow_nan=False)


async def test_a_server_that_is_not_there_is_a_result(tmp_path: Path) -> None:
    async with place(tmp_path) as at:
        await at.real.stop()
        result = await asyncio.to_thread(at.runner.run_with_options, MODEL, "hello", ExecutionOptions())
        assert not result.success
        assert result.error_message


@pytest.mark.parametrize("prompt", ["", " \n\t"])
async def test_a_blank_prompt_is_not_sent(tmp_path: Path, prompt: str) -> None:
    async with place(tmp_path) as at:
        calls = (
            lambda: at.runner.run_with_options(MODEL, prompt, ExecutionOptions()),
            lambda: at.runner.run_with_context(MODEL, prompt, ["a"]),
            lambda: at.runner.run_conversation(MODEL, [{"role": "user", "content": prompt}]),
        )
        for call, name in zip(calls, ("prompt", "prompt", "messages[0].content"), strict=True):
            result = await asyncio.to_thread(call)
            assert (result.success, result.prompt) == (False, prompt)
            assert result.error_message is not None
            assert result.error_message.startswith(f"{name}: ")
        with pytest.raises(ValueError, match="prompt"):
            at.runner.run_streaming(MODEL, prompt)
        assert at.sent() == at.sent("/api/chat") == []


async def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    anything: Any = 5
    async with place(tmp_path) as at:
        runner = at.runner
        for call, name in (
            (lambda: runner.run_with_options(anything, "a", ExecutionOptions()), "model_name"),
            (lambda: runner.run_with_options(MODEL, anything, ExecutionOptions()), "prompt"),
            (lambda: runner.run_with_options(MODEL, "a", anything), "execution_options"),
            (lambda: runner.run_batch(MODEL, anything), "prompts"),
            (lambda: runner.run_batch(MODEL, ["a", anything]), r"prompts\[1\]"),
            (lambda: runner.run_batch(MODEL, ["a"], max_concurrent=anything / 2), "max_concurrent"),
            (lambda: runner.run_with_context(MODEL, "a", anything), "context"),
            (lambda: runner.run_conversation(MODEL, anything), "messages"),
            (lambda: runner.run_conversation(MODEL, [anything]), r"messages\[0\]"),
            (lambda: runner.benchmark_model(MODEL, anything), "test_prompts"),
            (lambda: runner.create_model_comparison(anything, ["a"]), "model_names"),
        ):
            with pytest.raises(TypeError, match=name):
                call()
        for wrong, name in (
            (lambda: runner.run_with_options("../../etc", "a", ExecutionOptions()), "model_name"),
            (lambda: runner.run_with_options("a\0b", "a", ExecutionOptions()), "model_name"),
            (lambda: runner.run_batch(MODEL, ["several", "words"], max_concurrent=0), "max_concurrent: 0"),
            (lambda: runner.benchmark_model(MODEL, ["a"], rounds=0), "rounds: 0"),
            (lambda: runner.create_model_comparison([MODEL, "M:1"], ["a"]), "M:1 is named twice"),
        ):
            with pytest.raises(ValueError, match=name):
                wrong()
        options = ExecutionOptions()
        options.temperature = 9
        with pytest.raises(ValueError, match="temperature"):
            runner.run_with_options(MODEL, "a", options)
        assert at.real.requests == []


async def test_the_first_byte_has_the_limit_that_is_given_else_that_of_the_configuration(tmp_path: Path) -> None:
    def calls(runner: ModelRunner, **limit: Any) -> list[Callable[[], Any]]:
        return [
            lambda: runner.run_with_options(MODEL, "a", ExecutionOptions(), **limit),
            lambda: runner.run_batch(MODEL, ["a"], **limit)[0],
            lambda: runner.run_conversation(MODEL, [{"role": "user", "content": "a"}], **limit),
            lambda: runner.run_with_context(MODEL, "a", ["b"], **limit),
            lambda: list(runner.run_streaming(MODEL, "a", **limit)),
            lambda: runner.benchmark_model(MODEL, ["a"], **limit),
        ]

    def failure(call: Callable[[], Any]) -> str:
        try:
            outcome = call()
        except OllamaError as error:
            return str(error)
        return str(outcome if isinstance(outcome, dict) else outcome.error_message)

    async with place(tmp_path) as at:
        for path in ("/api/generate", "/api/chat"):
            at.real.route("POST", path, Reply(gate=Gate(), json={}))
        async with asyncio.timeout(LIMIT):
            for call in calls(at.runner, first_byte_timeout=0.02):
                assert "nothing within 0.02 s" in await asyncio.to_thread(failure, call)
            config = OllamaConfig(max_retries=0, first_byte_timeout=0.03)
            with OllamaManager(auto_start_server=False, base_url=at.real.url, config=config) as manager:
                for call in calls(ModelRunner(manager)):
                    assert "nothing within 0.03 s" in await asyncio.to_thread(failure, call)
        for wrong in (0, -1.0, float("nan")):
            with pytest.raises(ValueError, match="first_byte_timeout"):
                at.runner.run_batch(MODEL, [], first_byte_timeout=wrong)


# Batches


async def test_results_of_a_batch_stand_in_the_order_of_the_prompts(tmp_path: Path) -> None:
    gates = {name: Gate() for name in "abc"}

    def answer(request: Any) -> Stream:
        name = request.json["prompt"]
        return Stream(line(name.upper()), gates[name], CUT if name == "b" else end())

    async with place(tmp_path) as at:
        at.real.route("POST", "/api/generate", answer)
        prompts = ["a", "b", "", "c"]
        running = asyncio.ensure_future(
            asyncio.to_thread(lambda: at.runner.run_batch(MODEL, prompts, max_concurrent=2))
        )
        for name in "ab":
            await gates[name].reached()
        assert len(at.sent()) == 2
        gates["b"].open()
        await gates["c"].reached()
        gates["c"].open()
        gates["a"].open()
        results = await running
        assert [result.response for result in results] == ["A", "B", "", "C"]
        assert [result.success for result in results] == [True, False, False, True]
        assert results[2].error_message == "prompts[2]: empty, nothing was sent"
        assert prompts == ["a", "b", "", "c"]
        assert at.runner.run_batch(MODEL, []) == []


# Conversations


async def test_a_conversation_keeps_its_roles(tmp_path: Path) -> None:
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "User", "content": "hello"},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": "and now?"},
    ]
    before = copy.deepcopy(messages)
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/chat", Stream(chat_line(thinking="hm"), chat_line("Bye"), chat_end()))
        result = await asyncio.to_thread(at.runner.run_conversation, MODEL, messages, ExecutionOptions(format="json"))
        assert messages == before
        (sent,) = at.sent("/api/chat")
        assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "user"]
        assert (sent["options"], sent["format"], sent["truncate"]) == (WHOLE, "json", False)
        assert (result.response, result.prompt, result.success) == ("Bye", "and now?", True)
        assert result.metadata is not None
        assert (result.metadata["thinking"], result.metadata["endpoint"]) == ("hm", "/api/chat")
        assert result.metadata["request"] == {"format": "json", "truncate": False, "messages": 4}


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ([], "messages: the list is empty"),
        ([{"role": "bot", "content": "a"}], r"messages\[0\].role = 'bot'"),
        ([{"content": "a"}], r"messages\[0\].role = None"),
        ([{"role": "user", "content": "a"}, {"role": "user"}], r"messages\[1\].content"),
        ([{"role": "user", "content": ["a"]}], r"messages\[0\].content"),
        ([{"role": "user", "contents": "a"}], "'content' is near"),
    ],
)
async def test_messages_that_cannot_be_sent_are_refused_by_name(
    tmp_path: Path, messages: list[dict[str, Any]], named: str
) -> None:
    async with place(tmp_path) as at:
        with pytest.raises(ValueError, match=named):
            at.runner.run_conversation(MODEL, messages)
        assert at.real.requests == []


async def test_documents_are_numbered_in_the_system_message(tmp_path: Path) -> None:
    documents = ["The sky is green.", "Water is dry."]
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/chat", Stream(chat_line("green"), chat_end()))
        result = await asyncio.to_thread(at.runner.run_with_context, MODEL, "What is the sky?", documents)
        system, question = at.sent("/api/chat")[0]["messages"]
        assert system["role"] == "system"
        assert "[1]\nThe sky is green." in system["content"]
        assert "[2]\nWater is dry." in system["content"]
        assert question == {"role": "user", "content": "What is the sky?"}
        assert (result.prompt, result.response) == ("What is the sky?", "green")
        assert documents == ["The sky is green.", "Water is dry."]
        await asyncio.to_thread(at.runner.run_with_context, MODEL, "What?", [])
        assert at.sent("/api/chat")[1]["messages"] == [{"role": "user", "content": "What?"}]


async def test_a_tool_that_answers_and_images_go_along(tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n"
    talk: list[dict[str, Any]] = [
        {"role": "user", "content": "", "images": [picture]},
        {"role": "tool", "content": "11 degrees", "tool_name": "weather"},
    ]
    async with place(tmp_path) as at:
        at.real.route("POST", "/api/chat", Stream(chat_line("cold"), chat_end()))
        await asyncio.to_thread(at.runner.run_conversation, MODEL, talk)
        user, tool = at.sent("/api/chat")[0]["messages"]
        assert user["images"] == ["iVBORw0K"]
        assert tool == {"role": "tool", "content": "11 degrees", "tool_name": "weather"}
        assert talk[0]["images"] == [picture]
