"""Whether forecasts of direction are worth something: the seven checks of the network's builder kit and their letter, as the kit
computes them; and, apart from them, the figures of direction that this house stands for.

| check of the kit | passes at |
|---|---|
| directional accuracy: answers on the truth's side, of those whose truth is not 0; one of exactly 0 is a miss | at least 0.52 |
| its lower bound: Wilson's interval of 95 % over the effective samples | at least 0.50 |
| its p: one-sided z of a coin with a continuity correction, over the effective samples | below 0.05 |
| Pearson's r of forecast and truth | at least 0.05 |
| its two-sided p, by Student's t | below 0.05 |
| RMSE beside that of answering 0, every truth weighted by its size | at least 5 % better |
| directional capture ("CZAR improvement"): Σ|truth| on the forecast's side less Σ|truth| off it, of Σ|truth| | at least 10 % |

Effective samples are n (1 − ρ) / (1 + ρ), 2 at least, with ρ the lag-1 autocorrelation of the hits and 0 at least. Seven passed
are an A+, six an A, five a B+, four a B, three a C, two a D, and fewer an F. A figure that does not exist (a correlation with what
never varies) is what the kit makes of it, 0 with a p of 1. Source: the kit's public code, April 2026.

The kit takes its rows for one horizon apart, and overlap would flatter: of forecasts made every bar over a horizon of `steps` bars
it is given every `steps`-th.

The letter is the kit's. `direction_of` is ours: it uses every forecast, its standard errors know that horizons overlap, and an
answer of exactly 0 takes no side. The kit's newest grader is in `forecasting.evaluation.kit_grader`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from forecasting.arrays import Floats
from forecasting.evaluation.significance import variance_of_mean
from forecasting.evaluation.student_t import p_of_correlation

TWO_SIDED: Final = 1.96
GRADES: Final = ("F", "F", "D", "C", "B", "B+", "A", "A+")
"""By how many are passed."""
LEAST_EFFECTIVE: Final = 2.0


class Rule(StrEnum):
    """How a figure is held against its bound."""

    AT_LEAST = "≥"
    ABOVE = ">"
    BELOW = "<"
    OVERLAPS = "interval overlaps ±"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its figure (None where there is none, which passes nothing), what it needs, and whether it is passed."""

    name: str
    figure: float | None
    rule: Rule
    bound: float
    passed: bool

    @classmethod
    def of(cls, name: str, figure: float | None, rule: Rule, bound: float) -> Check:
        """A figure held against a bound; one that is not finite counts as none."""
        if figure is None or not math.isfinite(figure):
            return cls(name, None, rule, bound, passed=False)
        passed = {Rule.AT_LEAST: figure >= bound, Rule.ABOVE: figure > bound, Rule.BELOW: figure < bound}[rule]
        return cls(name, figure, rule, bound, passed)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"name": self.name, "figure": self.figure, "rule": self.rule.value, "bound": self.bound, "passed": self.passed}


@dataclass(frozen=True, slots=True)
class Checks:
    """Seven checks, how many of them are passed, and the letter."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> int:
        return sum(check.passed for check in self.checks)

    @property
    def grade(self) -> str:
        return GRADES[self.passed]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"grade": self.grade, "passed": self.passed, "checks": [check.to_dict() for check in self.checks]}


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


def checks_of(move: Floats, said: Floats, scale: Floats | None = None, steps: int = 1) -> Checks:
    """The kit's seven of truths and forecasts [n] as moves away from the baseline, horizons of `steps` bars overlapping.

    `scale` [n] changes nothing: the kit divides all of a series by one deviation, which falls out of every figure.
    """
    actual, forecast = move[::steps], said[::steps]
    accuracy, low, p = _hits(actual, forecast)
    r, r_p = _pearson(actual, forecast)
    return Checks(
        (
            Check.of("directional accuracy", accuracy, Rule.AT_LEAST, 0.52),
            Check.of("its lower bound", low, Rule.AT_LEAST, 0.50),
            Check.of("its p", p, Rule.BELOW, 0.05),
            Check.of("Pearson's r", r, Rule.AT_LEAST, 0.05),
            Check.of("its p", r_p, Rule.BELOW, 0.05),
            Check.of("weighted RMSE gain", _weighted_gain(actual, forecast), Rule.AT_LEAST, 0.05),
            Check.of("directional capture", _capture(actual, forecast), Rule.AT_LEAST, 0.10),
        )
    )


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


def _hits(actual: Floats, forecast: Floats) -> tuple[float, float, float]:
    """The kit's directional accuracy, its lower bound and its p; a coin's where no truth has a direction."""
    directed = actual != 0
    if not directed.any():
        return 0.5, 0.0, 1.0
    hits = (np.sign(actual[directed]) == np.sign(forecast[directed])).astype(np.float64)
    accuracy, effective = float(hits.mean()), _effective(hits)
    z = (accuracy - 0.5 - 0.5 / effective) / math.sqrt(0.25 / effective)
    return accuracy, _wilson_low(accuracy, effective), _tail(max(z, 0.0))


def _effective(hits: Floats) -> float:
    """How many independent hits and misses as many as these are worth."""
    if len(hits) <= LEAST_EFFECTIVE:
        return float(len(hits))
    before, after = hits[:-1], hits[1:]
    varies = np.ptp(before) > 0 and np.ptp(after) > 0
    rho = max(float(np.corrcoef(before, after)[0, 1]), 0.0) if varies else 0.0
    return max(len(hits) * (1 - rho) / (1 + rho), LEAST_EFFECTIVE)


def _wilson_low(part: float, count: float) -> float:
    """Lower bound of Wilson's interval (E. B. Wilson, "Probable inference", 1927)."""
    square = TWO_SIDED**2 / count
    margin = TWO_SIDED * math.sqrt(part * (1 - part) / count + square / (4 * count))
    return (part + square / 2 - margin) / (1 + square)


def _pearson(actual: Floats, forecast: Floats) -> tuple[float, float]:
    if len(actual) < 2 or np.ptp(actual) == 0 or np.ptp(forecast) == 0:
        return 0.0, 1.0
    r = float(np.corrcoef(actual, forecast)[0, 1])
    return r, p_of_correlation(r, len(actual))


def _weighted_gain(actual: Floats, forecast: Floats) -> float:
    weight = np.abs(actual)
    of_zero = float(np.sum(weight * actual**2))
    return 1 - math.sqrt(float(np.sum(weight * (actual - forecast) ** 2)) / of_zero) if of_zero > 0 else 0.0


def _capture(actual: Floats, forecast: Floats) -> float:
    if len(actual) == 0 or np.ptp(actual) == 0:
        return 0.0
    size = np.abs(actual)
    return float(np.where(np.sign(actual) == np.sign(forecast), size, -size).sum() / size.sum())


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


def _tail(z: float) -> float:
    """One-sided p of a standard normal."""
    return math.erfc(z / math.sqrt(2)) / 2
