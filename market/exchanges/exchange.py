"""What the node asks of an exchange. A client for another exchange implements this and nothing else changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pandas as pd

from market.candles import COLUMNS, empty_candles
from node.durations import Interval
from node.topics import QUOTE_ASSET

PAGE: Final = 1000
"""Candles an exchange hands out per request; asking for a multiple of it wastes none."""

_BAD_ROWS: Final = "bad_rows"
_DOUBTFUL: Final = "doubtful_rows"


@dataclass(frozen=True, slots=True)
class ExchangeStatus:
    """How an exchange treats this node."""

    used_weight: int = 0
    """Request weight of the newest minute in which it was asked, as it counts it."""
    silent_seconds: float = 0.0
    """How long it must not be asked: a rate limit or a ban."""
    refusing: int = 0
    """How many of its addresses refuse us."""


class Exchange(Protocol):
    """A source of closed candles. Every error is a MarketError."""

    name: str
    """Kept beside every candle that comes from it."""

    def candles(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
        """Closed candles with start_ms <= open_time <= end_ms, paged inside; empty where the exchange has none.

        Rows that broke an invariant are left out; `bad_rows` tells how many of them there were.
        """
        ...

    def reach(self, interval: Interval) -> int | None:
        """How many of the newest closed candles it hands out at most; None if its history has no such bound."""
        ...

    def time_ms(self) -> int:
        """The exchange's own time, UTC milliseconds."""
        ...

    def status(self) -> ExchangeStatus:
        """How it treats us, from what it last answered; asks nothing."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


def token_of(symbol: str) -> str:
    """The token of a pair as Binance writes it: BTCUSDT → BTC. Other exchanges name and quote it otherwise."""
    return symbol.removesuffix(QUOTE_ASSET)


def bad_rows(candles: pd.DataFrame) -> int:
    """How many rows the exchange sent that were left out of `candles`: where one is missing, it need not be the exchange's gap."""
    return int(candles.attrs.get(_BAD_ROWS, 0))


def doubtful_rows(candles: pd.DataFrame) -> pd.DataFrame:
    """Those of the bad rows that keep every rule but that no market is known to have moved so: `market.doubts` decides on them."""
    rows = candles.attrs.get(_DOUBTFUL, ())
    return pd.DataFrame(list(rows), columns=list(COLUMNS)).astype({"open_time": np.int64}) if rows else empty_candles()


def with_doubtful(candles: pd.DataFrame, doubtful: pd.DataFrame) -> pd.DataFrame:
    """The same frame, remembering rows that were left out as doubtful; they count among its bad rows already."""
    # As plain numbers: pandas compares what frames remember when it puts them together.
    candles.attrs[_DOUBTFUL] = tuple(doubtful[list(COLUMNS)].itertuples(index=False, name=None))
    return candles


def within(candles: pd.DataFrame, start_ms: int, end_ms: int, bad: int) -> pd.DataFrame:
    """The candles and the doubtful rows with start_ms <= open_time <= end_ms, remembering that `bad` rows were left out."""
    found, doubtful = (
        each[each["open_time"].between(start_ms, end_ms)].reset_index(drop=True) for each in (candles, doubtful_rows(candles))
    )
    return with_bad_rows(with_doubtful(found, doubtful), bad)


def with_bad_rows(candles: pd.DataFrame, count: int) -> pd.DataFrame:
    """The same frame, remembering how many rows were left out."""
    candles.attrs[_BAD_ROWS] = count
    return candles
