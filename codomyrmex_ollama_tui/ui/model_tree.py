"""The keys of a model's weights as a tree, and lines of a text that hold what is looked for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from textual.content import Content

from codomyrmex_ollama_tui.domain.text import one_line

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.models import ModelInfo

LONGEST_VALUE = 400
"""Characters of a value; what is longer is cut, with its length said."""


def tree_of(info: ModelInfo) -> str:
    """`model_info`, the projector's keys and a count of the tensors, indented by the dots of their names.

    general
      architecture  llama
    llama
      attention
        head_count  9
    """
    lines = list(_branch(_nested(info.model_info), 0))
    if info.projector_info:
        lines += ["projector", *_branch(_nested(info.projector_info), 1)]
    if info.tensors:
        kinds = Counter(kind for _, kind, _ in info.tensors)
        counted = ", ".join(f"{count} {one_line(kind, 20)}" for kind, count in kinds.most_common())
        lines += ["tensors", f"  count  {len(info.tensors)}", f"  types  {counted}"]
    return "\n".join(lines)


def _nested(values: Mapping[str, object]) -> dict[str, object]:
    """Keys with dots as dictionaries in dictionaries; a key that is a value and a branch keeps its value under ""."""
    tree: dict[str, object] = {}
    for name in sorted(values):
        *parts, last = one_line(name, 300).split(".")
        at = tree
        for part in parts:
            deeper = at.setdefault(part, {})
            if not isinstance(deeper, _Branch):
                deeper = at[part] = _Branch() if deeper == {} else _Branch({"": deeper})
            at = deeper
        at[last] = values[name]
    return tree


class _Branch(dict[str, object]):
    """A branch of ours, as against an object that is a value."""


def _branch(tree: Mapping[str, object], depth: int) -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, _Branch):
            yield "  " * depth + name
            yield from _branch(value, depth + 1)
        else:
            yield f"{'  ' * depth}{name}  {_value(value)}".rstrip()


def _value(value: object) -> str:
    if value is None:
        return "· (too long for the server to send)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    shown = one_line(text, LONGEST_VALUE)
    return shown if len(text) <= LONGEST_VALUE else f"{shown} ({len(text):,} characters)"


def found_in(text: str, letters: str, *, tree: bool = False) -> Content:
    """The lines that hold the letters, marked; in a tree with the branches they hang on. All, when there are none."""
    lines = text.splitlines()
    if letters:
        wanted = letters.casefold()
        hits = [number for number, line in enumerate(lines) if wanted in line.casefold()]
        kept = sorted({*hits, *(above for hit in hits for above in _above(lines, hit))}) if tree else hits
        lines = [lines[number] for number in kept]
        if not lines:
            return Content.assemble(("No line holds ", "$muted"), letters, (".", "$muted"))
    return Content("\n").join([_line(line, letters.casefold(), tree=tree) for line in lines])


def _above(lines: list[str], at: int) -> Iterator[int]:
    """The lines that a line of a tree hangs on."""
    depth = _depth(lines[at])
    for number in range(at - 1, -1, -1):
        if depth == 0:
            return
        if _depth(lines[number]) < depth:
            depth = _depth(lines[number])
            yield number


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _line(line: str, letters: str, *, tree: bool) -> Content:
    content = Content(line)
    if tree:
        indent = _depth(line)
        name_end = line.find("  ", indent)
        content = content.stylize("$muted", indent, name_end if name_end > 0 else len(line))
    start = line.casefold().find(letters) if letters else -1
    if start >= 0 and len(line.casefold()) == len(line):
        content = content.stylize("bold $accent", start, start + len(letters))
    return content
