"""
A program that stands where `ollama` would: `ollama serve` listens at OLLAMA_HOST and answers `/api/version`.

It ends, with last words, when `/die` is asked for; with OLLAMA_FAILS set it ends at once. PID_FILE gets its number.
"""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

LAST_WORDS = "Error: out of \x1b[31mcoffee"


class Handler(BaseHTTPRequestHandler):
    """Answers as much of Ollama as the watch asks for."""

    def do_GET(self) -> None:
        if self.path == "/die":
            print(LAST_WORDS, file=sys.stderr, flush=True)
            os._exit(1)
        body = json.dumps({"version": "0.24.0"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        print(format % args, file=sys.stderr, flush=True)


def serve() -> None:
    """`ollama serve`."""
    Path(os.environ["PID_FILE"]).write_text(str(os.getpid()), encoding="utf-8")
    if os.environ.get("OLLAMA_FAILS"):
        raise SystemExit(LAST_WORDS)
    where = urlsplit(os.environ["OLLAMA_HOST"])
    HTTPServer((where.hostname or "", where.port or 0), Handler).serve_forever()


def install(folder: Path) -> None:
    """Puts it into a folder as an executable called `ollama` (not on Windows)."""
    program = folder / "ollama"
    source = Path(__file__).resolve()
    # by way of the shell: a first line that names the interpreter itself cannot hold a path with spaces
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I {shlex.quote(str(source))} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


if __name__ == "__main__":
    assert sys.argv[1:] == ["serve"], sys.argv
    serve()
