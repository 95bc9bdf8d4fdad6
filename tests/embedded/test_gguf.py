"""The reader of GGUF headers: right on good files, quick and plain about bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.embedded.gguf import BadGGUF, LeftOut, human_number, read_header
from codomyrmex_ollama_tui.embedded.store import describe_weights
from tests.embedded.made import METADATA, gguf_bytes

GOOD = gguf_bytes(weights=64)


def read(folder: Path, data: bytes, keep: int = 0) -> dict[str, object]:
    path = folder / "file.gguf"
    path.write_bytes(data)
    return read_header(path, keep=keep).metadata


def test_metadata_and_tensors_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD, keep=10) == METADATA
    assert read(tmp_path, GOOD)["tokenizer.ggml.tokens"] == LeftOut(3)
    header = read_header(tmp_path / "file.gguf")
    assert header.details() == {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "2K",
        "quantization_level": "Q4_1",
    }


@pytest.mark.engine
def test_a_real_model_is_described_as_ollama_does(weights: Path) -> None:
    manifest = describe_weights(weights, "0" * 64)
    assert manifest.details["parameter_size"] == "134.52M"
    assert manifest.details["quantization_level"] == "Q4_1"
    assert manifest.architecture_number("context_length") == 8192
    assert len(manifest.tensors) == 272


@pytest.mark.parametrize(
    ("number", "text"),
    [(999, "999"), (7_000, "7K"), (134_515_008, "134.52M"), (8_030_261_312, "8.0B"), (1_500_000_000_000, "1.5T")],
)
def test_numbers_are_written_as_ollama_does(number: int, text: str) -> None:
    assert human_number(number) == text


@pytest.mark.parametrize("length", range(0, len(GOOD) - 64, 7))
def test_a_header_that_ends_too_early_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(BadGGUF):
        read(tmp_path, GOOD[:length])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=1000)
@given(changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_a_damaged_header_is_read_or_refused(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for place, value in changes:
        data[place] = value
    assert outcome(tmp_path, bytes(data))


def outcome(folder: Path, data: bytes) -> str:
    """What the header says the file is, or why it was refused; anything else is raised."""
    try:
        read(folder, data)
        return str(describe_weights(folder / "file.gguf", "0" * 64).details)
    except BadGGUF as error:
        return str(error)
