"""Outside text made safe to draw or copy: control bytes and direction tricks become visible, nothing is lost."""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code == 0xFEFF:
        return ""
    if code == 0x0D:
        return "\n"
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return f"<U+{code:04X}>"


def clean(text: str) -> str:
    """Text from outside, safe on a terminal: tabs and line feeds stay, CR and CRLF become LF, a BOM vanishes.

    C0 controls and DEL become their Unicode pictures; C1, bidirectional controls, U+2028/9 and tag characters become
    `<U+202E>`; lone surrogates become U+FFFD. Idempotent. One search decides whether anything is to be done at all.
    """
    if _UNSAFE.search(text) is None:
        return text
    return _UNSAFE.sub(_visible, text.replace("\r\n", "\n"))


def one_line(text: str, limit: int = 200) -> str:
    """Cleaned text on one line, runs of white space folded, cut with an ellipsis beyond `limit` characters."""
    line = " ".join(clean(text[: limit * 4 + 1000]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def shown(value: object, limit: int = 60) -> str:
    """A value as Python writes it, printable and on one line, cut with an ellipsis beyond `limit` characters."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number that is too long to show"
    text = text if text.isprintable() else ascii(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def wrong(where: str, value: object, allowed: str) -> str:
    """One sentence that names a field, its value and what is allowed."""
    return f"{where} = {shown(value)}: allowed is {allowed}"
