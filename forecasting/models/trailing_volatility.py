"""Trailing volatility: the volatility over the span until now stays, which is the baseline of a volatility."""

from __future__ import annotations

from typing import Final

from forecasting.models.model import baseline_model
from node.topics import Target

MODEL: Final = baseline_model(Target.VOLATILITY)
