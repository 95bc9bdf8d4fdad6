"""Saving, listing and searching with 100,000 records: `python -m benchmarks.outputs [RECORDS]`.

The records are made up: words of a vocabulary in which, as in real text, few are frequent and most are rare; answers
of 20 to 1,500 words; 30 models; half of the records are turns of chats and cells of runs. Times are taken from a
process that has just opened the index. Exits with 1 if a figure is missed.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from codomyrmex_ollama_tui.domain.output_query import parse_query
from codomyrmex_ollama_tui.domain.outputs import Edit, Entry, IndexEntry, Kind, Marks, Record, Rule
from codomyrmex_ollama_tui.services.records import Order, Records
from codomyrmex_ollama_tui.store.index import Index
from codomyrmex_ollama_tui.store.outputs import OutputsStore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
YEARS = 2
ROUNDS = 20
SAVES = 300
PAGE_LIMIT = 50.0
"""Milliseconds, 95th percentile: first page and search."""
SAVE_LIMIT = 5.0
"""Milliseconds without fsync, 95th percentile."""

SYLLABLES = (
    *("ba", "co", "di", "fu", "ge", "hi", "jo", "ka", "lu", "me", "ni", "or", "pa", "qui", "re", "sta", "th", "in"),
    *("un", "ver", "wor", "ix", "yo", "zen", "tion", "ment", "al", "er", "ing", "ed"),
)
FILTERS = (
    "{a} {b}",
    '"{a} {b}"',
    "{a} -{b}",
    "-{a}",
    "model:model-7",
    "{a} model:model-7",
    "{a} kind:chat since:90d",
    "{a} rating:>3",
    "{rare} rating:>3",
    "{a} tokens>1000",
    "{rare} tokens>1900",
    "is:pinned {a}",
    "tag:good",
    "until:2025-06 {b}",
)


class Words:
    """Made-up texts."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        made: dict[str, None] = {}
        while len(made) < 40_000:
            made["".join(self.random.choices(SYLLABLES, k=self.random.choice((1, 2, 2, 3, 3, 4))))] = None
        self.vocabulary = list(made)
        self.weights = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(len(made))))

    def text(self, words: int) -> str:
        """So many words."""
        return " ".join(self.random.choices(self.vocabulary, cum_weights=self.weights, k=words))


def records(count: int, words: Words) -> Iterator[Record]:
    """Saved outputs over two years, oldest first."""
    for number in range(count):
        tokens = min(1500, int(words.random.lognormvariate(4.8, 0.8)) + 20)
        rated = words.random.random() < 0.01
        yield Record(
            Kind.OUTPUT,
            NOW - timedelta(days=365 * YEARS) * (1 - number / count),
            f"model-{words.random.randrange(30)}:latest",
            words.text(words.random.randrange(5, 50)),
            words.text(tokens),
            {"eval_count": tokens, "tokens_per_second": 61.5, "done_reason": "stop"},
            marks=Marks(rating=words.random.randrange(1, 6), pinned=True, tags=("good",)) if rated else Marks(),
        )


class Others:
    """The turns and cells of other stores, held in memory."""

    kinds = frozenset({Kind.CHAT, Kind.CELL})

    def __init__(self, count: int, words: Words) -> None:
        self._records = {f"made-up:{number}": record for number, record in enumerate(records(count, words))}

    def entries(self) -> Iterator[IndexEntry]:
        """All of them, oldest first."""
        return (self._entry(key, record) for key, record in self._records.items())

    def mark(self, key: str, edit: Edit) -> IndexEntry:
        """Changes the marks of one."""
        record = self._records[key] = replace(self._records[key], marks=edit(self._records[key].marks))
        return self._entry(key, record)

    def delete(self, key: str) -> None:
        """Forgets one."""
        self._records.pop(key, None)

    def _entry(self, key: str, record: Record) -> IndexEntry:
        number = int(key.rpartition(":")[2])
        tokens = record.metadata["eval_count"] if record.metadata else None
        return IndexEntry(
            Kind.CHAT if number % 2 else Kind.CELL,
            key,
            record.model,
            record.created_at + timedelta(microseconds=1),
            title=record.prompt[:80],
            preview=record.response[:200],
            rating=record.marks.rating,
            pinned=record.marks.pinned,
            tags=record.marks.tags,
            note=record.marks.note,
            tokens=tokens if isinstance(tokens, int) else None,
            place=f"conversation {number // 20}",
            prompt=record.prompt,
            answer=record.response,
        )


