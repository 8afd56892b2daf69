"""The routes: Binance's /api/v3 and archive in their own wire formats, and /simulator to make it fail and to look at it.

Beside them stand two other sources of candles, which share nothing with Binance but the market: no weight and no failure.

Weights, limits and error bodies follow https://developers.binance.com/docs/binance-spot-api-docs/rest-api.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, Final

from aiohttp import web

from node.clock import Clock
from node.durations import MINUTE_MS, SECOND_MS, Interval
from simulator.exchange.archive import SimulatedArchive
from simulator.exchange.candles import Candles, Market, with_forming
from simulator.exchange.failures import Failures, Row
from simulator.exchange.others import OtherSources

DEFAULT_LIMIT: Final = 500
MAX_ROWS_PER_PAGE: Final = 1000
WEIGHT_PER_MINUTE: Final = 6000
_LEGAL_SYMBOL: Final = re.compile(r"[A-Z0-9\-_.]{1,20}")
_LEGAL_NUMBER: Final = re.compile(r"[0-9]{1,18}")


class _BinanceError(Exception):
    """A 400 with Binance's code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = {"code": code, "msg": message}


class SimulatedExchange:
    """Answers from `market` as of `clock`, failing as `failures` says."""

    def __init__(self, market: Market, clock: Clock, failures: Failures) -> None:
        self._market, self._clock, self._failures = market, clock, failures
        self._archive = SimulatedArchive(market, clock, failures)
        self._weight = 0
        self._weight_minute = 0
        self._requests = 0

    def application(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application(middlewares=[self._as_binance])
        application.add_routes(
            [
                web.get("/api/v3/klines", self._klines),
                web.get("/api/v3/time", self._time),
                web.get("/api/v3/ping", self._ping),
                web.get("/api/v3/exchangeInfo", self._exchange_info),
                web.get("/simulator/state", self._state),
                web.post("/simulator/fail", self._fail),
                web.post("/simulator/heal", self._heal),
                *self._archive.routes(),
                *OtherSources(self._market, self._clock).routes(),
            ]
        )
        application.on_response_prepare.append(self._stamp)
        return application

    @web.middleware
    async def _as_binance(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Weight, failures and error bodies of everything of Binance's under /api."""
        if not _is_binance(request):
            return await handler(request)
        self._requests += 1
        instead = await self._failures.instead(request) or self._count(request.path)
        if instead is not None:
            return instead
        try:
            return await handler(request)
        except _BinanceError as error:
            return web.json_response(error.body, status=400)

    def _count(self, path: str) -> web.Response | None:
        """Add the request's weight; an answer if the minute's weight is used up."""
        minute = self._clock.now_ms() // MINUTE_MS
        if minute != self._weight_minute:
            self._weight, self._weight_minute = 0, minute
        self._weight += {"/api/v3/klines": 2, "/api/v3/exchangeInfo": 20}.get(path, 1)
        if self._weight <= WEIGHT_PER_MINUTE:
            return None
        left = (MINUTE_MS - self._clock.now_ms() % MINUTE_MS) // SECOND_MS + 1
        body = {
            "code": -1003,
            "msg": f"Too much request weight used; current limit is {WEIGHT_PER_MINUTE} request weight per 1 MINUTE.",
        }
        return web.json_response(body, status=429, headers={"Retry-After": str(left)})

    async def _stamp(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = formatdate(self._clock.now_ms() / SECOND_MS, usegmt=True)
        if _is_binance(request):
            response.headers["X-MBX-USED-WEIGHT-1M"] = str(self._weight)

    async def _klines(self, request: web.Request) -> web.Response:
        symbol, interval = self._symbol(request.query), _interval(request.query)
        start, end = _number(request.query, "startTime"), _number(request.query, "endTime")
        limit = _number(request.query, "limit")
        if limit == 0:
            raise _BinanceError(-1130, "Data sent for parameter 'limit' is not valid.")
        candles = self._window(symbol, interval, start, end, min(limit or DEFAULT_LIMIT, MAX_ROWS_PER_PAGE))
        rows = self._failures.spoil(_wire(candles, interval), interval)
        return web.Response(
            text=self._failures.spoil_text(json.dumps(rows, separators=(",", ":"))), content_type="application/json"
        )

    def _window(self, symbol: str, interval: Interval, start: int | None, end: int | None, limit: int) -> Candles:
        """The first `limit` candles from `start` on, or without it the last `limit` up to `end`; the newest is still forming."""
        now_ms = self._clock.now_ms()
        candles = self._market.candles(symbol, interval, now_ms)
        candles = self._failures.traded(candles.between(start or 0, now_ms if end is None else min(end, now_ms)), interval)
        part = slice(0, limit) if start is not None else slice(max(0, len(candles) - limit), None)
        candles = Candles(candles.open_time[part], candles.values[part])
        return with_forming(candles, self._market.candles(symbol, Interval.MINUTE, now_ms), interval, now_ms)

    def _symbol(self, query: Any) -> str:
        symbol = str(query.get("symbol", ""))
        if not symbol:
            raise _BinanceError(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        if not _LEGAL_SYMBOL.fullmatch(symbol):
            raise _BinanceError(-1100, "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'.")
        if symbol not in self._market.symbols:
            raise _BinanceError(-1121, "Invalid symbol.")
        return symbol

    async def _time(self, _: web.Request) -> web.Response:
        return web.json_response({"serverTime": self._clock.now_ms()})

    async def _ping(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _exchange_info(self, _: web.Request) -> web.Response:
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_PER_MINUTE}
        symbols = [
            {"symbol": symbol, "status": "TRADING", "baseAsset": symbol.removesuffix("USDT"), "quoteAsset": "USDT"}
            for symbol in self._market.symbols
        ]
        now_ms = self._clock.now_ms()
        return web.json_response({"timezone": "UTC", "serverTime": now_ms, "rateLimits": [limit], "symbols": symbols})

    async def _state(self, _: web.Request) -> web.Response:
        state = {
            "market": self._market.description,
            "symbols": self._market.symbols,
            "now_ms": self._clock.now_ms(),
            "requests": self._requests,
            "archive_requests": self._archive.requests,
            "used_weight": self._weight,
            "failures": self._failures.active,
        }
        return web.json_response(state)

    async def _fail(self, request: web.Request) -> web.Response:
        try:
            order = await request.json()
            seconds = order.get("seconds")
            self._failures.start(str(order["name"]), None if seconds is None else float(seconds))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return web.json_response({"error": f'send {{"name": …, "seconds"?: …}}: {error}'}, status=400)
        return web.json_response({"failures": self._failures.active})

    async def _heal(self, _: web.Request) -> web.Response:
        self._failures.heal()
        return web.json_response({"failures": []})


def _is_binance(request: web.Request) -> bool:
    return request.path.startswith("/api/") and not request.path.startswith("/api/v3/coins/")


def _interval(query: Any) -> Interval:
    if not query.get("interval"):
        raise _BinanceError(-1102, "Mandatory parameter 'interval' was not sent, was empty/null, or malformed.")
    try:
        return Interval(query["interval"])
    except ValueError:
        raise _BinanceError(-1120, "Invalid interval.") from None


def _number(query: Any, name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not _LEGAL_NUMBER.fullmatch(text):
        raise _BinanceError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(text)


def _wire(candles: Candles, interval: Interval) -> list[Row]:
    """Rows in Binance's 12 columns: times and trades as integers, everything else as a string."""
    rows = zip(candles.open_time.tolist(), candles.values.tolist(), strict=True)
    return [
        [
            time,
            *(f"{value:.8f}" for value in v[:5]),
            time + interval.ms - 1,
            f"{v[5]:.8f}",
            int(v[6]),
            f"{v[7]:.8f}",
            f"{v[8]:.8f}",
            "0",
        ]
        for time, v in rows
    ]
