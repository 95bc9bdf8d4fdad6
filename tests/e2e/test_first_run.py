"""From nothing to an answer: the real program, the real embedded engine, a real model, by keyboard alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.terminal import Window, free_port

MODEL = "smollm2:135m"
AMOUNTS = re.compile(r"(\d+(?:\.\d+)?) / (\d+(?:\.\d+)?) MB")
FIGURES = re.compile(r"\d+\.\d tokens/s · first \d+\.\d\d s")


class Growing:
    """A condition that holds once the text on the screen has been seen in `steps` different lengths."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.lengths: list[int] = []

    def __call__(self, screen: str) -> bool:
        length = len(screen.split())
        if not self.lengths or length > self.lengths[-1]:
            self.lengths.append(length)
        return len(self.lengths) >= self.steps


@pytest.mark.engine
@pytest.mark.parametrize(("columns", "lines"), [(120, 40), (80, 24)])
def test_from_nothing_to_an_answer(tmp_path: Path, columns: int, lines: int) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with Window(tmp_path, env={"OLLAMA_HOST": nobody}, columns=columns, lines=lines) as window:
        # the card says what is going on and offers the model
        window.expect("Chat with a model on this computer")
        card = window.expect(lambda screen: MODEL in screen and "enter" in screen and "embedded engine" in screen)
        assert nobody in card

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
        before = window.text()
        window.send("Say hello in one short sentence.", "enter")
        window.expect("Say hello in one short sentence.")
        answered = window.expect(lambda screen: bool(FIGURES.search(screen)) and "done" in screen, 60)
        assert len(answered.split()) > len(before.split())

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
    import psutil

    with Window(tmp_path, env={"OLLAMA_HOST": f"127.0.0.1:{free_port()}"}) as window:
        window.expect("Chat with a model on this computer")
        window.expect("embedded engine")
        family = window.family()
        assert len(family) > 1
        window.child.kill()
        _, left = psutil.wait_procs(family, timeout=15)
        assert left == []
