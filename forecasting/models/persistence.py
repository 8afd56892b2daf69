"""Persistence: the baseline of every target. The last price stays, and so does the volatility until now."""

from __future__ import annotations

from typing import Final

from forecasting.models.model import baseline_model
from node.topics import Target

MODEL: Final = baseline_model(*Target)
