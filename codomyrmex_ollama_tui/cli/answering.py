"""An answer while it is being written, and afterwards: text, thinking, figures."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.progress import Lines, draws
from codomyrmex_ollama_tui.cli.terms import INTERRUPTED, is_terminal
from codomyrmex_ollama_tui.domain.text import clean, one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.chat import AnswerPiece, GenerateRequest
    from codomyrmex_ollama_tui.services.execution import Execution


class Drawn:
    """Writes the pieces of an answer: its text on standard output, its thinking on standard error.

    Args:
        model: its name, for the line that says what is waited for.
        quiet: nothing is written at all.
        hide_thinking: the thinking is not written.
    """

    def __init__(self, model: str, *, quiet: bool, hide_thinking: bool) -> None:
        self._quiet = quiet
        self._thinks = not hide_thinking and not quiet
        self._answer = Harmless(is_terminal(sys.stdout))
        self._thought = Harmless(True)
        self._thinking = False
        self._line_open = False
        self._wait = Lines()
        if self._wait.live and not quiet:
            self._wait.put("wait", f"waiting for {one_line(model)} …")

    def take(self, piece: AnswerPiece) -> None:
        """Writes what one piece brings."""
        if piece.thinking or piece.text:
            self._wait.clear()
        if self._quiet:
            return
        if piece.thinking and self._thinks:
            self._think(piece.thinking)
        if piece.text:
            self._end_thinking()
            self._write(self._answer.take(piece.text))
            tables.flush()

    def end(self) -> None:
        """Writes what was held back, and ends the line that is open."""
        self._wait.clear()
        if self._quiet:
            return
        self._end_thinking()
        self._write(self._answer.rest())
        if self._line_open:
            self._write("\n")
        tables.flush()

    def _write(self, text: str) -> None:
        if text:
            tables.write(text)
            self._line_open = not text.endswith("\n")

    def _think(self, text: str) -> None:
        if not self._thinking:
            self._thinking = True
            self._say(f"{_dim()[0]}thinking:\n")
        self._say(self._thought.take(text))

    def _end_thinking(self) -> None:
        if self._thinking:
            self._thinking = False
            self._say(f"{self._thought.rest()}\n(end of thinking){_dim()[1]}\n\n")

    def _say(self, text: str) -> None:
        if sys.stderr is None:
            return
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # nobody reads it; the answer is what counts
            self._thinks = False


class Harmless:
    """Text in pieces, made safe for a terminal where it goes to one; a CR waits for the LF that may follow it."""

    def __init__(self, needed: bool) -> None:
        self._needed = needed
        self._held = ""

    def take(self, text: str) -> str:
        if not self._needed:
            return text
        text = self._held + text
        self._held = "\r" if text.endswith("\r") else ""
        return clean(text.removesuffix("\r"))

    def rest(self) -> str:
        held, self._held = self._held, ""
        return clean(held)


def _dim() -> tuple[str, str]:
    return ("\x1b[2m", "\x1b[0m") if draws(sys.stderr) and not os.environ.get("NO_COLOR") else ("", "")


def figures(execution: Execution) -> None:
    """What `--verbose` says on standard error."""
    counters = execution.counters
    rows = [("total", _seconds(execution.total_s))]
    if execution.ttft_s is not None:
        rows.append(("first token", _seconds(execution.ttft_s)))
    if counters.load_duration is not None:
        rows.append(("load", _seconds(counters.load_duration / 1e9)))
    if counters.prompt_eval_count is not None:
        rows.append(("prompt", _tokens(counters.prompt_eval_count, counters.prompt_eval_duration)))
    if counters.eval_count is not None:
        rows.append(("answer", _tokens(counters.eval_count, counters.eval_duration)))
    rows.append(("ended by", one_line(execution.done_reason) or "·"))
    if sys.stderr is not None:
        sys.stderr.write("\n" + "".join(f"{name:<12}  {value}\n" for name, value in rows))


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s"


def _tokens(count: int, nanoseconds: int | None) -> str:
    words = f"{count:,} tokens"
    if not nanoseconds:
        return words
    return f"{words}, {_seconds(nanoseconds / 1e9)}, {count / (nanoseconds / 1e9):.1f} tokens/s"


def result_of(request: GenerateRequest, execution: Execution | None, error: str, code: int) -> dict[str, object]:
    """What `--json` gives."""
    counters = None if execution is None else execution.counters
    return {
        "model": request.model,
        "response": "" if execution is None else execution.text,
        "thinking": "" if execution is None else execution.thinking,
        "done": execution is not None and execution.success,
        "done_reason": "" if execution is None else execution.done_reason,
        "partial": execution is not None and execution.partial,
        "interrupted": code == INTERRUPTED,
        "error": error,
        "server": "" if execution is None else execution.server,
        "version": "" if execution is None else execution.version,
        "options": dict(request.options),
        "total_s": None if execution is None else execution.total_s,
        "ttft_s": None if execution is None else execution.ttft_s,
        "tokens_per_second": None if counters is None else counters.eval_rate,
        **({} if counters is None else asdict(counters)),
    }
