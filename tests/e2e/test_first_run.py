"""From nothing to an answer: the real program, the real embedded engine, a real model, by keyboard alone."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
import pytest

from tests.e2e.terminal import Window, free_port

MODEL = "smollm2:135m"
AMOUNTS = re.compile(r"(\d+(?:\.\d+)?) / (\d+(?:\.\d+)?) MB")
QUESTION = "Say hello in one short sentence."
ANSWER = re.compile(
    rf"{re.escape(QUESTION)}.*?▌{MODEL}\s(?P<text>.*?)\d+\.\d tokens/s · first \d+\.\d\d s.* · \d+ tokens · done",
    re.DOTALL,
)


class Growing:
    """A condition that holds once the answer on the screen has been seen in `steps` different states.

    The line that counts the seconds, the composer and the rows around it are left out: only the answer's text counts.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.seen: list[str] = []

    def __call__(self, screen: str) -> bool:
        body = screen.rpartition("▌" + MODEL)[0] or screen  # above the composer's title
        words = [line for line in body.splitlines()[3:] if not re.search(r"waiting|tokens/s|\d s\b", line)]
        if "sea" in body and (text := "\n".join(words)) not in self.seen:
            self.seen.append(text)
        return len(self.seen) >= self.steps


@pytest.mark.engine
@pytest.mark.parametrize(("columns", "lines"), [(120, 40), (80, 24)])
def test_from_nothing_to_an_answer(tmp_path: Path, columns: int, lines: int) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with Window(tmp_path, env={"OLLAMA_HOST": nobody}, columns=columns, lines=lines) as window:
        # the card says what is going on and offers the model
        window.expect("Chat with a model on this computer")
        card = window.expect(lambda screen: MODEL in screen and "engine is running" in screen)
        assert f"No Ollama answers at {nobody}" in card

        # one key fetches it, with a bar in bytes that only grows
        seen: list[tuple[float, float]] = []

        def is_partly_there(screen: str) -> bool:
            if (match := AMOUNTS.search(screen)) and "━" in screen:
                seen.append((float(match[1]), float(match[2])))
            return any(0 < had < total for had, total in seen)

        def is_chat(screen: str) -> bool:
            return is_partly_there(screen) and "enter send" in screen

        # for a moment after it appears the card takes no key: it may have been meant for what was there before
        window.press("enter", lambda screen: is_partly_there(screen) or "pulling" in screen)
        window.expect(is_chat, 300)
        assert seen == sorted(seen)
        assert seen[-1][1] > 90

        # a question and its whole answer, with its figures
        window.send(QUESTION, "enter")
        answered = window.expect(lambda screen: ANSWER.search(screen) is not None, 60, why="an answer and its figures")
        match = ANSWER.search(answered)
        assert match is not None
        assert len(match["text"].split()) > 1

        # an answer that is read while it comes, stopped in the middle, and kept
        window.send("Write a long story about a lighthouse keeper and the sea.", "enter")
        window.expect(Growing(6), 60, why="an answer that grows")
        window.send("esc")
        window.expect("stopped", 10)
        processes = [process.cmdline() for process in window.family()]
        assert any("codomyrmex_ollama_tui.embedded" in " ".join(words) for words in processes)
        window.quit()


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
