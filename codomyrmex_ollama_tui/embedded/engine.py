"""One loaded model: a child process, driven through llama.cpp's native endpoints.

httpx is imported inside: it takes longer than the rest of the front, and is not needed before a model is loaded.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.embedded.fitness import CHILD_COMMAND, problem_of
from codomyrmex_ollama_tui.embedded.replies import Json, Refusal

if TYPE_CHECKING:
    import httpx

STOPPED = (
    "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, "
    "check ollama server logs for details"
)
BROKE_OFF = "an error was encountered while running the model: unexpected EOF"
LOAD_FAILED = (
    "model failed to load, this may be due to resource limitations or an internal error, "
    "check ollama server logs for details"
)
SMALLEST_CONTEXT = 256  # what llama.cpp pads smaller contexts to
_LARGEST_BATCH = 256  # a prompt is given up between batches only; at this size within a second or two
_SCHEMA_TROUBLE = b"failed to compile JSON schema"
_LOG_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What a model is loaded with.

    Attributes:
        n_ctx: tokens, already held within the training context.
        threads: at least 1.
        chat_template: Jinja in place of the GGUF's own; "" for none.
    """

    weights: Path
    n_ctx: int
    n_batch: int
    threads: int
    n_gpu_layers: int
    chat_template: str

    def as_json(self, key: str) -> bytes:
        """The line the child reads."""
        settings = {
            "path": str(self.weights),
            "n_ctx": max(SMALLEST_CONTEXT, self.n_ctx),
            "n_batch": max(32, min(_LARGEST_BATCH, self.n_batch)),
            "threads": max(1, self.threads),
            "n_gpu_layers": self.n_gpu_layers,
            "chat_template": self.chat_template,
            "key": key,
        }
        return json.dumps(settings).encode() + b"\n"


class PromptTooLong(Refusal):
    """The engine counts more tokens than fit into its context."""


