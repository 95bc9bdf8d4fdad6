"""Writes tests/wire/expected.json: for every recorded exchange the call that makes it and what must come of it.

Everything is taken from the recordings alone, by means that share nothing with the client: `python -m
tests.client.expect` writes the file, and a test sees to it that the file is what this script makes of the recordings.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from tests.client.recordings import COUNTERS, WIRE, answer_of, case_names, digest_of, load_case, micros, sent_json

TABLE = WIRE / "expected.json"

# What a caller can say with the types of the client's methods.
CHAT_KEYS = {"model", "messages", "options", "format", "keep_alive", "think", "tools", "truncate", "shift"}
CHAT_KEYS |= {"logprobs", "top_logprobs"}
GENERATE_KEYS = (CHAT_KEYS - {"messages", "tools"}) | {"prompt", "system", "template", "suffix", "context", "raw"}
GENERATE_KEYS |= {"images"}
CREATE_KEYS = {"model", "from", "files", "adapters", "template", "system", "parameters", "messages", "license"}
CREATE_KEYS |= {"quantize", "renderer", "parser", "requires"}
THINK_LEVELS = ("low", "medium", "high", "max")
MESSAGE_KEYS = {"role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id"}
TYPES: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "messages": (list,),
    "prompt": (str,),
    "system": (str,),
    "template": (str,),
    "suffix": (str,),
    "context": (list,),
    "raw": (bool,),
    "images": (list,),
    "options": (dict,),
    "format": (str, dict),
    "keep_alive": (int, float, str),
    "tools": (list,),
    "truncate": (bool,),
    "shift": (bool,),
    "logprobs": (bool,),
    "top_logprobs": (int,),
    "parameters": (dict,),
    "files": (dict,),
    "license": (list,),
    "from": (str,),
    "quantize": (str,),
}


# -- the call ---------------------------------------------------------------------------------------------------------


def call_of(case: dict[str, Any]) -> list[Any]:
    """[method of the client, its arguments as JSON]."""
    request = case["request"]
    method, path = request["method"], request["path"]
    plain = set(request) <= {"method", "path", "json"}
    body = sent_json(case)
    if plain and (method, path) in {("GET", "/api/version"), ("GET", "/api/tags"), ("GET", "/api/ps")}:
        return [{"version": "version", "tags": "list_models", "ps": "running"}[path.split("/")[2]], {}]
    if path.startswith("/api/blobs/"):
        digest = path.removeprefix("/api/blobs/")
        if method == "HEAD":
            return ["blob_exists", {"digest": digest}]
        if method == "POST":
            return ["upload_blob", {"digest": digest, "size": int(request["body_bytes"][1:].split()[0])}]
    if plain and body is not None and isinstance(request["json"].get("stream", True), bool):
        made = _json_call(method, path, body)
        if made is not None:
            return made
    content = request.get("body_text")
    if content is None and "json" in request:
        content = json.dumps(request["json"], ensure_ascii=False)
    headers = {**({"content-type": "application/json"} if content else {}), **request.get("headers", {})}
    return ["request_raw", {"method": method, "path": path, "content": content, "headers": headers}]


def _json_call(method: str, path: str, body: dict[str, Any]) -> list[Any] | None:
    if any(not isinstance(value, TYPES.get(key, (object,))) for key, value in body.items()):
        return None
    think = body.get("think", True)
    if isinstance(body.get("keep_alive"), bool) or not (isinstance(think, bool) or think in THINK_LEVELS):
        return None
    if any(value in ([], {}) for key, value in body.items() if key not in ("messages", "input")):
        return None
    keys = set(body)
    if (method, path) == ("POST", "/api/chat") and {"model"} <= keys <= CHAT_KEYS and _messages_fit(body):
        return ["chat", body]
    if (method, path) == ("POST", "/api/generate") and "model" in keys and keys <= GENERATE_KEYS:
        if body.get("prompt"):
            return ["generate", body]
        if keys <= {"model", "prompt", "options", "keep_alive"}:
            rest = {key: value for key, value in body.items() if key != "prompt"}
            if rest.get("keep_alive") == 0:
                return ["unload", {"model": rest["model"]}]
            return ["load", rest]
    if (method, path) == ("POST", "/api/show") and {"model"} <= keys <= {"model", "verbose"}:
        return ["show", body]
    if (method, path) == ("POST", "/api/copy") and keys == {"source", "destination"}:
        return ["copy", body]
    if (method, path) == ("DELETE", "/api/delete") and keys == {"model"}:
        return ["delete", body]
    if path in ("/api/pull", "/api/push") and {"model"} <= keys <= {"model", "insecure"}:
        return [path.removeprefix("/api/"), body]
    if path == "/api/create" and {"model"} <= keys <= CREATE_KEYS and _messages_fit(body):
        return ["create", body]
    if path == "/api/embed" and {"model", "input"} <= keys <= {"model", "input", "truncate", "dimensions", "options"}:
        wanted = [body["input"]] if isinstance(body["input"], str) and body["input"] else body["input"]
        body["input"] = wanted
        if isinstance(wanted, list) and all(isinstance(item, str) for item in wanted):
            return ["embed", body]
    return None


def _messages_fit(body: dict[str, Any]) -> bool:
    return all(
        isinstance(message, dict)
        and {"role", "content"} <= set(message) <= MESSAGE_KEYS
        and isinstance(message["content"], str)
        and all(isinstance(call["function"]["arguments"], dict) for call in message.get("tool_calls", []))
        for message in body.get("messages", [])
    )


# -- what comes of it -------------------------------------------------------------------------------------------------


def outcome_of(case: dict[str, Any], call: list[Any]) -> dict[str, Any]:
    name, arguments = call
    response = case["response"]
    status, headers, lines, body = answer_of(case)
    failed = response.get("client_exception", {}).get("type")
    if status is None:
        return {"error": {"httpx.ConnectError": "ServerUnreachable", "httpx.ReadTimeout": "NoAnswer"}[failed]}
    if name == "blob_exists" and status in (200, 404):
        return {"value": status == 200}
    asked = arguments.get("from") or arguments.get("model") or arguments.get("source") or ""
    if status >= 300:
        return _refused(status, headers, lines, body, asked, raw=name == "request_raw")
    if name in ("chat", "generate", "load", "unload"):
        objects = lines if lines is not None else [body]
        if response.get("client_closed_at_ms") is not None:
            return {"closed_after": len(objects), "text": _text(objects)}
        return _answer(objects, asked, cut=failed is not None)
    if name in ("pull", "push", "create"):
        objects = lines if lines is not None else [body]
        closed = response.get("client_closed_at_ms") is not None
        return _progress(objects, asked, cut=failed is not None, closed=closed)
    if name == "upload_blob":
        return {"value": status == 201}
    if name in ("copy", "delete"):
        return {"value": None}
    if name == "request_raw":
        return _raw(status, lines, body)
    facts = {"version": _version, "list_models": _tags, "running": _running, "show": _show, "embed": _embed}
    return {"value": facts[name](body)}


def _refused(
    status: int, headers: dict[str, str], lines: list[Any] | None, body: Any, asked: str, *, raw: bool
) -> dict[str, Any]:
    if lines:
        body = lines[-1]
    if 300 <= status < 400:
        words = f"redirects to {headers['location']}"
    elif isinstance(body, dict):
        words = body["error"]
    else:
        words = body or HTTPStatus(status).phrase
    return _error(status, words, asked, raw=raw)


def _error(status: int | None, words: str, asked: str, *, raw: bool = False) -> dict[str, Any]:
    """The class for what a server says, by CONTRACT §3.2's table of situations."""
    made: dict[str, Any] = {"status": status, "words": words}
    if words.endswith("' not found") or '" not found' in words or words == "pull model manifest: file does not exist":
        quoted = re.search(r"""['"](.*?)['"]""", words)
        return {"error": "ModelNotFound", **made, "model": quoted[1] if raw and quoted else asked}
    if words.startswith("open /models/manifests/") and words.endswith("no such file or directory"):
        return {"error": "ModelNotFound", **made, "model": asked}
    if words == "the input length exceeds the context length":
        return {"error": "ContextTooLong", **made}
    unsupported = ("does not support", "required for image input", "quantization is only supported for")
    if status == 501 or words == "404 page not found" or any(part in words for part in unsupported):
        return {"error": "NotSupported", **made}
    return {"error": "ServerRefused", **made}


