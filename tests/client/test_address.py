"""OLLAMA_HOST against the vectors that Ollama's own code produced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codomyrmex_ollama_tui.client.address import Address, parse_address

VECTORS = Path(__file__).resolve().parent.parent / "wire" / "vectors" / "hosts.json"
ROWS: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["rows"]


def test_all_rows_are_here() -> None:
    assert len(ROWS) == 50


@pytest.mark.parametrize("row", [row for row in ROWS if "user:pw" not in row["OLLAMA_HOST"]], ids=str)
def test_vector(row: dict[str, Any]) -> None:
    address = parse_address(row["OLLAMA_HOST"])
    assert (address.url, address.scheme) == (row["url"], row["scheme"])
    # An empty host is left to the system by Go; every system takes it for itself.
    connectable = row["connectable"].replace("http://:", "http://127.0.0.1:")
    assert address.base_url == connectable
    joined = row["join_api_tags"].replace(row["url"], connectable, 1)
    assert address.endpoint("/api/tags") == joined
    assert address.path.strip("/") == row["path"].strip("/")


def test_secrets_in_the_address_are_refused_and_not_repeated() -> None:
    [row] = [row for row in ROWS if "user:pw" in row["OLLAMA_HOST"]]
    with pytest.raises(ValueError, match="user name or password") as caught:
        parse_address(row["OLLAMA_HOST"])
    assert "pw" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("text", ["a\nb", "http://h\x00", "h\x1b[31m:1", "\x7fh"])
def test_control_characters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("", True),
        (":8080", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("app.localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("0.0.0.0", True),
        ("::", True),
        ("0:0:0:0:0:0:0:1", True),
        ("192.168.1.5", False),
        ("localhost.example.com", False),
        ("https://example.com", False),
    ],
)
def test_loopback(text: str, loopback: bool) -> None:
    assert parse_address(text).is_loopback is loopback


@pytest.mark.parametrize(
    ("text", "label"),
    [("", "127.0.0.1:11434"), ("0.0.0.0", "127.0.0.1:11434"), ("::", "[::1]:11434"), ("http://box", "box:80")],
)
def test_label(text: str, label: str) -> None:
    assert parse_address(text).label == label


@given(st.text(max_size=60) | st.text(alphabet="a1:/[]%.@ \"'-", max_size=40))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert isinstance(address, Address)
    assert 0 <= address.port <= 65535
    assert address.url.partition("://")[2].isascii()
    assert address.path == "" or address.path.startswith("/")
