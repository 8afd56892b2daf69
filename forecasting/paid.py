"""What a topic pays for: moves away from the baseline, in log returns or in levels of volatility, and what is lost on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.bars import Floats
from forecasting.losses import SCALED, as_scored, loss_of
from forecasting.significance import diebold_mariano
from node.errors import ForecastError
from node.topics import Target


@dataclass(frozen=True, slots=True)
class Scored:
    """Means of a loss as scored, and their Diebold–Mariano statistic; None where nothing can be said."""

    own: float | None = None
    baseline: float | None = None
    dm: float | None = None


@dataclass(frozen=True, slots=True)
class Paid:
    """What a topic pays for, all [n]: the truth's and the forecast's moves away from the baseline, and their ordinary size."""

    move: Floats
    said: Floats
    scale: Floats | None

    is_return: bool

    @classmethod
    def of(
        cls, truth: Floats, forecast: Floats, baseline: Floats, scale: Floats | None, target: Target | None, unit: float = 1.0
    ) -> Paid:
        """Log returns as they are, logs of volatility as levels in units."""
        if target is not Target.VOLATILITY:
            return cls(truth - baseline, forecast - baseline, scale, True)
        level = np.exp(baseline) * unit
        scaled = None if scale is None else scale * level
        return cls(np.exp(truth) * unit - level, np.exp(forecast) * unit - level, scaled, False)

    def losses(self, name: str) -> tuple[Floats, Floats]:
        """The forecast's and the baseline's."""
        nothing = np.zeros_like(self.said)
        return _losses(self.move, self.said, name, self.scale), _losses(self.move, nothing, name, self.scale)

    def logarithms(self, name: str, sigma: Floats | None) -> tuple[Floats, Floats]:
        """The forecast's and the baseline's losses as scored, [m], of the forecasts whose σ is known if the loss needs one."""
        scale = sigma if self.is_return else self.scale
        if name in SCALED and scale is None:
            return np.empty(0), np.empty(0)
        divisor = np.ones_like(self.move) if scale is None else scale
        known = np.isfinite(divisor) if name in SCALED else np.ones(len(self.move), bool)
        move, said, divisor = self.move[known], self.said[known], divisor[known]
        loss = as_scored(name)
        return loss(move, said, divisor), loss(move, np.zeros_like(said), divisor)

    def scored(self, name: str, sigma: Floats | None, steps: int) -> Scored:
        """The means of those, and whether they differ."""
        own, of_baseline = self.logarithms(name, sigma)
        if len(own) == 0:
            return Scored()
        return Scored(float(own.mean()), float(of_baseline.mean()), diebold_mariano(own, of_baseline, steps).statistic)


def _losses(move: Floats, said: Floats, loss: str, scale: Floats | None) -> Floats:
    if scale is None and loss in SCALED:
        raise ForecastError(f"the loss {loss} is measured in scales; give them")
    return loss_of(loss)(move, said, np.ones_like(move) if scale is None else scale)
