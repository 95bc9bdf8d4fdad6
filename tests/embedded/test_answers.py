"""What answers hold: sampling, stops, formats, probabilities, contexts, vectors — with a real model."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.embedded.harness import MODEL, EngineProcess

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def client(model_engine: EngineProcess) -> Iterator[httpx.Client]:
    with model_engine.client() as one:
        yield one
    assert "Traceback" not in model_engine.log()


def generate(client: httpx.Client, prompt: str, **fields: Any) -> dict[str, Any]:
    options = {"num_predict": 16, **fields.pop("options", {})}
    body = {"model": MODEL, "prompt": prompt, "stream": False, "options": options, **fields}
    answer: dict[str, Any] = client.post("/api/generate", json=body).json()
    return answer


def test_the_pieces_of_a_stream_are_the_whole_answer(client: httpx.Client) -> None:
    options = {"num_predict": 24, "temperature": 0, "seed": 3}
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Name three fruits."}], "options": options}
    with client.stream("POST", "/api/chat", json=body) as reply:
        lines = [json.loads(line) for line in reply.iter_lines()]
    whole = client.post("/api/chat", json={**body, "stream": False}).json()
    assert "".join(line["message"]["content"] for line in lines) == whole["message"]["content"]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1]["eval_count"] == whole["eval_count"]


def test_equal_seeds_give_equal_texts(client: httpx.Client) -> None:
    options = {"temperature": 1.5, "num_predict": 24}
    texts = [generate(client, "Once upon a time", options={**options, "seed": seed})["response"] for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]


def test_a_stop_string_ends_the_answer_before_it(client: httpx.Client) -> None:
    free = generate(client, "Count: 1, 2, 3,", raw=True, options={"temperature": 0})
    stopped = generate(client, "Count: 1, 2, 3,", raw=True, options={"temperature": 0, "stop": [","]})
    assert "," in free["response"]
    assert stopped["response"] == free["response"].split(",")[0]
    assert stopped["done_reason"] == "stop"
    assert "context" not in free


def test_the_model_goes_on_with_what_was_said(client: httpx.Client) -> None:
    first = generate(client, "Hi", options={"num_predict": 4})
    assert len(first["context"]) == first["prompt_eval_count"] + first["eval_count"]
    second = generate(client, "Go on", context=first["context"], options={"num_predict": 2})
    assert second["prompt_eval_count"] > len(first["context"])


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


def test_a_schema_is_kept_to(client: httpx.Client) -> None:
    answer = generate(client, "Describe a cat as JSON.", format=SCHEMA, options={"num_predict": 80, "temperature": 0})
    value = json.loads(answer["response"])
    assert set(value) == {"name", "age"}
    assert isinstance(value["age"], int)


def test_json_is_json(client: httpx.Client) -> None:
    answer = generate(
        client, "Give a tiny JSON object.", format="json", options={"num_predict": 200, "temperature": 0, "seed": 1}
    )
    if answer["done_reason"] == "stop":
        json.loads(answer["response"])
    assert answer["response"].startswith("{")


def test_a_schema_that_cannot_be_kept_to_is_refused(client: httpx.Client) -> None:
    beyond = {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=never)x"}}}
    body = {"model": MODEL, "prompt": "Hi", "format": beyond, "options": {"num_predict": 4}}
    answer = client.post("/api/generate", json=body)
    assert (answer.status_code, answer.json()) == (500, {"error": "invalid JSON schema in format"})
    assert generate(client, "Hi")["done"]


def test_probabilities_come_for_each_token(client: httpx.Client) -> None:
    answer = generate(client, "Hi", logprobs=True, top_logprobs=3, options={"num_predict": 5})
    assert len(answer["logprobs"]) == 5
    assert "".join(entry["token"] for entry in answer["logprobs"]) == answer["response"]
    for entry in answer["logprobs"]:
        assert set(entry) == {"token", "logprob", "bytes", "top_logprobs"}
        assert bytes(entry["bytes"]).decode() == entry["token"]
        assert entry["logprob"] <= 0
        best = [other["logprob"] for other in entry["top_logprobs"]]
        assert len(best) == 3
        assert best == sorted(best, reverse=True)


def test_a_long_history_loses_its_oldest_messages_whole(client: httpx.Client) -> None:
    words = [{"role": "user", "content": f"message {number} " + "word " * 20} for number in range(16)]
    body: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "system", "content": "KEEP THIS"}, *words],
        "stream": False,
        "options": {"num_ctx": 256, "num_predict": 1},
    }
    rendered = client.post("/api/chat", json={**body, "_debug_render_only": True}).json()
    text = rendered["_debug_info"]["rendered_template"]
    kept = [number for number in range(16) if f"message {number} " in text]
    assert "KEEP THIS" in text
    assert 0 < len(kept) < 16
    assert kept == list(range(16 - len(kept), 16))
    strict = client.post("/api/chat", json={**body, "truncate": False})
    assert strict.status_code == 400
    assert strict.json() == {"error": "the input length exceeds the context length"}
    assert client.post("/api/chat", json=body).json()["prompt_eval_count"] < 256


def test_an_answer_may_not_outgrow_the_context_without_shift(client: httpx.Client) -> None:
    options = {"num_ctx": 256, "num_predict": -1, "temperature": 1.2, "stop": []}
    answer = generate(client, "Write without end.", shift=False, options=options)
    assert answer["prompt_eval_count"] + answer["eval_count"] <= 256


def test_vectors_of_texts(client: httpx.Client) -> None:
    texts = ["The cat sits on the mat.", "A cat is sitting on a mat.", "Quarterly tax regulations"]
    answer = client.post("/api/embed", json={"model": MODEL, "input": texts}).json()
    vectors = answer["embeddings"]
    assert [len(vector) for vector in vectors] == [576] * 3
    assert all(math.hypot(*vector) == pytest.approx(1.0, abs=1e-4) for vector in vectors)
    near, far = (sum(a * b for a, b in zip(vectors[0], vectors[n], strict=True)) for n in (1, 2))
    assert near > far
    short = client.post("/api/embed", json={"model": MODEL, "input": "x", "dimensions": 8}).json()["embeddings"][0]
    assert len(short) == 8
    assert math.hypot(*short) == pytest.approx(1.0, abs=1e-4)
    old = client.post("/api/embeddings", json={"model": MODEL, "prompt": "x"}).json()["embedding"]
    assert math.hypot(*old) > 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tools": [{"type": "function"}]}, "registry.ollama.ai/library/smollm2:135m does not support tools"),
        ({"think": True}, '"smollm2:135m" does not support thinking'),
        ({"messages": [{"role": "user", "content": "x", "images": ["@"]}]}, "illegal base64 data at input byte 0"),
    ],
)
def test_what_the_model_cannot_do_is_refused(client: httpx.Client, fields: dict[str, Any], words: str) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], **fields}
    answer = client.post("/api/chat", json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": words})


def test_templates_of_go_are_refused_in_words(client: httpx.Client) -> None:
    body = {"model": MODEL, "prompt": "Hi", "template": "{{ .System }} {{ .Prompt }}"}
    answer = client.post("/api/generate", json=body)
    assert answer.status_code == 501
    assert "templates" in answer.json()["error"]
    rendered = generate(client, "Hi", template="{{ .Prompt }}", _debug_render_only=True)
    assert rendered["_debug_info"]["rendered_template"] == "Hi"
