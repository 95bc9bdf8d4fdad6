"""Which words of two texts differ.

Words that stand once in each text and in the same order hold the comparison (patience diff); between them the shortest
edit is looked for (Myers' O(ND) algorithm) with a bounded number of steps, so that no text makes it quadratic.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isqrt

STEPS = 1_000_000
"""Places compared at most, besides those that unique words settle."""

_MARKS = re.escape("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~“”‘’„«»–—…。，、！？；：（）「」『』・")
_SINGLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LETTERS = rf"[^\s{_MARKS}{_SINGLE}]+"
_TOKEN = re.compile(rf"\s*(?:{_LETTERS}(?:['’-]{_LETTERS})*|\S)\s*")
"""A word, a mark or a character of a script without blanks, with the white space around it."""

Match = tuple[int, int]
"""Numbers of a token of the left text and of the one of the right text that is the same."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of both texts. Of one that is the same on both sides the white space may differ.

    Attributes:
        same: whether the words are the same; if not, either side may be empty.
    """

    same: bool
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class WordDiff:
    """Two texts as stretches: the left sides joined are the left text, the right sides the right one.

    Attributes:
        left_words, right_words: how many words (marks not counted) stand on one side alone.
        same_words: how many stand on both.
        rough: some stretches are told as different as a whole: comparing them would have taken too long.
    """

    parts: tuple[Part, ...]
    left_words: int
    right_words: int
    same_words: int
    rough: bool

    @property
    def share(self) -> float:
        """The share of words that are the same, 0 to 1: twice those on both sides over all words of both."""
        both = 2 * self.same_words
        total = both + self.left_words + self.right_words
        return both / total if total else 1.0


def word_diff(left: str, right: str, *, steps: int = STEPS) -> WordDiff:
    """Compares two texts by their words; white space does not count.

    Args:
        steps: places compared at most; what is left then is told as different as a whole.
    """
    ours, theirs = tokens(left), tokens(right)
    numbers: dict[str, int] = {}
    a = [numbers.setdefault(token.strip(), len(numbers)) for token in ours]
    b = [numbers.setdefault(token.strip(), len(numbers)) for token in theirs]
    matcher = _Matcher(a, b, steps)
    parts = tuple(_parts(ours, theirs, matcher.matches()))
    return WordDiff(
        parts,
        sum(count_words(part.left) for part in parts if not part.same),
        sum(count_words(part.right) for part in parts if not part.same),
        sum(count_words(part.left) for part in parts if part.same),
        matcher.rough,
    )


def tokens(text: str) -> list[str]:
    """The words and marks of a text, each with the white space after it; joined they are the text."""
    return _TOKEN.findall(text) or ([text] if text else [])


def count_words(text: str) -> int:
    """Words of a text; marks alone are none."""
    return sum(map(_is_word, tokens(text)))


def _is_word(token: str) -> bool:
    return any(character.isalnum() for character in token)


def _parts(ours: Sequence[str], theirs: Sequence[str], matches: Iterable[Match]) -> Iterator[Part]:
    """The stretches, in order; marks alone between two differences are part of them."""
    x = y = 0
    left, right = "", ""
    runs = [[match for _, match in group] for _, group in groupby(enumerate(matches), lambda one: _track(*one))]
    for run in runs:
        (first, other), length = run[0], len(run)
        left, right = left + "".join(ours[x:first]), right + "".join(theirs[y:other])
        x, y = first + length, other + length
        same_left, same_right = "".join(ours[first:x]), "".join(theirs[other:y])
        at_an_end = (x, y) == (len(ours), len(theirs)) or (first, other) == (0, 0)
        if not at_an_end and not any(map(_is_word, ours[first:x])):
            left, right = left + same_left, right + same_right
            continue
        if left or right:
            yield Part(False, left, right)
            left, right = "", ""
        yield Part(True, same_left, same_right)
    left, right = left + "".join(ours[x:]), right + "".join(theirs[y:])
    if left or right:
        yield Part(False, left, right)


def _track(number: int, match: Match) -> Match:
    """The same for all matches of an unbroken run."""
    return match[0] - number, match[1] - number


class _Matcher:
    """Finds which tokens of two texts are the same.

    Attributes:
        rough: there were too many steps to compare everything.
    """

    def __init__(self, a: Sequence[int], b: Sequence[int], steps: int) -> None:
        self.rough = False
        self._a = a
        self._b = b
        self._left = steps

    def matches(self) -> list[Match]:
        """The pairs, ascending on both sides."""
        found: list[Match] = []
        regions = [(0, len(self._a), 0, len(self._b))]
        while regions:
            region, ends = self._trimmed(regions.pop())
            found += ends
            low, high, first, last = region
            if low == high or first == last:
                continue
            anchors = self._anchors(*region)
            if not anchors:
                found += self._shortest(*region)
                continue
            found += anchors
            for x, y in anchors:
                regions.append((low, x, first, y))
                low, first = x + 1, y + 1
            regions.append((low, high, first, last))
        return sorted(found)

    def _trimmed(self, region: tuple[int, int, int, int]) -> tuple[tuple[int, int, int, int], list[Match]]:
        """A region without what is the same at its beginning and its end."""
        a, b = self._a, self._b
        low, high, first, last = region
        found = []
        while low < high and first < last and a[low] == b[first]:
            found.append((low, first))
            low, first = low + 1, first + 1
        while low < high and first < last and a[high - 1] == b[last - 1]:
            high, last = high - 1, last - 1
            found.append((high, last))
        return (low, high, first, last), found

    def _anchors(self, low: int, high: int, first: int, last: int) -> list[Match]:
        """Tokens that stand once on each side: the longest series that has the same order on both."""
        ours, theirs = _once(self._a, low, high), _once(self._b, first, last)
        pairs = [(x, theirs[token]) for token, x in ours.items() if token in theirs]
        ends: list[int] = []  # right numbers that the best series of each length end with
        tails: list[int] = []  # and the pairs they belong to
        before: list[int] = []
        for number, (_, y) in enumerate(pairs):
            at = bisect_left(ends, y)
            before.append(tails[at - 1] if at else -1)
            ends[at : at + 1], tails[at : at + 1] = [y], [number]
        series: list[Match] = []
        number = tails[-1] if tails else -1
        while number >= 0:
            series.append(pairs[number])
            number = before[number]
        return series[::-1]

    def _shortest(self, low: int, high: int, first: int, last: int) -> list[Match]:
        """The matches of the shortest edit of a region; none where that takes more steps than are left."""
        a, b = self._a, self._b
        width, height = high - low, last - first
        most = min(width + height, isqrt(2 * max(1, self._left)) + 1)
        middle = most + 1
        furthest = array("l", [0]) * (2 * most + 3)
        history: list[array[int]] = []  # before each number of edits: what was reached on the diagonals beside it
        for edits in range(most + 1):
            self._left -= edits + 1
            history.append(furthest[middle - edits - 1 : middle + edits + 2])
            for k in range(-edits, edits + 1, 2):
                if k == -edits or (k != edits and furthest[middle + k - 1] < furthest[middle + k + 1]):
                    x = furthest[middle + k + 1]
                else:
                    x = furthest[middle + k - 1] + 1
                begun = x
                while x < width and 0 <= x - k < height and a[low + x] == b[first + x - k]:
                    x += 1
                self._left -= x - begun
                furthest[middle + k] = x
                if x >= width and x - k >= height:
                    return _walk_back(history, width, height, low, first)
            if self._left <= 0:
                break
        self.rough = True
        return []


def _walk_back(history: Sequence[array[int]], x: int, y: int, low: int, first: int) -> list[Match]:
    """The diagonal steps of the way that led to (x, y)."""
    found: list[Match] = []
    for edits in range(len(history) - 1, -1, -1):
        furthest, k = history[edits], x - y
        middle = edits + 1
        down = k == -edits or (k != edits and furthest[middle + k - 1] < furthest[middle + k + 1])
        came = k + 1 if down else k - 1
        from_x = furthest[middle + came] if edits else 0
        from_y = from_x - came if edits else 0
        while x > from_x and y > from_y:
            x, y = x - 1, y - 1
            found.append((low + x, first + y))
        x, y = from_x, from_y
    return found


def _once(numbers: Sequence[int], low: int, high: int) -> dict[int, int]:
    """Where each token stands that stands only once, in order."""
    found: dict[int, int] = {}
    more: set[int] = set()
    for at in range(low, high):
        number = numbers[at]
        if number in found:
            more.add(number)
        else:
            found[number] = at
    return {number: at for number, at in found.items() if number not in more}
