"""Whether forecasts of direction are worth something: the seven checks of the network's builder kit, and a grade.

| check | passes at |
|---|---|
| directional accuracy | at least 0.52 |
| its lower bound (95 %) | at least 0.50 |
| its p against a coin | below 0.05 |
| Pearson r of forecast and outcome | at least 0.05 |
| its p | below 0.05 |
| RMSE, every outcome weighted by its size, beside that of zero | at least 5 % better |
| directional capture: part of all |z| that lies on the forecast's side, less the part that does not | at least 10 % |

Seven passed are an A, six a B, five a C, four a D, two or three an E, and less an F. Standard errors know that horizons overlap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from forecasting.bars import Floats
from forecasting.significance import variance_of_mean

TWO_SIDED: Final = 1.96
GRADES: Final = "FFEEDCBA"


@dataclass(frozen=True, slots=True)
class Direction:
    """How often and how strongly the forecast leaves the baseline on the truth's side; None where it never leaves it.

    `low` to `high` covers the accuracy in 95 % of samples; `p` is that of a coin being as accurate, `r_p` two-sided.
    """

    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    r: float | None = None
    r_p: float | None = None


@dataclass(frozen=True, slots=True)
class Checks:
    """How many of the seven are passed, and the grade."""

    passed: int

    @property
    def grade(self) -> str:
        return GRADES[self.passed]


def direction_of(move: Floats, said: Floats, steps: int) -> Direction:
    """Of truths and forecasts [n] as moves away from the baseline, horizons of `steps` bars overlapping.

    Moves of nothing at all have no direction and do not count.
    """
    counted = (move != 0) & (said != 0)
    if not counted.any():
        return Direction()
    hits = (np.sign(move[counted]) == np.sign(said[counted])).astype(np.float64)
    accuracy, error = float(hits.mean()), _standard_error(hits, steps)
    r, r_p = _correlation(move, said, steps)
    return Direction(
        accuracy=accuracy,
        low=max(0.0, accuracy - TWO_SIDED * error),
        high=min(1.0, accuracy + TWO_SIDED * error),
        p=_tail(_in_errors(accuracy - 0.5, error)),
        r=r,
        r_p=r_p,
    )


def checks_of(move: Floats, said: Floats, scale: Floats | None, steps: int) -> Checks:
    """The seven checks; `scale` [n] makes z of a move, and is taken for one where it is not given."""
    found = direction_of(move, said, steps)
    passes = [
        _at_least(found.accuracy, 0.52),
        _at_least(found.low, 0.50),
        found.p is not None and found.p < 0.05,
        _at_least(found.r, 0.05),
        found.r_p is not None and found.r_p < 0.05,
        _weighted_gain(move, said) >= 0.05,
        _capture(move if scale is None else move / scale, said) >= 0.10,
    ]
    return Checks(sum(passes))


def _weighted_gain(move: Floats, said: Floats) -> float:
    weight = np.abs(move)
    of_zero = float(np.sum(weight * move**2))
    return 1 - math.sqrt(float(np.sum(weight * (move - said) ** 2)) / of_zero) if of_zero > 0 else 0.0


def _capture(z: Floats, said: Floats) -> float:
    whole = float(np.abs(z).sum())
    return float(np.sum(np.sign(said) * z)) / whole if whole > 0 else 0.0


def _correlation(move: Floats, said: Floats, steps: int) -> tuple[float | None, float | None]:
    if len(move) < 3 or np.ptp(said) == 0 or np.ptp(move) == 0:
        return None, None
    products = _standardised(move) * _standardised(said)
    r, error = float(products.mean()), _standard_error(products, steps)
    return float(np.corrcoef(move, said)[0, 1]), math.erfc(_in_errors(abs(r), error) / math.sqrt(2))


def _standardised(values: Floats) -> Floats:
    standardised: Floats = (values - values.mean()) / values.std()
    return standardised


def _standard_error(values: Floats, steps: int) -> float:
    variance = variance_of_mean(values, steps)
    return math.sqrt(variance) if math.isfinite(variance) else math.inf


def _in_errors(value: float, error: float) -> float:
    """A value in standard errors; beyond all doubt where nothing varies."""
    if error > 0:
        return value / error
    return math.copysign(math.inf, value) if value != 0 else 0.0


def _at_least(value: float | None, bound: float) -> bool:
    return value is not None and value >= bound


def _tail(z: float) -> float:
    """One-sided p of a standard normal."""
    return math.erfc(z / math.sqrt(2)) / 2
