"""How far to trust an answer: the factor by which it is shrunk towards the baseline.

Fitted on forecasts of what the answering part had not learned from. On scaled targets z and answers f, least squares without
intercept gives λ = Σfz / Σf². Without evidence beyond c standard errors the factor is 0 and the forecast exactly the baseline;
beyond, it is λ·(1 - (se/λ)²), cut to [0, 1], which errs least in squares when λ itself is uncertain.

For any other loss, λ is where its mean is least, and the evidence is the slope at λ = 0 against its standard error.

Returns hardly follow from anything, so the factor that looks best there is mostly luck. They get the lower bound λ - d·se, which is
zero up to d standard errors and grows from there without a jump: skill that is barely proven moves a forecast barely.

A log return is paid by the logarithm of a loss that hardly punishes going too far, and that calls for far more trust than a mean of
squares does. Neither is the aim itself, for a worker is paid for what the network's loss would be without it. So a return's factor
is half of the lower bound that the loss as scored calls for, where that is more than all the others together allow.

Source: L. Breiman, "Better subset regression using the nonnegative garrote", 1995.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np

from forecasting.arrays import Floats
from forecasting.evaluation.losses import Loss, as_scored, loss_of
from forecasting.evaluation.significance import variance_of_mean

CAUTION: Final = 2.0
"""Standard errors of evidence below which an answer is not believed at all."""

DOUBT: Final = 2.5
"""Standard errors that are taken off the factor of a return."""

SHARE_AS_SCORED: Final = 0.5
"""Of the factor that the loss as scored calls for: half way to the baseline, which squared errors call for. docs/forecasting.md has
what other shares gave."""

FACTORS: Final = np.linspace(0.0, 1.0, 41)
NUDGE: Final = 0.01

STRETCHES: Final = 12
HORIZONS_PER_STRETCH: Final = 20
ERROR_OF_MEDIAN: Final = 1.2533 * 1.4826
"""Standard error of the median of normal values, in their median distance from it over the root of their number."""


def fit_shrinkage(actual: Floats, answer: Floats, steps: int) -> float:
    """The factor in [0, 1] for answers [n] to scaled targets [n], on consecutive bars whose horizons overlap."""
    slope, evidence = _slope(actual, answer, steps)
    return float(np.clip(slope * (1 - evidence**-2), 0.0, 1.0)) if evidence > CAUTION else 0.0


def fit_cautious_shrinkage(actual: Floats, answer: Floats, scale: Floats, steps: int, losses: Iterable[str]) -> float:
    """The least of the lower bounds on the factors that these call for: squared error in scales, squared error as it is paid,
    where wild days count for more, and each of `losses`. Truth and answer [n] in scales [n], as `Loss` has them."""
    factors = [_lower_bound(*_slope(actual, answer, steps)), _lower_bound(*_slope(actual * scale, answer * scale, steps))]
    for name in set(losses) - {"mse"}:
        if min(factors) > 0:
            factors.append(_lower_bound(*_best_for(loss_of(name), actual, answer, np.ones_like(actual), steps)))
    return min(factors)


def fit_scored_shrinkage(actual: Floats, answer: Floats, sigma: Floats, steps: int, loss: str) -> float:
    """The share of the lower bound on the factor that a loss calls for as the chain scores it.

    Truth and answer [n] are log returns away from the baseline, `sigma` [n] what reputers measure them in, NaN where it is not
    known.
    """
    known = np.isfinite(sigma)
    if known.sum() < HORIZONS_PER_STRETCH * steps:
        return 0.0
    factor, evidence = _best_for(as_scored(loss), actual[known], answer[known], sigma[known], steps)
    return SHARE_AS_SCORED * _lower_bound(factor, evidence)


def fit_level_offset(actual: Floats, forecast: Floats, steps: int) -> float:
    """What to add to forecasts of logs [n] so that their exponentials err least in squares.

    The exponential of an expected log lies below the expected level. By how much is told by the median over stretches of the time
    in which the forecasts were walked forward: a single wild week would decide a mean of squares. It is believed as far as the
    stretches agree; 0 where these would be too short to say anything.
    """
    if len(actual) < STRETCHES * HORIZONS_PER_STRETCH * steps:
        return 0.0
    level, said = np.exp(actual), np.exp(forecast)
    pieces = np.array_split(np.arange(len(actual)), STRETCHES)
    needed = np.log([float(np.sum(said[piece] * level[piece]) / np.sum(said[piece] ** 2)) for piece in pieces])
    middle = float(np.median(needed))
    error = ERROR_OF_MEDIAN * float(np.median(np.abs(needed - middle))) / math.sqrt(STRETCHES)
    return middle * (1 - (error / middle) ** 2) if abs(middle) > error else 0.0


def _slope(actual: Floats, answer: Floats, steps: int) -> tuple[float, float]:
    """The least-squares factor, and its evidence in standard errors; zero without any."""
    size = float(np.mean(answer**2))
    if len(actual) < 2 or size == 0 or not math.isfinite(size):
        return 0.0, 0.0
    slope = float(np.mean(answer * actual)) / size
    if slope <= 0:
        return 0.0, 0.0
    error = math.sqrt(variance_of_mean(answer * (actual - slope * answer), steps)) / size
    return slope, slope / error if error > 0 else math.inf


def _best_for(loss: Loss, actual: Floats, answer: Floats, scale: Floats, steps: int) -> tuple[float, float]:
    """The factor that a loss calls for, and its evidence in standard errors."""
    at_zero = loss(actual, 0 * answer, scale)
    gain = (at_zero - loss(actual, NUDGE * answer, scale)) / NUDGE
    variance = variance_of_mean(gain, steps)
    if not gain.mean() > 0 or not variance > 0:
        return 0.0, 0.0
    best = FACTORS[int(np.argmin([float(loss(actual, factor * answer, scale).mean()) for factor in FACTORS]))]
    return float(best), float(gain.mean()) / math.sqrt(variance)


def _lower_bound(slope: float, evidence: float) -> float:
    return float(np.clip(slope * (1 - DOUBT / evidence), 0.0, 1.0)) if evidence > DOUBT else 0.0
