"""Where the words of a query stand in a text, and the piece of text around the first of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from codomyrmex_ollama_tui.domain.output_query import Word, is_searchable
from codomyrmex_ollama_tui.domain.text import one_line

Span = tuple[int, int]
"""First character and the one after the last, from 0."""

UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003134f]"
)
"""Characters of scripts that put no spaces between words (Thai, Lao, Burmese, Khmer, kana, Han): each is a word."""

SEARCHED = 200_000
"""Characters of a text that are looked through for hits."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """One clean line out of a text. `hits` are places in `text`, for marking."""

    text: str
    hits: tuple[Span, ...] = ()


def find_hits(text: str, words: Iterable[Word], limit: int = 1000) -> tuple[Span, ...]:
    """Where the words stand in the first 200,000 characters of a text: case and accents aside, no two overlap.

    A word that is not exact is found at the beginning of words.
    """
    pattern = _pattern(words)
    if pattern is None:
        return ()
    folded, places = _fold(text[:SEARCHED])
    hits: list[Span] = []
    for match in pattern.finditer(folded):
        if places is None:
            hits.append(match.span())
        else:
            hits.append((places[match.start()], places[match.end() - 1] + 1))
        if len(hits) >= limit:
            break
    return tuple(hits)


def snippet(texts: Iterable[str], words: tuple[Word, ...], width: int = 160) -> Snippet:
    """One line of about `width` characters around the first hit in the first text that has one.

    Without any hit it is the beginning of the first text that is not blank.
    """
    beginning = ""
    for text in texts:
        beginning = beginning or one_line(text, width)
        hits = find_hits(text, words, 1)
        if not hits:
            continue
        start = max(0, hits[0][0] - width // 3)
        if start:
            space = text.find(" ", start, hits[0][0])
            start = space + 1 if space >= 0 else start
        line = one_line(("…" if start else "") + text[start : start + 2 * width], width)
        return Snippet(line, find_hits(line, words))
    return Snippet(beginning)


def _pattern(words: Iterable[Word]) -> re.Pattern[str] | None:
    """One expression for all words, longest first, so that a longer word is not hidden by its beginning."""
    choices = []
    for word in sorted(words, key=lambda word: -len(word.text)):
        folded, _ = _fold(word.text)
        pieces = _pieces(folded)
        if not pieces:
            continue
        whole = word.exact or (len(folded) == 1 and not UNSPACED.match(folded))
        first = "" if UNSPACED.match(pieces[0][0]) else r"(?<![^\W_])"
        last = r"(?![^\W_])" if whole and not UNSPACED.match(pieces[-1][-1]) else ""
        choice = re.escape(pieces[0])
        for before, after in pairwise(pieces):
            near = UNSPACED.match(before[-1]) or UNSPACED.match(after[0])
            choice += (r"[\W_]{0,20}" if near else r"[\W_]{1,20}") + re.escape(after)
        choices.append(first + choice + last)
    return re.compile("|".join(choices)) if choices else None


def _pieces(folded: str) -> list[str]:
    """The words that the index makes of a text."""
    spaced = "".join(character if is_searchable(character) else " " for character in folded)
    return UNSPACED.sub(r" \g<0> ", spaced).split()


def _fold(text: str) -> tuple[str, list[int] | None]:
    """The text without case and accents, and for each of its characters the place it came from (None: the same)."""
    if text.isascii():
        return text.lower(), None
    folded: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if character.isascii():
            plain = character.lower()
        else:
            plain = "".join(
                piece
                for piece in unicodedata.normalize("NFD", character.casefold())
                if not "\u0300" <= piece <= "\u036f"
            )
        folded.append(plain)
        places.extend([place] * len(plain))
    return "".join(folded), places
