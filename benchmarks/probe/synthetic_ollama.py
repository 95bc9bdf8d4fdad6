"""A server for measuring front ends: it speaks Ollama's chat format at a set rate.

It holds no model. The text is fixed, so every front end draws the same work.
Usage: python benchmarks/probe/synthetic_ollama.py PORT TOKENS RATE   (RATE in tokens/s; 0: no delay)
The environment variable CONTENT chooses the text: mixed (default), fence, cjk, list, table, oneline, quote, nested,
itemfence.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import AsyncGenerator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "134.52M",
    "quantization_level": "Q4_1",
}
NAMES = ("probe:latest", "probe-two:latest")
END = "\n\nPROBE_END\n"
MIXED = (
    "Terminals draw **cells**, and a list of `items` follows:\n\n- first item with some words in it\n"
    "- second item, a little longer than the first\n\n```python\ndef area(r: float) -> float:\n"
    "    return 3.14159 * r * r\n```\n\n| model | rate |\n|---|---|\n| one | 12.5 |\n| two | 80.1 |\n\n"
)
CJK = "Terminals 終端機 に 日本語 の 文章 と 絵文字 🎉👩‍👩‍👧‍👦🇫🇷 を 流す。 한국어 문장도 있다. \n\n"


def pieces(kind: str, count: int) -> list[str]:
    """`count` pieces of text of that kind, one for each line of the answer."""
    if kind == "fence":
        lines = [f"value_{i} = compute({i}, 'text {i}')  # line {i}\n" for i in range(count - 2)]
        return ["Terminals\n\n```python\n", *lines, "```\n"]
    if kind == "table":
        return ["Terminals\n\n| a | b | c |\n|---|---|---|\n"] + [
            f"| row {i} | {i * 3} | some words {i} |\n" for i in range(count - 1)
        ]
    if kind == "oneline":
        return ["Terminals ", *["word "] * (count - 1)]
    if kind == "quote":
        return ["Terminals\n\n> begins\n", *["> a quoted line with **bold** and `code` in it\n"] * (count - 1)]
    if kind == "nested":
        return ["Terminals\n\n- outer\n"] + [f"  - nested item {i} with *words*\n" for i in range(count - 1)]
    if kind == "itemfence":
        return ["Terminals\n\n- outer\n\n  ```python\n"] + [
            f"  value_{i} = compute({i})  # line\n" for i in range(count - 1)
        ]
    if kind == "list":
        unit = [f"Terminals\n- item {i}\n    1. inner **bold** `code`\n    2. more\n" for i in range(40)]
    else:
        unit = [word + " " for word in (CJK if kind == "cjk" else MIXED).split(" ")]
    return list(itertools.islice(itertools.cycle(unit), count))


def now() -> str:
    """The time as Ollama writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Server:
    """The endpoints, and what `/state` tells of the last answer (monotonic seconds)."""

    def __init__(self, tokens: list[str], rate: float) -> None:
        self.tokens = tokens
        self.rate = rate
        self.state: dict[str, float | None] = {"asked_at": None, "first_at": None, "sent_at": None}

    async def chat(self, request: Request) -> Response:
        """`/api/chat` and `/api/generate`, streaming or whole."""
        self.state["asked_at"] = time.monotonic()
        body = await request.json()
        kind = "message" if request.url.path.endswith("chat") else "response"
        figures = {
            "done_reason": "stop",
            "total_duration": 10**9,
            "load_duration": 10**7,
            "prompt_eval_count": 20,
            "prompt_eval_duration": 10**8,
            "eval_count": len(self.tokens),
            "eval_duration": 10**9,
        }

        def line(text: str, **more: object) -> dict[str, object]:
            said: object = {"role": "assistant", "content": text} if kind == "message" else text
            return {"model": body.get("model"), "created_at": now(), kind: said, "done": bool(more), **more}

        if body.get("stream") is False:
            return JSONResponse(line("".join(self.tokens), **figures))

        async def lines() -> AsyncGenerator[str, None]:
            begun = time.monotonic()
            for index, token in enumerate(self.tokens):
                await asyncio.sleep(max(0.0, begun + index / self.rate - time.monotonic()) if self.rate else 0.0)
                if index == 0:
                    self.state["first_at"] = time.monotonic()
                yield json.dumps(line(token)) + "\n"
            yield json.dumps(line(END)) + "\n"
            self.state["sent_at"] = time.monotonic()
            yield json.dumps(line("", **figures)) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def tags(self, _: Request) -> Response:
        """`/api/tags`."""
        model = {"modified_at": now(), "size": 98363295, "digest": "b4" * 32, "details": DETAILS}
        return JSONResponse({"models": [{"name": name, "model": name, **model} for name in NAMES]})

    async def show(self, _: Request) -> Response:
        """`/api/show`, the same for every name."""
        return JSONResponse(
            {
                "license": "Apache-2.0",
                "modelfile": "FROM x",
                "parameters": "temperature 0.2",
                "template": "{{ .Prompt }}",
                "details": DETAILS,
                "model_info": {"general.architecture": "llama", "llama.context_length": 8192},
                "capabilities": ["completion"],
                "modified_at": now(),
            }
        )

    async def root(self, _: Request) -> Response:
        """`/`: what Ollama says there."""
        return PlainTextResponse("Ollama is running")

    async def version(self, _: Request) -> Response:
        """`/api/version`."""
        return JSONResponse({"version": "0.24.0"})

    async def running(self, _: Request) -> Response:
        """`/api/ps`: nothing in memory."""
        return JSONResponse({"models": []})

    async def told(self, _: Request) -> Response:
        """`/state`, not Ollama's: when the last answer was asked for, begun and sent."""
        return JSONResponse(self.state)

    def app(self) -> Starlette:
        """The server as an ASGI application."""
        return Starlette(
            routes=[
                Route("/", self.root, methods=["GET", "HEAD"]),
                Route("/api/version", self.version),
                Route("/api/tags", self.tags),
                Route("/api/ps", self.running),
                Route("/api/show", self.show, methods=["POST"]),
                Route("/api/chat", self.chat, methods=["POST"]),
                Route("/api/generate", self.chat, methods=["POST"]),
                Route("/state", self.told),
            ]
        )


if __name__ == "__main__":
    texts = pieces(os.environ.get("CONTENT", "mixed"), int(sys.argv[2]))
    uvicorn.run(Server(texts, float(sys.argv[3])).app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
