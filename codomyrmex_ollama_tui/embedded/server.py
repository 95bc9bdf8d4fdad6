"""The application: which path is answered by what, and what the rest is told."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from codomyrmex_ollama_tui.embedded import gotypes
from codomyrmex_ollama_tui.embedded.answers import Answers, Kind, join_answer
from codomyrmex_ollama_tui.embedded.blobs import blob_path, receive_blob
from codomyrmex_ollama_tui.embedded.embeddings import Embeddings
from codomyrmex_ollama_tui.embedded.guard import Guard
from codomyrmex_ollama_tui.embedded.holders import Holders
from codomyrmex_ollama_tui.embedded.models import Models
from codomyrmex_ollama_tui.embedded.pool import MOST_WAITING, Pool
from codomyrmex_ollama_tui.embedded.pull import Pulls
from codomyrmex_ollama_tui.embedded.replies import Json, LinesResponse, Refusal, error_reply, internal_error, json_reply
from codomyrmex_ollama_tui.embedded.sharing import HOLD_PATH
from codomyrmex_ollama_tui.embedded.store import ModelStore

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from codomyrmex_ollama_tui.embedded.catalogue import CatalogueModel

_WITHOUT = "the embedded engine does not support"
_CLOUD_OFF = "ollama cloud is disabled"
OLLAMA_VERSION = "0.24.0"
"""The version whose protocol is spoken; clients read it as a number."""

Endpoint = Callable[[Request], Awaitable[Response]]

_NOT_SUPPORTED = (
    ("GET", "/api/experimental/model-recommendations", "recommendations"),
    ("POST", "/v1/chat/completions", "the OpenAI endpoints"),
    ("POST", "/v1/completions", "the OpenAI endpoints"),
    ("POST", "/v1/embeddings", "the OpenAI endpoints"),
    ("POST", "/v1/responses", "the OpenAI endpoints"),
    ("GET", "/v1/models", "the OpenAI endpoints"),
    ("POST", "/v1/messages", "the Anthropic endpoints"),
)


@dataclass(frozen=True, slots=True)
class Application:
    """The server: what answers requests, and how its work is ended.

    Attributes:
        stop: ends models and downloads; open answers end with an error line. Its lifespan does that, too.
        holders: who keeps it open.
    """

    asgi: ASGIApp
    stop: Callable[[], Awaitable[None]]
    holders: Holders


def build_app(
    store: ModelStore,
    catalogue: Mapping[str, CatalogueModel],
    environment: Mapping[str, str],
    *,
    loaded_at_once: int = 1,
    most_waiting: int = MOST_WAITING,
) -> Application:
    """The whole server.

    Args:
        environment: of pip's process.
        loaded_at_once: how many models may be in memory.
        most_waiting: how many requests may wait for a load.
    """
    pool = Pool(store, limit=loaded_at_once, most_waiting=most_waiting)
    models, answers, embeddings = Models(store, pool), Answers(store, pool), Embeddings(store, pool)
    pulls = Pulls(store, catalogue, environment)
    holders = Holders()

    def answering(kind: Kind, struct: gotypes.Struct) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            body = await _body(request, struct)
            return LinesResponse(answers.lines(body, kind), stream=body.get("stream") is not False, join=join_answer)

        return endpoint

    async def pull(request: Request) -> Response:
        body = await _body(request, gotypes.PULL)
        return LinesResponse(pulls.lines(body), stream=body.get("stream") is not False)

    async def create(request: Request) -> Response:
        body = await _body(request, gotypes.CREATE)
        return LinesResponse(models.create(body), stream=body.get("stream") is not False)

    async def copy(request: Request) -> Response:
        models.copy(await _body(request, gotypes.COPY))
        return Response()

    async def delete(request: Request) -> Response:
        models.delete(await _body(request, gotypes.DELETE))
        return Response()

    async def show(request: Request) -> Response:
        return json_reply(await models.show(await _body(request, gotypes.SHOW)))

    async def embed(request: Request) -> Response:
        return json_reply(await embeddings.embed(await _body(request, gotypes.EMBED)))

    async def old_embeddings(request: Request) -> Response:
        return json_reply(await embeddings.embeddings(await _body(request, gotypes.EMBEDDINGS)))

    async def push(request: Request) -> Response:
        body = await _body(request, gotypes.PUSH)
        if not (body.get("model") or body.get("name")):
            raise Refusal(400, "model is required")
        raise Refusal(501, f"{_WITHOUT} push")

    async def blob_there(request: Request) -> Response:
        digest = request.path_params["digest"]
        if not blob_path(store, digest).exists():
            raise Refusal(404, f'blob "{digest}" not found')
        return Response()

    async def upload(request: Request) -> Response:
        new = await receive_blob(store, request.path_params["digest"], request.stream())
        return Response(status_code=201 if new else 200)

    async def hold(request: Request) -> Response:
        return holders.endpoint(request)

    async def tags(request: Request) -> Response:
        return json_reply(models.tags())

    async def running(request: Request) -> Response:
        return json_reply(models.running())

    routes = [
        _route("GET", "/", _root),
        _route("GET", "/api/version", _version),
        _route("GET", "/api/status", _cloud_status),
        _route("POST", "/api/me", _refusing(503, "account unavailable")),
        _route("GET", "/api/tags", tags),
        _route("GET", "/api/ps", running),
        _route("POST", "/api/show", show),
        _route("POST", "/api/copy", copy),
        _route("DELETE", "/api/delete", delete),
        _route("POST", "/api/create", create),
        _route("POST", "/api/pull", pull),
        _route("POST", "/api/embed", embed),
        _route("POST", "/api/embeddings", old_embeddings),
        _route("POST", "/api/generate", answering("generate", gotypes.GENERATE)),
        _route("POST", "/api/chat", answering("chat", gotypes.CHAT)),
        _route("POST", "/api/push", push),
        _route("POST", "/api/signout", _refusing(401, "you are not currently signed in")),
        _route("POST", "/api/experimental/web_search", _refusing(403, f"{_CLOUD_OFF}: web search is unavailable")),
        _route("POST", "/api/experimental/web_fetch", _refusing(403, f"{_CLOUD_OFF}: web fetch is unavailable")),
        _route("HEAD", "/api/blobs/{digest}", blob_there),
        _route("POST", "/api/blobs/{digest}", upload),
        _route("POST", HOLD_PATH, hold),
        *(
            _route(method, path, _refusing(501, f"the embedded engine does not support {what}"))
            for method, path, what in _NOT_SUPPORTED
        ),
    ]
    paths = {route.path for route in routes}

    async def not_found(request: Request, error: Exception) -> Response:
        path = request.url.path
        plain = "/" + "/".join(part for part in path.split("/") if part)
        if plain != path and plain in paths:
            return _redirect(request.method, plain, for_good="//" not in path)
        return PlainTextResponse("404 page not found", 404)

    async def stop() -> None:
        holders.close()
        await pulls.aclose()
        await pool.aclose()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await stop()

    app = Starlette(
        routes=routes,
        exception_handlers={404: not_found, 405: _wrong_method},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return Application(Guard(app), stop, holders)


async def _body(request: Request, struct: gotypes.Struct) -> Json:
    return gotypes.read_body(await request.body(), struct)


def _route(method: str, path: str, endpoint: Endpoint) -> Route:
    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refusal as refusal:
            return error_reply(refusal)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:  # a fault of ours is an answer, too, and must not end the program
            sys.stderr.write(f"{method} {path}: {type(error).__name__}: {error}\n")
            return error_reply(internal_error(error))

    return Route(path, guarded, methods=[method])


def _refusing(status: int, words: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        raise Refusal(status, words)

    return endpoint


def _redirect(method: str, path: str, *, for_good: bool) -> Response:
    """To the path without superfluous slashes, as Go's router does it."""
    reads = method in ("GET", "HEAD")
    status, words = (301, "Moved Permanently") if for_good and reads else (307, "Temporary Redirect")
    page = f'<a href="{path}">{words}</a>.\n\n' if reads else ""
    return Response(page, status, {"location": path}, "text/html" if reads else None)


async def _root(request: Request) -> Response:
    return PlainTextResponse("Ollama is running")


async def _version(request: Request) -> Response:
    return json_reply({"version": OLLAMA_VERSION, "engine": engine_name()})


async def _cloud_status(request: Request) -> Response:
    return json_reply({"cloud": {"disabled": True, "source": "none"}})


async def _wrong_method(request: Request, error: Exception) -> Response:
    headers = error.headers if isinstance(error, HTTPException) else None
    return PlainTextResponse("405 method not allowed", 405, headers=headers)


@cache
def engine_name() -> str:
    """What runs the models, e.g. "embedded xllamacpp 2026.10.11549"."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"embedded xllamacpp {version('xllamacpp')}"
    except PackageNotFoundError:
        return "embedded xllamacpp"
