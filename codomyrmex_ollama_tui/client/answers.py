"""The lines of an answer of generate or chat, taken apart by hand: most lines hold four keys and one piece of text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from codomyrmex_ollama_tui.client.failures import refusal, words_in
from codomyrmex_ollama_tui.client.parse import Fields, counters_of, load_object
from codomyrmex_ollama_tui.domain.chat import AnswerEnd, AnswerPiece, ToolCall
from codomyrmex_ollama_tui.domain.errors import BadReply, OllamaError, StreamBroken, StreamFailed, StreamUnfinished
from codomyrmex_ollama_tui.domain.models import NOTHING, Extra

_NAMED = frozenset({"model", "created_at", "response", "thinking", "message", "done", "logprobs", "tool_calls"})
_NAMED_IN_MESSAGE = frozenset({"role", "content", "thinking", "tool_calls"})
_NAMED_AT_END = _NAMED | {
    "done_reason",
    "context",
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
}


class AnswerReader:
    """Reads one answer line by line, and remembers the text for the error that may come.

    Args:
        where: the endpoint, "/api/chat" or "/api/generate".
        model: the model that was asked.
    """

    def __init__(self, where: str, model: str) -> None:
        self._where = where
        self._chat = where == "/api/chat"
        self._model = model
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._begun = False
        self.ended = False

    def read(self, line: bytes, at: float) -> tuple[AnswerPiece | AnswerEnd, ...]:
        """What one line brings: a piece, an end, both, or nothing.

        Args:
            at: when its bytes arrived, in seconds of a monotonic clock.

        Raises:
            ServerRefused: for an error line before anything else.
            StreamFailed: for one after it.
            BadReply: for a line that is not the protocol, with what had come before.
        """
        try:
            return self._read(line, at)
        except BadReply as error:
            raise self.broken(error) from error.__cause__

    def finish(self) -> None:
        """Say that the stream ended properly.

        Raises:
            StreamUnfinished: if no last line had come.
        """
        if not self.ended:
            raise StreamUnfinished(
                "the answer ended without its last line"
                if self._begun
                else "the stream ended before any line of an answer",
                partial="".join(self._text),
                thinking="".join(self._thinking),
            )

    def broken(self, error: OllamaError) -> OllamaError:
        """`error` with what had come before."""
        if isinstance(error, (StreamBroken, BadReply)):
            error.partial = "".join(self._text)
            error.thinking = "".join(self._thinking)
        return error

    def _read(self, line: bytes, at: float) -> tuple[AnswerPiece | AnswerEnd, ...]:
        data = load_object(line, self._where)
        if "error" in data:
            self._raise_error(data)
        done = data.get("done", False)
        message: Mapping[str, object]
        if self._chat:
            found = data.get("message", NOTHING if done else None)
            if not isinstance(found, Mapping):
                raise BadReply(self._where, "a line without a message", line.decode("utf-8", "replace"))
            message = found
            text = message.get("content")
        else:
            message = data
            text = data.get("response")
        thinking = message.get("thinking")
        if text is None:
            text = ""
        if thinking is None:
            thinking = ""
        if not isinstance(text, str) or not isinstance(thinking, str) or not isinstance(done, bool):
            raise BadReply(self._where, "a line with a field of a wrong type", line.decode("utf-8", "replace"))
        if not self._chat and not done and "response" not in data and not thinking and "tool_calls" not in data:
            raise BadReply(self._where, "a line without a response", line.decode("utf-8", "replace"))
        calls = self._tool_calls(message.get("tool_calls"))
        logprobs = self._logprobs(data.get("logprobs"))
        end = self._end(data, at) if done else None
        # Nothing of the line can be wrong any more: now it counts as come.
        self._begun = True
        if text:
            self._text.append(text)
        if thinking:
            self._thinking.append(thinking)
        if end is None:
            return (AnswerPiece(text, thinking, calls, logprobs, at, self._extra(data, message)),)
        self.ended = True
        message_extra = self._message_extra(message) if self._chat else NOTHING
        if text or thinking or calls or logprobs or message_extra:
            extra = {"message": message_extra} if message_extra else NOTHING
            return (AnswerPiece(text, thinking, calls, logprobs, at, extra), end)
        return (end,)

    def _raise_error(self, data: Mapping[str, object]) -> None:
        words = words_in(data) or "an error without words"
        if not self._begun:
            raise refusal(None, words, model=self._model)
        raise StreamFailed(words, partial="".join(self._text), thinking="".join(self._thinking))

    def _end(self, data: dict[str, object], at: float) -> AnswerEnd:
        fields = Fields(data, self._where)
        context = fields.take("context")
        if context is None:
            context = []
        if not isinstance(context, list) or not all(type(item) is int for item in context):
            raise fields.wrong("context", "no list of whole numbers")
        return AnswerEnd(
            model=fields.text("model"),
            done_reason=fields.text("done_reason"),
            counters=counters_of(fields),
            context=tuple(context),
            at=at,
            created_at=fields.time("created_at"),
            extra={key: data[key] for key in data.keys() - _NAMED_AT_END} or NOTHING,
        )

    def _extra(self, data: Mapping[str, object], message: Mapping[str, object]) -> Extra:
        # The usual line of a chat has four keys and a message of two: nothing to look for.
        if len(data) == 4 and (not self._chat or len(message) == 2) and data.keys() <= _NAMED:
            return NOTHING
        extra = {key: data[key] for key in data if key not in _NAMED}
        inner = self._message_extra(message) if self._chat else NOTHING
        if inner:
            extra["message"] = inner
        return extra or NOTHING

    def _message_extra(self, message: Mapping[str, object]) -> Extra:
        return {key: message[key] for key in message if key not in _NAMED_IN_MESSAGE} or NOTHING

    def _tool_calls(self, value: object) -> tuple[ToolCall, ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            raise BadReply(self._where, "tool_calls is no list")
        return tuple(self._tool_call(item) for item in value)

    def _tool_call(self, value: object) -> ToolCall:
        function = value.get("function") if isinstance(value, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(value, dict) or not isinstance(function, dict) or not isinstance(name, str):
            raise BadReply(self._where, "a tool call without a function's name", json.dumps(value))
        arguments = function.get("arguments")
        if isinstance(arguments, str):  # as OpenAI's protocol has it, and gateways pass it on
            try:
                arguments = json.loads(arguments)
            except (ValueError, RecursionError):
                raise BadReply(self._where, f"the call of {name} has broken arguments", arguments) from None
        if not isinstance(arguments, (dict, type(None))):
            raise BadReply(self._where, f"the arguments of {name} are no object", json.dumps(value))
        index = function.get("index")
        ident = value.get("id")
        return ToolCall(
            name=name,
            arguments=arguments or {},
            id=ident if isinstance(ident, str) else "",
            index=index if type(index) is int else None,
        )

    def _logprobs(self, value: object) -> tuple[Mapping[str, object], ...]:
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise BadReply(self._where, "logprobs is no list of objects")
        return tuple(cast("list[dict[str, object]]", value))
