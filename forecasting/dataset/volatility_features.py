"""Features of the volatility to come that bend where a regression on plain ones would not.

Volatility at several scales goes into a regression as logs. How far the short scale stands from the long one (a gap) matters more
when it is wide, more upwards than downwards, and not alike at all hours; hence products of gaps with each other and with the time
of day. Boosted trees find the same and cost more.

Sources: U. A. Müller and others, "Volatilities of different time resolutions", 1997 (scales beside each other); T. G. Andersen and
T. Bollerslev, "Intraday periodicity and volatility persistence in financial markets", 1997 (time of day and volatility together);
L. Forsberg and E. Ghysels, "Why do absolute returns predict volatility so well?", 2007 (mean sizes).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Final

import numpy as np

from forecasting.arrays import Floats
from forecasting.dataset.bars import Bars, rolling_mean, standard_deviation
from forecasting.dataset.calendar_features import WAVES, phase
from node.durations import DAY_MS, HOUR_MS

Compute = Callable[[Bars], Floats]

MIN_RETURN_DEVIATION: Final = 1e-5
"""Deviation of a one-bar log return taken for a market that does not move at all; below one tick of most pairs."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Log of a market's size over few bars less that over many, and the bars before the first one that has it."""

    compute: Compute
    warm_up: int


def log_mean_size(bars: Bars, span: int) -> Floats:
    """Log of the deviation as the mean size of `span` returns tells it: less moved by one large return than their squares."""
    return np.log(np.maximum(rolling_mean(np.abs(bars.log_returns), span) * math.sqrt(np.pi / 2), MIN_RETURN_DEVIATION))


def log_standard_deviation(bars: Bars, span: int) -> Floats:
    """Log of the sample standard deviation over `span` bars: what volatility's baseline is over a horizon of that span."""
    return np.log(np.maximum(standard_deviation(bars, span), MIN_RETURN_DEVIATION))


def log_range(bars: Bars, span: int) -> Floats:
    """Log of Parkinson's volatility: what the ranges from low to high over `span` bars say of the deviation."""
    ranges: Floats = np.log(bars.high / bars.low)
    size: Floats = np.sqrt(rolling_mean(ranges**2, span) / (4 * np.log(2)))
    return np.log(np.maximum(size, MIN_RETURN_DEVIATION))


GAPS: Final = {
    "short": Gap(lambda bars: log_standard_deviation(bars, 15) - log_standard_deviation(bars, 240), 240),
    "long": Gap(lambda bars: log_standard_deviation(bars, 240) - log_standard_deviation(bars, 1440), 1440),
    "wide": Gap(lambda bars: log_standard_deviation(bars, 15) - log_standard_deviation(bars, 1440), 1440),
    "range": Gap(lambda bars: log_range(bars, 5) - log_range(bars, 60), 59),
}


def volatility_features() -> Iterator[tuple[str, Compute, int]]:
    """Name, function and warm-up of each."""
    for span in (5, 15, 60, 240):
        yield f"log_mean_size_{span}", _over(span), span
    for name, compute in (*_phases("hour", HOUR_MS, (1, 2, 3, 4)), *_phases("day", DAY_MS, (5, 6, 7, 8))):
        yield name, compute, 0
    for name in ("short", "long", "range"):
        yield f"{name}_gap_upwards", _upwards(GAPS[name].compute), GAPS[name].warm_up
    for first, second in combinations_with_replacement(("short", "long", "range"), 2):
        one, other = GAPS[first], GAPS[second]
        yield f"{first}_gap_times_{second}_gap", _product(one.compute, other.compute), max(one.warm_up, other.warm_up)
    for gap in ("wide", "long"):
        for name, compute in _phases("day", DAY_MS, (1, 2, 3)):
            yield f"{gap}_gap_times_{name}", _product(GAPS[gap].compute, compute), GAPS[gap].warm_up


def _phases(period: str, period_ms: int, times: tuple[int, ...]) -> list[tuple[str, Compute]]:
    return [(f"{period}_{name}_{each}", _phase_of(period_ms // each, wave)) for each in times for name, wave in WAVES.items()]


def _over(span: int) -> Compute:
    return lambda bars: log_mean_size(bars, span)


def _phase_of(period_ms: int, wave: Callable[[Floats], Floats]) -> Compute:
    return lambda bars: phase(bars, period_ms, wave)


def _product(first: Compute, second: Compute) -> Compute:
    return lambda bars: first(bars) * second(bars)


def _upwards(compute: Compute) -> Compute:
    return lambda bars: np.maximum(compute(bars), 0.0)
