"""How far off forecasts have been: the errors between which the truth lay half, four fifths and nine tenths of the time.

Errors are taken on walk-forward forecasts of the past, in multiples of each forecast's own scale, so that an interval is wide in a
wild hour and narrow in a calm one. Their empirical quantiles, with the correction for a finite sample, are the interval (split
conformal prediction): no distribution is assumed, and the two sides may differ.

Source: V. Vovk, A. Gammerman and G. Shafer, "Algorithmic learning in a random world", 2005.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from forecasting.bars import Floats
from node.errors import ForecastError

LEVELS: Final = (50, 80, 90)
"""Percent of truths that should lie inside."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """For each of LEVELS, what to add to a forecast in model space, in multiples of its scale: (low, high)."""

    errors: dict[int, tuple[float, float]]

    @classmethod
    def fit(cls, truth: Floats, forecast: Floats, scale: Floats) -> Self:
        """From past forecasts [n] and what came of them."""
        return cls({level: _between((truth - forecast) / scale, level / 100) for level in LEVELS})

    def bounds(self, level: int, forecast: Floats, scale: Floats) -> tuple[Floats, Floats]:
        """Low and high, each [n], in model space."""
        low, high = self.errors[level]
        return forecast + low * scale, forecast + high * scale

    def coverage(self, level: int, truth: Floats, forecast: Floats, scale: Floats) -> float:
        """Part of the truths that lay inside."""
        low, high = self.bounds(level, forecast, scale)
        return float(np.mean((low <= truth) & (truth <= high)))

    def to_dict(self) -> dict[str, list[float]]:
        """As plain JSON values: {"50": [low, high], …}."""
        return {str(level): list(pair) for level, pair in self.errors.items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote; ForecastError if it is something else."""
        try:
            errors = {level: (float(content[str(level)][0]), float(content[str(level)][1])) for level in LEVELS}
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ForecastError(f"not a model's intervals: {error}") from None
        if not all(math.isfinite(low) and math.isfinite(high) and low <= high for low, high in errors.values()):
            raise ForecastError("a model's intervals must be finite, low before high")
        return cls(errors)


def _between(errors: Floats, part: float) -> tuple[float, float]:
    """The quantiles that leave the same small part of the errors on either side, one error further out than the sample's own."""
    count = len(errors)
    outside = (1 - part) / 2 * (count + 1) / count
    low, high = np.quantile(errors, (max(0.0, outside - 1 / count), min(1.0, 1 - outside + 1 / count)))
    return float(low), float(high)