def percentile(times: list[float], share: float) -> float:
    """The smallest time that so much of all times does not exceed."""
    return sorted(times)[math.ceil(share * len(times)) - 1]


def milliseconds(call: Callable[..., object], *arguments: object, **named: object) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    call(*arguments, **named)
    return (time.perf_counter() - start) * 1000


def show(name: str, times: list[float], limit: float) -> bool:
    """Prints one line of figures; whether its 95th percentile is within the limit."""
    high = percentile(times, 0.95)
    print(
        f"{name:<44} median {statistics.median(times):7.2f} ms   p95 {high:7.2f} ms   most {max(times):7.2f} ms"
        f"   limit {limit:g} ms   {'ok' if high <= limit else 'MISSED'}"
    )
    return high <= limit


def queries(words: Words) -> Iterator[tuple[str, list[str]]]:
    """Kinds of queries, and as many of each as rounds."""
    letters = sorted({word[:2] for word in words.vocabulary})
    for length in (2, 3, 4, 5):
        yield f"prefix of {length} letters", [words.random.choice(words.vocabulary[:2000])[:length] for _ in range(60)]
    yield "every prefix of 2 letters", letters
    yield "growing word, as typed", [word[:end] for word in words.vocabulary[:10] for end in range(2, len(word) + 1)]
    for pattern in FILTERS:
        yield (
            pattern,
            [
                pattern.format(
                    a=words.random.choice(words.vocabulary[:50]),
                    b=words.random.choice(words.vocabulary[:500]),
                    rare=words.random.choice(words.vocabulary[5000:]),
                )
                for _ in range(ROUNDS)
            ],
        )


def measure_saving(held: Records, words: Words) -> list[float]:
    """Milliseconds of each save."""
    times = []
    for _ in range(SAVES):
        prompt, response = words.text(30), words.text(150)
        times.append(milliseconds(held.save, Kind.OUTPUT, model="model-7:latest", prompt=prompt, response=response))
    return times


def measure_searching(held: Records, words: Words) -> bool:
    """Whether first page, searches and best match are within the limit."""
    fine = show("first page of 50", [milliseconds(held.search, parse_query("", NOW)) for _ in range(60)], PAGE_LIMIT)
    everything: list[float] = []
    for title, asked in queries(words):
        times = [milliseconds(ask, held, text) for text in asked]
        everything.extend(times)
        fine &= show(title, times, PAGE_LIMIT)
    fine &= show("all searches", everything, PAGE_LIMIT)
    best = [milliseconds(ask, held, text, "best") for text in words.vocabulary[:60]]
    return show("best match", best, PAGE_LIMIT) and fine


def ask(held: Records, text: str, order: Order = "newest") -> tuple[Entry, ...]:
    """A first page, from the text that a person types on."""
    return held.search(held.query(text), order=order).entries


def snippets(held: Records, entries: tuple[Entry, ...]) -> None:
    """The lines of a page."""
    query = held.query("co")
    for entry in entries:
        held.snippet(entry.key, query)


def main() -> None:
    """Builds the records, then measures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    words = Words(1)
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        # what fsync takes is the disk's affair: it is left out everywhere
        store = OutputsStore(base / "outputs", token=lambda: f"{next(numbers):06x}", sync=False)
        other = Others(count - count // 2, words)
        start = time.perf_counter()
        for record in records(count // 2, words):
            store.save(record)
        print(f"{count // 2:,} files written in {time.perf_counter() - start:.1f} s")
        index = Index(base / "index.db")
        built = Records(store, index, now=lambda: NOW, sources=(other,))
        start = time.perf_counter()
        done = built.reindex()
        print(f"{done:,} records indexed in {time.perf_counter() - start:.1f} s", end="")
        built.close()
        print(f", index.db {index.path.stat().st_size / 1e6:,.0f} MB")

        held = Records(store, Index(base / "index.db"), now=lambda: NOW, sources=(other,))
        fine = measure_searching(held, words)
        page = ask(held, words.vocabulary[3])
        show("50 snippets", [milliseconds(snippets, held, page) for _ in range(ROUNDS)], PAGE_LIMIT)
        show("looking for changes by hand", [milliseconds(held.catch_up) for _ in range(5)], 1000)
        show("statistics", [milliseconds(held.stats) for _ in range(5)], 1000)
        rule = Rule(older_than=timedelta(days=365))
        show("plan of a clean-up", [milliseconds(held.plan, [rule]) for _ in range(3)], 10_000)
        fine &= show(f"save, without fsync ({SAVES})", measure_saving(held, words), SAVE_LIMIT)
        held.close()
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
