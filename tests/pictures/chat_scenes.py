"""The chat screen as it is drawn for pictures."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import cast

from textual.widgets import Input, TextArea

from codomyrmex_ollama_tui.domain.conversations import Conversation, Turn, TurnStatus
from codomyrmex_ollama_tui.store.history import HistoryStore
from tests.pictures.scenes import ENGINE, MODELS, Scene, Size, still
from tests.support.server import Gate, LocalServer, Part, Reply, Stream
from tests.ui.chat_talk import MODEL, chat, end, piece, send
from tests.ui.stage import NOW, Stage, furnish, loaded, stage

QUESTION = "Why do terminals draw cells and not pixels? Show me how to move the cursor."
THOUGHT = "The reader wants the reason and a piece of code. A table of what it costs would help to see it. " * 3
ANSWER = '''A terminal holds a grid of **cells**: one glyph, a colour, a few attributes. \
Programs send `escape sequences` that move the cursor and change them, so a screen costs a few hundred bytes \
instead of a million pixels.

```python
def move(row: int, column: int) -> str:
    """Where the next letter lands."""
    return f"\\x1b[{row};{column}H"
```

| what | bytes | note |
|:-----|------:|:-----|
| a cell | 1 | plus colour |
| a move | 6–8 | row and column |
'''
NEXT = "And how does a program learn the size of a cell in pixels?"


def parts(text: str, thinking: str = "") -> list[Part]:
    """A text as the lines of a streaming answer."""
    thoughts = [piece(thinking=thinking)] if thinking else []
    return [*thoughts, *(piece(text[at : at + 40]) for at in range(0, len(text), 40))]


def fill(folder: Path) -> None:
    """What was said on the days before."""
    store = HistoryStore(folder / "history.db", now=lambda: NOW, writer="past")
    for title, model, age, status in (
        ("Plan for the garden", "gemma3:1b", timedelta(days=3), "complete"),
        ("SQL window functions", "qwen2.5-coder:7b", timedelta(hours=20), "complete"),
        ("Letter to the landlord", "llama3.2:3b", timedelta(hours=22), "interrupted"),
        ("Explain this stack trace", "llama3.2:3b", timedelta(days=12), "stopped"),
    ):
        at = NOW - age
        one = Conversation(title, title, model, created_at=at, changed_at=at, pinned="garden" in title)
        question = Turn(f"{title}?", "user", title, asked_at=at)
        answer = Turn(f"{title}!", "assistant", "Gladly.", model=model, parent=question.id, asked_at=at)
        answer.status = cast(TurnStatus, status)
        one.add(question, answer)
        store.add(one, [question, answer])
    store.close()


@asynccontextmanager
async def chat_scene(folder: Path, size: Size, *, config: str = "") -> AsyncGenerator[Stage, None]:
    """A whole answer with code and a table, and the next question half written."""
    async with LocalServer() as server:
        furnish(server, MODELS, [loaded(MODEL, 512_000_000)], engine=ENGINE)
        first, thought, other = Gate(), Gate(), Gate()
        server.route(
            "POST",
            "/api/chat",
            [
                Stream(*parts("`\\d{4}-\\d{2}-\\d{2}`"), end(tokens=12)),
                Stream(*parts("It goes on"), other),
                Stream(*parts("They have always done so."), end(tokens=9)),
                Stream(first, piece(thinking=THOUGHT), thought, *parts(ANSWER), end(prompt=968)),
            ],
        )
        data = folder / "data"
        fill(data)
        async with stage(server.url, folder, screen="chat", model=MODEL, size=size, config=config, data=data) as seen:
            await seen.ready()
            await seen.until(lambda: len(seen.services.chat.listed) == 4)
            await send(seen, "Regex for ISO dates")
            await seen.until(lambda: chat(seen).composer.ready)
            await seen.pilot.press("ctrl+n")
            chat(seen).start_chat("gemma3:1b")
            await send(seen, "Rename files in bulk")
            await other.reached()
            chat(seen).start_chat(MODEL)
            await send(seen, QUESTION)
            await seen.until(lambda: chat(seen).composer.ready)
            await seen.pilot.press("ctrl+r")
            await first.reached()
            seen.clock.go(0.31)
            first.open()
            await thought.reached()
            await seen.until(lambda: "▸" in seen.text())
            seen.clock.go(4.2)
            thought.open()
            await seen.until(lambda: chat(seen).composer.ready and "done" in seen.text())
            chat(seen).composer.insert(NEXT)
            await seen.pilot.pause()
            await still_but_streaming(seen)
            yield seen


async def still_but_streaming(seen: Stage) -> None:
    """As `still`, on a screen where an answer goes on and so not all work ever ends."""
    chat(seen).composer.cursor_blink = False
    for _ in range(5):
        await seen.pilot.pause()


@asynccontextmanager
async def answering_scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
    """An answer in the middle."""
    async with LocalServer() as server:
        furnish(server, MODELS, [loaded(MODEL, 512_000_000)])
        begun, half = Gate(), Gate()
        server.route("POST", "/api/chat", Stream(begun, *parts(ANSWER[:330], THOUGHT), half))
        async with stage(server.url, folder, screen="chat", model=MODEL, size=size) as seen:
            await seen.ready()
            await send(seen, QUESTION)
            await begun.reached()
            seen.clock.go(0.31)
            begun.open()
            await half.reached()
            await seen.until(lambda: "x1b" in seen.text())
            seen.clock.go(4)
            chat(seen).show_progress()
            await seen.pilot.press(*"And")
            await still_but_streaming(seen)
            yield seen


@asynccontextmanager
async def waiting_scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
    """Nothing has come yet, and why."""
    async with LocalServer() as server:
        furnish(server, MODELS)
        first = Gate()
        server.route("POST", "/api/chat", Reply(gate=first))
        async with stage(server.url, folder, screen="chat", model="llama3.2:3b", size=size) as seen:
            await seen.ready()
            await send(seen, QUESTION)
            await first.reached()
            seen.clock.go(12)
            chat(seen).show_progress()
            await still_but_streaming(seen)
            yield seen


@asynccontextmanager
async def trouble_scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
    """A model the server does not have, asked nevertheless."""
    async with LocalServer() as server:
        furnish(server, MODELS)
        server.route("POST", "/api/chat", Reply(json={"error": "model 'smolm2:135m' not found"}, status=404))
        async with stage(server.url, folder, screen="chat", model="smolm2:135m", size=size) as seen:
            await seen.ready()
            await send(seen, QUESTION)
            await seen.until(lambda: "not found" in seen.text())
            await still(seen)
            yield seen


@asynccontextmanager
async def picker_scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
    """Choosing a model."""
    async with LocalServer() as server:
        furnish(server, MODELS, [loaded(MODEL, 512_000_000)])
        async with stage(server.url, folder, screen="chat", model=MODEL, size=size) as seen:
            await seen.ready()
            await seen.pilot.press("f3")
            await seen.until(lambda: "8 models" in seen.text())
            for screen in seen.app.screen_stack:
                for box in (*screen.query(Input), *screen.query(TextArea)):
                    box.cursor_blink = False
            await seen.pilot.pause()
            yield seen


@asynccontextmanager
async def empty_scene(folder: Path, size: Size) -> AsyncGenerator[Stage, None]:
    """Nothing has been said."""
    async with LocalServer() as server:
        furnish(server, MODELS)
        async with stage(server.url, folder, screen="chat", model=MODEL, size=size) as seen:
            await seen.ready()
            await still(seen)
            yield seen


CHAT_SCENES: dict[str, Scene] = {
    "chat": chat_scene,
    "chat-answering": answering_scene,
    "chat-waiting": waiting_scene,
    "chat-trouble": trouble_scene,
    "chat-models": picker_scene,
    "chat-empty": empty_scene,
}
"""All scenes by the name that their pictures have."""
