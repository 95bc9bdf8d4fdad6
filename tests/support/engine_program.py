"""
A program that stands where the embedded engine would, with its flags and its first line.

ENGINE_MODE: "" listens; "no" says why it cannot run; "silent" never says a word; "crash" ends with a traceback;
"shared:URL" says that another one listens at URL and holds it open. PID_FILE gets its number.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SORRY = "the embedded engine needs libgomp: apt install libgomp1"


class Handler(BaseHTTPRequestHandler):
    """Answers `/api/version` as the engine does."""

    def do_GET(self) -> None:
        body = json.dumps({"version": "0.24.0", "engine": "embedded xllamacpp 1"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--stdin-lifetime", action="store_true")
    given = parser.parse_args()
    assert given.port == 0
    assert given.stdin_lifetime
    Path(os.environ["PID_FILE"]).write_text(str(os.getpid()), encoding="utf-8")
    mode = os.environ.get("ENGINE_MODE", "")
    if mode == "no":
        print(json.dumps({"error": SORRY, "reason": "libgomp"}), flush=True)
        return 3
    if mode == "crash":
        raise RuntimeError("nothing works today")
    if mode.startswith("shared:"):
        print(json.dumps({"address": mode.removeprefix("shared:"), "pid": 1, "shared": True}), flush=True)
    elif mode != "silent":
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        print(json.dumps({"address": address, "pid": os.getpid(), "shared": False}), flush=True)
    sys.stdin.buffer.read()
    return 0


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())
