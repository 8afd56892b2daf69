"""One trained candidate, shared by whatever asks it."""

from __future__ import annotations

import pandas as pd
import pytest

from forecasting.training.train import Candidate, train
from forecasting.training.training_loop import FitSettings
from node.durations import Duration
from node.topics import Target, Task
from tests.support.forecasting_candles import make_candles

SHORT = FitSettings(windows_per_epoch=1_024)


@pytest.fixture(scope="session")
def volatility_task() -> Task:
    return Task("BTC", Target.VOLATILITY, Duration.parse("15m"))


@pytest.fixture(scope="session")
def candles() -> pd.DataFrame:
    return make_candles(3_000)


@pytest.fixture(scope="session")
def volatility_model(volatility_task: Task, candles: pd.DataFrame) -> Candidate:
    """Trained on candles whose volatility comes in clusters, so that it has something to say."""
    return train(volatility_task, "birnn", "mse", candles, seed=3, max_epochs=8, settings=SHORT)


@pytest.fixture(scope="session")
def price_candles() -> pd.DataFrame:
    """A market that nobody has: a third of each return comes again in the next."""
    return make_candles(3_000, seed=1, predictable=0.35)


@pytest.fixture(scope="session")
def price_model(price_candles: pd.DataFrame) -> Candidate:
    """Trained on a return that can be forecast."""
    task = Task("BTC", Target.PRICE, Duration.parse("1m"))
    return train(task, "birnn", "czar", price_candles, max_epochs=8, settings=SHORT)