class Engine:
    """A child process with its model. `start` once, then `ask` and `complete`, one at a time; `kill` in the end."""

    def __init__(self, process: asyncio.subprocess.Process, log: _Log) -> None:
        self._process = process
        self._log = log
        self._http: httpx.AsyncClient | None = None

    @classmethod
    async def start(cls, settings: LoadSettings, log_folder: Path) -> Engine:
        """Load a model; ends the process again if the caller is cancelled meanwhile.

        Raises:
            Refusal: it cannot be loaded (500), with the best reason there is.
        """
        log = _Log(log_folder)
        key = secrets.token_hex(24)
        process = await asyncio.create_subprocess_exec(
            *CHILD_COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log.file,
            # a ctrl+c in the terminal is the front's business
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        engine = cls(process, log)
        try:
            await engine._load(settings, key)
        except BaseException:
            engine.kill()
            await engine.ended()  # the next one needs its memory
            raise
        return engine

    async def _load(self, settings: LoadSettings, key: str) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise Refusal(500, LOAD_FAILED)
        with suppress(OSError):  # it died at once: the empty answer below tells
            stdin.write(settings.as_json(key))
            await stdin.drain()
        # the import takes a while, too: it happens while the child reads the weights
        _, line = await asyncio.gather(asyncio.to_thread(importlib.import_module, "httpx"), stdout.readline())
        answer = _read_answer(line)
        if "address" not in answer:
            raise Refusal(500, await self._why_not(line, answer))
        import httpx

        self._http = httpx.AsyncClient(
            base_url=answer["address"],
            headers={"Authorization": f"Bearer {key}"},
            timeout=None,
            trust_env=False,
            verify=False,  # no TLS here, and its certificate store takes time to read
            # the listener closes connections after a stream, without a word
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def _why_not(self, line: bytes, answer: Json) -> str:
        if not line:
            exit_code = await self._process.wait()
            if (problem := problem_of(exit_code, line)).reason != "other":
                return problem.words
        elif answer.get("kind") == "import":
            return problem_of(None, line).words
        for text in self._log.read().decode("utf-8", "replace").splitlines():
            if "tensor '" in text or "failed to allocate" in text or "unknown model architecture" in text:
                return text.split(": ", 2)[-1].strip()
        return LOAD_FAILED

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def memory(self) -> int:
        """Resident bytes of the process; 0 where it cannot be told."""
        import psutil  # only here: it is not needed to start

        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        if self.alive:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def ended(self) -> None:
        """Wait until the process is gone and its memory given back, then let go of what is left of it."""
        await self._process.wait()
        if self._http is not None:
            await self._http.aclose()
        self._log.close()

    async def answers(self) -> bool:
        """Whether the listener is there: a process can be dead before the system tells of it."""
        import httpx

        if not self.alive:
            return False
        try:
            return (await self._client().get("/health")).status_code == 200
        except httpx.HTTPError:
            return False

    async def ask(self, path: str, body: Json) -> Json:
        """One JSON answer of a native endpoint.

        Raises:
            Refusal: it said no, or it is gone (500).
        """
        import httpx

        client = self._client()
        try:
            reply = await client.post(path, json=body)
        except httpx.HTTPError:
            raise Refusal(500, STOPPED) from None
        answer = reply.json()
        if reply.status_code != 200:
            raise _refusal(reply.status_code, answer)
        return answer if isinstance(answer, dict) else {"items": answer}

    async def tokenize(self, text: str, *, special: bool) -> list[int]:
        """The tokens of a text; `special` adds the beginning token where the model has one."""
        answer = await self.ask("/tokenize", {"content": text, "add_special": special, "parse_special": True})
        return [int(token) for token in answer["tokens"]]

    async def render(self, messages: list[Json]) -> str:
        """The prompt that the model's template makes of messages."""
        return str((await self.ask("/apply-template", {"messages": messages}))["prompt"])

    async def embed(self, tokens: list[int], *, normalize: bool) -> list[float]:
        """The vector of a text; of length 1 if asked."""
        answer = await self.ask("/embedding", {"content": tokens, "embd_normalize": 2 if normalize else -1})
        return [float(value) for value in answer["items"][0]["embedding"][0]]

    async def complete(self, body: Json) -> AsyncGenerator[Json, None]:
        """The events of `/completion`, always streamed: closing this generator is what stops the engine.

        Raises:
            Refusal: it said no, a schema is beyond it, or it died (500; before or after the first event).
        """
        import httpx

        client = self._client()
        begun = False
        mark = self._log.size()
        try:
            async with client.stream("POST", "/completion", json={**body, "stream": True}) as reply:
                if reply.status_code != 200:
                    raise _refusal(reply.status_code, json.loads(await reply.aread()))
                async for line in reply.aiter_lines():
                    if line.startswith("error: "):
                        raise _refusal(500, {"error": line.removeprefix("error: ")})
                    if not line.startswith("data: "):
                        continue
                    if not begun and _SCHEMA_TROUBLE in self._log.read(mark):
                        # it would go on without the schema, and tells nobody but its log
                        raise Refusal(500, "invalid JSON schema in format")
                    begun = True
                    yield json.loads(line.removeprefix("data: "))
        except httpx.HTTPError:
            raise Refusal(500, BROKE_OFF if begun else STOPPED) from None

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            raise Refusal(500, STOPPED)
        return self._http


def _refusal(status: int, answer: object) -> Refusal:
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        words = str(error.get("message", error))
        if error.get("type") == "exceed_context_size_error":
            return PromptTooLong(400, words)
        return Refusal(status, words)
    return Refusal(status, str(error or answer))


def _read_answer(line: bytes) -> Json:
    try:
        answer = json.loads(line)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


class _Log:
    """What the child writes on stderr. Appended, so that reading it never moves the place where it is written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"engine-{secrets.token_hex(8)}.log"
        self.file = self._path.open("a+b", buffering=0)
        if sys.platform != "win32":
            self._path.unlink()  # it lives as long as somebody has it open, and never stays behind

    def size(self) -> int:
        return self.file.seek(0, 2)

    def read(self, start: int = 0) -> bytes:
        self.file.seek(start)
        return self.file.read(_LOG_LIMIT)

    def close(self) -> None:
        self.file.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
