"""Kraken's and CoinGecko's routes over the same market, in their own wire formats.

`/0/public/OHLC` and `/0/public/Time` as Kraken has them, `/api/v3/coins/<id>/ohlc` as CoinGecko does. What they add to or take from
Binance's prices is nothing: which of them a candle came from is for the node to know.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from aiohttp import web

from node.clock import Clock
from node.durations import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Interval
from simulator.exchange.candles import CLOSE, HIGH, LOW, OPEN, VOLUME, Candles, Market, with_forming

MAX_KRAKEN_ROWS: Final = 720
"""Kraken's newest candles, and no older ones."""

KRAKEN_TOKENS: Final = {"XBT": "BTC", "XDG": "DOGE"}
COINS: Final = {"bitcoin": "BTC", "ethereum": "ETH", "solana": "SOL", "binancecoin": "BNB", "arbitrum": "ARB", "near": "NEAR"}
GRAINS: Final = {1: 30 * MINUTE_MS, 7: 4 * HOUR_MS, 14: 4 * HOUR_MS, 30: 4 * HOUR_MS}
"""Days asked of CoinGecko, and the length of the candles that come then."""

_QUOTE_VOLUME, _TRADES = 5, 6


class OtherSources:
    """Answers from `market` as of `clock`."""

    def __init__(self, market: Market, clock: Clock) -> None:
        self._market, self._clock = market, clock

    def routes(self) -> list[web.RouteDef]:
        """Of both."""
        return [
            web.get("/0/public/OHLC", self._kraken_candles),
            web.get("/0/public/Time", self._kraken_time),
            web.get("/api/v3/coins/{coin}/ohlc", self._coingecko_candles),
        ]

    async def _kraken_candles(self, request: web.Request) -> web.Response:
        pair, minutes = request.query.get("pair", ""), request.query.get("interval", "1")
        token = KRAKEN_TOKENS.get(pair.removesuffix("USD"), pair.removesuffix("USD"))
        interval = next((one for one in Interval if str(one.ms // MINUTE_MS) == minutes), None)
        since = request.query.get("since", "0")
        if interval is None or not since.isdecimal():
            return web.json_response({"error": ["EGeneral:Invalid arguments"]})
        if not pair.endswith("USD") or f"{token}USDT" not in self._market.symbols:
            return web.json_response({"error": ["EQuery:Unknown asset pair"]})
        candles = self._newest(f"{token}USDT", interval, MAX_KRAKEN_ROWS)
        rows = [row for row in _kraken_rows(candles) if row[0] > int(since)]
        last = int(candles.open_time[-2]) // SECOND_MS if len(candles) > 1 else 0
        return web.json_response({"error": [], "result": {f"X{pair[:-3]}ZUSD": rows, "last": last}})

    async def _kraken_time(self, _: web.Request) -> web.Response:
        return web.json_response({"error": [], "result": {"unixtime": self._clock.now_ms() // SECOND_MS, "rfc1123": ""}})

    async def _coingecko_candles(self, request: web.Request) -> web.Response:
        token = COINS.get(request.match_info["coin"])
        days = request.query.get("days", "")
        if token is None:
            return web.json_response({"error": "coin not found"}, status=404)
        if request.query.get("vs_currency") != "usd" or not days.isdecimal() or int(days) not in GRAINS:
            return web.json_response({"error": "Invalid request"}, status=422)
        grain = GRAINS[int(days)]
        now_ms = self._clock.now_ms()
        minutes = self._market.candles(f"{token}USDT", Interval.MINUTE, now_ms)
        end_ms = now_ms - now_ms % grain
        closed = minutes.between(end_ms - int(days) * DAY_MS, end_ms - MINUTE_MS)
        return web.json_response(_coingecko_rows(closed, grain))

    def _newest(self, symbol: str, interval: Interval, count: int) -> Candles:
        """The newest candles, the last of them still forming."""
        now_ms = self._clock.now_ms()
        candles = self._market.candles(symbol, interval, now_ms).between(0, now_ms)
        candles = Candles(candles.open_time[-count:], candles.values[-count:])
        return with_forming(candles, self._market.candles(symbol, Interval.MINUTE, now_ms), interval, now_ms)


def _kraken_rows(candles: Candles) -> list[list[Any]]:
    """Time in seconds, open, high, low, close, mean price, volume, trades; prices and volume as strings."""
    return [
        [
            time // SECOND_MS,
            *(f"{value:.8f}" for value in v[OPEN : CLOSE + 1]),
            f"{v[_QUOTE_VOLUME] / v[VOLUME] if v[VOLUME] else 0:.8f}",
            f"{v[VOLUME]:.8f}",
            int(v[_TRADES]),
        ]
        for time, v in zip(candles.open_time.tolist(), candles.values.tolist(), strict=True)
    ]


def _coingecko_rows(minutes: Candles, grain: int) -> list[list[float]]:
    """Close time, open, high, low, close of each whole grain."""
    starts = np.unique(minutes.open_time - minutes.open_time % grain)
    parts = [minutes.between(int(start), int(start) + grain - MINUTE_MS).values for start in starts]
    return [
        [int(start) + grain, v[0, OPEN], v[:, HIGH].max(), v[:, LOW].min(), v[-1, CLOSE]]
        for start, v in zip(starts, parts, strict=True)
    ]
