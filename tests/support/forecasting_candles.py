"""Candles made up for tests: a price that wanders, with hours that are wild and hours that are calm."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecasting.dataset.signature import Signature
from node.durations import Interval
from node.topics import Task

START_MS = 1_750_032_000_000


def make_candles(
    count: int, interval: Interval = Interval.MINUTE, seed: int = 0, predictable: float = 0.0, start_ms: int = START_MS
) -> pd.DataFrame:
    """`count` closed candles. `predictable` is how much of a return comes back in the next one."""
    noise = np.random.default_rng(seed)
    calm = np.empty(count)
    state = 0.0
    for i, shock in enumerate(noise.normal(size=count) * 0.15):
        state = 0.98 * state + shock
        calm[i] = state
    returns = 5e-4 * np.exp(calm) * noise.standard_t(5, size=count)
    for i in range(1, count):
        returns[i] += predictable * returns[i - 1]
    close = 100 * np.exp(np.cumsum(returns))
    open_ = np.concatenate(([100.0], close[:-1]))
    spread = np.exp(np.abs(noise.normal(size=(2, count))) * 2e-4 * np.exp(calm))
    frame = pd.DataFrame(
        {
            "open_time": start_ms + np.arange(count, dtype=np.int64) * interval.ms,
            "open": open_,
            "high": np.maximum(open_, close) * spread[0],
            "low": np.minimum(open_, close) / spread[1],
            "close": close,
            "volume": np.exp(calm + noise.normal(size=count) * 0.3) * 10,
        }
    )
    for name in ("quote_volume", "trades", "taker_base", "taker_quote"):
        frame[name] = np.nan
    return frame


def signature_for(task: Task, window: int = 8) -> Signature:
    """A signature with few features, for whatever needs one without a training."""
    features = ("scaled_return_1", "log_volatility_15", "relative_volume_60", "day_sine")
    return Signature(task.token, task.target, task.horizon, task.interval, window, features)
