"""Scores of bare arrays, for tests that need nothing else of a series."""

from __future__ import annotations

from typing import Any

import numpy as np

from forecasting.arrays import Floats
from forecasting.evaluation.forecast_series import ForecastSeries
from forecasting.evaluation.scores import Comparison, Scores, compare_series
from node.durations import MINUTE_MS


def series(actual: Floats, forecast: Floats, baseline: Floats, steps: int, **more: Any) -> ForecastSeries:
    """A series at consecutive minutes."""
    times = more.pop("times", np.arange(len(actual)) * MINUTE_MS)
    return ForecastSeries(times, actual, forecast, baseline, more.pop("scale", None), steps, **more)


def score(actual: Floats, forecast: Floats, baseline: Floats, steps: int, loss: str, **more: Any) -> Scores:
    """The scores of a series."""
    return series(actual, forecast, baseline, steps, **more).score(loss)


def compare(actual: Floats, first: Floats, second: Floats, steps: int, loss: str) -> Comparison:
    """Two forecasters on the same actual values, without a baseline of their own."""
    nothing = np.zeros_like(actual)
    return compare_series(series(actual, first, nothing, steps), series(actual, second, nothing, steps), loss)
