"""Inline Markdown as runs of styled text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from codomyrmex_ollama_tui.domain.text import clean
from codomyrmex_ollama_tui.ui.widgets.transcript.blocks import Definitions
from codomyrmex_ollama_tui.ui.widgets.transcript.wrapping import Run

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.ui.widgets.transcript.drawing import Artist

_INLINE = MarkdownIt("gfm-like2", {"inline_definitions": True, "alerts": False})
_INLINE.core.ruler.enableOnly(["inline", "linkify", "text_join"])
_MARKED = re.compile(r"[\\`*_\[\]<>!&~@\n]|://|\.[^\W\d]|mailto:")
"""What a text must hold for Markdown, or the finder of bare links, to see anything in it."""
_NAMES = {"strong": "strong", "em": "em", "s": "strike"}
_SHOWN_TARGET = 60


def inline_runs(artist: Artist, text: str, definitions: Definitions, names: tuple[str, ...]) -> list[Run]:
    """Runs for inline Markdown; their marks are all 0, links show their target after them.

    Args:
        names: styles to begin with.
    """
    if not _MARKED.search(text):
        return [Run(text, artist.mix(*names), 0)] if text else []
    references = {label: {"href": d.href, "title": d.title} for label, d in definitions.items()} if "[" in text else {}
    token = Token("inline", "", 0, content=text, children=[])
    _INLINE.core.process(StateCore("", _INLINE, {"references": references}, [token]))
    return _Inlines(artist, names).read(token.children or [])


class _Inlines:
    """Reads inline tokens one after the other."""

    def __init__(self, artist: Artist, names: tuple[str, ...]) -> None:
        self._artist = artist
        self._base = names
        self._names = list(names)
        self._links: list[tuple[str, int]] = []  # address, how many runs stood before it
        self._runs: list[Run] = []

    def read(self, tokens: list[Token]) -> list[Run]:
        for token in tokens:
            kind = token.type
            if kind in ("text", "text_special"):
                self._add(token.content)
            elif kind == "softbreak":
                self._add(" ")
            elif kind == "hardbreak":
                self._add("\n")
            elif kind == "code_inline":
                self._add(token.content, "code-inline")
            elif kind == "html_inline":
                self._html(token.content)
            elif kind == "image":
                self._link_open(str(token.attrs.get("src", "")))
                self._add(f"🖼 {token.content or token.attrs.get('src', '')}")
                self._link_close()
            elif kind == "link_open":
                self._link_open(str(token.attrs.get("href", "")))
            elif kind == "link_close":
                self._link_close()
            elif token.nesting and (name := _NAMES.get(token.tag)):
                if token.nesting > 0:
                    self._names.append(name)
                elif name in self._names:
                    self._names.remove(name)
        return self._runs

    def _add(self, text: str, *more: str) -> None:
        if text:
            text = clean(text).replace("\t", " ")  # entities and decoded addresses can bring control characters in
            self._runs.append(Run(text, self._artist.mix(*self._names, *more), 0))

    def _html(self, text: str) -> None:
        if text.lower().startswith("<br"):
            self._add("\n")
        else:
            self._add(text, "html")

    def _link_open(self, href: str) -> None:
        self._links.append((href, len(self._runs)))
        self._names.append("link")

    def _link_close(self) -> None:
        if not self._links:
            return
        href, since = self._links.pop()
        if "link" in self._names:
            self._names.remove("link")
        click = self._artist.click(href)
        self._runs[since:] = [Run(text, style + click, mark) for text, style, mark in self._runs[since:]]
        shown = "".join(text for text, *_ in self._runs[since:])
        if shown.removeprefix("🖼 ") not in (href, href.removeprefix("https://"), href.removeprefix("http://")):
            target = href if len(href) < _SHOWN_TARGET else href[: _SHOWN_TARGET - 1] + "…"
            self._runs.append(Run(f" ({clean(target)})", self._artist.mix(*self._base, "target")))
