"""Two sources with candles of their own, a store, and a clock that tests move."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import text

from market.candle_store import CandleStore
from market.exchanges.exchange import ExchangeStatus
from market.sources import Sources
from node.clock import ManualClock
from node.durations import Interval
from node.errors import ExchangeUnreachableError, MarketError, UnknownSymbolError
from tests.support.market_candles import MINUTE, NOW_MS, database_in_memory, make_candles

STEP = MINUTE.ms
BARS = 3000
SYMBOL = "BTCUSDT"
DOWN = ExchangeUnreachableError("no answer in time")
LACKS = UnknownSymbolError("no such pair")


class Held:
    """A source with candles of its own, which fails when told to."""

    def __init__(self, name: str, clock: ManualClock, seed: int, reach: int | None = None) -> None:
        self.name, self._clock, self._reach = name, clock, reach
        self.held = make_candles(NOW_MS - BARS * STEP, BARS + 500, seed=seed)
        self.error: MarketError | None = None
        self.dead_since: int | None = None
        self.asked = 0

    def candles(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
        self.asked += 1
        if self.error is not None:
            raise self.error
        last = interval.last_closed(self._clock.now_ms())
        first = start_ms if self._reach is None else max(start_ms, last - (self._reach - 1) * interval.ms)
        if self.dead_since is not None:
            end_ms = min(end_ms, self.dead_since - interval.ms)
        return self.held[self.held["open_time"].between(first, min(end_ms, last))].reset_index(drop=True)

    def reach(self, interval: Interval) -> int | None:
        return self._reach

    def time_ms(self) -> int:
        return self._clock.now_ms()

    def status(self) -> ExchangeStatus:
        return ExchangeStatus()

    def close(self) -> None:
        pass


class World:
    def __init__(self) -> None:
        self.clock = ManualClock(NOW_MS)
        self.engine = database_in_memory()
        self.store = CandleStore(self.engine)
        self.binance, self.kraken = Held("binance", self.clock, 1), Held("kraken", self.clock, 2, reach=700)
        self.sources = Sources([self.binance, self.kraken], self.clock)

    def refresh(self, bars: int = BARS) -> tuple[int, int, int, tuple[str, ...]]:
        done = self.sources.refresh(self.store, SYMBOL, MINUTE, bars * STEP)
        return done.have, done.want, done.gaps, done.missed

    def origins(self) -> pd.Series[str]:
        """The source of each candle, checked to hold that source's numbers whole."""
        with self.engine.connect() as connection:
            rows = connection.execute(text("SELECT open_time, source FROM candles ORDER BY open_time")).all()
        origins = pd.Series([row.source for row in rows], index=[row.open_time for row in rows])
        stored = self.store.window(SYMBOL, MINUTE, 0, NOW_MS + 500 * STEP)
        for source in (self.binance, self.kraken):
            of_it = stored[origins.to_numpy() == source.name].reset_index(drop=True)
            held = source.held[source.held["open_time"].isin(of_it["open_time"])].reset_index(drop=True)
            pd.testing.assert_frame_equal(of_it, held)
        return origins
