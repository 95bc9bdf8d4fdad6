"""The program killed (kill -9) while an answer comes: nothing that was committed is lost, and it goes on from there.

COTUI_KILLS is the number of moments (default 20), COTUI_SEED makes them the same ones again.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.probe.synthetic_ollama import pieces
from codomyrmex_ollama_tui.domain.conversations import Conversation
from codomyrmex_ollama_tui.store.history import HistoryStore
from tests.e2e.terminal import ROOT, Window, free_port

SERVER = ROOT / "benchmarks" / "probe" / "synthetic_ollama.py"
TOKENS, RATE = 6000, 60
WHOLE = "".join(pieces("mixed", TOKENS))


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server whose answers come slowly and are always the same."""
    url = f"http://127.0.0.1:{free_port()}"
    argv = [sys.executable, str(SERVER), url.rpartition(":")[2], str(TOKENS), str(RATE)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not _answers(url):
                assert process.poll() is None
            yield url
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/version", timeout=1.0):
            return True
    except OSError:
        return False


def reader(home: Path) -> HistoryStore:
    """The history as another program sees it."""
    return HistoryStore(home / "data" / "history.db", now=lambda: datetime.now(UTC), writer="reader")


def newest(store: HistoryStore, title: str) -> Conversation | None:
    """The conversation with that title, if it is on disk."""
    found = [one.id for one in store.summaries() if one.title == title]
    return store.load(found[0]) if found else None


def answer_in(conversation: Conversation | None) -> str:
    return "" if conversation is None else conversation.turns[-1].text


def test_whatever_was_committed_is_there_after_a_kill_at_any_moment(tmp_path: Path, server: str) -> None:
    seed = int(os.environ.get("COTUI_SEED", random.SystemRandom().randrange(10**6)))
    moments = random.Random(seed)
    print(f"COTUI_SEED={seed}")
    store = reader(tmp_path)
    flags = ("--host", server, "--model", "probe:latest")
    for number in range(int(os.environ.get("COTUI_KILLS", "20"))):
        question = f"question {number} of seed {seed}"
        with Window(tmp_path, *flags, columns=100, lines=24) as window:
            window.expect("enter send")
            window.send(question, "enter")
            shown = window.wait("Terminals", moments.uniform(0.0, 1.6)) is not None
            if shown:
                window.wait(lambda text: False, moments.uniform(0.0, 1.2))
            before = newest(store, question)
            window.child.kill()
            window.child.wait()
        after = newest(store, question)
        if shown:  # it was sent, so it had been written down before
            assert after is not None
        if after is not None:
            assert [turn.role for turn in after.turns] == ["user", "assistant"]
            assert after.turns[0].text == question
            assert after.turns[1].status == "interrupted"
            assert WHOLE.startswith(after.turns[1].text)
            assert after.turns[1].text.startswith(answer_in(before))
        assert before is None or after is not None
    store.close()


def test_an_answer_is_on_disk_while_it_comes_and_can_be_taken_up_after_a_kill(tmp_path: Path, server: str) -> None:
    store = reader(tmp_path)
    flags = ("--host", server, "--model", "probe:latest")
    with Window(tmp_path, *flags) as window:
        window.expect("enter send")
        window.send("why cells", "enter")
        window.expect(lambda text: len(answer_in(newest(store, "why cells"))) > 100, why="an answer on disk")
        window.child.kill()
        window.child.wait()
    with Window(tmp_path, *flags) as window:
        window.expect("interrupted · continue?")
        window.send("half a thought")
        window.expect(lambda text: any(one.draft for one in store.summaries()), why="a draft on disk")
        window.press("ctrl+s", "p pin")
        window.send("down", "enter")
        window.expect("Terminals draw")
        window.send("tab")
        window.press("c", "2 of 2")  # this server begins anew, so the old beginning stays beside it
        window.child.kill()
        window.child.wait()
    found = newest(store, "why cells")
    assert found is not None
    assert [turn.status for turn in found.tree.values()] == ["complete", "interrupted", "interrupted"]
    assert "half a thought" in [one.draft for one in store.summaries()]
    store.close()
