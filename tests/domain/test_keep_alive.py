"""Times against the vectors that Ollama's own code produced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codomyrmex_ollama_tui.domain.keep_alive import parse_keep_alive

VECTORS = Path(__file__).resolve().parent.parent / "wire" / "vectors" / "durations.json"
ROWS: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["rows"]
TEXTS = [row for row in ROWS if isinstance(json.loads(row["json"]), str)]


@pytest.mark.parametrize("row", TEXTS, ids=lambda row: row["json"])
def test_what_the_server_refuses_is_never_sent(row: dict[str, Any]) -> None:
    typed = json.loads(row["json"])
    refused = {json.loads(each["json"]) for each in TEXTS if "error" in each}
    if "error" in row and typed not in ("-1", "300"):  # which are sent as numbers
        with pytest.raises(ValueError, match="is no time"):
            parse_keep_alive(typed)
    else:
        sent = parse_keep_alive(typed)
        assert sent not in refused
        assert isinstance(sent, int | float) or sent == typed


@pytest.mark.parametrize(
    ("text", "sent"), [("forever", -1), ("-1", -1), ("300", 300), ("1.5", 1.5), (" 1H30M ", "1h30m")]
)
def test_what_people_type(text: str, sent: float | str) -> None:
    assert parse_keep_alive(text) == sent
