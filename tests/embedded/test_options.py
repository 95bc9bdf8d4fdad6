"""Options, durations, formats and request bodies, read as Ollama reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codomyrmex_ollama_tui.embedded.gotypes import CHAT, GENERATE, SHOW, Struct, read_body
from codomyrmex_ollama_tui.embedded.options import keep_alive, merge_options, sampling, schema_of
from codomyrmex_ollama_tui.embedded.replies import Json, Refusal, dump, stamp
from tests.support.recorded import WIRE

DURATIONS = json.loads((WIRE / "vectors" / "durations.json").read_text(encoding="utf-8"))["rows"]
FOR_EVER = 2**63 - 1
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("row", DURATIONS, ids=lambda row: row["json"])
def test_keep_alive_is_read_as_ollama_does(row: dict[str, Any]) -> None:
    body = {"keep_alive": json.loads(row["json"])}
    if "error" in row:
        with pytest.raises(Refusal) as refused:
            keep_alive(body)
        assert (refused.value.status, refused.value.words) == (400, row["error"])
        return
    seconds = keep_alive(body)
    if row["result"] is None:
        assert seconds is None
    elif row["ns"] == FOR_EVER:
        assert seconds is not None
        assert seconds < 0
    elif row["ns"] >= 0:  # Go's own number runs over where a duration is longer than 292 years
        assert seconds == pytest.approx(row["ns"] / 1e9)


def test_later_options_win_and_unknown_ones_are_left_out() -> None:
    options = merge_options({"temperature": 0.2, "top_k": 7}, {"temperature": None, "top_k": 3.9, "nonsense": 1})
    assert (options["temperature"], options["top_k"], options["num_ctx"]) == (0.2, 3, 4096)
    assert "nonsense" not in options


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("temperature", "hot", "float32"),
        ("num_ctx", "big", "integer"),
        ("seed", True, "integer"),
        ("use_mmap", 1, "boolean"),
        ("stop", "x", "array"),
    ],
)
def test_options_of_another_type_are_refused(name: str, value: object, kind: str) -> None:
    with pytest.raises(Refusal, match=f'option "{name}" must be of type {kind}') as refused:
        merge_options({name: value})
    assert refused.value.status == 500


def test_what_the_engine_reads_otherwise_is_translated() -> None:
    options = merge_options({"num_predict": 0, "repeat_last_n": -1, "repeat_penalty": 0, "seed": -5})
    request = sampling(options, {}, room=100, n_ctx=512)
    assert (request["n_predict"], request["repeat_last_n"], request["repeat_penalty"], request["seed"]) == (
        5120,
        512,
        1.0,
        -1,
    )
    assert sampling(options, {"shift": False}, room=100, n_ctx=512)["n_predict"] == 100
    assert sampling(merge_options({"num_predict": 7}), {"shift": False}, room=100, n_ctx=512)["n_predict"] == 7


def test_schemas_let_no_further_property_pass() -> None:
    inner = {"type": "object", "properties": {"a": {"type": "integer"}}}
    schema = schema_of({"format": {"type": "object", "properties": {"b": inner}, "required": ["b"]}})
    assert schema is not None
    assert schema["additionalProperties"] is False
    assert schema["properties"]["b"]["additionalProperties"] is False
    assert schema_of({"format": ""}) is None
    for wrong in ("xml", 5, {"type": "nonsense"}):
        with pytest.raises(Refusal):
            schema_of({"format": wrong})


def read(data: bytes, struct: Struct) -> Json | Refusal:
    try:
        return read_body(data, struct)
    except Refusal as refused:
        return refused


def is_good(outcome: Json | Refusal) -> bool:
    """A body that can be sent on, or a refusal of the request with words."""
    if isinstance(outcome, Refusal):
        return outcome.status == 400 and bool(outcome.words)
    return isinstance(outcome, dict) and bool(dump(outcome))


@given(JSON)
def test_any_json_is_a_body_or_is_refused_as_one(value: object) -> None:
    assert all(is_good(read(json.dumps(value).encode(), struct)) for struct in (GENERATE, CHAT, SHOW))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_body_or_are_refused(data: bytes) -> None:
    assert is_good(read(data, GENERATE))


@given(JSON)
def test_what_is_sent_is_one_line_of_json(value: object) -> None:
    sent = dump(value)
    assert b"\n" not in sent
    assert not set(b"<>&") & set(sent)
    assert json.loads(sent.decode()) == json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "1970-01-01T00:00:00Z"), (1.5, "1970-01-01T00:00:01.5Z"), (1e9, "2001-09-09T01:46:40Z")],
)
def test_moments_have_no_superfluous_zeros(seconds: float, text: str) -> None:
    assert stamp(seconds) == text
