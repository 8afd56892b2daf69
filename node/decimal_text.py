"""A number as the network reads it: a bare decimal that means exactly the same number again."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

from node.errors import ForecastError

MAX_EXPONENT: Final = 40
"""The network refuses decimal exponents beyond this."""


def decimal_text(value: float) -> str:
    """Plain decimal digits, without exponent, such that `float(text) == value`; ForecastError if the network cannot take it."""
    if not math.isfinite(value):
        raise ForecastError(f"the forecast {value} is not a finite number")
    number = Decimal(repr(float(value)))
    if value != 0 and abs(number.adjusted()) > MAX_EXPONENT:
        raise ForecastError(f"the forecast {value} is outside what the network can take")
    return f"{number:f}"
