"""Writes what documents say about settings and options from their rules: `python scripts/documents.py [--check]`.

Only what stands between `<!-- NAME: … -->` and `<!-- end -->` is written; the rest of a document is written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("configuration.md", "parameters.md")
SECTION = re.compile(r"(<!-- (?P<name>[a-z-]+):[^>]*-->\n).*?(<!-- end -->)", re.DOTALL)


def settings() -> str:
    """`[ollama]` and `[ui]` as a file with every default, and each meaning beside it."""
    from codomyrmex_ollama_tui.store.fields import RULES  # found once the repository's own folder is on the path

    lines = ["```toml"]
    table = ""
    for rule in RULES:
        if rule.table != table:
            lines += [""] * bool(table) + [f"[{rule.table}]"]
            table = rule.table
        line = f"# {rule.name} = 30.0" if rule.default is None else f"{rule.name} = {json.dumps(rule.default)}"
        lines.append(f"{line:<40} # {rule.meaning}")
    return "\n".join([*lines, "```"])


def environment() -> str:
    """Every variable with what it may hold."""
    from codomyrmex_ollama_tui.store.fields import RULES
    from codomyrmex_ollama_tui.store.reading import ENVIRONMENT_PREFIX

    rows = ((f"`{ENVIRONMENT_PREFIX}{rule.name.upper()}`", rule.allowed) for rule in RULES)
    return table_of(("variable", "allowed"), rows)


def presets() -> str:
    """The presets that the program brings."""
    from codomyrmex_ollama_tui.store.presets import SHIPPED

    names = list(dict.fromkeys(name for values in SHIPPED.values() for name in values))
    rows = ((f"`{preset}`", *(figure(values.get(name)) for name in names)) for preset, values in SHIPPED.items())
    return table_of(("preset", *(f"`{name}`" for name in names)), rows)


def options() -> str:
    """Every option of Ollama."""
    from codomyrmex_ollama_tui.domain.options import OPTION_RULES

    rows = []
    for rule in OPTION_RULES.values():
        defaults = [figure(value) + (f" (from {since})" if since else "") for since, value in rule.defaults]
        default = rule.default_words or ", ".join(defaults)
        name = f"`{rule.name}`" + (f" (from {rule.since})" if rule.since else "")
        rows.append((name, rule.meaning, rule.unit or "–", rule.allowed, default, "yes" if rule.reloads else "no"))
    return table_of(("option", "meaning", "unit", "allowed", "default", "loads anew"), rows)


def execution_options() -> str:
    """What `ExecutionOptions` sends where nobody says otherwise, beside what the server would take."""
    from dataclasses import fields

    from codomyrmex_ollama_tui.domain.options import OPTION_RULES
    from codomyrmex_ollama_tui.library.options import ExecutionOptions

    rows = []
    for field in fields(ExecutionOptions):
        rule = OPTION_RULES.get(field.name)
        sent = "not sent" if field.default is None else figure(field.default)
        rows.append((f"`{field.name}`", sent, figure(rule.default()) if rule and not rule.default_words else "–"))
    return table_of(("field", "`ExecutionOptions`", "server"), rows)


SECTIONS: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "environment": environment,
    "presets": presets,
    "options": options,
    "execution-options": execution_options,
}


def figure(value: object) -> str:
    """A value as a person writes it into a file; an en dash for none."""
    if value is None:
        return "–"
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def table_of(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *map(list, rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def written(text: str) -> str:
    """A document with its sections as they have to be.

    Raises:
        KeyError: it has a section that nobody writes.
    """
    return SECTION.sub(lambda found: f"{found[1]}\n{SECTIONS[found['name']]()}\n\n{found[3]}", text)


def main() -> int:
    """Writes the documents, or says which of them are not as they have to be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something would change")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs", help="where the documents are")
    given = parser.parse_args()
    stale = []
    for name in DOCUMENTS:
        path: Path = given.folder / name
        before = path.read_text(encoding="utf-8")
        after = written(before)
        if after != before:
            stale.append(name)
            if not given.check:
                path.write_text(after, encoding="utf-8")
    for name in stale:
        print(f"{name} {'is not as its rules say' if given.check else 'written'}")
    return 1 if given.check and stale else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
