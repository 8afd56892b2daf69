"""Prediction intervals: the errors between which the actual value lay half, four fifths and nine tenths of the time.

Errors are taken on walk-forward forecasts of the past, in multiples of each forecast's own scale, so that an interval is wide in a
wild hour and narrow in a calm one. Their empirical quantiles, with the correction for a finite sample, are the interval (split
conformal prediction): no distribution is assumed, and the two sides may differ.

How far off a forecast is depends on how wild the market is: after a wild hour, returns are smaller than the deviation before says,
and in a very calm one the log of volatility is hard to hit. A straight line in the log of the market's size says by how much.

Markets change between the errors that are counted and the forecasts that follow. So each stretch of the past is also asked how far
the interval of what lay before it would have had to be widened to hold as much as it promised, and the last one is widened so.
From there on the intervals follow the newest errors, as `forecasting.prediction.adaptive_conformal` says.

Sources: V. Vovk, A. Gammerman and G. Shafer, "Algorithmic learning in a random world", 2005; H. Papadopoulos, A. Gammerman and
V. Vovk, "Normalized nonconformity measures for regression conformal prediction", 2008.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np

from forecasting.arrays import Floats
from node.errors import ForecastError

LEVELS: Final = (50, 80, 90)
"""Percent of actual values that should lie inside."""


STRETCHES: Final = 6
SPREAD: Final = "spread"
MIN_SPREAD, MAX_SPREAD = 0.5, 2.0
"""Bounds of the factor by which the market's size changes an interval."""

MIN_HALF_WIDTH: Final = 1e-12
"""Half of an interval, in scales, that has no width at all."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """For each of LEVELS, what to add to a forecast in model space, in multiples of its scale and spread: (low, high).

    The spread is 1 + `slope` × (size - `centre`), within bounds, where the size is the log of what the market ordinarily does: the
    log of the scale for returns, the forecast itself for volatility.
    """

    errors: dict[int, tuple[float, float]]
    centre: float = 0.0
    slope: float = 0.0

    @classmethod
    def fit(cls, actual: Floats, forecast: Floats, scale: Floats) -> Self:
        """Fit on past forecasts [n] and the actual values."""
        error, size = (actual - forecast) / scale, _size(forecast, scale)
        centre, slope = float(size.mean()), 0.0
        spread, typical = float(size.var()), float(np.abs(error).mean())
        if spread > 0 and typical > 0:
            slope = float(np.mean((size - centre) * (np.abs(error) / typical - 1))) / spread
        shape = cls({}, centre, slope)
        return cls({level: _between(error / shape.spread(forecast, scale), level / 100) for level in LEVELS}, centre, slope)

    def spread(self, forecast: Floats, scale: Floats) -> Floats:
        """By what to multiply the errors of each forecast, [n]."""
        factor: Floats = np.clip(1 + self.slope * (_size(forecast, scale) - self.centre), MIN_SPREAD, MAX_SPREAD)
        return factor

    def scaled(self, interval_scales: Floats) -> Self:
        """The same with the interval of each of LEVELS so many times as wide [3], around its own middle, but never inside that of a
        narrower level."""
        edges = _scaled_edges(self.errors, interval_scales[np.newaxis])[0].tolist()
        errors = {level: (edges[2 * place], edges[2 * place + 1]) for place, level in enumerate(LEVELS)}
        return replace(self, errors=errors)

    def bounds(self, forecast: Floats, scale: Floats, interval_scales: Floats | None = None) -> Floats:
        """Low and high of each of LEVELS, shape [n, 6], in model space; widened as `scaled` does, by [n, 3]."""
        edges = _scaled_edges(self.errors, np.ones((1, len(LEVELS))) if interval_scales is None else interval_scales)
        reach = scale * self.spread(forecast, scale)
        return forecast[:, np.newaxis] + edges * reach[:, np.newaxis]

    def conformity_scores(self, actual: Floats, forecast: Floats, scale: Floats) -> Floats:
        """Return the scale at which each forecast's intervals would just have held the actual value, [n, 3]."""
        error = ((actual - forecast) / (scale * self.spread(forecast, scale)))[:, np.newaxis]
        low, high = np.array([self.errors[level] for level in LEVELS]).T
        conformity_scores: Floats = np.abs(error - (low + high) / 2) / np.maximum((high - low) / 2, MIN_HALF_WIDTH)
        return conformity_scores

    def to_dict(self) -> dict[str, list[float]]:
        """As plain JSON values: {"50": [low, high], …, "spread": [centre, slope]}."""
        return {str(level): list(pair) for level, pair in self.errors.items()} | {SPREAD: [self.centre, self.slope]}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; ForecastError if it is something else."""
        try:
            errors = {level: (float(content[str(level)][0]), float(content[str(level)][1])) for level in LEVELS}
            centre, slope = (float(value) for value in content.get(SPREAD, (0.0, 0.0)))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise ForecastError(f"not a model's intervals: {error}") from None
        finite = all(math.isfinite(value) for pair in (*errors.values(), (centre, slope)) for value in pair)
        if not finite or any(low > high for low, high in errors.values()):
            raise ForecastError("a model's intervals must be finite, low before high")
        return cls(errors, centre, slope)


def _scaled_edges(errors: dict[int, tuple[float, float]], interval_scales: Floats) -> Floats:
    """Low and high of each of LEVELS in scales, scaled by [n, 3]: shape [n, 6]."""
    low, high = np.array([errors[level] for level in LEVELS]).T
    middle, half = (low + high) / 2, (high - low) / 2 * interval_scales
    edges = np.stack((np.minimum.accumulate(middle - half, axis=1), np.maximum.accumulate(middle + half, axis=1)), axis=2)
    return edges.reshape(len(interval_scales), 2 * len(LEVELS))


def _size(forecast: Floats, scale: Floats) -> Floats:
    """Log of the market's size: a return's scale has all of it, and so does the log of a volatility, whose scale is 1."""
    size: Floats = np.log(scale) + forecast
    return size


def _between(errors: Floats, part: float) -> tuple[float, float]:
    """The interval that should hold this part of the errors to come, given those of the past [n] in the order of time."""
    low, high = _quantiles(errors, part)
    interval_scale = _fit_interval_scale(errors, part)
    middle, half = (low + high) / 2, (high - low) / 2
    return middle - half * interval_scale, middle + half * interval_scale


def _fit_interval_scale(errors: Floats, part: float) -> float:
    """By what the interval of everything before would have had to be multiplied, over the stretches of the past together."""
    stretches = [each for each in np.array_split(errors, STRETCHES) if len(each)]
    conformity_scores = []
    for number in range(1, len(stretches)):
        low, high = _quantiles(np.concatenate(stretches[:number]), part)
        if high > low:
            conformity_scores.append(np.abs(stretches[number] - (low + high) / 2) / ((high - low) / 2))
    return float(np.quantile(np.concatenate(conformity_scores), part)) if conformity_scores else 1.0


def _quantiles(errors: Floats, part: float) -> tuple[float, float]:
    """Return quantiles that leave the same small part of the errors on either side, one error further out than the sample's own."""
    count = len(errors)
    outside = (1 - part) / 2 * (count + 1) / count
    low, high = np.quantile(errors, (max(0.0, outside - 1 / count), min(1.0, 1 - outside + 1 / count)))
    return float(low), float(high)
