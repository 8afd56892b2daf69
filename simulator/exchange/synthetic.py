"""A made-up market with the traits that matter: volatility clusters, fat tails, tokens that move together.

Every value depends on the seed and on absolute time alone, so that a simulator started again later shows the same past. Days and
hours are drawn in one stream since a fixed day; minutes are drawn day by day and tied to the day's first and last price. Log
prices return slowly to their level, so that no price drifts off to where no market has been.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from node.durations import DAY_MS, Interval
from simulator.exchange.candles import VALUES, Candles, aggregate, no_candles

FIRST_DAY: Final = 18_262
"""2020-01-01 in days since 1970: where the streams of days and hours begin."""

DAYS_AHEAD: Final = 2
MINUTES: Final = 1440

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Token:
    level: float
    """The price around which it moves."""
    tick: int
    """Decimals of its price."""
    common: float
    """How far it follows the market."""
    own: float
    """How far it goes its own way."""
    turnover: float
    """Quote volume of a usual minute."""


_TOKENS: Final = {
    "BTCUSDT": _Token(95_000, 2, 1.0, 0.35, 900_000),
    "ETHUSDT": _Token(3_300, 2, 1.2, 0.55, 600_000),
    "SOLUSDT": _Token(180, 2, 1.4, 0.9, 250_000),
    "BNBUSDT": _Token(650, 2, 0.8, 0.6, 120_000),
    "ARBUSDT": _Token(0.55, 4, 1.5, 1.0, 20_000),
    "XRPUSDT": _Token(2.2, 4, 1.1, 0.9, 200_000),
    "DOGEUSDT": _Token(0.25, 5, 1.4, 1.0, 90_000),
    "ADAUSDT": _Token(0.75, 4, 1.2, 0.9, 50_000),
    "NEARUSDT": _Token(4.2, 3, 1.4, 1.0, 20_000),
}

_MINUTE_DEVIATION: Final = 0.0006
"""Of the common factor's log return over a usual minute."""

_DAY_DEVIATION: Final = 0.022
_DAY_MEMORY: Final = 0.985
_TAIL_DEGREES: Final = 4
"""Degrees of freedom of Student's t: moves of ten deviations do happen."""

_MARKET = 0


