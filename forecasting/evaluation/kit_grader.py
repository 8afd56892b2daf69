"""The builder kit's newest grader of log returns: seven criteria on lower bounds, all of which a worker must meet to be promoted.

| criterion | is met where |
|---|---|
| effective samples | at least 20 |
| directional accuracy, an answer of exactly 0 being a miss | one-sided 95 % lower bound above 0.5 |
| Pearson's r | lower end of Fisher's 95 % interval above 0 |
| weighted RMSE gain: part of the RMSE of answering 0 that is saved, truths weighted by size | one-sided 95 % lower bound above 0 |
| weighted CZAR gain: the same of CZAR at α = 0 and τ = 0.1, σ the truths' own deviation | one-sided 95 % lower bound above 0 |
| log aspect ratio: log10 of the forecasts' deviation over the truths' | value ± one standard error overlaps −0.5 to 0.5 |
| participation: submissions of the nonces there were | above 0.9 |

Effective samples are n / `steps` where nothing is known of gaps; else n / (1 + 2 Σρ), ρ the autocorrelations of the truths at the
lags below `steps` that exceed 1.96 / √pairs. Truths of 0 do not count among them. Beyond a horizon of 20 minutes they count for
√(horizon / 20 minutes) times as many where accuracy and gains are bounded. The accuracy's bound is that of a score interval,
corrected by half a sample; standard errors of gains and of the aspect ratio are those of their influence functions. Letters are
those of `forecasting.evaluation.direction`.

Source: the kit's public code, read in November 2026, which says that it follows the network's own metrics of workers. It is for
log returns alone, so volatilities have no such criteria here. Our reading: the participation of a ledger is counted between the
first and the last nonce that it knows of, and what the worker took counts as submitted.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

import numpy as np

from forecasting.arrays import Floats, Integers
from forecasting.evaluation.direction import Check, Checks, Rule
from forecasting.evaluation.losses import czar_graded
from node.durations import MINUTE_MS, Duration

ONE_SIDED: Final = NormalDist().inv_cdf(0.95)
TWO_SIDED: Final = NormalDist().inv_cdf(0.975)
SIGNIFICANT: Final = 1.96
ANCHOR_MS: Final = 20 * MINUTE_MS
LEAST_VARIANCE: Final = 1e-12
MAX_CORRELATION: Final = 0.9999
SIGMA_STEP: Final = 1e-4
ASPECT_RATIO: Final = 0.5
LEAST_ROWS: Final = 3
"""Of fewer no figure is made but accuracy."""

Estimate = tuple[float, float]
"""A figure and its standard error; NaN where there is none."""
_NONE: Final[Estimate] = (math.nan, math.nan)


def promotion_of(
    actual: Floats,
    forecast: Floats,
    *,
    steps: int = 1,
    horizon: Duration | None = None,
    epochs: Integers | None = None,
    participation: float = 1.0,
) -> Checks:
    """The seven criteria, of log returns [n] with one horizon spanning `steps` epochs.

    `epochs` [n] are the ascending numbers of the epochs that the rows belong to; without them rows are taken for neighbours. A
    horizon that is not given counts as 20 minutes or less.
    """
    effective = effective_samples(actual, steps, epochs)
    stretch = math.sqrt(max(1.0, horizon.ms / ANCHOR_MS)) if horizon else 1.0
    of_rmse = _bound(rmse_gain(actual, forecast, effective), stretch)
    of_czar = _bound(czar_gain(actual, forecast, effective), stretch)
    return Checks(
        (
            Check.of("effective samples", effective, Rule.AT_LEAST, 20.0),
            Check.of("directional accuracy, low", accuracy_low(actual, forecast, effective * stretch), Rule.ABOVE, 0.5),
            Check.of("Pearson's r, low", correlation_low(actual, forecast, effective), Rule.ABOVE, 0.0),
            Check.of("weighted RMSE gain, low", of_rmse, Rule.ABOVE, 0.0),
            Check.of("weighted CZAR gain, low", of_czar, Rule.ABOVE, 0.0),
            _aspect_check(*log_aspect_ratio(actual, forecast, effective)),
            Check.of("participation", participation, Rule.ABOVE, 0.9),
        )
    )


def effective_samples(actual: Floats, steps: int, epochs: Integers | None = None) -> float:
    """How many independent truths these are worth, 1 at least."""
    directed = actual != 0
    values = actual[directed]
    if len(values) < LEAST_ROWS:
        return max(1.0, float(len(values)))
    if epochs is None:
        return max(1.0, len(values) / steps)
    places = epochs[directed]
    total = math.fsum(_significant(*_autocorrelation(values, places, lag)) for lag in range(1, steps))
    return max(1.0, len(values) / (1 + 2 * total))


def _autocorrelation(values: Floats, places: Integers, lag: int) -> tuple[float, int]:
    """Correlation of the pairs that lie exactly `lag` epochs apart, and how many there are; 0 of none."""
    _, earlier, later = np.intersect1d(places + lag, places, assume_unique=True, return_indices=True)
    first, second = values[earlier], values[later]
    if len(first) == 0:
        return 0.0, 0
    first, second = first - first.mean(), second - second.mean()
    size = math.sqrt(float(first @ first) * float(second @ second))
    return (float(first @ second) / size, len(first)) if size > 0 else (0.0, 0)


def _significant(rho: float, pairs: int) -> float:
    return rho if pairs and rho > SIGNIFICANT / math.sqrt(pairs) else 0.0


def accuracy_low(actual: Floats, forecast: Floats, effective: float) -> float:
    """Lower bound of the directional accuracy; NaN where no truth has a direction."""
    directed = actual != 0
    if not directed.any():
        return math.nan
    accuracy = float(np.mean(actual[directed] * forecast[directed] > 0))
    if accuracy == 0 or effective == 1:
        return 0.0
    # The p whose own normal distribution has the corrected accuracy at its 95th percentile.
    square, corrected = ONE_SIDED**2 / effective, accuracy - 0.5 / effective
    inside = (2 * corrected + square) ** 2 - 4 * (1 + square) * corrected**2
    return max((2 * corrected + square - math.sqrt(inside)) / (2 * (1 + square)), 0.0) if inside >= 0 else 0.0


def correlation_low(actual: Floats, forecast: Floats, effective: float) -> float:
    """Lower end of Fisher's interval of Pearson's r; NaN where there is no correlation or there are three samples or fewer."""
    samples = min(float(len(actual)), effective)
    if samples <= LEAST_ROWS or np.ptp(actual) == 0 or np.ptp(forecast) == 0:
        return math.nan
    r = float(np.clip(np.corrcoef(forecast, actual)[0, 1], -MAX_CORRELATION, MAX_CORRELATION))
    return math.tanh(math.atanh(r) - TWO_SIDED / math.sqrt(samples - LEAST_ROWS))


def rmse_gain(actual: Floats, forecast: Floats, effective: float) -> Estimate:
    """Of the weighted RMSE, as a part of that of answering 0."""
    if len(actual) < LEAST_ROWS:
        return _NONE
    weight = np.abs(actual)
    of_zero, own = weight * actual**2, weight * (actual - forecast) ** 2
    base, mean = float(of_zero.mean()), float(own.mean())
    if base == 0:
        return 0.0, 0.0
    if mean == 0:
        return 1.0, 0.0
    ratio = math.sqrt(mean / base)
    influence = ratio / (2 * base) * (of_zero - base) - (own - mean) / (2 * math.sqrt(base * mean))
    return 1 - ratio, _error(influence, effective)


def czar_gain(actual: Floats, forecast: Floats, effective: float) -> Estimate:
    """Of the weighted mean CZAR, as a part of that of answering 0; its error knows that σ was estimated from the same truths."""
    if len(actual) < LEAST_ROWS:
        return _NONE
    centred = actual - actual.mean()
    sigma = math.sqrt(max(float(np.mean(centred**2)), LEAST_VARIANCE))

    def losses(said: Floats, scale: float) -> Floats:
        weighted: Floats = np.abs(actual) * czar_graded(actual, said, scale)
        return weighted

    nothing = np.zeros_like(actual)
    of_zero, own = losses(nothing, sigma), losses(forecast, sigma)
    base, mean = float(of_zero.mean()), float(own.mean())
    if base == 0:
        return 0.0, 0.0
    step = SIGMA_STEP * sigma + LEAST_VARIANCE
    slopes = [float(np.mean(losses(said, sigma + step) - losses(said, sigma - step))) / (2 * step) for said in (nothing, forecast)]
    by_base, by_mean = mean / base**2, -1 / base
    of_sigma = (centred**2 - float(np.mean(centred**2))) / (2 * sigma)
    influence = by_base * (of_zero - base) + by_mean * (own - mean) + (by_base * slopes[0] + by_mean * slopes[1]) * of_sigma
    return 1 - mean / base, _error(influence, effective)


def log_aspect_ratio(actual: Floats, forecast: Floats, effective: float) -> Estimate:
    """log10 of the forecasts' deviation over the truths'; no deviation counts as less than 1e-6."""
    if len(actual) < LEAST_ROWS:
        return _NONE
    squares = [(values - values.mean()) ** 2 for values in (forecast, actual)]
    variances = [max(float(each.mean()), LEAST_VARIANCE) for each in squares]
    parts = [(each - float(each.mean())) / variance for each, variance in zip(squares, variances, strict=True)]
    return math.log10(variances[0] / variances[1]) / 2, _error((parts[0] - parts[1]) / (2 * math.log(10)), effective)


def _aspect_check(ratio: float, error: float) -> Check:
    overlaps = ratio + error >= -ASPECT_RATIO and ratio - error <= ASPECT_RATIO
    return Check("log aspect ratio", None if math.isnan(ratio) else ratio, Rule.OVERLAPS, ASPECT_RATIO, passed=overlaps)


def _error(influence: Floats, effective: float) -> float:
    return float(influence.std(ddof=1)) / math.sqrt(max(1.0, effective))


def _bound(estimate: Estimate, stretch: float) -> float:
    value, error = estimate
    return value - ONE_SIDED * error / math.sqrt(stretch)
