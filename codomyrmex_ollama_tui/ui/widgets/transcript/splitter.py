"""Cut a growing Markdown text into blocks that can no longer change, any piece of it at bounded cost.

The parser only ever reads a window: at most so many characters, lines and characters that are dear to read, from where
the first unfinished block begins. A block is final once a later one has begun on a complete line, at any depth of
quotes and lists: the containers around the unfinished rest are opened again by a made-up line before it. A block that
fills the window is cut by position, so that no chunking of the text can change the picture.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from codomyrmex_ollama_tui.ui.widgets.transcript.blocks import (
    Block,
    Container,
    Definition,
    Definitions,
    Fence,
    Kind,
    Table,
)
from codomyrmex_ollama_tui.ui.widgets.transcript.structure import Leaf, leaves

WINDOW_CHARACTERS = 4000
WINDOW_CODE = 1600  # characters of code: what is read by a lexer at once
WINDOW_LINES = 48
WINDOW_DEAR = 100
_DEAR = re.compile(r"\[|://|@|<|\.[^\W\d]")  # where links may begin
_CODE = re.compile(r"[ >]*(?:```|~~~)")
_STOOD_IN = "x"  # before the rest of a cut line, so that it cannot look like the beginning of a block
_HTML_UNTIL_BLANK = "<div>"
_HTML_OPENER = re.compile(r" {0,3}(<!--|<\?|<!\[CDATA\[|<![A-Z]|<(?:script|pre|style|textarea)(?=[\s>]|$))", re.I)
_JOINERS = "\u200d\ufe0f"  # what joins two emoji into one, what asks for an emoji's colours
_TITLE_MAY_COME = ('"', "'", "(")


@dataclass(slots=True)
class _Resume:
    """The block that was cut and goes on at the beginning of the tail."""

    kind: Kind
    opening: str  # a made-up line that begins it again, inside its containers
    midline: bool
    part: int
    level: int = 0
    fence: Fence | None = None
    table: Table | None = None


class Splitter:
    """Feed it a text; `blocks` holds all that is final, `live()` the rest as it looks now.

    Args:
        characters, lines, dear: the size of a window; smaller ones are for tests.
    """

    def __init__(self, characters: int = WINDOW_CHARACTERS, lines: int = WINDOW_LINES, dear: int = WINDOW_DEAR) -> None:
        self.blocks: list[Block] = []
        self.definitions: Definitions = {}
        self.redrawn = 0
        """How often the version of a block above the newest ones has been raised."""
        self._limits = (characters, lines, dear)
        self._text = ""
        self._at = 0  # where the tail begins in the text
        self._first: tuple[Container, ...] = ()  # containers of the block that the tail begins with
        self._opened = 0  # how many of them were open above it
        self._resume: _Resume | None = None
        self._defined = False
        self._read: tuple[str, list[Leaf], list[int]] | None = None  # the last text read here, what it was found to be

    @property
    def tail(self) -> str:
        """The characters that belong to no final block yet."""
        return self._text[self._at :]

    def feed(self, text: str) -> None:
        """Take more text."""
        self._text += text
        self._advance(False)

    def close(self) -> None:
        """No more text will come: everything becomes final."""
        self._advance(True)

    def live(self) -> list[Block]:
        """The unfinished rest as blocks, to be thrown away at the next feeding."""
        tail = self.tail
        if not tail.strip(" \t\n"):
            return []
        found, starts = self._leaves(tail)
        made: list[Block] = []
        for n, leaf in enumerate(found):
            end = starts[n + 1] if n + 1 < len(found) else len(tail)
            above = made[-1] if made else self.blocks[-1] if self.blocks else None
            block = self._block(leaf, tail[starts[n] : end], above, n == 0, tail[: starts[n]] if n == 0 else "")
            if not (block.part and not block.text and not block.rows):
                made.append(block)
        return made

    # ------------------------------------------------------------------ steps

    def _advance(self, closing: bool) -> None:
        while self._at < len(self._text) and self._step(closing):
            self._read = None  # the tail begins elsewhere now
        self._text, self._at = self.tail, 0
        if self._defined:
            self._defined = False
            self.redrawn += 1
            for block in self.blocks:
                block.version += block.kind in ("paragraph", "heading", "table") and "[" in block.source

    def _step(self, closing: bool) -> bool:
        """Make final what can be; True if there may be more."""
        window, full = self._window()
        seen = window if closing and not full else window[: window.rfind("\n") + 1]
        if self._resume is None or self._resume.kind not in ("fence", "html"):
            blank = len(seen) - len(seen.lstrip(" \t\n"))
            if blank < len(seen) and self.blocks:
                blank = seen.rfind("\n", 0, blank) + 1
            elif blank < len(seen) or not (full or closing or self.blocks):
                blank = 0
            if blank:
                self._blank(seen[:blank])
                return True
        found, starts = self._leaves(seen) if seen else ([], [])
        keep = 1
        if len(found) > 1 and not closing and self._title_may_come(found):
            keep = 2
        if len(found) <= keep and full:
            seen, keep = window, 1
            found, starts = self._leaves(seen)
        if len(found) > keep:
            self._take(found, starts, seen, len(found) - keep)
        elif full and found:
            self._cut(found[0], starts[0], seen)
        elif closing and found:
            self._take(found, starts, seen, len(found))
        elif (full or closing) and seen:
            self._blank(seen)
        else:
            return False
        return True

    def _window(self) -> tuple[str, bool]:
        """The part of the tail that is read at once, and whether it is as large as it may become."""
        characters, lines, dear = self._limits
        code = self._resume is not None and self._resume.kind == "fence"
        if code:
            characters = min(characters, WINDOW_CODE)
        window = self._text[self._at : self._at + characters]
        full = len(window) == characters
        if window.count("\n") >= lines:
            at = -1
            for _ in range(lines):
                at = window.index("\n", at + 1)
            window, full = window[: at + 1], True
        if len(window) > dear and not code and not _CODE.match(window):
            for n, match in enumerate(_DEAR.finditer(window)):
                if n == dear:
                    window, full = window[: match.start()], True
                    break
        return window, full

    def _leaves(self, text: str) -> tuple[list[Leaf], list[int]]:
        """The leaves of a piece at the beginning of the tail, and where each begins in it."""
        if self._read is not None and self._read[0] == text:
            return self._read[1:]
        header, made_up = self._header()
        found = leaves(header + text, self._first, made_up)
        if header and (self._resume is None or self._resume.kind == "code"):
            del found[0]
        lines = _offsets(header + text)
        starts = [max(0, lines[min(leaf.start, len(lines) - 1)] - len(header)) for leaf in found]
        if starts and not self.blocks:
            starts[0] = 0
        self._read = (text, found, starts)
        return found, starts

    def _header(self) -> tuple[str, int | None]:
        """Made-up text that brings the parser where the tail stands, and how many containers it opens."""
        resume = self._resume
        path = self._first if resume else self._first[: self._opened]
        openers = "".join(container.opener for container in path)
        going_on = "".join(container.going_on for container in path)
        if resume is None:
            return (openers + "#\n", len(path)) if path else ("", None)
        if resume.kind in ("paragraph", "heading"):
            return openers + resume.opening + _STOOD_IN + ("" if resume.midline else "\n"), None
        inside = "    " if resume.kind == "code" else ""
        rest = going_on + inside + _STOOD_IN if resume.midline else ""
        second = going_on + "|" + "-|" * resume.level + "\n" if resume.kind == "table" else ""
        return openers + resume.opening + "\n" + second + rest, None

    @staticmethod
    def _title_may_come(found: list[Leaf]) -> bool:
        """A definition with text right under it: its title may be ending on a line to come."""
        above, last = found[-2:]
        return above.kind == "definition" and above.end == last.first and last.text.startswith(_TITLE_MAY_COME)

    # ------------------------------------------------------------------ making blocks final

    def _blank(self, text: str) -> None:
        """Give blank lines to the block above."""
        if not self.blocks:
            self.blocks.append(Block("empty", "", gap=0))
        self.blocks[-1].source += text
        self._at += len(text)
        if self._resume is not None and self._resume.kind != "code":
            self._resume = None
            self._end_above()

    def _end_above(self) -> None:
        """The block that was cut goes on no further."""
        if self.blocks[-1].more:
            self.blocks[-1].more = False
            self.blocks[-1].version += 1
            self.redrawn += 1

    def _take(self, found: list[Leaf], starts: list[int], text: str, count: int) -> None:
        """Make the first leaves of a piece of the tail final."""
        ends = [*starts[1:], len(text)]
        if starts[0]:
            self.blocks[-1].source += text[: starts[0]]
        for n in range(count):
            self._append(self._block(found[n], text[starts[n] : ends[n]], self._above(), n == 0, ""), found[n])
        self._resume = None
        self._at += ends[count - 1]
        if count < len(found):
            self._first, self._opened = found[count].path, found[count].opened
        else:
            self._first = found[-1].path
            self._opened = len(self._first)

    def _above(self) -> Block | None:
        return self.blocks[-1] if self.blocks else None

    def _append(self, block: Block, leaf: Leaf) -> None:
        above = self._above()
        if block.part and above is not None and not block.text and not block.rows:
            above.source += block.source
            self._end_above()
            return
        if block.table is not None and block.part == 0:
            block.table.rows = block.rows
        if block.fence is not None:
            block.fence.lines.append(block.lines)
        if block.kind == "definition" and leaf.id not in self.definitions:
            self.definitions[leaf.id] = Definition(leaf.href, leaf.title)
            self._defined = True
        self.blocks.append(block)

    def _block(self, leaf: Leaf, source: str, above: Block | None, first: bool, blank: str) -> Block:
        """A block for a leaf; `first`: it is the first one of the tail, which may go on with a cut block."""
        resume = self._resume if first else None
        text, rows, head = leaf.text, leaf.rows, leaf.head
        if resume is not None and resume.kind == "code" and (leaf.kind != "code" or _ends_blank(above, blank)):
            resume = None
        if resume is None:
            block = Block(leaf.kind, source, leaf.path, leaf.opened, _gap(leaf, above, blank), text, leaf.level)
            if leaf.kind == "fence":
                block.fence, block.level = Fence(leaf.info), 0
            elif leaf.kind == "table":
                block.table, block.rows = Table(head, leaf.alignments), rows
            return block
        if resume.kind == "html":
            text = text.partition("\n")[2]
        if resume.kind == "paragraph" and not resume.midline:
            text = text.removeprefix(_STOOD_IN).removeprefix("\n")
        elif resume.midline:
            text = text.removeprefix(_STOOD_IN)
        kind: Kind = resume.kind if leaf.kind in ("heading", "paragraph", resume.kind) else leaf.kind
        if kind == "table" and resume.table is None:  # the rest of a cut line turned out to be the head of a table
            head = (head[0].removeprefix(_STOOD_IN), *head[1:])
            return Block(kind, source, leaf.path, len(leaf.path), 0, table=Table(head, leaf.alignments), rows=rows)
        block = Block(kind, source, leaf.path, len(leaf.path), 0, text, resume.level, resume.part, resume.midline)
        block.fence, block.table, block.rows = resume.fence, resume.table, rows
        if kind == "table":
            block.level = 0
        return block

    # ------------------------------------------------------------------ cutting

    def _cut(self, leaf: Leaf, start: int, window: str) -> None:
        """Cut the only leaf of a full window by position: what is above the cut becomes final."""
        header, _ = self._header()
        lines = (header + window).split("\n")
        last = len(lines) - (not lines[-1])
        ended = leaf.end < last or leaf.kind in ("rule", "definition", "empty")
        ended |= leaf.kind == "heading" and leaf.markup[0] == "#" and window.endswith("\n")
        if leaf.kind == "fence" and not ended:
            body = leaf.text.removesuffix("\n").split("\n") if leaf.text else []
            closing = lines[last - 1].strip(" \t>")
            ended = len(body) == leaf.end - leaf.first - 2 and closing.startswith(leaf.markup)
        if ended:
            self._take([leaf], [start], window, 1)
            return
        at = self._place(leaf, header, window)
        found, starts = self._leaves(window[:at])
        leaf = found[0]
        if starts[0]:
            self.blocks[-1].source += window[: starts[0]]
        block = self._block(leaf, window[starts[0] : at], self._above(), True, "")
        if block.kind == "heading" and leaf.markup in ("=", "-"):
            block.kind = "paragraph"
        block.more = True
        self._append(block, leaf)
        self._at += at
        self._first, self._opened = leaf.path, len(leaf.path)
        self._resume = self._resuming(block, leaf, not window[:at].endswith("\n"))

    def _place(self, leaf: Leaf, header: str, window: str) -> int:
        """Where in the window to cut: after a complete line of code or of a table, else after the last blank."""
        if leaf.kind in ("fence", "code", "html", "table"):
            own = leaf.first + {"fence": 1, "table": 2}.get(leaf.kind, 0)  # lines that open it
            lines = _offsets(header + window)
            most = WINDOW_CODE if leaf.kind == "fence" else len(window)
            complete = (header + window).rfind("\n", 0, len(header) + most) + 1
            if complete > lines[min(own, len(lines) - 1)] and complete > len(header):
                complete -= len(header)
                # code is cut at a blank line if there is one: what spans lines seldom spans those
                blank = window.rfind("\n\n", complete // 2, complete) if leaf.kind == "fence" else -1
                return blank + 2 if blank > 0 else complete
        else:
            begin = 0 if self._resume else max(0, window.find(leaf.text[:20]))
            at = max(window.rfind(blank, begin) for blank in " \t\n") + 1
            if at > begin + 1 and window[:at].strip(" \t\n>"):
                return at
        return _between_characters(window)

    def _resuming(self, block: Block, leaf: Leaf, midline: bool) -> _Resume:
        resume = _Resume(block.kind, "", midline, block.part + 1, block.level, block.fence, block.table)
        if block.kind == "fence":
            resume.opening = " " * leaf.level + leaf.markup if self._resume is None else self._resume.opening
        elif block.kind == "heading":
            resume.opening, resume.midline = "#" * block.level + " ", True
        elif block.kind == "table":
            columns = len(leaf.head)
            resume.opening, resume.level = "|" + "x|" * columns, columns
            if midline:  # one row is longer than a window: the rest is text
                resume = _Resume("paragraph", "", True, block.part + 1)
        elif block.kind == "html":
            if self._resume is not None:
                resume.opening = self._resume.opening
            else:
                found = _HTML_OPENER.match(block.text)
                resume.opening = found[1] if found else _HTML_UNTIL_BLANK
        elif block.kind == "code":
            resume.opening = "#"
        return resume


def _gap(leaf: Leaf, above: Block | None, blank: str) -> int:
    """Blank rows above a leaf: one where the source has a blank line, none inside a tight list."""
    if above is None or leaf.kind == "definition":
        return 0
    if _ends_blank(above, blank):
        return 1
    beside = (leaf.path[leaf.opened : leaf.opened + 1], above.path[leaf.opened : leaf.opened + 1])
    if all(container and container[0].kind == "item" for container in beside):
        return 0
    return int(not leaf.opened or leaf.path[leaf.opened - 1].kind != "item")


def _ends_blank(above: Block | None, blank: str) -> bool:
    """True if a blank line lies between the block above and what follows these characters."""
    source = (above.source if above else "") + blank
    return source.endswith("\n") and not source[source[:-1].rfind("\n") + 1 :].strip(" \t\n>")


def _between_characters(window: str) -> int:
    """The last place in a window that divides no letter from what is joined to it."""
    for at in range(len(window) - 1, max(0, len(window) - 32), -1):
        letter, above = window[at], window[at - 1]
        joined = unicodedata.category(letter)[0] == "M" or letter in _JOINERS or "🏻" <= letter <= "🏿"
        if not joined and above != _JOINERS[0] and not "🇦" <= letter <= "🇿":
            return at
    return len(window)


def _offsets(text: str) -> list[int]:
    """Where each line begins, and the end."""
    out = [0, *(match.end() for match in re.finditer("\n", text))]
    return out if text.endswith("\n") else [*out, len(text)]
