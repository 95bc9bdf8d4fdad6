"""Colour code part by part: Pygments, resumed at the beginning of each part with the states it had there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

from codomyrmex_ollama_tui.ui.widgets.transcript.blocks import Fence

Piece = tuple[str, str]
"""Name of a style, text."""

LONGEST_LINE = 1000
"""Characters; a longer line is not read by the lexer."""

MOST_LANGUAGES = 200
"""Names of languages that are remembered; they come from outside."""

_INSIDE = {"html": ("javascript", "css"), "php": ("html",), "vue": ("html",), "markdown": ("python",)}
"""Languages whose code stands in that of others."""

_loaded: dict[str, Any] = {}
_START = ("root",)
_STEP = 8  # lines of growing code that are read together
_STYLES = (
    ("Keyword.Type", "code-type"),
    ("Keyword", "code-keyword"),
    ("Name.Function", "code-function"),
    ("Name.Class", "code-function"),
    ("Name.Decorator", "code-function"),
    ("Name.Builtin.Pseudo", "code-keyword"),
    ("Name.Builtin", "code-type"),
    ("Name.Exception", "code-type"),
    ("Name.Tag", "code-keyword"),
    ("Name.Attribute", "code-function"),
    ("Literal.String.Doc", "code-comment"),
    ("Literal.String", "code-string"),
    ("Literal.Number", "code-number"),
    ("Comment", "code-comment"),
    ("Operator.Word", "code-keyword"),
    ("Generic.Deleted", "code-removed"),
    ("Generic.Inserted", "code-added"),
    ("Generic.Heading", "code-function"),
    ("Generic.Subheading", "code-function"),
    ("Generic.Prompt", "code-comment"),
)


@cache
def style_of(token: object) -> str:
    """Name of the style for a Pygments token type."""
    name = str(token).removeprefix("Token.")
    return next((style for prefix, style in _STYLES if name.startswith(prefix)), "code")


def is_loaded(language: str) -> bool:
    """True if the lexer for a language, or that there is none, is known without more ado."""
    return not language or language in _loaded


def find_lexer(language: str) -> Any:
    """A Pygments lexer, or None for an unknown language (never a guess: guessing takes hundreds of milliseconds).

    Takes up to some tens of milliseconds for a language that is asked for the first time; safe to call in a thread.
    """
    if not is_loaded(language):
        if len(_loaded) >= MOST_LANGUAGES:
            _loaded.clear()
        for inside in _INSIDE.get(language, ()):
            find_lexer(inside)
        _loaded[language] = _load(language)
    return _loaded.get(language)


def _load(language: str) -> Any:
    # Pygments is imported when the first code is seen: it must not delay the first frame.
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def language_of(info: str) -> str:
    """The language that a fence's info string names: "python" of "python title=x", "" of none."""
    return info.split()[0].strip("{.}").lower() if info.split() else ""


def colour(fence: Fence, part: int, lines: Sequence[str]) -> list[list[Piece]]:
    """The coloured lines of one part of a code block.

    Reads the parts before it first, if that has not been done; a part is at most a window of the splitter long.
    """
    lexer = find_lexer(language_of(fence.info))
    if lexer is None:
        return [[("code", line)] if line else [] for line in lines]
    if not fence.states:
        fence.states.append(_START)
    while len(fence.states) <= part:
        begun = len(fence.states) - 1
        _, state = _colour(lexer, fence.lines[begun], _stack(fence.states[begun]))
        fence.states.append(state)
    stack = _stack(fence.states[part])
    if part >= len(fence.lines):
        return _growing(language_of(fence.info), lines, tuple(stack))
    out, state = _colour(lexer, lines, stack)
    if len(fence.states) == part + 1:
        fence.states.append(state)
    return out


def _stack(state: object) -> list[str]:
    return list(state) if isinstance(state, tuple) else list(_START)


