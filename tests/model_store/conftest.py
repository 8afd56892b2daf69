from __future__ import annotations

from pathlib import Path

import pytest

from model_store.store import ModelStore
from node.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> ModelStore:
    return ModelStore(tmp_path / "checkpoints", clock)
