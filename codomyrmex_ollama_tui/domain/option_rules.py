"""
Ollama's model options: what each means, what it may be, and which of them make a server load the model anew.

`OPTION_RULES` is the one table; what a person writes, what a program passes and what the documents say come from it.
Defaults are those of Ollama 0.24, and what changed after it; a model's own parameters (its Modelfile) stand over them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["float", "int", "bool", "strings"]

INT32 = 2**31 - 1
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class OptionRule:
    """One option of a model.

    Attributes:
        name: as Ollama calls it.
        kind: the type of its value.
        low, high: the ends of the range, both allowed; None where there is no end.
        above: the value must be greater than this (an end that is not allowed itself).
        defaults: (version from which it holds, value), oldest first; "" is every version. A value of None is said
            in `default_words`.
        default_words: what stands where there is no fixed default.
        unit: what is counted; "" for a plain number.
        meaning: what it does, in a sentence or two.
        reloads: belongs to the loaded model: a request that asks for another value loads the model anew.
        since: the version of Ollama that has it first; "" for all.
    """

    name: str
    kind: Kind
    meaning: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    defaults: tuple[tuple[str, object], ...] = ()
    default_words: str = ""
    unit: str = ""
    reloads: bool = False
    since: str = ""

    @property
    def allowed(self) -> str:
        """What is allowed, in words: "a number from 0 to 2"."""
        if self.kind == "bool":
            return "true or false"
        if self.kind == "strings":
            return "a list of texts, none of them empty"
        word = "a whole number" if self.kind == "int" else "a number"
        if self.unit:
            word = f"{word} of {self.unit}"
        if self.above is not None:
            return f"{word} greater than {_figure(self.above)}"
        if self.low is None or self.high is None:
            return word
        if self.high >= INT32:
            return f"{word}, at least {_figure(self.low)}"
        return f"{word} from {_figure(self.low)} to {_figure(self.high)}"

    def default(self, version: str = "") -> object:
        """The server's default.

        Args:
            version: of the server ("0.32.10"); "" is the oldest that is known.
        """
        value: object = None
        for since, held in self.defaults:
            if not since or (version and _parts(version) >= _parts(since)):
                value = held
        return value

    def read(self, value: object) -> object | None:
        """The value as it is sent; None where it is not allowed. A whole float is fine for a whole number."""
        if self.kind == "bool":
            return value if isinstance(value, bool) else None
        if self.kind == "strings":
            fits = isinstance(value, list | tuple) and all(isinstance(item, str) and item for item in value)
            return [str(item) for item in value] if fits and isinstance(value, list | tuple) else None
        if isinstance(value, bool) or not isinstance(value, int | float):  # True is a number to Python only
            return None
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            return None
        if self.above is not None and value <= self.above:
            return None
        if self.kind == "float":
            return value
        return int(value) if value == int(value) else None

    def from_text(self, text: str) -> object:
        """What a person typed, as a value for `read`; texts of a list are parted by commas, or written as JSON."""
        if self.kind == "strings":
            return _listed(text)
        try:
            return json.loads(text.strip())
        except ValueError:
            return text


def _figure(value: float) -> str:
    return f"{value:g}"


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in _NUMBER.findall(version.partition("-")[0]))


def _listed(text: str) -> object:
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return [part.strip() for part in text.split(",")]


_RULES = (
    OptionRule(
        "temperature",
        "float",
        "How freely the next token is chosen: 0 always takes the likeliest one, higher is more varied.",
        low=0,
        high=2,
        defaults=(("", 0.8),),
    ),
    OptionRule(
        "top_p",
        "float",
        "Choose only among the likeliest tokens whose probabilities together reach this.",
        low=0,
        high=1,
        defaults=(("", 0.9),),
    ),
    OptionRule(
        "top_k",
        "int",
        "Choose only among this many of the likeliest tokens; 0 is no limit.",
        low=0,
        high=INT32,
        defaults=(("", 40),),
        unit="tokens",
    ),
    OptionRule(
        "min_p",
        "float",
        "Leave out tokens whose probability is below this share of the likeliest one's.",
        low=0,
        high=1,
        defaults=(("", 0.0),),
    ),
    OptionRule(
        "typical_p",
        "float",
        "Locally typical sampling: leave out tokens that are unusually predictable or surprising; 1 is off.",
        low=0,
        high=1,
        defaults=(("", 1.0),),
    ),
    OptionRule(
        "num_predict",
        "int",
        "The longest answer. Negative, and also 0, is no limit of its own: up to ten times the context.",
        low=-2,
        high=INT32,
        defaults=(("", -1),),
        unit="tokens",
    ),
    OptionRule(
        "num_ctx",
        "int",
        "The length of the context, which holds prompt and answer. Below 4 is raised to 4, above what the model was "
        "trained for is cut to that.",
        low=1,
        high=INT32,
        defaults=(("", None),),
        default_words="`OLLAMA_CONTEXT_LENGTH`, else 4096, 32768 or 262144 by the memory of the GPUs "
        "(below 23 GiB, below 47 GiB, more)",
        unit="tokens",
        reloads=True,
    ),
    OptionRule(
        "repeat_penalty",
        "float",
        "Makes tokens that came before less likely; 1 is off, higher is stronger.",
        above=0,
        defaults=(("", 1.1), ("0.32.10", 1.0)),
    ),
    OptionRule(
        "repeat_last_n",
        "int",
        "How far back the penalties look; 0 is off, -1 the whole context.",
        low=-1,
        high=INT32,
        defaults=(("", 64),),
        unit="tokens",
    ),
    OptionRule(
        "presence_penalty",
        "float",
        "Makes tokens that came before less likely, however often they came; 0 is off.",
        low=-2,
        high=2,
        defaults=(("", 0.0),),
    ),
    OptionRule(
        "frequency_penalty",
        "float",
        "Makes tokens less likely the more often they came before; 0 is off.",
        low=-2,
        high=2,
        defaults=(("", 0.0),),
    ),
    OptionRule(
        "seed",
        "int",
        "Start of the random numbers: the same one gives the same answer to the same request on the same server; "
        "-1 is another one each time.",
        low=-1,
        high=2**32 - 1,
        defaults=(("", -1),),
    ),
    OptionRule(
        "stop",
        "strings",
        "The answer ends where one of these texts would begin; replaces the model's own list.",
        defaults=(("", ()),),
    ),
    OptionRule(
        "num_keep",
        "int",
        "When a full context is shifted, this many tokens at its beginning stay; -1 keeps the whole prompt.",
        low=-1,
        high=INT32,
        defaults=(("", 4),),
        unit="tokens",
    ),
    OptionRule(
        "num_batch",
        "int",
        "How much of a prompt is worked on at once; at most the context.",
        low=1,
        high=INT32,
        defaults=(("", 512),),
        unit="tokens",
        reloads=True,
    ),
    OptionRule(
        "num_gpu",
        "int",
        "Layers of the model on GPUs; 0 uses the processor alone, -1 lets the server choose.",
        low=-1,
        high=INT32,
        defaults=(("", -1),),
        unit="layers",
        reloads=True,
    ),
    OptionRule(
        "main_gpu",
        "int",
        "The GPU, counted from 0, for what is not split over several.",
        low=0,
        high=1023,
        defaults=(("", 0),),
        reloads=True,
    ),
    OptionRule(
        "use_mmap",
        "bool",
        "Map the model's file into memory instead of reading it.",
        defaults=(("", None),),
        default_words="the server chooses",
        reloads=True,
    ),
    OptionRule(
        "num_thread",
        "int",
        "Threads of the processor; 0 lets the server choose.",
        low=0,
        high=4096,
        defaults=(("", 0),),
        unit="threads",
        reloads=True,
    ),
    OptionRule(
        "draft_num_predict",
        "int",
        "Tokens that a draft model proposes at once, for models made with one.",
        low=0,
        high=INT32,
        defaults=(("", None),),
        default_words="the server chooses",
        unit="tokens",
        since="0.30.0",
    ),
)

OPTION_RULES: Mapping[str, OptionRule] = MappingProxyType({rule.name: rule for rule in _RULES})
"""Every option of Ollama by its name; the usual ones first."""
