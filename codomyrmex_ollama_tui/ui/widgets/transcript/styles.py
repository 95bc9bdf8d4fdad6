"""The transcript's styles: component classes, so that themes and app styles can change each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style

if TYPE_CHECKING:
    from textual.widget import Widget

PREFIX = "transcript--"
MODEL_COLOURS = 6

NAMES = (
    "label",
    "suffix",
    "fold",
    "sign",
    "thinking",
    "note",
    "stopped",
    "failed",
    "cursor",
    "hit",
    "hit-now",
    "news",
    "strong",
    "em",
    "strike",
    "code-inline",
    "link",
    "target",
    "h1",
    "h2",
    "h3",
    "quote",
    "bullet",
    "rule",
    "table-head",
    "border",
    "html",
    "fence",
    "code-label",
    "hint",
    "code",
    "code-keyword",
    "code-function",
    "code-type",
    "code-string",
    "code-number",
    "code-comment",
    "code-removed",
    "code-added",
    *(f"model-{number}" for number in range(1, MODEL_COLOURS + 1)),
)

CSS = """
Transcript {
    height: 1fr;
    overflow-y: scroll;
    overflow-x: hidden;
    scrollbar-size-vertical: 1;
    scrollbar-color: $faint;
    scrollbar-color-hover: $muted;
    scrollbar-color-active: $primary;
    scrollbar-background: $background;
    scrollbar-background-hover: $background;
    scrollbar-background-active: $background;
    background: $background;
    color: $foreground;
    & > .transcript--label { color: $muted; }
    & > .transcript--suffix { color: $muted; }
    & > .transcript--fold { color: $muted; }
    & > .transcript--sign { color: $faint; }
    & > .transcript--thinking { color: $muted; }
    & > .transcript--note { color: $muted; }
    & > .transcript--stopped { color: $warning; }
    & > .transcript--failed { color: $error; }
    & > .transcript--cursor { color: $accent; }
    & > .transcript--hit { color: $background; background: $secondary; }
    & > .transcript--hit-now { color: $background; background: $warning; text-style: bold; }
    & > .transcript--news { color: $accent; background: $panel; }
    & > .transcript--strong { text-style: bold; }
    & > .transcript--em { text-style: italic; }
    & > .transcript--strike { text-style: strike; }
    & > .transcript--code-inline { color: $accent; background: $surface; }
    & > .transcript--link { color: $primary; text-style: underline; }
    & > .transcript--target { color: $muted; }
    & > .transcript--h1 { color: $primary; text-style: bold underline; }
    & > .transcript--h2 { color: $primary; text-style: bold; }
    & > .transcript--h3 { text-style: bold; }
    & > .transcript--quote { color: $secondary; }
    & > .transcript--bullet { color: $secondary; }
    & > .transcript--rule { color: $faint; }
    & > .transcript--border { color: $faint; }
    & > .transcript--table-head { text-style: bold; }
    & > .transcript--html { color: $muted; }
    & > .transcript--fence { background: $surface; }
    & > .transcript--code-label { color: $muted; }
    & > .transcript--hint { color: $muted; }
    & > .transcript--code-keyword { color: $secondary; }
    & > .transcript--code-function { color: $primary; }
    & > .transcript--code-type { color: $success; }
    & > .transcript--code-string { color: $accent; }
    & > .transcript--code-number { color: $accent; }
    & > .transcript--code-comment { color: $muted; text-style: italic; }
    & > .transcript--code-removed { color: $error; }
    & > .transcript--code-added { color: $success; }
    & > .transcript--model-1 { color: $model-1; text-style: bold; }
    & > .transcript--model-2 { color: $model-2; text-style: bold; }
    & > .transcript--model-3 { color: $model-3; text-style: bold; }
    & > .transcript--model-4 { color: $model-4; text-style: bold; }
    & > .transcript--model-5 { color: $model-5; text-style: bold; }
    & > .transcript--model-6 { color: $model-6; text-style: bold; }
}
"""


def read_styles(widget: Widget) -> dict[str, Style]:
    """The styles of all `NAMES`, and "text": the widget's own. Each holds only what its rule sets."""
    out = {"text": widget.rich_style}
    for name in NAMES:
        component = widget.get_component_styles(PREFIX + name)
        full = component.rich_style
        out[name] = component.text_style + Style(
            color=full.color if component.has_rule("color") else None,
            bgcolor=full.bgcolor if component.has_rule("background") else None,
        )
    return out