def _growing(language: str, lines: Sequence[str], state: tuple[str, ...]) -> list[list[Piece]]:
    """The coloured lines of a part that may grow: those before the last few are read once.

    A token that spans the places where it is read on may look different until the part is final.
    """
    out: list[list[Piece]] = []
    at = 0
    while len(lines) - at > 2 * _STEP:
        rows, state = _settled(language, tuple(lines[at : at + _STEP]), state)
        out += rows
        at += _STEP
    rows, _ = _colour(find_lexer(language), lines[at:], list(state))
    return out + rows


@lru_cache(maxsize=16)
def _settled(
    language: str, lines: tuple[str, ...], state: tuple[str, ...]
) -> tuple[list[list[Piece]], tuple[str, ...]]:
    return _colour(find_lexer(language), lines, list(state))


def _colour(lexer: Any, lines: Sequence[str], stack: list[str]) -> tuple[list[list[Piece]], tuple[str, ...]]:
    out: list[list[Piece]] = []
    at = 0
    while at < len(lines):
        if len(lines[at]) > LONGEST_LINE:
            out.append([("code", lines[at])])
            at += 1
            continue
        end = next((n for n in range(at, len(lines)) if len(lines[n]) > LONGEST_LINE), len(lines))
        out += _rows(_tokens(lexer, "".join(line + "\n" for line in lines[at:end]), stack))[: end - at]
        at = end
    return out, tuple(stack)


def _rows(tokens: Iterable[tuple[object, str]]) -> list[list[Piece]]:
    """Lines of pieces; neighbours of one style are one piece, since each costs as much to draw as a long one."""
    rows: list[list[Piece]] = [[]]
    style = ""
    texts: list[str] = []
    for token, value in tokens:
        new = style_of(token)
        if new != style:
            if line := "".join(texts):
                rows[-1].append((style, line))
            style, texts = new, []
        if "\n" not in value:
            texts.append(value)
            continue
        first, *more = value.split("\n")
        texts.append(first)
        if line := "".join(texts):
            rows[-1].append((style, line))
        rows.extend([(style, text)] if text else [] for text in more[:-1])
        rows.append([])
        texts = [more[-1]]
    if line := "".join(texts):
        rows[-1].append((style, line))
    return rows


def _tokens(lexer: Any, text: str, stack: list[str]) -> Iterator[tuple[object, str]]:
    from pygments.lexer import RegexLexer

    if type(lexer).get_tokens_unprocessed is RegexLexer.get_tokens_unprocessed:
        yield from _resumed(lexer, text, stack)
    else:  # this lexer reads in its own way and cannot be resumed
        for _, token, value in lexer.get_tokens_unprocessed(text):
            yield token, value


def _resumed(lexer: Any, text: str, stack: list[str]) -> Iterator[tuple[object, str]]:
    """What `RegexLexer.get_tokens_unprocessed` does, with the stack handed in and left where it ended."""
    from pygments.token import Error, Whitespace, _TokenType

    states = lexer._tokens
    rules = states[stack[-1]]
    at = 0
    while at < len(text):
        for match, action, change in rules:
            found = match(text, at)
            if found is None:
                continue
            at = found.end()
            if action is not None:
                if type(action) is _TokenType:
                    yield action, found[0]
                else:
                    for _, token, value in action(lexer, found):
                        yield token, value
            if change is not None:
                _change(stack, change)
                rules = states[stack[-1]]
            break
        else:
            if text[at] == "\n":
                stack[:] = _START
                rules = states["root"]
                yield Whitespace, "\n"
            else:
                yield Error, text[at]
            at += 1


def _change(stack: list[str], change: object) -> None:
    """Move through the lexer's states as a rule says."""
    for step in change if isinstance(change, tuple) else (change,):
        if step == "#push":
            stack.append(stack[-1])
        elif step == "#pop" or isinstance(step, int):
            count = 1 if step == "#pop" else -step
            del stack[max(1, len(stack) - count) :]
        else:
            stack.append(step)
