"""Stopping an answer in a terminal while it comes, from whatever model."""

from __future__ import annotations

import re

from tests.e2e.terminal import Window

STORY = "Write a long story about a lighthouse keeper and the sea."


class Growing:
    """A condition that holds once the answer on the screen has been seen in `steps` different states.

    The line that counts the seconds, the composer and the rows around it are left out: only the answer's text counts.
    """

    def __init__(self, model: str, steps: int) -> None:
        self.model = model
        self.steps = steps
        self.seen: list[str] = []

    def __call__(self, screen: str) -> bool:
        body = screen.rpartition("▌" + self.model)[0] or screen  # above the composer's title
        words = [line for line in body.splitlines()[3:] if not re.search(r"waiting|tokens/s|\d s\b", line)]
        if "sea" in body and (text := "\n".join(words)) not in self.seen:
            self.seen.append(text)
        return len(self.seen) >= self.steps


def stop_one(window: Window, model: str, seconds: float = 60.0) -> None:
    """Stop an answer while it comes. How long an answer gets is the model's own choice: a short one is asked again.

    Args:
        seconds: for the first words to come.
    """

    def end(screen: str) -> str:
        """How the last answer ended ("" while it comes): what stands below its question, or below the upper edge."""
        match = re.search(r"· (?:stopped|done)", screen.rpartition(STORY)[2])
        return match[0] if match else ""

    for _ in range(8):
        window.send(STORY, "enter")
        window.expect(Growing(model, 4), seconds, why="an answer that grows")
        window.send("esc")
        if end(window.expect(lambda screen: end(screen) != "", 30, why="the end of the answer")) == "· stopped":
            return
    raise AssertionError(f"no answer was long enough to be stopped:\n{window.text()}")
