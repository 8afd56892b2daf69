"""A store on a real SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from market.candle_store import CandleStore
from node.database import open_database


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CandleStore]:
    engine = open_database(f"sqlite:///{tmp_path}/node.db")
    yield CandleStore(engine)
    engine.dispose()
