"""Heterogeneous autoregression: the log of a volatility is regressed on those of several spans until now.

Reference: F. Corsi, "A simple approximate long-memory model of realized volatility", Journal of Financial Econometrics, 2009.
"""

from __future__ import annotations

from typing import Final

from forecasting.models.model import least_squares_model
from node.topics import Target

FEATURES: Final = tuple(f"log_standard_deviation_{span}" for span in (5, 15, 60, 240, 1440))

MODEL: Final = least_squares_model(*FEATURES, targets=(Target.VOLATILITY,), plain=True)
