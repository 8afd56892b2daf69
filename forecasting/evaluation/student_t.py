"""Student's t distribution: how improbable a correlation is, without a statistics library.

Source: M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions", 26.5.8 (continued fraction of the incomplete beta
function) and 26.7.1 (its place in the t distribution); W. J. Lentz, "Generating Bessel functions in Mie scattering calculations
using continued fractions", 1976 (how the fraction is summed).
"""

from __future__ import annotations

import math
from typing import Final

_LARGEST_TERM_COUNT: Final = 10_000
_TINY: Final = 1e-300
_ENOUGH: Final = 1e-15


def two_sided_p(t: float, degrees: float) -> float:
    """Probability that a t of so many `degrees` of freedom (above 0) lies further from zero than `t`; good to eight digits."""
    if math.isinf(t):
        return 0.0
    square = t * t
    return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + square), square / (degrees + square))


def p_of_correlation(r: float, count: int) -> float:
    """Two-sided p of Pearson's r of `count` independent pairs from normal distributions; 1 where two pairs or fewer say nothing."""
    degrees = count - 2
    if degrees <= 0:
        return 1.0
    return 0.0 if abs(r) >= 1 else two_sided_p(r * math.sqrt(degrees / ((1 - r) * (1 + r))), degrees)


def incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """The regularised incomplete beta function I_x(a, b) for a, b > 0; `rest` is 1 - x, given so that no digit of it is lost."""
    if x <= 0:
        return 0.0
    if rest <= 0:
        return 1.0
    # The fraction converges fast on one side of the mean; the other side is its complement.
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, rest, x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    return math.exp(front) / a * _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction, from its beginning on, until a term changes nothing any more."""
    above, below = 1.0, 1.0 / _kept_from_zero(1 - (a + b) * x / (a + 1))
    value = below
    for m in range(1, _LARGEST_TERM_COUNT):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            below = 1 / _kept_from_zero(1 + term * below)
            above = _kept_from_zero(1 + term / above)
            value *= above * below
        if abs(above * below - 1) < _ENOUGH:
            break
    return value


def _kept_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
