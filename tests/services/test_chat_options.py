"""What answers are asked with: the layers of the configuration, a preset, and what the conversation says itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from codomyrmex_ollama_tui.domain.conversation_export import exported, imported
from codomyrmex_ollama_tui.services.chat import ChatService
from codomyrmex_ollama_tui.services.chat_context import first_to_keep, summarise
from codomyrmex_ollama_tui.services.history import History
from codomyrmex_ollama_tui.store.history import HistoryStore
from codomyrmex_ollama_tui.store.settings import SettingsStore
from tests.services.rooms import launcher, ollama, watching
from tests.services.test_chat import END, NOON, Bench, piece
from tests.support.server import Reply, Stream

CONFIG = """
[options]
temperature = 0.6
keep_alive = "30m"

[models."smol*"]
num_ctx = 2048
system = "Be brief."

[presets.mine]
temperature = 0.9
min_p = 0.05
"""


@asynccontextmanager
async def bench(folder: Path, config: str = CONFIG, history: History | None = None) -> AsyncIterator[Bench]:
    (folder / "config.toml").write_text(config, encoding="utf-8")
    settings = SettingsStore(folder / "config.toml", {}, now=lambda: NOON)
    async with ollama() as real, watching(real.url, launcher(folder), "flag") as (service, _):
        real.route("POST", "/api/chat", Stream(piece("So."), END))
        chat = ChatService(service, now=lambda: NOON, history=history, layered=settings.resolved)
        yield Bench(real, service, chat, chat.new_conversation("smollm2:135m"))


async def test_the_layers_of_the_configuration_are_sent(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        await at.ask()
        sent = at.real.asked("/api/chat")[-1].json
        assert sent["options"] == {"temperature": 0.6, "num_ctx": 2048}
        assert sent["keep_alive"] == "30m"
        assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
        at.conversation.preset = "mine"
        await at.ask()
        assert at.real.asked("/api/chat")[-1].json["options"] == {"temperature": 0.9, "num_ctx": 2048, "min_p": 0.05}
        at.conversation.options = {"temperature": 0.1}
        at.conversation.system = "Rhyme."
        at.conversation.keep_alive = 60
        await at.ask()
        sent = at.real.asked("/api/chat")[-1].json
        assert sent["options"] == {"temperature": 0.1, "num_ctx": 2048, "min_p": 0.05}
        assert (sent["keep_alive"], sent["messages"][0]["content"]) == (60, "Rhyme.")


async def test_another_model_has_its_own_layer(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        await at.ask()
        answer = at.conversation.turns[-1]
        assert [event async for event in at.chat.again(at.conversation, answer, model="gemma3:1b")]
        sent = at.real.asked("/api/chat")[-1].json
        assert sent["options"] == {"temperature": 0.6}
        assert [message["role"] for message in sent["messages"]] == ["user"]


async def test_what_nobody_set_is_not_sent(tmp_path: Path) -> None:
    async with bench(tmp_path, "") as at:
        await at.ask()
        assert set(at.real.asked("/api/chat")[-1].json) == {"model", "messages", "truncate", "shift"}


async def test_thinking_of_the_configuration_stands_under_that_of_the_conversation(tmp_path: Path) -> None:
    async with bench(tmp_path, "[options]\nthink = false\n") as at:
        at.real.route("POST", "/api/show", Reply(json={"details": {}, "capabilities": ["completion", "thinking"]}))
        await at.ask()
        assert at.real.asked("/api/chat")[-1].json["think"] is False
        at.conversation.think = "high"
        await at.ask()
        assert at.real.asked("/api/chat")[-1].json["think"] == "high"


async def test_what_is_not_allowed_is_said_and_nothing_is_sent(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.conversation.preset = "gone"
        await at.ask()
        answer = at.conversation.turns[-1]
        assert (answer.status, answer.text) == ("failed", "")
        assert "there is no preset 'gone'" in answer.words
        at.conversation.preset = ""
        at.conversation.options = {"temperature": 7}
        await at.ask()
        assert "temperature = 7: allowed is a number from 0 to 2" in at.conversation.turns[-1].words
        assert at.real.asked("/api/chat") == []


async def test_a_summary_is_asked_for_with_the_same_context(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        for _ in range(3):
            await at.ask()
        first = first_to_keep(at.conversation, at.conversation.turns[-1])
        assert first is not None
        await summarise(at.chat, at.conversation, first)
        assert at.real.asked("/api/chat")[-1].json["options"] == {"temperature": 0.6, "num_ctx": 2048}
        assert at.conversation.system.startswith("Be brief.\n\n")


async def test_the_settings_of_a_conversation_are_kept_and_exported(tmp_path: Path) -> None:
    numbers = iter(range(1000))
    history = History(tmp_path / "history.db", now=lambda: NOON, token=lambda: f"{next(numbers):03}")
    schema = {"type": "object", "required": ["name"]}
    async with bench(tmp_path, history=history) as at:
        one = at.conversation
        one.preset, one.keep_alive, one.format, one.options = "mine", "5m", schema, {"seed": 7}
        await at.ask()
        await history.aclose()
    store = HistoryStore(tmp_path / "history.db", now=lambda: NOON, writer="reader")
    found = store.load(one.id)
    (again,) = imported(exported([found], "json"))
    for read in (found, again):
        assert (read.preset, read.keep_alive, read.format, read.options) == ("mine", "5m", schema, {"seed": 7})
    request = store.request_of(found.turns[-1].id)
    assert request is not None
    assert request["options"] == {"temperature": 0.9, "min_p": 0.05, "num_ctx": 2048, "seed": 7}
    store.close()
