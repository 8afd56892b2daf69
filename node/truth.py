"""What a topic's truth is: which interval a nonce asks about, what came of it, in which unit, and what of it is known when.

Training, scoring, serving, the worker, the ledger and the simulators all take it from here.

| | |
|---|---|
| base time | the time in the header of the nonce's block, rounded down to the minute |
| end | base time + horizon, in wall time |
| price at a moment | close of the newest one-minute candle that had closed by then |
| truth of `price` | price at the end, in the quote currency |
| truth of `log_return` | ln(price at the end / price at the base) |
| truth of `volatility` | sample standard deviation (ddof 1) of the interval's one-minute log returns × √(horizon in minutes) |

Source: the network's builder kit and forum (thread 116), read in November 2026. The kit's README leaves the root out by mistake;
the kit's code and the reputers do not. The submission window lies inside the interval: some of the truth is known when an answer is
made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from node.durations import MINUTE_MS, Duration
from node.topics import Target, Task

PriceAt = Callable[[int], float | None]
"""Price at a whole minute (UTC milliseconds): the close of the candle that opened a minute before; None where there is none."""


def base_time(nonce_time_ms: int) -> int:
    """When the interval of a nonce begins; `nonce_time_ms` is the time in its block's header. Both in milliseconds UTC."""
    return nonce_time_ms - nonce_time_ms % MINUTE_MS


def priced_by(moment_ms: int) -> int:
    """Open time of the one-minute candle whose close is the price at a moment."""
    return base_time(moment_ms) - MINUTE_MS


def minutes(horizon: Duration) -> float:
    """A horizon in minutes."""
    return horizon.ms / MINUTE_MS


def unit(target: Target, steps: float) -> float:
    """By what to multiply a volatility per bar, measured on `steps` bars a horizon, for the network's unit; 1 for other targets."""
    return math.sqrt(steps) if target is Target.VOLATILITY else 1.0


def volatility(log_returns: Iterable[float], *, minutes: float) -> float:
    """Volatility of an interval in the network's unit, from its one-minute log returns (two at least)."""
    returns = list(log_returns)
    mean = math.fsum(returns) / len(returns)
    squares = math.fsum((each - mean) ** 2 for each in returns)
    return math.sqrt(squares / (len(returns) - 1)) * unit(Target.VOLATILITY, minutes)


@dataclass(frozen=True, slots=True)
class TopicInterval:
    """What a nonce asks about: `base_ms` to `end_ms`, milliseconds UTC."""

    task: Task
    base_ms: int

    @classmethod
    def of_nonce(cls, task: Task, nonce_time_ms: int) -> TopicInterval:
        """The interval of the nonce whose block has this time in its header."""
        return cls(task, base_time(nonce_time_ms))

    @property
    def end_ms(self) -> int:
        return self.base_ms + self.task.horizon.ms

    @property
    def moments(self) -> range:
        """The minutes whose prices decide the truth, oldest first."""
        match self.task.target:
            case Target.PRICE:
                return range(self.end_ms, self.end_ms + 1, MINUTE_MS)
            case Target.LOG_RETURN:
                return range(self.base_ms, self.end_ms + 1, self.task.horizon.ms)
            case Target.VOLATILITY:
                return range(self.base_ms, self.end_ms + 1, MINUTE_MS)

    def known_moments(self, now_ms: int) -> range:
        """Those of `moments` whose price is known at `now_ms`: their minute has ended."""
        return range(self.moments.start, min(self.moments.stop, now_ms + 1), self.moments.step)

    def truth(self, price_at: PriceAt) -> Truth:
        """What came of it, as far as prices are known."""
        prices = {moment: price_at(moment) for moment in self.moments}
        known = [price for price in prices.values() if price is not None]
        missing = tuple(moment for moment, price in prices.items() if price is None)
        return Truth(None if missing else _value(self.task, known), missing)


@dataclass(frozen=True, slots=True)
class Truth:
    """`value` in the network's unit; None if the prices at the moments `missing` (milliseconds UTC) are not known."""

    value: float | None
    missing: tuple[int, ...] = ()


def _value(task: Task, prices: list[float]) -> float:
    match task.target:
        case Target.PRICE:
            return prices[0]
        case Target.LOG_RETURN:
            return math.log(prices[1] / prices[0])
        case Target.VOLATILITY:
            return volatility((math.log(after / before) for before, after in pairwise(prices)), minutes=minutes(task.horizon))
