"""What came of a run: its cells one by one, and what they come to together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from codomyrmex_ollama_tui.domain.chat import Counters
from codomyrmex_ollama_tui.domain.errors import (
    BadReply,
    NoAnswer,
    OllamaError,
    ServerRefused,
    ServerUnreachable,
    StreamFailed,
    StreamUnfinished,
)
from codomyrmex_ollama_tui.domain.statistics import median, wilson

QUEUE_FULL = 503
_COUNTERS = tuple(Counters.__dataclass_fields__)


class CellStatus(StrEnum):
    """How one request ended."""

    OK = "ok"
    EMPTY = "empty"
    """it came to its end without a letter"""
    TRUNCATED = "truncated"
    """it ended at the limit of its length"""
    CONNECT = "connect"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    QUEUE_FULL = "queue_full"
    TIMEOUT_FIRST = "timeout_first"
    """no answer began in time"""
    STREAM_CUT = "stream_cut"
    """the connection broke, or the server was silent for too long in the middle"""
    STREAM_ERROR = "stream_error"
    """an error line in the middle"""
    NO_DONE = "no_done"
    """the stream ended without its last line, as Ollama's guard against repeated tokens does it"""
    BAD_REPLY = "bad_reply"
    CANNOT_ASK = "cannot_ask"
    """the request could not be made"""


ANSWERED = frozenset({CellStatus.OK, CellStatus.EMPTY, CellStatus.TRUNCATED})
"""The server gave an answer and its counters."""
WORTH_A_TRY = frozenset(
    {
        CellStatus.CONNECT,
        CellStatus.HTTP_5XX,
        CellStatus.QUEUE_FULL,
        CellStatus.STREAM_CUT,
        CellStatus.NO_DONE,
        CellStatus.TIMEOUT_FIRST,
    }
)
"""What may go well at a further try."""


def status_of(error: OllamaError | None, text: str, done_reason: str) -> CellStatus:
    """How an answer ended.

    Args:
        error: what was raised; None for an answer that came to its end.
    """
    match error:
        case None:
            if done_reason == "length":
                return CellStatus.TRUNCATED
            return CellStatus.OK if text.strip() else CellStatus.EMPTY
        case ServerUnreachable():
            return CellStatus.CONNECT
        case NoAnswer():
            return CellStatus.TIMEOUT_FIRST if error.silent else CellStatus.CONNECT
        case ServerRefused(status=int(number)):
            if number == QUEUE_FULL:
                return CellStatus.QUEUE_FULL
            return CellStatus.HTTP_5XX if number >= 500 else CellStatus.HTTP_4XX
        case ServerRefused() | StreamFailed():
            return CellStatus.STREAM_ERROR
        case StreamUnfinished():
            return CellStatus.NO_DONE
        case BadReply():
            return CellStatus.BAD_REPLY
    return CellStatus.STREAM_CUT


@dataclass(frozen=True, slots=True)
class Checked:
    """One assertion on one answer; `name` is what it is counted under."""

    name: str
    passed: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class CellResult:
    """What came of one cell. Texts are raw; seconds by this side's clock, counters as the server gave them.

    Attributes:
        cell: its number in the plan, from 0 on.
        attempt: which try this was, from 1 on.
        server: the name of its profile; "" for the present server.
        variant: the name of its options.
        prompt_id, category, repeat: as in the plan.
        prompt: what was asked.
        words: why there is no answer, or no whole one.
        pieces: how many pieces with content came (a piece is not a token).
        last: no further try follows.
    """

    cell: int
    status: CellStatus
    model: str
    started_at: datetime
    attempt: int = 1
    server: str = ""
    variant: str = ""
    prompt_id: str = ""
    category: str = ""
    repeat: int = 0
    prompt: str = ""
    answer: str = ""
    thinking: str = ""
    words: str = ""
    done_reason: str = ""
    total_s: float = 0.0
    ttft_s: float | None = None
    ttfa_s: float | None = None
    pieces: int = 0
    counters: Counters = field(default_factory=Counters)
    checks: tuple[Checked, ...] = ()
    last: bool = True

    @property
    def answered(self) -> bool:
        """Whether the server gave a whole answer, be it empty or cut at its limit."""
        return self.status in ANSWERED

    @property
    def passed(self) -> bool:
        """Whether it was answered and every assertion holds."""
        return self.answered and all(check.passed for check in self.checks)

    def fields(self) -> dict[str, object]:
        """As a line of a run's file has it; `result_of` reads it again."""
        return {
            "type": "cell",
            "cell": self.cell,
            "last": self.last,
            "status": self.status.value,
            "attempt": self.attempt,
            "model": self.model,
            "server": self.server,
            "variant": self.variant,
            "prompt_id": self.prompt_id,
            "category": self.category,
            "repeat": self.repeat,
            "started_at": self.started_at.astimezone(UTC).isoformat(),
            "total_s": self.total_s,
            "ttft_s": self.ttft_s,
            "ttfa_s": self.ttfa_s,
            "pieces": self.pieces,
            "done_reason": self.done_reason,
            "words": self.words,
            "counters": {name: value for name in _COUNTERS if (value := getattr(self.counters, name)) is not None},
            "checks": [{"name": check.name, "passed": check.passed, "why": check.why} for check in self.checks],
            "prompt": self.prompt,
            "answer": self.answer,
            "thinking": self.thinking,
        }


