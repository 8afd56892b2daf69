"""Errors as a topic pays for them: deviations from the baseline in log returns or levels of volatility, and their losses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forecasting.arrays import Floats
from forecasting.evaluation.losses import LEAST_LOSS, SCALED, as_scored, loss_of
from forecasting.evaluation.significance import diebold_mariano
from node.errors import ForecastError
from node.topics import Target

EXACT: Final = math.log10(2 * LEAST_LOSS)
"""Logarithm of a loss of nothing, and a little."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Means of a loss as scored, and their Diebold–Mariano statistic; None where nothing can be said."""

    own: float | None = None
    baseline: float | None = None
    dm: float | None = None


@dataclass(frozen=True, slots=True)
class TopicErrors:
    """Deviations of the actual value and of the forecast from the baseline, all [n], and the ordinary size of such a deviation."""

    actual: Floats
    forecast: Floats
    scale: Floats | None
    is_return: bool

    @classmethod
    def of(
        cls, actual: Floats, forecast: Floats, baseline: Floats, scale: Floats | None, target: Target | None, unit: float = 1.0
    ) -> TopicErrors:
        """Log returns as they are, logs of volatility as levels in units."""
        if target is not Target.VOLATILITY:
            return cls(actual - baseline, forecast - baseline, scale, True)
        level = np.exp(baseline) * unit
        scaled = None if scale is None else scale * level
        return cls(np.exp(actual) * unit - level, np.exp(forecast) * unit - level, scaled, False)

    def losses(self, name: str) -> tuple[Floats, Floats]:
        """The forecast's and the baseline's."""
        nothing = np.zeros_like(self.forecast)
        return _losses(self.actual, self.forecast, name, self.scale), _losses(self.actual, nothing, name, self.scale)

    def logarithms(self, name: str, sigma: Floats | None) -> tuple[Floats, Floats]:
        """The forecast's and the baseline's losses as scored, [n]; NaN where the loss needs a σ that is not known."""
        scale = (sigma if self.is_return else self.scale) if name in SCALED else np.ones_like(self.actual)
        own, of_baseline = (np.full_like(self.actual, np.nan) for _ in range(2))
        if scale is not None:
            known, loss = np.isfinite(scale), as_scored(name)
            actual, forecast, scale = self.actual[known], self.forecast[known], scale[known]
            own[known] = loss(actual, forecast, scale)
            of_baseline[known] = loss(actual, np.zeros_like(forecast), scale)
        return own, of_baseline

    def scored(self, name: str, sigma: Floats | None, steps: int) -> Scored:
        """The means of those, and whether they differ."""
        own, of_baseline = self.logarithms(name, sigma)
        told = both_tell(own, of_baseline)
        own, of_baseline = own[told], of_baseline[told]
        if len(own) == 0:
            return Scored()
        return Scored(float(own.mean()), float(of_baseline.mean()), diebold_mariano(own, of_baseline, steps).statistic)


def both_tell(first: Floats, second: Floats) -> npt.NDArray[np.bool_]:
    """Where two series of losses as scored [n] can be compared: both known, and neither an exact hit.

    A single one, such as a price that stood still, would outweigh thousands of forecasts.
    """
    told: npt.NDArray[np.bool_] = np.minimum(first, second) > EXACT
    return told


def _losses(actual: Floats, forecast: Floats, loss: str, scale: Floats | None) -> Floats:
    if scale is None and loss in SCALED:
        raise ForecastError(f"the loss {loss} is measured in scales; give them")
    return loss_of(loss)(actual, forecast, np.ones_like(actual) if scale is None else scale)
