"""Who may talk to the engine: programs on this machine, and pages that were served from it. Ollama's rules."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOCAL_ENDINGS = (".localhost", ".local", ".internal")
_APP_SCHEMES = ("app", "file", "tauri", "vscode-webview", "vscode-file")
_METHODS = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"
_HEADERS = (
    "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,X-Stainless-Arch,X-Stainless-Async,"
    "X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os,"
    "X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,X-Stainless-Runtime,"
    "X-Stainless-Runtime-Version,X-Stainless-Timeout"
)


class Guard:
    """Refuses foreign `Host` and `Origin` headers with an empty 403, and answers CORS for the local ones.

    A web page elsewhere can make a browser send requests to loopback addresses; these two headers give it away.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        if not is_local_host(headers.get("host", "")) or (origin and not is_local_origin(origin)):
            await Response(status_code=403)(scope, receive, send)
            return
        if not origin:
            await self._app(scope, receive, send)
            return
        allowed = {"access-control-allow-origin": origin, "vary": "Origin"}
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            allowed |= {"access-control-allow-methods": _METHODS, "access-control-allow-headers": _HEADERS}
            await Response(status_code=204, headers=allowed)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(allowed)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def is_local_host(header: str) -> bool:
    """Whether a `Host` header names this machine; one that is not sent at all does no harm."""
    if not header:
        return True
    host = _without_port(header).lower()
    if host == "localhost" or host.endswith(_LOCAL_ENDINGS):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def is_local_origin(origin: str) -> bool:
    """Whether a page that sends this `Origin` header was served from this machine, or is an app on it."""
    scheme, separator, rest = origin.partition("://")
    if not separator:
        return False
    if scheme.lower() in _APP_SCHEMES:
        return True
    return scheme.lower() in ("http", "https") and _without_port(rest).lower() in (
        "localhost",
        "127.0.0.1",
        "0.0.0.0",
        "::1",
    )


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    return host if colon and port.isdigit() and ":" not in host else text
