"""Candles and wire rows made for tests, and an exchange that holds candles in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine, create_engine

from market.candles import COLUMNS, empty_candles
from market.exchanges.exchange import with_bad_rows
from node.durations import Interval

NOW_MS = 1_750_000_020_000
"""A whole minute, and the time of a ManualClock."""

MINUTE = Interval.MINUTE


def make_candles(start_ms: int, count: int, interval: Interval = MINUTE, seed: int = 0) -> pd.DataFrame:
    """`count` candles from `start_ms` on that keep every invariant and differ from each other."""
    generator = np.random.default_rng([seed, start_ms // interval.ms])
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.001, count)))
    open_ = np.concatenate([[100.0], close[:-1]])
    volume = generator.uniform(1, 9, count)
    columns = {
        "open_time": start_ms + interval.ms * np.arange(count, dtype=np.int64),
        "open": open_,
        "high": np.maximum(open_, close) * 1.001,
        "low": np.minimum(open_, close) * 0.999,
        "close": close,
        "volume": volume,
        "quote_volume": volume * close,
        "trades": np.floor(volume * 7),
        "taker_base": volume / 2,
        "taker_quote": volume * close / 2,
    }
    return pd.DataFrame(columns)[list(COLUMNS)].round(8)


def wire_rows(candles: pd.DataFrame, interval: Interval = MINUTE) -> list[list[Any]]:
    """The rows as Binance sends them."""
    return [
        [
            int(t),
            *(f"{x:.8f}" for x in v[:5]),
            int(t) + interval.ms - 1,
            f"{v[5]:.8f}",
            int(v[6]),
            *(f"{x:.8f}" for x in v[7:]),
            "0",
        ]
        for t, *v in candles.itertuples(index=False)
    ]


class HeldExchange:
    """An exchange that has exactly the candles it is given, and notes what it was asked."""

    name = "binance"

    def __init__(self, candles: pd.DataFrame) -> None:
        self.held = candles
        self.asked: list[tuple[int, int]] = []
        self.bad = 0

    def candles(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
        self.asked.append((start_ms, end_ms))
        found = self.held[self.held["open_time"].between(start_ms, end_ms)] if len(self.held) else empty_candles()
        return with_bad_rows(found.reset_index(drop=True), self.bad)

    def reach(self, interval: Interval) -> int | None:
        return None

    def close(self) -> None:
        pass

    def time_ms(self) -> int:
        return NOW_MS


def database_in_memory() -> Engine:
    """For tests of one process alone: the node's own must be a file."""
    return create_engine("sqlite://")