def result_of(line: Mapping[str, object]) -> CellResult:
    """The result that a line is.

    Raises:
        ValueError: a field is missing or of the wrong type (named).
    """
    found = _Line(line)
    counters, checks = line.get("counters", {}), line.get("checks", [])
    if not isinstance(counters, Mapping) or not isinstance(checks, list):
        raise ValueError("counters or checks are of the wrong type")
    return CellResult(
        cell=found.whole("cell"),
        status=found.status(),
        model=found.text("model"),
        started_at=found.moment("started_at"),
        attempt=found.whole("attempt"),
        server=found.text("server"),
        variant=found.text("variant"),
        prompt_id=found.text("prompt_id"),
        category=found.text("category"),
        repeat=found.whole("repeat"),
        prompt=found.text("prompt"),
        answer=found.text("answer"),
        thinking=found.text("thinking"),
        words=found.text("words"),
        done_reason=found.text("done_reason"),
        total_s=found.seconds("total_s") or 0.0,
        ttft_s=found.seconds("ttft_s"),
        ttfa_s=found.seconds("ttfa_s"),
        pieces=found.whole("pieces"),
        counters=Counters(**{name: _Line(counters).whole(name) for name in _COUNTERS if name in counters}),
        checks=tuple(_check_of(check) for check in checks),
        last=line.get("last") is True,
    )


def _check_of(value: object) -> Checked:
    found = _Line(value if isinstance(value, Mapping) else {})
    return Checked(found.text("name"), found.fields.get("passed") is True, found.text("why"))


@dataclass(frozen=True, slots=True)
class _Line:
    fields: Mapping[str, object]

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise ValueError(f"{name}: not text")
        return value

    def whole(self, name: str) -> int:
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{name}: not a whole number")
        return value

    def seconds(self, name: str) -> float | None:
        value = self.fields.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{name}: not a number")
        return value

    def status(self) -> CellStatus:
        try:
            return CellStatus(self.text("status"))
        except ValueError:
            raise ValueError("status: not known to this version") from None

    def moment(self, name: str) -> datetime:
        try:
            moment = datetime.fromisoformat(self.text(name))
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        except ValueError:
            raise ValueError(f"{name}: not a time") from None


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many, and Wilson's interval at 95 % (0–1); with 0 of 0 it is (0, 1)."""

    passed: int = 0
    total: int = 0

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high."""
        return wilson(self.passed, self.total)


@dataclass(frozen=True, slots=True)
class Row:
    """What the cells of one model (on one server, with one variant of options) come to.

    Attributes:
        cells: how many have ended; `answered` of them with an answer.
        statuses: how many ended how.
        passed: those of which every assertion holds; 0 of 0 where nothing is asserted.
        checks: the same for each assertion, by its name.
        seconds: median of the answered ones, from sending to the last byte; None without any.
        ttft: median time to first token, seconds; None without any.
        tokens: generated, of those answers where the server says it.
        rate: median of eval_count / eval_duration, tokens per second; None without any.
    """

    model: str
    server: str
    variant: str
    cells: int
    answered: int
    statuses: Mapping[CellStatus, int]
    passed: Share
    checks: Mapping[str, Share]
    seconds: float | None
    ttft: float | None
    tokens: int
    rate: float | None

    @property
    def label(self) -> str:
        """Model, server and variant, as far as they say something."""
        where = f" @ {self.server}" if self.server else ""
        return f"{self.model}{where}" + (f" · {self.variant}" if self.variant else "")


def rows_of(results: Iterable[CellResult]) -> tuple[Row, ...]:
    """The pass matrix: a row for each model, server and variant, in the order of the cells.

    A cell without an answer fails each of its assertions: what did not answer did not answer well.
    """
    groups: dict[tuple[str, str, str], list[CellResult]] = {}
    for result in sorted(results, key=lambda result: result.cell):
        groups.setdefault((result.model, result.server, result.variant), []).append(result)
    return tuple(_row(*names, group) for names, group in groups.items())


def _row(model: str, server: str, variant: str, group: list[CellResult]) -> Row:
    statuses: dict[CellStatus, int] = {}
    checks: dict[str, Share] = {}
    passed = asserted = 0
    for result in group:
        statuses[result.status] = statuses.get(result.status, 0) + 1
        for check in result.checks:
            before = checks.get(check.name, Share())
            checks[check.name] = Share(before.passed + check.passed, before.total + 1)
        if result.checks:
            asserted += 1
            passed += result.passed
    answered = [result for result in group if result.answered]
    rates = [rate for result in answered if (rate := result.counters.eval_rate) is not None]
    return Row(
        model,
        server,
        variant,
        len(group),
        len(answered),
        statuses,
        Share(passed, asserted),
        checks,
        seconds=median([result.total_s for result in answered]) if answered else None,
        ttft=_middle([result.ttft_s for result in answered]),
        tokens=sum(result.counters.eval_count or 0 for result in answered),
        rate=median(rates) if rates else None,
    )


def _middle(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
