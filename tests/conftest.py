"""What all tests may ask for: the file of a real small model, and an engine that has it. Made when first asked for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.harness import EngineProcess, give_model, pull_weights, start_engine


def pytest_configure() -> None:
    """Ctrl+c works also where the tests run in the background: there a shell lets its programs ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's GGUF file. COTUI_TEST_MODELS names a folder that keeps it from one session to the next."""
    kept = os.environ.get("COTUI_TEST_MODELS")
    return pull_weights(Path(kept).absolute() if kept else tmp_path_factory.mktemp("pulled"))


@pytest.fixture(scope="session")
def model_engine(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine for the whole session with `smollm2:135m`; whoever changes its models puts them back."""
    models = tmp_path_factory.mktemp("engine") / "models"
    give_model(models, weights)
    with start_engine(models) as engine:
        yield engine
