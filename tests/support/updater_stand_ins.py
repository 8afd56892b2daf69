"""A market that exists only in memory, for the updater's own logic; the real client and a real exchange are tried elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Final

import numpy as np
import pandas as pd

from market.candles import COLUMNS
from market.exchanges.exchange import ExchangeStatus
from node.clock import Clock
from node.durations import Interval
from node.errors import MarketError


def candles(interval: Interval, start_ms: int, count: int, *, seed: int = 0, price: float = 100.0) -> pd.DataFrame:
    """A random walk of closed candles from `start_ms` on."""
    random = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(random.standard_t(4, count) * 1e-3))
    open_ = np.concatenate([[price], close[:-1]])
    frame = pd.DataFrame({name: np.full(count, np.nan) for name in COLUMNS})
    frame["open_time"] = start_ms + np.arange(count, dtype=np.int64) * interval.ms
    frame["open"], frame["close"] = open_, close
    frame["high"] = np.maximum(open_, close) * 1.0002
    frame["low"] = np.minimum(open_, close) * 0.9998
    frame["volume"] = random.gamma(2.0, 5.0, count)
    return frame


MAX_CANDLES: Final = 20_000
"""Candles that were made before the start: more would be memory that no test reads."""


class MemoryExchange:
    """Has candles of every symbol since `since_ms`, at most the newest MAX_CANDLES, but for the symbols that fail with an error."""

    def __init__(
        self,
        clock: Clock,
        since_ms: int,
        failing: dict[str, MarketError] | None = None,
        empty: Iterable[str] = (),
        *,
        name: str = "binance",
        reach: int | None = None,
    ) -> None:
        self.name, self._reach = name, reach
        self._clock = clock
        self._since_ms = since_ms
        self.failing = failing or {}
        self._empty = set(empty)
        self.asked: list[tuple[str, Interval]] = []
        self._whole: dict[tuple[str, Interval], pd.DataFrame] = {}

    def candles(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
        self.asked.append((symbol, interval))
        if symbol in self.failing:
            raise self.failing[symbol]
        frame = self._all(symbol, interval)
        end_ms = min(end_ms, interval.last_closed(self._clock.now_ms()))
        return frame[frame["open_time"].between(start_ms, end_ms)].reset_index(drop=True)

    def reach(self, interval: Interval) -> int | None:
        return self._reach

    def close(self) -> None:
        pass

    def time_ms(self) -> int:
        return self._clock.now_ms()

    def status(self) -> ExchangeStatus:
        return ExchangeStatus()

    def _all(self, symbol: str, interval: Interval) -> pd.DataFrame:
        if (symbol, interval) not in self._whole:
            start = (
                max(interval.floor(self._since_ms), interval.last_closed(self._clock.now_ms()) - MAX_CANDLES * interval.ms)
                + interval.ms
            )
            count = 1 if symbol in self._empty else (self._clock.now_ms() - start) // interval.ms + 5000
            whole = candles(interval, start, count, seed=sum(map(ord, symbol)))
            self._whole[symbol, interval] = whole[whole["open_time"] < 0] if symbol in self._empty else whole
        return self._whole[symbol, interval]


def train_for_long(*told: object) -> None:
    """In place of what trains: a training that ends with its process and not before."""
    # In one piece: two processes write to one pipe.
    sys.stdout.write(f"training {told[-1]}\n")
    sys.stdout.flush()
    time.sleep(90)
