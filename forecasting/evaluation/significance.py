"""How much of a mean is noise when neighbouring values overlap.

Forecasts made every bar over a horizon of h bars share most of their outcome with their neighbours, so their errors are correlated
over h - 1 bars at least, and a plain standard error would be several times too small.

Sources: F. X. Diebold and R. S. Mariano, "Comparing predictive accuracy", 1995; D. Harvey, S. Leybourne and P. Newbold, "Testing
the equality of prediction mean squared errors", 1997; W. K. Newey and K. D. West, "A simple, positive semi-definite,
heteroskedasticity and autocorrelation consistent covariance matrix", 1987.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from forecasting.arrays import Floats


@dataclass(frozen=True, slots=True)
class DieboldMariano:
    """Above zero: the first loss is smaller, the first forecaster better. `p` is two-sided, from the normal distribution."""

    statistic: float
    p: float


def variance_of_mean(values: Floats, steps: int) -> float:
    """Variance of the mean of n values whose horizons of `steps` bars overlap.

    The larger of two estimates: all correlations below the horizon at full weight (Diebold and Mariano), which forecasts that are
    right call for, and those up to twice the horizon and a bit with falling weight (Newey and West), which is never negative and
    sees the clusters that volatile hours form beyond the horizon.
    """
    count = len(values)
    if count < 2:
        return math.inf
    reach = min(count - 1, 2 * steps + round(count ** (1 / 3)))
    covariances = _autocovariances(values, reach)
    full = covariances[0] + 2 * covariances[1:steps].sum()
    weights = 1 - np.arange(1, reach + 1) / (reach + 1)
    falling = covariances[0] + 2 * (weights * covariances[1:]).sum()
    return float(max(full, falling, 0.0)) / count


def diebold_mariano(first: Floats, second: Floats, steps: int) -> DieboldMariano:
    """Compare two series of losses [n] on the same truths; equal series give statistic 0 and p 1."""
    difference = second - first
    mean, count = float(difference.mean()), len(difference)
    if not np.any(difference):
        return DieboldMariano(0.0, 1.0)
    variance = variance_of_mean(difference, steps)
    if variance <= 0 or not math.isfinite(variance):
        return DieboldMariano(0.0, 1.0)
    horizon = min(steps, count)
    # Harvey, Leybourne and Newbold: the plain statistic rejects too often when the horizon is long for the sample.
    correction = max((count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count, 0.0)
    statistic = mean / math.sqrt(variance) * math.sqrt(correction)
    return DieboldMariano(statistic, math.erfc(abs(statistic) / math.sqrt(2)))


def _autocovariances(values: Floats, reach: int) -> Floats:
    """Autocovariances at lags 0 to `reach`, each divided by n."""
    centred = values - values.mean()
    count = len(centred)
    return np.array([centred[lag:] @ centred[: count - lag] for lag in range(reach + 1)]) / count