def _text(objects: list[Any], key: str = "content") -> str:
    other = "response" if key == "content" else key
    return "".join(
        line["message"].get(key, "") if "message" in line else line.get(other, "") for line in objects if line
    )


def _answer(objects: list[Any], asked: str, *, cut: bool) -> dict[str, Any]:
    pieces = 0
    calls: list[Any] = []
    logprobs = 0
    for line in objects:
        if "error" in line:
            break
        inner = line.get("message", line)
        for found in inner.get("tool_calls", []):
            function = found["function"]
            calls.append([found.get("id", ""), function["name"], function["arguments"], function.get("index")])
        logprobs += len(line.get("logprobs", []))
        something = inner.get("content") or inner.get("response") or inner.get("thinking") or inner.get("tool_calls")
        pieces += 1 if not line["done"] or something or line.get("logprobs") else 0
    made: dict[str, Any] = {"text": _text(objects), "thinking": _text(objects, "thinking"), "pieces": pieces}
    if calls:
        made["tool_calls"] = calls
    if logprobs:
        made["logprobs"] = logprobs
    last = objects[-1]
    if cut:
        return {**made, "error": "StreamCut"}
    if "error" in last:
        if len(objects) == 1:
            return _error(None, last["error"], asked)
        return {**made, "error": "StreamFailed", "words": last["error"]}
    if not last["done"]:
        return {**made, "error": "StreamUnfinished"}
    end: dict[str, Any] = {"model": last["model"], "done_reason": last["done_reason"]}
    end["counters"] = {key: last[key] for key in COUNTERS if key in last}
    end["created_at"] = micros(last["created_at"])
    if "context" in last:
        end["context"] = [len(last["context"]), sum(last["context"])]
    extra = {key: last[key] for key in ("remote_model", "remote_host") if key in last}
    return {**made, "end": {**end, **({"extra": extra} if extra else {})}}


