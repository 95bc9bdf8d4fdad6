"""How a model is run: the options of one execution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from codomyrmex_ollama_tui.domain.options import check_options, wire_format
from codomyrmex_ollama_tui.domain.text import wrong

__all__ = ["ExecutionOptions"]

SENT = (
    "temperature",
    "top_p",
    "top_k",
    "num_predict",
    "num_ctx",
    "repeat_penalty",
    "repeat_last_n",
    "seed",
    "stop",
)
"""The fields that are options of Ollama, under the same names."""


@dataclass
class ExecutionOptions:
    """Options for model execution. An object that is passed is sent whole: its defaults stand over the model's own.

    `num_ctx` belongs to the loaded model: another value than it is held at loads it anew, which takes seconds.

    Attributes:
        temperature: 0–2; 0 always takes the likeliest token.
        top_p: 0–1.
        top_k: tokens to choose among, at least 0 (no limit).
        num_predict: tokens of the answer at most, at least -2; negative, and also 0, is no limit of its own.
        num_ctx: length of the context in tokens, at least 1.
        repeat_penalty: greater than 0; 1 is off.
        repeat_last_n: tokens that the penalty looks back, at least -1 (the whole context); 0 is off.
        seed: start of the random numbers; None sends none.
        stop: texts that end the answer; None leaves the model's own, [] is none at all.
        stream: whether the answer is read as a stream where the method leaves that open.
        format: "text", "json", or a JSON schema as a text or a dict.

    Raises:
        ValueError: a value that is not allowed; names the field, the value and what is allowed.
    """

    temperature: float = 0.7
    top_p: float = 0.9
    top_k: int = 40
    num_predict: int = 128
    num_ctx: int = 2048
    repeat_penalty: float = 1.1
    repeat_last_n: int = 64
    seed: int | None = None
    stop: list[str] | None = None
    stream: bool = False
    format: str | dict[str, Any] = "text"

    def __post_init__(self) -> None:
        self.sent()
        self.wire_format()
        if not isinstance(self.stream, bool):
            raise ValueError(wrong("stream", self.stream, "true or false"))

    def sent(self) -> dict[str, object]:
        """The options that go to the server, checked again: a field may have been set since. A new dict each time.

        Raises:
            ValueError: a field has been set to what is not allowed.
        """
        for name in SENT[:-2]:
            if getattr(self, name) is None:
                raise ValueError(wrong(name, None, "a number"))
        return check_options({name: getattr(self, name) for name in SENT}, where="")

    def wire_format(self) -> str | dict[str, object] | None:
        """What goes to the server as `format`: None for text, "json", or the schema.

        Raises:
            ValueError: neither of these.
        """
        return wire_format(self.format)

    def preset(self) -> dict[str, object]:
        """What a preset keeps of it: the options, and the format where it is not text.

        Raises:
            ValueError: a field has been set to what is not allowed.
        """
        return self.sent() if self.wire_format() is None else {**self.sent(), "format": self.format}
