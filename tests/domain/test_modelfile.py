"""Modelfiles: what is read from them, and what is refused with its line."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.chat import Message
from codomyrmex_ollama_tui.domain.modelfile import parse_modelfile

WHOLE = '''\ufeff# a comment
from  llama3.2:1b
PARAMETER temperature 0.5
PARAMETER stop "<|end|>"
parameter stop two words
PARAMETER num_ctx 4096\r
PARAMETER mirostat 2
SYSTEM """You are "Ada".
# no comment

Be brief."""
TEMPLATE "{{ .Prompt }}"
LICENSE first
LICENSE """second
one"""
MESSAGE user Is it so?
MESSAGE assistant """It
is."""
REQUIRES 0.14.0
'''


def test_a_whole_modelfile() -> None:
    read = parse_modelfile(WHOLE)
    assert read.sources == ("llama3.2:1b",)
    assert read.parameters == {"temperature": 0.5, "stop": ["<|end|>", "two words"], "num_ctx": 4096}
    assert read.passed_over == ("mirostat",)
    assert read.system == 'You are "Ada".\n# no comment\n\nBe brief.'
    assert (read.template, read.requires, read.renderer) == ("{{ .Prompt }}", "0.14.0", None)
    assert read.licenses == ("first", "second\none")
    assert read.messages == (Message("user", "Is it so?"), Message("assistant", "It\nis."))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SYSTEM x", "FROM is missing"),
        ("FROM a\nFORM b", "line 2: 'FORM b' is no command; there are FROM"),
        (
            "FROM a\n\nPARAMETER temprature 1",
            "line 3: PARAMETER: there is no option 'temprature'; 'temperature' is near",
        ),
        ("FROM a\nPARAMETER temperature hot", "line 2: PARAMETER.temperature = 'hot': allowed is a number"),
        ("FROM a\nPARAMETER temperature", "line 2: PARAMETER needs a name and a value"),
        ("FROM a\nMESSAGE dog woof", "line 2: the role of a MESSAGE is system, user, assistant, not 'dog'"),
        ('FROM a\nSYSTEM """never\nends', "line 2: the quotes of SYSTEM are never closed"),
        ("FROM", "line 1: FROM needs a value"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        parse_modelfile(text)


@settings(max_examples=50)
@given(st.text(max_size=60).filter(lambda text: '"""' not in text and not text.endswith('"')))
def test_what_is_in_three_quotes_comes_out_as_it_was(text: str) -> None:
    system = text.replace("\r", "")
    assert parse_modelfile(f'FROM a\nSYSTEM """{system}"""\nTEMPLATE x').system == system


@settings(max_examples=50)
@given(st.text(max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_modelfile(text).sources
