"""What a Markdown text is cut into: blocks, each with the containers it stands in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["paragraph", "heading", "fence", "code", "table", "html", "rule", "definition", "empty"]
Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """The target of a reference link."""

    href: str
    title: str


Definitions = dict[str, Definition]


@dataclass(slots=True)
class Container:
    """A quote or a list item around blocks; one object for as long as it lasts.

    Attributes:
        opener: text that opens it again with its content in the same column ("> ", " 10.  ").
        going_on: text before each later line of its content ("> ", or blanks).
        number: of an item of an ordered list, as counted by the list.
        checked: of a task.
    """

    kind: Literal["quote", "item"]
    opener: str
    going_on: str
    number: int | None = None
    checked: bool | None = None


@dataclass(slots=True, eq=False)
class Fence:
    """What the parts of one code block share.

    Attributes:
        lines: the code of each final part.
        states: what the lexer knows where each part begins; kept by the colouring, never read by the splitter.
    """

    info: str
    lines: list[list[str]] = field(default_factory=list)
    states: list[object] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Table:
    """What the parts of one table share.

    Attributes:
        rows: cells of the first part, once it is final; they and the head set the least widths of later parts.
        natural: (number of definitions known, widths of the columns in cells) of head and `rows`, kept by the drawing.
    """

    head: Cells
    alignments: tuple[str, ...]
    rows: tuple[Cells, ...] = ()
    natural: tuple[int, tuple[int, ...]] | None = None


@dataclass(slots=True, eq=False)
class Block:
    """A piece of a text that is drawn as one: a paragraph, a heading, a code block, at most a window of it.

    The sources of all blocks, joined, are the text. A block that is longer than a window is cut into parts.

    Attributes:
        source: its characters in the text, with the openings of containers that begin with it and blank lines below.
        path: the containers around it, outermost first.
        opened: how many of them the block above is in too.
        gap: blank rows above.
        text: inline Markdown of a paragraph or heading; the characters of code and HTML.
        level: of a heading, 1–6.
        part: 0, or which part of a longer block it is.
        midline: a part that begins inside a line.
        more: a further part follows.
        version: raised when the block must be drawn again.
    """

    kind: Kind
    source: str
    path: tuple[Container, ...] = ()
    opened: int = 0
    gap: int = 1
    text: str = ""
    level: int = 0
    part: int = 0
    midline: bool = False
    more: bool = False
    fence: Fence | None = None
    table: Table | None = None
    rows: tuple[Cells, ...] = ()
    version: int = 0

    @property
    def lines(self) -> list[str]:
        """The lines of code or HTML."""
        return self.text.removesuffix("\n").split("\n") if self.text else []

    def same_picture(self, other: Block) -> bool:
        """True if both look alike: nothing but the source differs."""
        return self._picture() == other._picture()

    def _picture(self) -> tuple[object, ...]:
        shared = (self.fence and self.fence.info, self.table and (self.table.head, self.table.alignments))
        own = (self.kind, self.text, self.rows, self.gap, self.level, self.part, self.midline, self.more)
        return (*own, self.path, self.opened, shared)
