"""The block structure of a Markdown text, flattened: leaves, each with the containers around it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from codomyrmex_ollama_tui.ui.widgets.transcript.blocks import Cells, Container, Kind

_MARKDOWN = MarkdownIt("gfm-like2", {"inline_definitions": True, "alerts": False, "maxNesting": 40})
_QUOTE = re.compile(r" *> ?")
_ITEM = re.compile(r" *(?:[-+*]|\d{1,9}[.)])")
_LEAVES: dict[str, Kind] = {
    "paragraph_open": "paragraph",
    "heading_open": "heading",
    "fence": "fence",
    "code_block": "code",
    "html_block": "html",
    "hr": "rule",
    "table_open": "table",
    "definition": "definition",
}


@dataclass(slots=True)
class Leaf:
    """A block that holds no other block.

    Attributes:
        start: line where it begins, or where the outermost container that begins with it does.
        first: line of its own first character.
        end: line after its last one (blank lines below don't count).
        opened: how many containers of `path` the leaf above is in too.
        level: of a heading; of a fence how far its opening is indented.
        markup: the characters that open a fence.
    """

    kind: Kind
    start: int
    first: int
    end: int
    path: tuple[Container, ...]
    opened: int
    text: str = ""
    level: int = 0
    info: str = ""
    markup: str = ""
    head: Cells = ()
    alignments: tuple[str, ...] = ()
    rows: tuple[Cells, ...] = ()
    id: str = ""
    href: str = ""
    title: str = ""


@dataclass(slots=True)
class _Walk:
    """Where the walk through the tokens stands."""

    lines: list[str]
    known: Sequence[Container]
    made_up: int | None
    stack: list[tuple[Container, int]] = field(default_factory=list)  # container, the line it begins on
    counters: list[int | None] = field(default_factory=list)  # next number of each open list
    above: tuple[Container, ...] = ()
    met: int = 0  # leaves


def leaves(text: str, known: Sequence[Container] = (), made_up: int | None = None) -> list[Leaf]:
    """The leaves of a text, in order.

    Args:
        known: containers of the leaf that the text begins with, as an earlier reading made them; they are used again.
        made_up: when a made-up line opens the first so many of them again: how many. Its leaf is the first one.
    """
    tokens: list[Token] = []
    _MARKDOWN.block.parse(text, _MARKDOWN, {"references": {}}, tokens)
    return list(_leaves(tokens, _Walk(text.split("\n"), known, made_up)))


def _leaves(tokens: list[Token], walk: _Walk) -> Iterator[Leaf]:
    at = 0
    while at < len(tokens):
        token = tokens[at]
        kind = _LEAVES.get(token.type)
        if kind is not None:
            end = _closing(tokens, at) if token.nesting == 1 else at
            yield _leaf(kind, tokens[at : end + 1], walk)
            at = end
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            start = token.attrs.get("start", 1)
            walk.counters.append(int(start) if token.type[0] == "o" else None)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            walk.counters.pop()
        elif token.type in ("list_item_open", "blockquote_open"):
            _enter(token, walk)
            if tokens[at + 1].nesting == -1 and tokens[at + 1].level == token.level:  # nothing in it
                yield _empty(token, walk)
        elif token.type in ("list_item_close", "blockquote_close"):
            walk.stack.pop()
        at += 1


def _closing(tokens: list[Token], at: int) -> int:
    level = tokens[at].level
    return next(n for n in range(at + 1, len(tokens)) if tokens[n].level == level and tokens[n].nesting == -1)


def _span(token: Token) -> tuple[int, int]:
    return (token.map[0], token.map[1]) if token.map else (0, 0)


def _enter(token: Token, walk: _Walk) -> None:
    depth, (line, _) = len(walk.stack), _span(token)
    item = token.type == "list_item_open"
    checked = bool(token.meta["checked"]) if item and "checked" in token.meta else None
    if _is_known(walk, depth):
        container = walk.known[depth]
        if checked is not None:
            container.checked = checked
        number = container.number
    else:
        number = walk.counters[-1] if item else None
        opener, going_on = _opening(walk, line, item)
        container = Container("item" if item else "quote", opener, going_on, number, checked)
    if number is not None:
        walk.counters[-1] = number + 1
    walk.stack.append((container, line))


def _is_known(walk: _Walk, depth: int) -> bool:
    if depth >= len(walk.known):
        return False
    return walk.met == 0 or (walk.met == 1 and walk.made_up is not None and depth >= walk.made_up)


def _inside(walk: _Walk, line: int) -> tuple[str, int]:
    """A line with its tabs expanded, and the column where the content of the open containers begins."""
    text, at = walk.lines[line].expandtabs(4), 0
    for container, begun in walk.stack:
        if begun == line:
            at += len(container.opener)
        elif container.kind == "quote":
            found = _QUOTE.match(text, at)
            at = found.end() if found else at
        else:
            at += min(len(container.going_on), len(text) - at - len(text[at:].lstrip(" ")))
    return text, at


def _opening(walk: _Walk, line: int, item: bool) -> tuple[str, str]:
    """The text that opens a container on this line, and the text that goes on with it: both as wide as its indent."""
    text, at = _inside(walk, line)
    if not item:
        found = _QUOTE.match(text, at)
        return (found[0].rstrip(" ") + " " if found else "> "), "> "
    found = _ITEM.match(text, at)
    if found is None:
        return "- ", "  "
    rest = text[found.end() :]
    blanks = len(rest) - len(rest.lstrip(" "))
    opener = found[0] + " " * (1 if not rest.strip() or blanks > 4 else blanks)
    return opener, " " * len(opener)


def _place(walk: _Walk, first: int) -> tuple[int, tuple[Container, ...], int]:
    path = tuple(container for container, _ in walk.stack)
    opened = 0
    for ours, theirs in zip(path, walk.above, strict=False):
        if ours is not theirs:
            break
        opened += 1
    start = walk.stack[opened][1] if opened < len(path) else first
    walk.above = path
    walk.met += 1
    return min(start, first), path, opened


def _empty(token: Token, walk: _Walk) -> Leaf:
    line, end = _span(token)
    text, at = _inside(walk, line)
    start, path, opened = _place(walk, line)
    if text[at:].strip():  # nested deeper than the parser follows
        return Leaf("paragraph", start, line, end, path, opened, "\n".join([text[at:], *walk.lines[line + 1 : end]]))
    return Leaf("empty", start, line, line + 1, path, opened)


def _leaf(kind: Kind, tokens: list[Token], walk: _Walk) -> Leaf:
    token = tokens[0]
    first, end = _span(token)
    start, path, opened = _place(walk, first)
    leaf = Leaf(kind, start, first, end, path, opened, text=token.content, markup=token.markup)
    if kind in ("paragraph", "heading"):
        leaf.text = tokens[1].content
        leaf.level = int(token.tag[1]) if kind == "heading" else 0
    elif kind == "fence":
        leaf.info = token.info.strip()
        text, at = _inside(walk, first)
        leaf.level = len(text) - at - len(text[at:].lstrip(" "))
    elif kind == "table":
        rows: list[list[str]] = []
        for part in tokens:
            if part.type == "tr_open":
                rows.append([])
            elif part.type == "inline":
                rows[-1].append(part.content)
        heads = [part for part in tokens if part.type == "th_open"]
        leaf.head, leaf.rows = tuple(rows[0]), tuple(tuple(row) for row in rows[1:])
        leaf.alignments = tuple(str(part.attrs.get("style", ""))[11:] for part in heads)
    elif kind == "definition":
        leaf.id, leaf.href, leaf.title = (str(token.meta[name]) for name in ("id", "url", "title"))
    return leaf
