"""A package index on loopback, served from a thread, with the faults that real ones have."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from tests.embedded.made import MadeWheel

WAIT = 60.0


class PackageIndex:
    """Serves wheels to pip.

    Attributes:
        hold_at: so many bytes of a file are sent, then the server waits for `go_on`; None does not wait.
        hold_only: the one file that is held; "" for all.
        held: set while a file is being held there.
        cut_at: after so many bytes the connection breaks, once for each item of `cuts_left`.
        login: 401 for everything without credentials.
        requests: paths that were asked for.
    """

    def __init__(self, wheels: Iterable[MadeWheel] = ()) -> None:
        self.wheels = {wheel.path.name: wheel.path for wheel in wheels}
        self.hold_at: int | None = None
        self.hold_only = ""
        self.held = threading.Event()
        self.go_on = threading.Event()
        self.cut_at: int | None = None
        self.cuts_left = 0
        self.ranges = True
        self.login = False
        self.requests: list[str] = []
        index = self

        class Handler(_Handler):
            served = index

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """What pip calls the index."""
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def environment(self) -> dict[str, str]:
        """Our own environment with pip set up for this index and nothing else."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
        return kept | {"PIP_INDEX_URL": self.url, "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "127.0.0.1"}

    def __enter__(self) -> PackageIndex:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: PackageIndex
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        index = self.served
        index.requests.append(self.path)
        if index.login:
            self._whole(401, b"no", {"WWW-Authenticate": 'Basic realm="index"'})
            return
        kind, _, name = self.path.strip("/").partition("/")
        if kind == "simple":
            links = [f'<a href="/files/{file}">{file}</a>' for file in index.wheels if file.startswith(_module(name))]
            page = "<!DOCTYPE html>" + "".join(links)
            self._whole(200 if links else 404, page.encode(), {"Content-Type": "text/html"})
        elif name in index.wheels:
            self._file(index, index.wheels[name])
        else:
            self._whole(404, b"nothing here", {})

    def _whole(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, index: PackageIndex, path: Path) -> None:
        data = path.read_bytes()
        start = 0
        wanted = self.headers.get("Range")
        if wanted and index.ranges:
            start = int(wanted.removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("ETag", '"made"')
        if index.ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        try:
            if index.hold_at is not None and index.hold_only in ("", path.name):
                self.wfile.write(data[start : index.hold_at])
                start = max(start, index.hold_at)
                index.held.set()
                index.go_on.wait(WAIT)
            if index.cut_at is not None and index.cuts_left > 0:
                index.cuts_left -= 1
                self.wfile.write(data[start : start + index.cut_at])
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(data[start:])
        except OSError:
            self.close_connection = True  # pip has gone

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def _module(package: str) -> str:
    return package.strip("/").replace("-", "_") + "-"
