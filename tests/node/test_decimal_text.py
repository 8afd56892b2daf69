from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.decimal_text import decimal_text
from node.errors import ForecastError


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_served_number_means_exactly_the_forecast_in_plain_decimals(value: float) -> None:
    if value != 0 and not 1e-40 <= abs(value) < 1e41:
        with pytest.raises(ForecastError):
            decimal_text(value)
        return
    text = decimal_text(value)
    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)
    assert re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (64000.5, "64000.5"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (-3e-5, "-0.00003"),
        (1e22, "10000000000000000000000"),
        (0.0, "0.0"),
        (5, "5.0"),
    ],
)
def test_numbers_look_as_people_write_them(value: float, text: str) -> None:
    assert decimal_text(value) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e41, 9e-41])
def test_what_the_network_cannot_take_is_refused(value: float) -> None:
    with pytest.raises(ForecastError):
        decimal_text(value)
