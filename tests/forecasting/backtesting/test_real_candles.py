"""On recorded candles: never noticeably worse than the baseline, and better where there is something to know.

REAL_CANDLES names a folder of Parquet files, `<SYMBOL>-<interval>-<first day>_<last day>.parquet`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.evaluation.walk_forward import walk_forward
from forecasting.prediction.forecast import forecast
from forecasting.prediction.onnx_session import open_session
from forecasting.training.train import train
from node.durations import Duration
from node.topics import Target, Task

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif("REAL_CANDLES" not in os.environ, reason="REAL_CANDLES names no folder of recorded candles"),
]

MONTH = 30 * 24 * 60


@pytest.fixture(scope="module")
def month() -> pd.DataFrame:
    """A month of BTC minutes."""
    (file,) = Path(os.environ["REAL_CANDLES"]).glob("BTCUSDT-1m-2025-03-01_*.parquet")
    columns = ["open_time", "open", "high", "low", "close", "volume"]
    candles = pd.read_parquet(file, columns=columns).iloc[:MONTH].reset_index(drop=True)
    return candles.assign(quote_volume=np.nan, trades=np.nan, taker_base=np.nan, taker_quote=np.nan)


def test_a_return_that_cannot_be_forecast_stays_with_the_baseline(month: pd.DataFrame) -> None:
    candidate = train(Task("BTC", Target.PRICE, Duration.parse("10m")), "birnn", "mse", month, max_epochs=6)
    assert candidate.scores.ratio <= 1.003
    price = forecast(open_session(candidate.graph), candidate.signature, month).value
    assert price == pytest.approx(month["close"].iloc[-1], rel=0.01)


def test_a_volatility_is_forecast_better_than_by_its_last_value(month: pd.DataFrame) -> None:
    task = Task("BTC", Target.VOLATILITY, Duration.parse("15m"))
    candidate = train(task, "birnn", "mse", month, max_epochs=6)
    assert candidate.scores.ratio < 0.92
    assert candidate.scores.dm > 3
    start, end = candidate.test_start_ms, candidate.test_end_ms
    walk = walk_forward(open_session(candidate.graph), candidate.signature, month, start, end, candidate.intervals)
    assert walk.score("mse") == candidate.scores
