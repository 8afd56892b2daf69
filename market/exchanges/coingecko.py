"""CoinGecko: prices of a token in dollars over all exchanges, as far as candles can honestly be made of them.

https://docs.coingecko.com/reference/coins-id-ohlc: `[close time in ms, open, high, low, close]`. A day comes in half hours, a month
in four-hour candles; nothing is finer, and nothing is asked for that is coarser. So hours are made of two half hours each, days of
six four-hour candles each, and minutes are not made at all. No candle has a volume: it is 0 in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from market.bounded_http import earlier
from market.candles import COLUMNS, ENOUGH_TO_TELL, OPTIONAL_COLUMNS, PRICES, plausible_rows, sound_rows
from market.exchanges.exchange import Exchange, ExchangeStatus, token_of, with_doubtful, within
from market.exchanges.public_api import PublicApi
from node.clock import Clock
from node.durations import DAY_MS, HOUR_MS, MINUTE_MS, Interval
from node.errors import BadMarketDataError, UnknownSymbolError
from node.secrets import Secret

COINS: Final = {
    "ADA": "cardano",
    "ARB": "arbitrum",
    "AVAX": "avalanche-2",
    "BERA": "berachain-bera",
    "BNB": "binancecoin",
    "BTC": "bitcoin",
    "DOGE": "dogecoin",
    "ETH": "ethereum",
    "LINK": "chainlink",
    "LTC": "litecoin",
    "NEAR": "near",
    "SOL": "solana",
    "XRP": "ripple",
}
"""CoinGecko's names. Several coins share a token's letters, so that no name is guessed."""

KEY_HEADER: Final = "x-cg-demo-api-key"
"""Where a key of CoinGecko's free Demo plan belongs; without one it answers a few requests a minute from an address, or none."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What an interval's candles are made of: days asked for, and the length of the candles that come then."""

    days: int
    ms: int


_PARTS: Final = {Interval.HOUR: _Part(1, 30 * MINUTE_MS), Interval.DAY: _Part(30, 4 * HOUR_MS)}


class CoinGecko(Exchange):
    """Client for CoinGecko's public candles: hours of the last day, days of the last month, prices alone."""

    name = "coingecko"

    def __init__(
        self, base: str, clock: Clock, *, api_key: Secret | None = None, connect_timeout: float = 5, read_timeout: float = 10
    ) -> None:
        self._clock = clock
        # In a header, never in a URL, which ends up in logs of many.
        headers = {} if api_key is None else {KEY_HEADER: api_key.get_secret_value()}
        self._api = PublicApi(base, clock, connect_timeout=connect_timeout, read_timeout=read_timeout, headers=headers)

    def candles(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
        """Closed candles with start_ms <= open_time <= end_ms, as far as there are; see `Exchange.candles`.

        UnknownSymbolError also for an interval that cannot be made.
        """
        coin, part = COINS.get(token_of(symbol)), _PARTS.get(interval)
        if coin is None:
            raise UnknownSymbolError(f"coingecko's name of {symbol} is not known here", hint="Choose another of updater.sources.")
        if part is None:
            raise UnknownSymbolError(f"coingecko has no {interval} candles", hint="Choose another of updater.sources.")
        answer = self._api.get(f"/api/v3/coins/{coin}/ohlc", {"vs_currency": "usd", "days": part.days})
        if answer.status == 404:
            raise UnknownSymbolError(f"coingecko does not know {coin}")
        rows = self._api.json(answer)
        if not isinstance(rows, list):
            raise BadMarketDataError(f"coingecko's answer is not a list of candles: {answer.start}")
        closed = interval.last_closed(earlier(self._clock.now_ms(), answer))
        candles, bad = _candles(rows, interval, part.ms)
        return within(candles, start_ms, min(end_ms, closed), bad)

    def reach(self, interval: Interval) -> int | None:
        """What a day or a month holds, less the ends."""
        part = _PARTS.get(interval)
        return 1 if part is None else part.days * DAY_MS // interval.ms - 2

    def time_ms(self) -> int:
        """The server's own time, UTC milliseconds, exact to a second."""
        sent_ms = self._api.get("/api/v3/ping", {}).sent_ms
        if sent_ms is None:
            raise BadMarketDataError("coingecko does not tell its time")
        return sent_ms

    def status(self) -> ExchangeStatus:
        """How it treats us, from what it last answered."""
        return self._api.status()

    def close(self) -> None:
        """Give connections back."""
        self._api.close()


def _candles(rows: list[Any], interval: Interval, part_ms: int) -> tuple[pd.DataFrame, int]:
    """Candles of `interval` of which every part is there, sorted, and how many parts were left out as bad."""
    read = [values for values in map(_read_row, rows) if values is not None]
    parts = pd.DataFrame(np.array(read, dtype=np.float64).reshape(len(read), 5), columns=list(COLUMNS[:5]))
    parts["open_time"] -= part_ms
    _check_length(parts["open_time"].to_numpy(), part_ms)
    # The newest is stamped with the moment at which it was made: no candle yet.
    parts = parts[parts["open_time"] % part_ms == 0].drop_duplicates("open_time").sort_values("open_time")
    parts["start"] = parts["open_time"] // interval.ms * interval.ms
    groups = parts.groupby("start")
    frame = groups.agg(open=("open", "first"), high=("high", "max"), low=("low", "min"), close=("close", "last"))
    frame = frame[groups.size() == interval.ms // part_ms].rename_axis("open_time").reset_index()
    frame["volume"] = 0.0
    frame[list(OPTIONAL_COLUMNS)] = np.nan
    frame = frame[list(COLUMNS)].astype(dict.fromkeys(COLUMNS[1:], np.float64) | {"open_time": np.int64})
    sound = frame[sound_rows(frame, interval)]
    plausible = plausible_rows(sound, interval)
    candles = sound[plausible]
    return with_doubtful(candles, sound[~plausible]), len(rows) - len(read) + len(frame) - len(candles)


def _check_length(open_time: npt.NDArray[np.float64], part_ms: int) -> None:
    """BadMarketDataError if the rows are of another length than those that an interval is made of."""
    steps = np.diff(np.unique(open_time))
    if len(steps) + 1 >= ENOUGH_TO_TELL and float(np.median(steps)) != part_ms:
        raise BadMarketDataError(f"coingecko's candles are {np.median(steps) / 1000:g} s apart instead of {part_ms / 1000:g}")


def _read_row(row: Any) -> list[float] | None:
    if not isinstance(row, list) or len(row) != 1 + len(PRICES):
        return None
    try:
        return [float(int(row[0])), *map(float, row[1:])]
    except (TypeError, ValueError, OverflowError):
        return None
