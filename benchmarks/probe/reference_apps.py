"""Reference programs that ours is measured against, in the same run on the same machine.

    bare    the smallest Textual app: a header, one line of text, a footer (floor of start-up and memory)
    stream  an Input over Textual's own Markdown widget, fed through its MarkdownStream (reference for streaming)

Usage: python benchmarks/probe/reference_apps.py bare | stream URL
"""

from __future__ import annotations

import json
import sys

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Footer, Header, Input, Markdown, Static

READY = "REFERENCE READY"


class Bare(App[None]):
    """The floor."""

    def compose(self) -> ComposeResult:
        yield Header()
        yield Static(READY)
        yield Footer()


class Stream(App[None]):
    """One question, one streamed answer."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Markdown("")
        yield Input(placeholder=READY)

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self.query_one(VerticalScroll).anchor()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.input.value = ""
        self.run_worker(self.answer())

    async def answer(self) -> None:
        """Ask the server and feed the widget line by line."""
        import httpx  # not before the first frame: the start is not what is measured here

        stream = Markdown.get_stream(self.query_one(Markdown))
        body = {"model": "probe:latest", "messages": [{"role": "user", "content": "go"}]}
        async with (
            httpx.AsyncClient(timeout=None) as client,
            client.stream("POST", f"{self.url}/api/chat", json=body) as reply,
        ):
            async for line in reply.aiter_lines():
                await stream.write(json.loads(line)["message"]["content"])
        await stream.stop()


if __name__ == "__main__":
    app = Bare() if sys.argv[1] == "bare" else Stream(sys.argv[2])
    app.run()
