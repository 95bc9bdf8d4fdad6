"""Ollama's HTTP interface as methods; only the tree of `domain.errors` leaves them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from urllib.parse import quote

from codomyrmex_ollama_tui.client.address import Address
from codomyrmex_ollama_tui.client.bodies import chat_body, create_body, embed_body, generate_body, load_body
from codomyrmex_ollama_tui.client.calls import Calls, RawAnswer
from codomyrmex_ollama_tui.client.parse import (
    embeddings_of,
    recommendations_of,
    running_of,
    show_of,
    tags_of,
    version_of,
)
from codomyrmex_ollama_tui.client.upload import file_chunks
from codomyrmex_ollama_tui.client.wire import Call, Limits, Wire
from codomyrmex_ollama_tui.domain.chat import (
    AnswerEnd,
    AnswerPiece,
    ChatRequest,
    CreateRequest,
    Embeddings,
    GenerateRequest,
    KeepAlive,
)
from codomyrmex_ollama_tui.domain.errors import ServerRefused
from codomyrmex_ollama_tui.domain.models import (
    NOTHING,
    ModelInfo,
    ModelSummary,
    Progress,
    Recommendation,
    RunningModel,
    ServerVersion,
)

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class OllamaClient:
    """One server, asked over HTTP.

    Args:
        address: where it is.
        headers: sent with every request.
        token: sent as a bearer token, without white space around it.
        ca_file: PEM file of the authorities to trust for https:// instead of the usual ones.
        connect_timeout: seconds for a connection.
        request_timeout: seconds for a whole short call, and between two bytes of an answer.
        first_byte_timeout: seconds until an answer begins (loading and waiting included); None waits for ever.
        max_retries: further tries: for failed connections always; for 502, 503 and 504 before the first byte only
            for GET, generate, chat and embed; never for an answer that has begun.
        retry_delay: seconds before the first further try, doubled each time.
        clock: a monotonic clock in seconds, for the times in answers.
        sleep: waits that many seconds.
        jitter: a number in 0–1 for each wait before a further try; a constant spreads nothing.

    Raises:
        ValueError: for headers or a token that no request can carry.
        ServerUnreachable: when the CA file cannot be read.
    """

    def __init__(
        self,
        address: Address,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        token: str | None = None,
        ca_file: str | None = None,
        connect_timeout: float = 5.0,
        request_timeout: float = 120.0,
        first_byte_timeout: float | None = None,
        max_retries: int = 0,
        retry_delay: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.address = address
        limits = Limits(connect_timeout, request_timeout, first_byte_timeout, max_retries, retry_delay)
        made = _checked(headers, token)
        self._wire = Wire(address, limits, headers=made, ca_file=ca_file, sleep=sleep, jitter=jitter)
        self._calls = Calls(self._wire, clock=clock, sleep=sleep)

    async def __aenter__(self) -> OllamaClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; answers that are still coming break off with StreamCut."""
        await self._wire.aclose()

    # -- short calls ---------------------------------------------------------------------------------------------

    async def version(self, *, timeout: float | None = None) -> ServerVersion:
        """`GET /api/version`. `timeout` in seconds, else the client's `request_timeout`; NoAnswer when it is over."""
        return version_of(await self._calls.fields("GET", "/api/version", within=timeout))

    async def list_models(self) -> tuple[ModelSummary, ...]:
        """`GET /api/tags`, the newest first."""
        return tags_of(await self._calls.fields("GET", "/api/tags"))

    async def running(self, *, timeout: float | None = None) -> tuple[RunningModel, ...]:
        """`GET /api/ps`. From 0.32.4 it can wait while a model is loading: NoAnswer after `timeout` seconds."""
        return running_of(await self._calls.fields("GET", "/api/ps", within=timeout))

    async def recommendations(self, *, timeout: float | None = None) -> tuple[Recommendation, ...]:
        """`GET /api/experimental/model-recommendations` (from 0.22.1; others say 404, which is a ServerRefused)."""
        path = "/api/experimental/model-recommendations"
        return recommendations_of(await self._calls.fields("GET", path, within=timeout))

    async def show(self, model: str, *, verbose: bool = False) -> ModelInfo:
        """`POST /api/show`. `verbose` also brings the large arrays of `model_info`."""
        body: dict[str, object] = {"model": model}
        if verbose:
            body["verbose"] = True
        return show_of(await self._calls.fields("POST", "/api/show", body, model=model))

    async def copy(self, source: str, destination: str) -> None:
        """`POST /api/copy`. A model that has the new name already is replaced without a word."""
        body = {"source": source, "destination": destination}
        await self._calls.short("POST", "/api/copy", body, model=source)

    async def delete(self, model: str) -> None:
        """`DELETE /api/delete`. A loaded model stays in memory until its time is over."""
        await self._calls.short("DELETE", "/api/delete", {"model": model}, model=model)

    # -- answers -------------------------------------------------------------------------------------------------

    def chat(
        self, request: ChatRequest, *, rest: float = 0.0, first_byte_timeout: float | None = None
    ) -> AsyncGenerator[AnswerPiece | AnswerEnd, None]:
        """`POST /api/chat`, streaming; the last item is the AnswerEnd. Arguments and errors as in `generate`.

        While tools are offered the wait between two bytes has no limit: a call is sent only when it is whole.
        """
        patient = bool(request.tools)
        body, model = chat_body(request), request.model
        return self._calls.answer(
            "/api/chat", body, model=model, rest=rest, patient=patient, first_byte=first_byte_timeout
        )

    def generate(
        self, request: GenerateRequest, *, rest: float = 0.0, first_byte_timeout: float | None = None
    ) -> AsyncGenerator[AnswerPiece | AnswerEnd, None]:
        """`POST /api/generate`, streaming; the last item is the AnswerEnd.

        Close the generator (`contextlib.aclosing`) to stop: the response is closed at once, and the server with it.

        Args:
            rest: seconds to rest after each real wait for the network, so that what comes fast is read together
                and drawn together. For drawing only: whoever measures takes 0.
            first_byte_timeout: seconds until this answer begins; None is the client's own limit.

        Raises:
            StreamBroken: with the text that had come; see its subclasses.
            BadReply: with the text that had come, for what is not the protocol.
            OllamaError: all the others, before anything has come.
        """
        body, model = generate_body(request), request.model
        return self._calls.answer("/api/generate", body, model=model, rest=rest, first_byte=first_byte_timeout)

    async def load(
        self, model: str, *, options: Mapping[str, object] = NOTHING, keep_alive: KeepAlive | None = None
    ) -> AnswerEnd:
        """Load a model; `options` such as num_ctx must be those of the requests that follow, else it loads twice."""
        return await self._calls.one_answer("/api/generate", load_body(model, options, keep_alive), model=model)

    async def unload(self, model: str) -> AnswerEnd:
        """Let the server drop a model from memory as soon as it is idle; fine if it was not loaded."""
        return await self._calls.one_answer("/api/generate", load_body(model, NOTHING, 0), model=model)

    async def embed(
        self,
        model: str,
        inputs: Sequence[str],
        *,
        truncate: bool | None = None,
        dimensions: int | None = None,
        options: Mapping[str, object] = NOTHING,
        keep_alive: KeepAlive | None = None,
    ) -> Embeddings:
        """`POST /api/embed`: a vector for each input. No input only loads the model.

        Args:
            truncate: False: an error instead of silently cutting what is too long.
            dimensions: length of the vectors, for models that allow a choice (from 0.11.11).

        Raises:
            BadReply: also when the number of vectors is not the number of inputs.
        """
        body = embed_body(model, inputs, truncate, dimensions, options, keep_alive)
        return embeddings_of(await self._calls.slow_fields("/api/embed", body, model=model), len(inputs))

    # -- progress ------------------------------------------------------------------------------------------------

    def pull(self, model: str, *, insecure: bool = False) -> AsyncGenerator[Progress, None]:
        """`POST /api/pull`; ends after "success", raises otherwise. Closing the generator stops the download.

        Args:
            insecure: let the server talk to the registry without TLS.
        """
        return self._calls.progress("/api/pull", _transfer(model, insecure), model=model)

    def push(self, model: str, *, insecure: bool = False) -> AsyncGenerator[Progress, None]:
        """`POST /api/push`; as `pull`, the other way."""
        return self._calls.progress("/api/push", _transfer(model, insecure), model=model)

    def create(self, request: CreateRequest) -> AsyncGenerator[Progress, None]:
        """`POST /api/create`; ends after "success", raises otherwise. `completed` can go backwards while quantizing."""
        model = request.from_model or request.model
        return self._calls.progress("/api/create", create_body(request), model=model)

    # -- blobs ---------------------------------------------------------------------------------------------------

    async def blob_exists(self, digest: str) -> bool:
        """`HEAD /api/blobs/:digest`, `digest` as "sha256:<64 hex digits>"."""
        try:
            await self._calls.short("HEAD", _blob_path(digest))
        except ServerRefused as error:
            if error.status == 404:
                return False
            raise
        return True

    async def upload_blob(self, digest: str, path: Path, *, on_sent: Callable[[int], None] | None = None) -> bool:
        """`POST /api/blobs/:digest` with a file's bytes. No limit of time.

        Args:
            on_sent: called with the number of bytes sent so far.

        Returns:
            Whether the server took it; False if it had it already.

        Raises:
            OSError: when the file cannot be read, or changes its length meanwhile.
            ServerRefused: 400 also when the bytes are not those of the digest.
        """
        async with file_chunks(path, on_sent) as (size, chunks):
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
            call = Call("POST", _blob_path(digest), chunks, headers)
            _, response = await self._wire.body(call)
        return response.status_code == 201

    # -- anything ------------------------------------------------------------------------------------------------

    async def request_raw(
        self, method: str, path: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> RawAnswer:
        """A request that no method makes, and its answer as it is; errors are those of the tree all the same.

        Raises:
            ValueError: for headers that no request can carry.
        """
        return await self._calls.raw(method, path, content, _checked(headers or _NO_HEADERS, None))


def _transfer(model: str, insecure: bool) -> dict[str, object]:
    return {"model": model, "insecure": True} if insecure else {"model": model}


def _blob_path(digest: str) -> str:
    return f"/api/blobs/{quote(digest, safe=':')}"


def _checked(headers: Mapping[str, str], token: str | None) -> dict[str, str]:
    """The headers to send; their values are secrets, so the errors name only the header."""
    made = dict(headers)
    if token is not None:
        made["Authorization"] = f"Bearer {token.strip()}"
    for name, value in made.items():
        if not name or not all(33 <= ord(sign) < 127 and sign != ":" for sign in name):
            raise ValueError(f"{name!r} cannot be the name of a header")
        if not all(32 <= ord(sign) < 127 or sign == "\t" for sign in value) or value != value.strip():
            raise ValueError(f"the value of the header {name} holds characters that no header can hold")
    return made
