"""Estimates of memory against what a real server told (Ollama 0.24.0, `/api/ps` of smollm2:135m, Q4_1, on a CPU)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.model_memory import estimate, ladder
from codomyrmex_ollama_tui.domain.models import ModelDetails, ModelInfo

SMOLLM = ModelInfo(
    ModelDetails(),
    {
        "general.architecture": "llama",
        "llama.context_length": 8192,
        "llama.block_count": 30,
        "llama.embedding_length": 576,
        "llama.attention.head_count": 9,
        "llama.attention.head_count_kv": 3,
    },
)
ON_DISK = 98_363_632


@pytest.mark.parametrize(("context", "told"), [(2048, 143_762_688), (4096, 190_948_608), (8192, 285_320_448)])
def test_it_is_what_the_server_tells_within_three_percent(context: int, told: int) -> None:
    found = estimate(SMOLLM, ON_DISK, context)
    assert found is not None
    assert found.total == pytest.approx(told, rel=0.03)
    assert found.cache == 23_040 * context


def test_a_context_beyond_the_trained_one_is_cut_as_the_server_does() -> None:
    found = estimate(SMOLLM, ON_DISK, 100_000)
    assert found is not None
    assert found.context == 8192


def test_layers_with_a_window_keep_no_more_than_the_window() -> None:
    gemma = {
        "general.architecture": "gemma3",
        "gemma3.context_length": 32_768,
        "gemma3.block_count": 26,
        "gemma3.attention.head_count": 4,
        "gemma3.attention.head_count_kv": 1,
        "gemma3.attention.key_length": 256,
        "gemma3.attention.value_length": 256,
        "gemma3.attention.sliding_window": 512,
    }
    found = estimate(ModelInfo(ModelDetails(), gemma), 1000, 8192)
    assert found is not None
    assert found.cache == 2 * 512 * (4 * 8192 + 22 * 512)


@pytest.mark.parametrize("key", ["general.architecture", "llama.block_count", "llama.embedding_length"])
def test_what_is_not_told_gives_no_estimate(key: str) -> None:
    values = {name: value for name, value in SMOLLM.model_info.items() if name != key}
    assert estimate(ModelInfo(ModelDetails(), values), ON_DISK, 4096) is None


def test_the_ladder_ends_with_the_longest() -> None:
    assert ladder(SMOLLM) == (4096, 8192)
    long = ModelInfo(ModelDetails(), {"general.architecture": "a", "a.context_length": 131_072})
    assert ladder(long) == (4096, 16_384, 131_072)
    assert ladder(ModelInfo(ModelDetails(), {})) == (4096, 8192, 16_384)


values = (
    st.none() | st.integers(-5, 10**6) | st.text(max_size=5) | st.lists(st.integers(0, 9), max_size=3) | st.booleans()
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(sorted(SMOLLM.model_info)), values), st.integers(-5, 10**9))
def test_any_keys_give_an_estimate_or_none(model_info: dict[str, object], context: int) -> None:
    info = ModelInfo(ModelDetails(), {**SMOLLM.model_info, **model_info})
    found = estimate(info, ON_DISK, context)
    assert found is None or found.total >= ON_DISK
    assert ladder(info)
