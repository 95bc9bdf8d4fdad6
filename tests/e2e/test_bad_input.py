"""Servers that answer wrongly, names that nobody has, a configuration that is broken: said in words, the app alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.terminal import Window
from tests.support.server import CUT, LocalServer, Raw, Reply, Stream

MODEL = "probe:latest"
TAGS = {
    "models": [{"name": MODEL, "model": MODEL, "size": 98363295, "digest": "b4" * 32, "details": {"family": "llama"}}]
}
SAID = {"model": MODEL, "message": {"role": "assistant", "content": "The first words."}, "done": False}


@pytest.fixture
async def server() -> AsyncIterator[LocalServer]:
    async with LocalServer() as one:
        one.route("GET", "/api/version", Reply(json={"version": "0.24.0"}))
        one.route("GET", "/api/tags", Reply(json=TAGS))
        one.route("GET", "/api/ps", Reply(json={"models": []}))
        one.route("POST", "/api/show", Reply(json={"details": {}, "model_info": {}, "capabilities": ["completion"]}))
        yield one


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Reply(json={"error": "the shelf fell down"}, status=500), "the shelf fell down"),
        (Reply(json={"error": "model 'probe:latest' not found"}, status=404), "not found"),
        (Reply(body="<html><body>Sign in to the hotel</body></html>", headers={"Content-Type": "text/html"}), "✕"),
        (Reply(body="", status=302, headers={"Location": "http://example.invalid/"}), "302"),
        (Stream(SAID, b'{"model": "probe:la', CUT), "The first words."),
        (Stream(SAID, {"error": "ran out of shelves"}), "ran out of shelves"),
        (Stream(SAID), "! the answer ended without its last line"),
        (Raw(b"nothing that is HTTP\r\n\r\n"), "✕"),
    ],
    ids=["500", "404", "html", "redirect", "cut", "error-line", "no-end", "no-http"],
)
async def test_a_wrong_answer_is_told_and_the_next_question_can_be_asked(
    tmp_path: Path, server: LocalServer, answer: Reply | Stream | Raw, words: str
) -> None:
    right = Stream(
        {**SAID, "message": {"role": "assistant", "content": "All is well."}}, {"model": MODEL, "done": True}
    )
    server.route("POST", "/api/chat", [answer, right])

    def use() -> None:
        with Window(tmp_path, "--host", server.url, "--model", MODEL, columns=80, lines=24) as window:
            window.expect("enter send")
            window.send("what is a shelf", "enter")
            told = window.expect(
                lambda screen: words in screen and ("✕" in screen or "! " in screen), 15, why=f"{words!r} and a sign"
            )
            assert "Traceback" not in told
            window.send("once more please", "enter")
            window.expect("All is well.", 15)
            window.quit()

    await asyncio.to_thread(use)


@pytest.mark.parametrize(
    "answer",
    [
        Reply(body="<html><body>Sign in to the hotel</body></html>", headers={"Content-Type": "text/html"}),
        Reply(json={"error": "not today"}, status=500),
        Reply(body="", status=302, headers={"Location": "http://example.invalid/"}),
        Raw(b"nothing that is HTTP\r\n\r\n"),
    ],
    ids=["html", "500", "redirect", "no-http"],
)
async def test_what_is_no_ollama_is_not_taken_for_one(tmp_path: Path, server: LocalServer, answer: Reply | Raw) -> None:
    server.route("GET", "/api/version", answer)

    def use() -> None:
        with Window(tmp_path, "--host", server.url, "--model", MODEL) as window:
            told = window.expect("lost", 15)
            assert "Traceback" not in told
            window.send("still here")
            window.expect("still here")
            window.quit()

    await asyncio.to_thread(use)


async def test_an_unknown_model_is_told_with_the_name_that_is_near(tmp_path: Path, server: LocalServer) -> None:
    def use() -> None:
        with Window(tmp_path, "--host", server.url, "--model", "prob") as window:
            told = window.expect("is not on this server", 15)
            assert "prob is not" in told
            window.expect(MODEL)
            assert "pull" in told
            window.quit()

    await asyncio.to_thread(use)


async def test_a_broken_configuration_is_set_aside_and_named(tmp_path: Path, server: LocalServer) -> None:
    broken = tmp_path / "config" / "config.toml"
    broken.parent.mkdir()
    broken.write_text("[ui\ntheme = night")

    def use() -> None:
        with Window(tmp_path, "--host", server.url, "--model", MODEL) as window:
            window.expect("config.broken", 15)
            window.quit()

    await asyncio.to_thread(use)
    assert [path.read_text() for path in broken.parent.glob("config.broken-*")] == ["[ui\ntheme = night"]
