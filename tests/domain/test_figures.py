"""The few figures that the domain's values work out themselves."""

from __future__ import annotations

import pytest

from codomyrmex_ollama_tui.domain.chat import Counters
from codomyrmex_ollama_tui.domain.models import ModelDetails, ModelInfo, RunningModel


@pytest.mark.parametrize(
    ("count", "duration", "rate"), [(40, 2_000_000_000, 20.0), (1, None, None), (None, 5, None), (5, 0, None)]
)
def test_eval_rate(count: int | None, duration: int | None, rate: float | None) -> None:
    assert Counters(eval_count=count, eval_duration=duration).eval_rate == rate


@pytest.mark.parametrize(("size", "vram", "share"), [(100, 25, 0.25), (0, 0, 0.0), (100, 120, 1.0)])
def test_gpu_share(size: int, vram: int, share: float) -> None:
    assert RunningModel("m", size=size, size_vram=vram).gpu_share == share


@pytest.mark.parametrize(
    ("info", "length"),
    [
        ({"general.architecture": "llama", "llama.context_length": 8192}, 8192),
        ({"general.architecture": "llama", "gemma3.context_length": 8192}, None),
        ({"general.architecture": "llama", "llama.context_length": "many"}, None),
        ({}, None),
    ],
)
def test_longest_context(info: dict[str, object], length: int | None) -> None:
    assert ModelInfo(ModelDetails(), info).context_length == length
