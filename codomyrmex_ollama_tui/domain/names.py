"""
Model names by Ollama's own rules (CONTRACT §6): `[scheme://][host/][namespace/]model[:tag]`.

Two grammars exist. `parse_name` is the plain one (copy, create and push). `parse_reference` is the one of generate,
chat, show, embed, pull and delete: white space around the name is trimmed, and a suffix `:cloud`, `-cloud` or
`:local` says where the model is to be found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"
DEFAULT_SCHEME = "https"

Source = Literal["", "cloud", "local"]

# One pattern for each part; the first character is stricter than the rest. Only hosts may be longer than 80.
_PARTS = {
    "host": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}"),
    "namespace": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}"),
    "model": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"),
    "tag": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"),
}
_ALLOWED = {
    "host": "letters, digits, '_', '-', '.' and ':'",
    "namespace": "letters, digits, '_' and '-'",
    "model": "letters, digits, '_', '-' and '.'",
    "tag": "letters, digits, '_', '-' and '.'",
}


@dataclass(frozen=True, slots=True)
class ModelName:
    """A whole, valid name. Case is kept; two names are one model when `key` is equal."""

    model: str
    tag: str = DEFAULT_TAG
    namespace: str = DEFAULT_NAMESPACE
    host: str = DEFAULT_HOST
    scheme: str = DEFAULT_SCHEME

    @property
    def short(self) -> str:
        """As lists show it: default host and namespace left out, the tag always there ("llama3:latest")."""
        name = f"{self.model}:{self.tag}"
        if self.host.lower() != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{name}"
        if self.namespace.lower() != DEFAULT_NAMESPACE:
            return f"{self.namespace}/{name}"
        return name

    @property
    def full(self) -> str:
        """All four parts ("registry.ollama.ai/library/llama3:latest")."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def key(self) -> str:
        """What to compare and to sort by: the full name in lower case."""
        return self.full.lower()


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A name as generate, chat, show, embed, pull and delete read it.

    Attributes:
        name: the name without the suffix that says where.
        base: the text of that name as it was written.
        source: "cloud" or "local" where the suffix says so, else "".
        pull_name: what a pull or a delete of it works on ("x:20b:cloud" becomes "x:20b-cloud").
    """

    name: ModelName
    base: str
    source: Source
    pull_name: str


def parse_name(text: str) -> ModelName | None:
    """The name that `text` is by the plain grammar, or None."""
    name = _split(text)
    return name if _bad_part(name) is None else None


def parse_reference(text: str) -> ModelReference | None:
    """The reference that `text` is, or None."""
    found = _reference(text)
    return None if isinstance(found, str) or _bad_part(found.name) is not None else found


def same_model(first: str, second: str) -> bool:
    """Whether two names mean one model: `llama3`, `LLAMA3:latest` and `library/llama3` do."""
    return _comparable(first) == _comparable(second)


def problem_with_name(text: str) -> str:
    """One sentence on why `text` names no model that could be pulled or asked; "" when it is fine."""
    found = _reference(text)
    if isinstance(found, str):
        return found
    bad = _bad_part(found.name)
    return "" if bad is None else _sentence(bad, getattr(found.name, bad))


def _comparable(text: str) -> str:
    name = parse_name(text.strip())
    return text.strip().lower() if name is None else name.key


def _split(text: str) -> ModelName:
    """The parts of `text`, checked by nobody yet; a part that is promised by its sign but empty stays empty."""
    tag, namespace, host, scheme = DEFAULT_TAG, DEFAULT_NAMESPACE, DEFAULT_HOST, DEFAULT_SCHEME
    rest = text
    if rest.rfind(":") > rest.rfind("/"):
        rest, _, tag = rest.rpartition(":")
    rest, slash, model = rest.rpartition("/")
    if slash:
        rest, slash, namespace = rest.rpartition("/")
        if slash:
            before, mark, after = rest.partition("://")
            host, scheme = (after, before) if mark else (before, scheme)
    return ModelName(model=model, tag=tag, namespace=namespace, host=host, scheme=scheme)


def _bad_part(name: ModelName) -> str | None:
    """Which part breaks the rules, the most telling one first."""
    for part in ("host", "namespace", "model", "tag"):
        if _PARTS[part].fullmatch(getattr(name, part)) is None:
            return part
    return None


def _suffix(text: str) -> tuple[str, Source]:
    """`text` without one suffix that says where, and what that suffix says."""
    head, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        return text, ""
    word = tag.lower()
    if word == "cloud":
        return head, "cloud"
    if word == "local":
        return head, "local"
    if word.endswith("-cloud"):
        return text[: -len("-cloud")], "cloud"
    return text, ""


def _reference(text: str) -> ModelReference | str:
    """The reference, its name not checked yet, or a sentence on what is wrong."""
    text = text.strip()
    if not text:
        return "a model name is needed"
    base, source = _suffix(text)
    if source:
        _, other = _suffix(base)
        if other and other != source:
            return f'use either :local or :cloud, not both: "{text}"'
    pull_name = base
    if source == "cloud":
        tagged = base.rfind(":") > base.rfind("/")
        pull_name = f"{base}-cloud" if tagged else f"{base}:cloud"
    return ModelReference(_split(base), base, source, pull_name)


def _sentence(part: str, value: str) -> str:
    if not value:
        return f"the {part} is missing"
    if part == "host" and "/" in value:
        return "there are too many slashes: a name is host/namespace/model:tag at most"
    longest = 350 if part == "host" else 80
    if len(value) > longest:
        return f"the {part} is longer than {longest} characters"
    if part == "namespace" and value[0] not in ".:" and (":" in value or "." in value):
        return f'"{value}" looks like a host, and after a host two more parts are needed: {value}/library/model'
    if "@" in value:
        return "a digest (@sha256:…) cannot be asked for, only a tag"
    if value[0] in "-.:":
        return f'the {part} "{value}" may not begin with "{value[0]}"'
    return f'the {part} "{value}" may hold only {_ALLOWED[part]}'
