"""The way from now to a forecast, step by step, with the intervals around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from forecasting.dataset.signature import Signature
from forecasting.dataset.targets import from_model_space
from forecasting.prediction.conformal import Intervals
from forecasting.prediction.forecast import Forecast
from node.errors import ForecastError
from node.topics import Target


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step of a path, at the moment `time_ms` (UTC): the forecast and the intervals that should hold the actual value 50, 80
    and 90 times in a hundred, in the network's unit."""

    time_ms: int
    value: float
    low50: float
    high50: float
    low80: float
    high80: float
    low90: float
    high90: float


def compute_path(signature: Signature, intervals: Intervals, made: Forecast, steps: int) -> list[PathStep]:
    """Return the way to the horizon in `steps` equal steps (at least 1), the last of them the forecast itself.

    The model forecasts the horizon and nothing in between, so the steps before it follow from two plain rules. A return spreads
    evenly over time, and its error grows with the square root of time; for log_return a step is the return since now. A
    volatility at a step is that over the horizon's span up to then, known bars and coming ones: in squares it goes evenly from the
    trailing volatility to the forecast, and its error in logs grows with the square root of time.

    ForecastError if a step is not finite.
    """
    return [_path_step(signature, intervals, made, number / steps) for number in range(1, steps + 1)]


def _path_step(signature: Signature, intervals: Intervals, made: Forecast, part: float) -> PathStep:
    """The step after this part of the horizon, 0 < part <= 1."""
    end = made.log_return_or_log_vol
    middle = end * part
    if signature.target is Target.VOLATILITY:
        middle = math.log((1 - part) * math.exp(2 * made.baseline_in_model_space) + part * math.exp(2 * end)) / 2
    edges = intervals.bounds(np.array([end]), np.array([made.scale]))[0].tolist()
    places = [middle, *(middle + (edge - end) * math.sqrt(part) for edge in edges)]
    try:
        values = [from_model_space(signature.target, signature.steps, place, made.last_price) for place in places]
    except OverflowError:
        values = [math.inf]
    if not all(math.isfinite(value) for value in values):
        raise ForecastError(f"the path of {signature.task} leaves what numbers can say")
    start_ms = made.made_from + signature.interval.ms
    return PathStep(start_ms + round(part * signature.horizon.ms), *values)
