"""What the command line reads and writes, whatever the text: arguments, values, lines."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.cli import build_parser, tables
from codomyrmex_ollama_tui.cli.answering import Harmless
from codomyrmex_ollama_tui.cli.parser import Parser
from codomyrmex_ollama_tui.cli.progress import cut
from codomyrmex_ollama_tui.domain.models import ModelSummary
from codomyrmex_ollama_tui.domain.text import clean

TEXT = st.text(max_size=40) | st.sampled_from(["a\r\nb", "\x1b[2J", "x\ty", "\u202e", "\x9b1m", "\ud800", "名前"])


def written(write: Callable[[], None]) -> str:
    """What goes to standard output, which is no terminal."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        write()
    return out.getvalue()


@settings(max_examples=50)
@given(st.lists(TEXT, max_size=6))
def test_text_in_pieces_is_as_harmless_as_the_whole(pieces: list[str]) -> None:
    harmless = Harmless(True)
    assert "".join([*map(harmless.take, pieces), harmless.rest()]) == clean("".join(pieces))


@settings(max_examples=50)
@given(st.dictionaries(TEXT, TEXT | st.integers() | st.none() | st.lists(TEXT, max_size=3), max_size=4))
def test_a_json_value_is_whole_and_has_nothing_that_a_terminal_obeys(value: dict[str, object]) -> None:
    text = written(lambda: tables.write_json(value))
    assert json.loads(text) == value
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", text)


@settings(max_examples=50)
@given(st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_a_row_is_one_line_and_a_value_one_field(rows: list[tuple[str, str]]) -> None:
    text = written(lambda: tables.write_table((), rows))
    assert [line.count("\t") for line in text.split("\n")[:-1]] == [1] * len(rows)


def test_values_become_json() -> None:
    model = ModelSummary("a", modified_at=datetime(2026, 1, 2, tzinfo=UTC))
    told = tables.to_json({"model": model, "rate": float("nan"), "all": (1, True)})
    assert told == {
        "model": {
            **{"name": "a", "size": 0, "digest": "", "modified_at": "2026-01-02T00:00:00+00:00", "capabilities": None},
            **{"remote_host": "", "remote_model": "", "details": tables.to_json(model.details)},
        },
        "rate": None,
        "all": [1, True],
    }


def test_every_verb_has_its_help_and_the_common_flags() -> None:
    def leaves(parser: Parser) -> list[Parser]:
        if parser.verbs is None:
            return [parser]
        return [leaf for child in dict.fromkeys(parser.verbs.choices.values()) for leaf in leaves(child)]

    parser = build_parser()
    assert isinstance(parser, Parser)
    found = leaves(parser)
    assert len(found) > 15
    for leaf in found:
        text = leaf.format_help()
        assert [flag for flag in ("--json", "--host", "--data-dir", "exit codes:") if flag not in text] == [], leaf.prog


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["why", "-5", "a b", "- x", ""]), min_size=1, max_size=5), st.randoms())
def test_flags_may_stand_anywhere_between_the_words(words: list[str], chance: random.Random) -> None:
    parser = build_parser()
    assert isinstance(parser, Parser)
    flags = [["--seed", "-1"], ["--think"], ["--system", "--x"], ["--json"], ["--host", "h"], ["--verbose"]]
    arguments = [[word] for word in words]
    for flag in flags:
        arguments.insert(chance.randint(0, len(arguments)), flag)
    line = ["run", "model", *(part for argument in arguments for part in argument)]
    given_ = parser.parse_args(parser.arranged(line))
    assert (given_.option_seed, given_.think, given_.system, given_.json) == ("-1", "true", "--x", True)
    assert [given_.model, *given_.prompt] == ["model", *words]


def test_lines_are_cut_by_cells() -> None:
    assert cut("名前名前", 5) == "名前"
    assert cut("abc", 5) == "abc"