class SyntheticMarket:
    """Nine tokens from `days` before now to two days after it, made when first asked for."""

    symbols: tuple[str, ...] = tuple(_TOKENS)

    def __init__(self, seed: int, days: int) -> None:
        self._seed, self._days = seed, days
        self._until_day = 0
        self._cache: dict[tuple[str, Interval], Candles] = {}
        self._common: tuple[_Floats, _Floats] | None = None

    @property
    def description(self) -> str:
        return f"made-up candles (seed {self._seed}) of {len(self.symbols)} tokens over {self._days} days and on"

    def candles(self, symbol: str, interval: Interval, now_ms: int) -> Candles:
        """From `days` before the first call's day to at least one day after `now_ms`."""
        today = now_ms // DAY_MS
        if today + 1 >= self._until_day:
            self._until_day = today + 1 + DAYS_AHEAD
            self._cache.clear()
            self._common = None
        if symbol not in _TOKENS:
            return no_candles()
        key = symbol, interval
        if key not in self._cache:
            minutes = self._cache.get((symbol, Interval.MINUTE)) or self._minutes(symbol)
            self._cache[symbol, Interval.MINUTE] = minutes
            self._cache[key] = minutes if interval is Interval.MINUTE else aggregate(minutes, interval)
        return self._cache[key]

    @property
    def _first(self) -> int:
        return self._until_day - 1 - DAYS_AHEAD - self._days

    def _minutes(self, symbol: str) -> Candles:
        token, stream = _TOKENS[symbol], 1 + list(_TOKENS).index(symbol)
        if self._common is None:
            self._common = self._noise(_MARKET), self._volatility(_MARKET)
        common, common_volatility = self._common
        own, own_volatility = self._noise(stream), self._volatility(stream)
        volatility = common_volatility * np.sqrt(own_volatility)
        returns = _MINUTE_DEVIATION * (token.common * common * common_volatility + token.own * own * own_volatility)
        days = token.common * self._days_of(_MARKET) + token.own * self._days_of(stream)
        closes = np.log(token.level) + _tied(returns, days, volatility)
        opens = np.concatenate([[np.log(token.level) + days[0]], closes[:-1]])
        values = self._dress(token, stream, np.exp(opens), np.exp(closes), volatility)
        first_ms = self._first * DAY_MS
        return Candles(first_ms + np.arange(len(values), dtype=np.int64) * Interval.MINUTE.ms, values)

    def _noise(self, stream: int) -> _Floats:
        """Fat-tailed numbers of unit deviation, one a minute."""
        days = [self._of_day(stream, day, 0).standard_t(_TAIL_DEGREES, MINUTES) for day in range(self._first, self._until_day)]
        deviation: float = np.sqrt(_TAIL_DEGREES / (_TAIL_DEGREES - 2))
        return np.concatenate(days) / deviation

    def _volatility(self, stream: int) -> _Floats:
        """A factor around one for each minute: a slow and a fast wave in hours, drawn on a line between them."""
        hours = (self._until_day - FIRST_DAY) * 24 + 1
        generator = np.random.default_rng([self._seed, stream, 1])
        noise = generator.standard_normal((hours, 2))
        log = _with_memory(noise[:, 0], 0.99) * 0.35 + _with_memory(noise[:, 1], 0.8) * 0.3
        log = log[(self._first - FIRST_DAY) * 24 :]
        # Hour by hour, so that not even rounding depends on where the past begins.
        line = log[:-1, None] + np.diff(log)[:, None] * (np.arange(60) / 60)
        volatility: _Floats = np.exp(line).ravel()
        return volatility

    def _days_of(self, stream: int) -> _Floats:
        """Log distance from the level at each midnight, one more than there are days."""
        generator = np.random.default_rng([self._seed, stream, 2])
        noise = generator.standard_normal(self._until_day - FIRST_DAY + 1)
        deviation: float = _DAY_DEVIATION / np.sqrt(1 - _DAY_MEMORY**2)
        return (_with_memory(noise, _DAY_MEMORY) * deviation)[self._first - FIRST_DAY :]

    def _dress(self, token: _Token, stream: int, opens: _Floats, closes: _Floats, volatility: _Floats) -> _Floats:
        """Wicks, volume and trades around the minutes' opens and closes."""
        days = range(self._first, self._until_day)
        noise = np.concatenate([self._of_day(stream, day, 3).standard_normal((MINUTES, 4)) for day in days])
        deviation = _MINUTE_DEVIATION * volatility * (token.common + token.own) / 2
        values = np.empty((len(opens), len(VALUES)))
        values[:, 0], values[:, 3] = np.round(opens, token.tick), np.round(closes, token.tick)
        top, bottom = np.maximum(values[:, 0], values[:, 3]), np.minimum(values[:, 0], values[:, 3])
        values[:, 1] = np.round(top * np.exp(np.abs(noise[:, 0]) * deviation / 2), token.tick)
        values[:, 2] = np.round(bottom * np.exp(-np.abs(noise[:, 1]) * deviation / 2), token.tick)
        moved = np.abs(np.log(closes / opens)) / deviation
        quote = token.turnover * volatility * (0.6 + 0.5 * moved) * np.exp(0.5 * noise[:, 2])
        taker = np.clip(0.5 + 0.1 * noise[:, 3] + 0.1 * np.sign(closes - opens) * np.minimum(moved, 2), 0.02, 0.98)
        values[:, 4] = np.round(quote / closes, 5)
        values[:, 5] = np.round(quote, 5)
        values[:, 6] = np.maximum(1, np.round(quote / 400))
        values[:, 7] = np.round(quote / closes * taker, 5)
        values[:, 8] = np.round(quote * taker, 5)
        return values

    def _of_day(self, stream: int, day: int, use: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, stream, 4 + use, day])


def _with_memory(noise: _Floats, memory: float) -> _Floats:
    """A stationary series of unit deviation in which each number keeps `memory` of the one before."""
    result, value, fresh = np.empty_like(noise), float(noise[0]), float(np.sqrt(1 - memory**2))
    for index, step in enumerate(noise.tolist()):
        value = memory * value + fresh * step if index else value
        result[index] = value
    return result


def _tied(returns: _Floats, days: _Floats, volatility: _Floats) -> _Floats:
    """Log closes whose days begin and end where `days` says; what a day's returns miss is spread over its livelier minutes."""
    by_day = returns.reshape(-1, MINUTES)
    weight = volatility.reshape(-1, MINUTES) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    missed = np.diff(days) - by_day.sum(axis=1)
    closes: _Floats = days[:-1, None] + np.cumsum(by_day + missed[:, None] * weight, axis=1)
    return closes.ravel()
