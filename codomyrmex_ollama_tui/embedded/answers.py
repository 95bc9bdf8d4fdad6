"""Generate and chat: from a request to the lines of an answer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from codomyrmex_ollama_tui.embedded import options as asked
from codomyrmex_ollama_tui.embedded.lookup import LocalModel, find_model
from codomyrmex_ollama_tui.embedded.pool import Pool, Turn
from codomyrmex_ollama_tui.embedded.replies import Json, Lines, Refusal, Whole, nanoseconds, stamp
from codomyrmex_ollama_tui.embedded.store import Manifest, ModelStore

Kind = Literal["generate", "chat"]
TOO_LONG = "the input length exceeds the context length"
_MAX_TOP_LOGPROBS = 20
_CLOUD_OFF = "ollama cloud is disabled: remote model is unavailable"


@dataclass(slots=True)
class _Prompt:
    """What the engine reads: the text (for those who want to see it) and its tokens."""

    text: str
    tokens: list[int]


class Answers:
    """The endpoints /api/generate and /api/chat."""

    def __init__(self, store: ModelStore, pool: Pool) -> None:
        self._store = store
        self._pool = pool

    async def lines(self, body: Json, kind: Kind) -> Lines:
        """The lines of an answer; the last one has `done: true`.

        Raises:
            Refusal: as CONTRACT §3.2 has it.
        """
        started = time.perf_counter()
        name = body.get("model") or ""
        if not name:
            raise Refusal(400, "model is required") if kind == "chat" else Refusal(404, "model '' not found")
        top = body.get("top_logprobs") or 0
        if not 0 <= top <= _MAX_TOP_LOGPROBS:
            raise Refusal(400, "top_logprobs must be between 0 and 20")
        model = find_model(self._store, name, cloud_words=_CLOUD_OFF)
        keep = asked.keep_alive(body)
        line = _LineMaker(name, kind)
        _check_template(body)
        options = asked.merge_options(model.manifest.parameters, body.get("options"))
        empty = not (body.get("messages") if kind == "chat" else body.get("prompt"))
        if empty and not body.get("suffix"):
            if keep == 0:
                await self._pool.unload(model.manifest)
            else:
                async with self._pool.use(model.manifest, options, keep):
                    pass
            yield Whole(line("", done=True, done_reason="unload" if keep == 0 else "load"))
            return
        schema = _check_abilities(body, model)
        async with self._pool.turn(model.manifest, options, keep) as turn:
            prompt = await _make_prompt(body, kind, model.manifest, turn, options)
            if body.get("_debug_render_only"):
                yield Whole(line("", done=False, _debug_info={"rendered_template": prompt.text}))
                return
            room = turn.n_ctx - len(prompt.tokens)
            wanted = asked.sampling(options, body, room=room, n_ctx=turn.n_ctx) | {"prompt": prompt.tokens}
            if schema:
                wanted["json_schema"] = schema
            said: list[str] = []
            async with aclosing(turn.engine.complete(wanted)) as events:
                async for event in events:
                    text = event.get("content") or ""
                    # generate has a line for a token that is held back, chat has none
                    if text or (kind == "generate" and event.get("tokens") and not event.get("stop")):
                        said.append(text)
                        yield line(text, done=False, **_logprobs(event, top, bool(body.get("logprobs"))))
                    if event.get("stop"):
                        end = line("", done=True, done_reason=_reason(event))
                        if kind == "generate" and not body.get("raw"):
                            answer = await turn.engine.tokenize("".join(said), special=False)
                            end["context"] = prompt.tokens + answer
                        yield end | _counters(event["timings"], time.perf_counter() - started, turn.loading)


class _LineMaker:
    """Makes lines in the shape of their endpoint."""

    def __init__(self, name: str, kind: Kind) -> None:
        self._name = name
        self._chat = kind == "chat"

    def __call__(self, text: str, **fields: Any) -> Json:
        head: Json = {"model": self._name, "created_at": stamp()}
        body: Json = {"message": {"role": "assistant", "content": text}} if self._chat else {"response": text}
        return head | body | fields


def join_answer(lines: list[Json]) -> Json:
    """The one object that is sent without streaming: the last line, with all text and logprobs."""
    end = lines[-1]
    if len(lines) == 1:
        return end
    logprobs = [entry for line in lines for entry in line.get("logprobs", ())]
    if "message" in end:
        end["message"]["content"] = "".join(line["message"]["content"] for line in lines)
    else:
        end["response"] = "".join(line["response"] for line in lines)
    if logprobs:
        end["logprobs"] = logprobs
    return end


def _check_template(body: Json) -> None:
    if body.get("raw") and (body.get("system") or body.get("template") or body.get("context")):
        raise Refusal(400, "raw mode does not support template, system, or context")
    template = body.get("template") or ""
    if "{{" in template and "}}" not in template:
        raise Refusal(500, "template: :1: unclosed action")
    if template and template.strip() != "{{ .Prompt }}":
        raise Refusal(501, "the embedded engine does not support templates other than {{ .Prompt }} in a request")


def _check_abilities(body: Json, model: LocalModel) -> Json | None:
    """Refuse what no model here can do; the schema that was asked for."""
    for field, ability in (("suffix", "insert"), ("tools", "tools")):
        if body.get(field):
            raise Refusal(400, f"{model.name.full} does not support {ability}")
    asked.check_think(body, model.asked)
    schema = asked.schema_of(body)
    asked.check_images(body.get("images"))
    for message in body.get("messages") or ():
        asked.check_images(message.get("images"))
    return schema


async def _make_prompt(body: Json, kind: Kind, manifest: Manifest, turn: Turn, options: Json) -> _Prompt:
    """Render and count the prompt; cut it down to the context in force if that is allowed.

    Raises:
        Refusal: too long, and `truncate` is false (400).
    """
    engine, n_ctx = turn.engine, turn.n_ctx
    strict = body.get("truncate") is False
    if body.get("raw") or body.get("template"):
        prompt = _Prompt(body["prompt"], await engine.tokenize(body["prompt"], special=True))
    else:
        messages = _messages(body, kind, manifest)

        async def render(kept: list[Json]) -> _Prompt:
            text = await engine.render(kept)
            return _Prompt(text, await engine.tokenize(text, special=True))

        prompt = await render(messages)
        if kind == "chat" and len(prompt.tokens) >= n_ctx and not strict:
            prompt = await _drop_oldest(messages, render, n_ctx)
    prompt.tokens = list(body.get("context") or ()) + prompt.tokens
    if len(prompt.tokens) >= n_ctx:
        if strict:
            raise Refusal(400, TOO_LONG)
        head = max(0, min(options["num_keep"], n_ctx - 2))
        prompt.tokens = prompt.tokens[:head] + prompt.tokens[-(n_ctx - 1 - head) :]
    return prompt


def _messages(body: Json, kind: Kind, manifest: Manifest) -> list[Json]:
    if kind == "chat":
        messages = [*manifest.messages, *body["messages"]]
        system = manifest.system
    else:
        history = [] if body.get("context") else manifest.messages
        messages = [*history, {"role": "user", "content": body["prompt"]}]
        system = body.get("system") or manifest.system
    # the engine refuses a message without content
    plain = [{"role": str(one.get("role", "")).lower(), "content": one.get("content") or ""} for one in messages]
    if system and not (plain and plain[0]["role"] == "system"):
        plain.insert(0, {"role": "system", "content": system})
    return plain


async def _drop_oldest(messages: list[Json], render: Callable[[list[Json]], Awaitable[_Prompt]], n_ctx: int) -> _Prompt:
    """The longest end of a history that fits: the oldest messages go whole, system messages and the last one stay."""
    droppable = [index for index, one in enumerate(messages[:-1]) if one["role"] != "system"]
    if not droppable:
        return await render(messages)

    async def without(count: int) -> _Prompt:
        gone = set(droppable[:count])
        return await render([one for index, one in enumerate(messages) if index not in gone])

    low, high = 1, len(droppable)
    best = await without(high)
    while low < high:
        middle = (low + high) // 2
        prompt = await without(middle)
        if len(prompt.tokens) < n_ctx:
            best, high = prompt, middle
        else:
            low = middle + 1
    return best


def _reason(event: Json) -> str:
    return "length" if event.get("stop_type") == "limit" else "stop"


def _logprobs(event: Json, top: int, wanted: bool) -> Json:
    found = event.get("completion_probabilities")
    if not wanted or not found:
        return {}
    entries = []
    for one in found:
        entry = _logprob(one)
        if top:
            entry["top_logprobs"] = [_logprob(other) for other in one.get("top_logprobs", ())]
        entries.append(entry)
    return {"logprobs": entries}


def _logprob(entry: Json) -> Json:
    return {"token": entry["token"], "logprob": entry["logprob"], "bytes": entry["bytes"]}


def _counters(timings: Json, total: float, loaded: float) -> Json:
    """The six metrics; `total` and `loaded` in seconds. A single token has no duration of its own."""
    counters: Json = {
        "total_duration": nanoseconds(total),
        "load_duration": nanoseconds(loaded),
        "prompt_eval_count": timings["cache_n"] + timings["prompt_n"],
        "prompt_eval_duration": nanoseconds(timings["prompt_ms"] / 1e3),
        "eval_count": timings["predicted_n"],
    }
    if timings["predicted_n"] > 1:
        counters["eval_duration"] = nanoseconds(timings["predicted_ms"] / 1e3)
    return counters
