"""What the node asks of an exchange. A client for another exchange implements this and nothing else changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import pandas as pd

from node.durations import Interval
from node.topics import QUOTE_ASSET

PAGE: Final = 1000
"""Candles an exchange hands out per request; asking for a multiple of it wastes none."""

_BAD_ROWS: Final = "bad_rows"


@dataclass(frozen=True, slots=True)
class Standing:
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

    def standing(self) -> Standing:
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


def with_bad_rows(candles: pd.DataFrame, count: int) -> pd.DataFrame:
    """The same frame, remembering how many rows were left out."""
    candles.attrs[_BAD_ROWS] = count
    return candles
