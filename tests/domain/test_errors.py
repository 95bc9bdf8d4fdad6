"""Errors say one sentence, and survive the way to another process."""

from __future__ import annotations

import copy
import pickle

import pytest

from codomyrmex_ollama_tui.domain import errors
from codomyrmex_ollama_tui.domain.errors import OllamaError

ALL: list[OllamaError] = [
    errors.ServerUnreachable("127.0.0.1:1", "nothing listens there"),
    errors.NoAnswer("127.0.0.1:1", "nothing within 5 s", silent=True),
    errors.ServerRefused(500, "no"),
    errors.ServerRefused(None, "no"),
    errors.ModelNotFound(404, "model 'x' not found", "x"),
    errors.NotSupported(400, "x does not support tools"),
    errors.ContextTooLong(400, "too long"),
    errors.StreamCut("cut", partial="a", thinking="b"),
    errors.StreamFailed("boom", partial="a", thinking="b"),
    errors.StreamUnfinished("unfinished", partial="a"),
    errors.BadReply("/api/chat", "broken", "x" * 500, partial="a", thinking="b"),
    errors.Stopped(),
]


def test_every_class_is_here() -> None:
    named = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, OllamaError)}
    assert named == {type(error) for error in ALL} | {OllamaError, errors.StreamBroken}


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_copies_are_the_same(error: OllamaError) -> None:
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_one_sentence_with_the_words(error: OllamaError) -> None:
    assert "\n" not in str(error)
    assert getattr(error, "words", "") in str(error)
    assert len(getattr(error, "excerpt", "")) <= 200


def test_a_server_that_hung_up_is_doubted_and_one_that_is_silent_is_not() -> None:
    doubted = [type(error) for error in ALL if errors.casts_doubt(error)]
    assert doubted == [errors.ServerUnreachable, errors.StreamCut]
    assert errors.casts_doubt(errors.NoAnswer("127.0.0.1:1", "it closed the connection"))


def test_words_that_are_told_on_are_not_said_twice() -> None:
    first = errors.ServerUnreachable("127.0.0.1:1", "nothing listens there")
    assert str(errors.ServerUnreachable("127.0.0.1:1", str(first))) == str(first)