def _progress(objects: list[Any], asked: str, *, cut: bool, closed: bool) -> dict[str, Any]:
    good = [line for line in objects if "error" not in line]
    statuses: list[str] = []
    for line in good:
        if statuses[-1:] != [line["status"]]:
            statuses.append(line["status"])
    made: dict[str, Any] = {"lines": len(good), "statuses": statuses}
    made["digests"] = len({line["digest"] for line in good if "digest" in line})
    made["sums"] = [sum(line.get(key, 0) for line in good) for key in ("total", "completed")]
    last = objects[-1]
    if closed:
        return {**made, "closed": True}
    if cut:
        return {**made, "error": "StreamCut"}
    if "error" in last:
        return {**made, **_error(None, last["error"], asked)}
    assert last["status"] == "success"
    return made


def _raw(status: int, lines: list[Any] | None, body: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"status": status}
    if lines is not None:
        if "error" in lines[-1]:
            words = lines[-1]["error"]
            return _error(None, words, "", raw=True) if len(lines) == 1 else {"error": "StreamFailed", "words": words}
        return {"raw": {**made, "lines": digest_of(lines)}}
    if body is None:
        return {"raw": {**made, "empty": True}}
    return {"raw": {**made, "text": body} if isinstance(body, str) else {**made, "json": digest_of(body)}}


def _version(body: Any) -> Any:
    return {"version": body["version"]}


def _details(details: Any) -> list[Any]:
    keys = ("format", "family", "parameter_size", "quantization_level", "parent_model")
    return [*(details[key] for key in keys), details["families"] or []]


def _tags(body: Any) -> Any:
    return [
        {
            "name": model["name"],
            "size": model["size"],
            "digest": model["digest"],
            "modified_at": micros(model["modified_at"]),
            "details": _details(model["details"]),
            "remote": [model.get("remote_host", ""), model.get("remote_model", "")],
        }
        for model in body["models"]
    ]


def _running(body: Any) -> Any:
    return [
        {
            "name": model["name"],
            "size": [model["size"], model["size_vram"]],
            "digest": model["digest"],
            "expires_at": micros(model["expires_at"]),
            "context_length": model["context_length"],
            "details": _details(model["details"]),
        }
        for model in body["models"]
    ]


def _show(body: Any) -> Any:
    texts = ("license", "modelfile", "parameters", "template", "system", "renderer", "parser", "requires")
    architecture = body["model_info"].get("general.architecture")
    return {
        "details": _details(body["details"]),
        "texts": {key: digest_of(body[key]) for key in texts if key in body},
        "model_info": digest_of(body["model_info"]),
        "context_length": body["model_info"].get(f"{architecture}.context_length"),
        "capabilities": body.get("capabilities"),
        "modified_at": micros(body["modified_at"]),
        "tensors": len(body.get("tensors", [])),
        "tensor_sum": sum(sum(tensor["shape"]) for tensor in body.get("tensors", [])),
        "messages": body.get("messages", []),
        "projector_info": digest_of(body.get("projector_info", {})),
        "remote": [body.get("remote_host", ""), body.get("remote_model", "")],
    }


def _embed(body: Any) -> Any:
    return {
        "model": body["model"],
        "vectors": [[len(vector), digest_of([float(item) for item in vector])] for vector in body["embeddings"]],
        "counters": {key: body[key] for key in COUNTERS if key in body},
    }


def table() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in case_names():
        case = load_case(name)
        call = call_of(case)
        made[name] = {"call": call[0], "arguments": call[1], "outcome": outcome_of(case, call)}
    return made


def text_of(made: dict[str, Any]) -> str:
    """One line for each case, so that a change shows as the case that it is about."""
    rows = (f"{json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}" for name, row in made.items())
    return "{\n" + ",\n".join(rows) + "\n}\n"


if __name__ == "__main__":
    TABLE.write_text(text_of(table()), encoding="utf-8")
