"""Exponentially weighted moving averages of returns and of their squares, regressed on.

Reference: J. P. Morgan and Reuters, "RiskMetrics technical document", 1996.
"""

from __future__ import annotations

from typing import Final

from forecasting.models.model import least_squares_model
from node.topics import Target

FEATURES: Final = ("log_decaying_volatility_10", "log_decaying_volatility_40", "decaying_return_10", "decaying_return_40")

MODEL: Final = least_squares_model(*FEATURES, targets=tuple(Target))
