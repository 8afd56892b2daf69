"""The weight by which a forecast is shrunk towards the baseline.

It is fitted on forecasts of what the model had not learned from. On scaled targets z and forecasts f, least squares without
intercept gives λ = Σfz / Σf². Without evidence beyond c standard errors the weight is 0 and the forecast exactly the baseline;
beyond, it is λ·(1 - (se/λ)²), cut to [0, 1], which errs least in squares when λ itself is uncertain.

For any other loss, λ is where its mean is least, and the evidence is the slope at λ = 0 against its standard error.

Returns hardly follow from anything, so the weight that looks best there is mostly luck. They get the lower bound λ - d·se, which is
zero up to d standard errors and grows from there without a jump: skill that is barely proven moves a forecast barely.

A log return is paid by the logarithm of a loss that hardly punishes going too far, and that calls for a far larger weight than a
mean of squares does. Neither is the aim itself, for a worker is paid for what the network's loss would be without it. So a return's
weight is half of the lower bound that the loss as scored calls for, where that is more than all the others together allow.

Sources: L. Breiman, "Better subset regression using the nonnegative garrote", 1995; N. Duan, "Smearing estimate: a nonparametric
retransformation method", 1983.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np

from forecasting.arrays import Floats
from forecasting.evaluation.losses import Loss, as_scored, loss_of
from forecasting.evaluation.significance import variance_of_mean

MIN_EVIDENCE_ERRORS: Final = 2.0
"""Standard errors of evidence below which a forecast is not believed at all."""

LOWER_BOUND_ERRORS: Final = 2.5
"""Standard errors that are taken off the weight of a return."""

SHARE_AS_SCORED: Final = 0.5
"""Of the weight that the loss as scored calls for: half way to the baseline, which squared errors call for. docs/forecasting.md has
what other shares gave."""

WEIGHTS: Final = np.linspace(0.0, 1.0, 41)
NUDGE: Final = 0.01

STRETCHES: Final = 12
HORIZONS_PER_STRETCH: Final = 20
ERROR_OF_MEDIAN: Final = 1.2533 * 1.4826
"""Standard error of the median of normal values, in their median distance from it over the root of their number."""


def fit_shrinkage(actual: Floats, forecast: Floats, steps: int) -> float:
    """The weight in [0, 1] for forecasts [n] to scaled targets [n], on consecutive bars whose horizons overlap."""
    slope, evidence = _slope(actual, forecast, steps)
    return float(np.clip(slope * (1 - evidence**-2), 0.0, 1.0)) if evidence > MIN_EVIDENCE_ERRORS else 0.0


def fit_cautious_shrinkage(actual: Floats, forecast: Floats, scale: Floats, steps: int, losses: Iterable[str]) -> float:
    """The least of the lower bounds on the weights that these call for: squared error in scales, squared error as it is paid,
    where wild days count for more, and each of `losses`. Actual and forecast [n] in scales [n], as `Loss` has them."""
    weights = [_lower_bound(*_slope(actual, forecast, steps)), _lower_bound(*_slope(actual * scale, forecast * scale, steps))]
    for name in set(losses) - {"mse"}:
        if min(weights) > 0:
            weights.append(_lower_bound(*_best_for(loss_of(name), actual, forecast, np.ones_like(actual), steps)))
    return min(weights)


def fit_scored_shrinkage(actual: Floats, forecast: Floats, sigma: Floats, steps: int, loss: str) -> float:
    """The share of the lower bound on the weight that a loss calls for as the chain scores it.

    Actual and forecast [n] are log returns away from the baseline, `sigma` [n] what reputers measure them in, NaN where it is not
    known.
    """
    known = np.isfinite(sigma)
    if known.sum() < HORIZONS_PER_STRETCH * steps:
        return 0.0
    weight, evidence = _best_for(as_scored(loss), actual[known], forecast[known], sigma[known], steps)
    return SHARE_AS_SCORED * _lower_bound(weight, evidence)


def fit_smearing_correction(actual: Floats, forecast: Floats, steps: int) -> float:
    """Return what to add to forecasts of logs [n] so that their exponentials err least in squares: the smearing correction.

    The exponential of an expected log lies below the expected level. By how much is told by the median over stretches of the time
    of the out-of-fold forecasts: a single wild week would decide a mean of squares. It is believed as far as the
    stretches agree; 0 where these would be too short to say anything.
    """
    if len(actual) < STRETCHES * HORIZONS_PER_STRETCH * steps:
        return 0.0
    level, predicted = np.exp(actual), np.exp(forecast)
    pieces = np.array_split(np.arange(len(actual)), STRETCHES)
    needed = np.log([float(np.sum(predicted[piece] * level[piece]) / np.sum(predicted[piece] ** 2)) for piece in pieces])
    middle = float(np.median(needed))
    error = ERROR_OF_MEDIAN * float(np.median(np.abs(needed - middle))) / math.sqrt(STRETCHES)
    return middle * (1 - (error / middle) ** 2) if abs(middle) > error else 0.0


def _slope(actual: Floats, forecast: Floats, steps: int) -> tuple[float, float]:
    """The least-squares weight, and its evidence in standard errors; zero without any."""
    size = float(np.mean(forecast**2))
    if len(actual) < 2 or size == 0 or not math.isfinite(size):
        return 0.0, 0.0
    slope = float(np.mean(forecast * actual)) / size
    if slope <= 0:
        return 0.0, 0.0
    error = math.sqrt(variance_of_mean(forecast * (actual - slope * forecast), steps)) / size
    return slope, slope / error if error > 0 else math.inf


def _best_for(loss: Loss, actual: Floats, forecast: Floats, scale: Floats, steps: int) -> tuple[float, float]:
    """The weight that a loss calls for, and its evidence in standard errors."""
    at_zero = loss(actual, 0 * forecast, scale)
    gain = (at_zero - loss(actual, NUDGE * forecast, scale)) / NUDGE
    variance = variance_of_mean(gain, steps)
    if not gain.mean() > 0 or not variance > 0:
        return 0.0, 0.0
    best = WEIGHTS[int(np.argmin([float(loss(actual, weight * forecast, scale).mean()) for weight in WEIGHTS]))]
    return float(best), float(gain.mean()) / math.sqrt(variance)


def _lower_bound(slope: float, evidence: float) -> float:
    return float(np.clip(slope * (1 - LOWER_BOUND_ERRORS / evidence), 0.0, 1.0)) if evidence > LOWER_BOUND_ERRORS else 0.0
