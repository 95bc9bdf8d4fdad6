"""Markdown to try the transcript with: awkward fragments, hostile characters, one sample of each kind of block."""

from __future__ import annotations

from hypothesis import strategies as st

FRAGMENTS = [
    "a paragraph with **bold** words\nand a second line\n",
    "\n",
    "\n\n",
    "\n\n\n",
    "- a\n",
    "- b\n  more of b\n",
    "- c\n\n  a paragraph in c\n",
    "  - nested\n",
    "   - oddly indented\n",
    "    - n4\n",
    "* star\n",
    "+ plus\n",
    "1. one\n",
    "2. two\n",
    "7) seven\n",
    "12. twelve\n",
    "    cont\n",
    "-\n",
    "1.\n",
    "  after an empty item\n",
    "-\ta\n",
    "\t- tab\n",
    "- - -\n",
    "- [ ] to do\n",
    "- [x] done\n",
    "- > a quote in an item\n",
    "> a quote\n",
    "a lazy line\n",
    ">\n",
    "> - a list in a quote\n",
    "> 1. n\n>    para\n",
    "- > - deep\n",
    "> > twice\n",
    "  > an indented quote\n",
    "> ```\n> code\n",
    ">     indented code\n",
    "> | a | b |\n> |--|--|\n",
    "> | 1 | 2 |\n",
    "```python\n",
    "```\n",
    "````\n",
    "~~~\n",
    "   ```js\n",
    "a line of code\n",
    "    indented\n",
    "      deeper\n",
    "- a\n\n      code in a\n",
    "\ttab\n",
    "    \n",
    "- ```\n  code in an item\n  ```\n",
    "# Heading\n",
    "Setext\n===\n",
    "=\n",
    "---\n",
    "***\n",
    "| a | b |\n",
    "|---|---|\n",
    "| 1 | 2 |\n",
    "|---|\n",
    "x | y\n",
    "a | b\n-|-\n",
    "\\| escaped\n",
    "<div>\n",
    "</div>\n",
    "<!-- comment\n",
    "-->\n",
    "<script>\n",
    "</script>\n",
    "<br>\n",
    "<b>in</b> text\n",
    "[foo]: /url\n",
    "[foo]:\n",
    "/dest\n",
    "[bar]: /b 'title\n",
    "more title'\n",
    '"t"\n',
    "[foo] and [bar][foo]\n",
    "[x\ny]: /z\n",
    "![img](x.png)\n",
    "text\\\nhard  \nbreak\n",
    "emoji 😀👍🏽 family 👨‍👩‍👧 中文、日本語。\n",
    "https://example.org/a and www.example.org\n",
]

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\x1b]52;c;YQ==\x07",
    "a\rb\r\nc\r",
    "\x9b2J\x90q\x9c",
    "\u202eright to left\u202c",
    "\u2066\u2069\u200f\u061c",
    "\u2028\u2029\x0b\x0c\x85",
    "&#27;[2J &#x202e; &#13; &#9; &#0;",
    "[text](https://example.org/\u202egpj.exe)",
    "<https://example.org/%1B%5B31m%E2%80%AE>",
    "![\x07](\x1b)",
    "`\x1b[1m`",
    "```\x1b]0;x\x07&#27;\n\x1b[31m\tcode\x00\n```",
    "| \x1b | \t |\n|---|---|\n| \x08\x7f | \u202e |",
    "[\x1b]: /url '\x07'\n\n[\x1b]",
    "\ufeff\U000e0041\U000e007f",
    "\ud800 lone \udfff",
    "# \x1b[1m\n> \x1b\n- \x1b\n\n    \x1b\n<div\x1b>\n",
]

SAMPLE = """\
## How a terminal draws

A **terminal** draws *cells*, not ~~pixels~~; each `cell` holds one glyph. Programs send
[escape sequences](https://example.com/ecma-48) to move the cursor. See https://example.org/paint.

- first item with some words in it, long enough to wrap around at least once when the view is narrow
- second item
  - nested one
  - [x] a task

1. one

   ```python
   def area(r: float) -> float:
       return 3.14159 * r ** 2  # close enough
   ```
2. two

| model | size | note |
|---|--:|:-:|
| one | 1.5 GB | some **bold** words and `code` here |
| two | 12 GB | 終端機 |

> A quotation, with a second line
> of it.
>
> - a list in it

---

<details>
hidden
</details>

    indented code\twith a tab

終端是由**單元格**組成的，每個單元格包含一個字形。
日本語の文章も同じように折り返されます。
絵文字 😀👍🏽👨‍👩‍👧 は二つのセルを使います。
"""

documents = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=14).map("".join)
"""Texts of awkward fragments."""

chunkings = st.lists(st.sampled_from([1, 2, 3, 5, 8, 20, 60, 200]), min_size=1, max_size=12)
"""Lengths of pieces, used in turn."""


def pieces(text: str, lengths: list[int]) -> list[str]:
    """A text in pieces of these lengths, used in turn."""
    out: list[str] = []
    at = n = 0
    while at < len(text):
        length = lengths[n % len(lengths)]
        out.append(text[at : at + length])
        at, n = at + length, n + 1
    return out
